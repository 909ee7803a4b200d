//! What a proxy hears and says before a way is open, on the wire.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ProxyKind;

/// Longest request that is read, in octets.
const MOST: usize = 8 * 1024;

/// How a proxy says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Forbidden,
    Login,
    NoWay,
}

/// The target of a CONNECT (RFC 9110 section 9.3.6), whose head must end where the octets do: a client
/// says nothing more before it has the answer.
pub(super) async fn hear_connect(near: &mut TcpStream) -> anyhow::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(near.read_buf(&mut head).await? > 0 && head.len() < MOST, "no whole request");
    }
    let head = String::from_utf8(head)?;
    let mut lines = head.split("\r\n");
    let request = lines.next().unwrap_or_default();
    let target = request
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.strip_suffix(" HTTP/1.1"))
        .with_context(|| format!("no CONNECT: {request}"))?;
    let hosts: Vec<&str> = lines.filter_map(|line| line.strip_prefix("Host: ")).collect();
    ensure!(hosts == [target], "the Host of {target} is {hosts:?}");
    Ok(target.to_owned())
}

/// The target of a SOCKS5 CONNECT (RFC 1928).
pub(super) async fn hear_socks5(near: &mut TcpStream) -> anyhow::Result<String> {
    ensure!(methods(near).await?.contains(&0), "it offers no way without authentication");
    near.write_all(&[5, 0]).await?;
    let mut request = [0; 4];
    near.read_exact(&mut request).await?;
    let [5, 1, 0, kind] = request else { bail!("no CONNECT: {request:?}") };
    let host = match kind {
        1 => Ipv4Addr::from_bits(near.read_u32().await?).to_string(),
        3 => {
            let mut name = vec![0; near.read_u8().await?.into()];
            near.read_exact(&mut name).await?;
            String::from_utf8(name)?
        }
        4 => format!("[{}]", Ipv6Addr::from_bits(near.read_u128().await?)),
        other => bail!("an address of the type {other}"),
    };
    Ok(format!("{host}:{}", near.read_u16().await?))
}

/// SOCKS5's way of asking who it is.
pub(super) async fn want_login(near: &mut TcpStream) -> anyhow::Result<()> {
    methods(near).await?;
    Ok(near.write_all(&[5, 0xff]).await?)
}

async fn methods(near: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    ensure!(near.read_u8().await? == 5, "no SOCKS5");
    let mut methods = vec![0; near.read_u8().await?.into()];
    near.read_exact(&mut methods).await?;
    Ok(methods)
}

pub(super) async fn open(near: &mut TcpStream, kind: ProxyKind) -> anyhow::Result<()> {
    let answer: &[u8] = match kind {
        ProxyKind::HttpConnect => b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy.lab.test\r\n\r\n",
        ProxyKind::Socks5 => &[5, 0, 0, 1, 127, 0, 0, 1, 0, 25],
    };
    Ok(near.write_all(answer).await?)
}

pub(super) async fn refuse(near: &mut TcpStream, kind: ProxyKind, refusal: Refusal) -> anyhow::Result<()> {
    let (status, reply) = match refusal {
        Refusal::Forbidden => ("403 Forbidden", 2),
        Refusal::Login => ("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"lab\"", 1),
        Refusal::NoWay => ("502 Bad Gateway", 4),
    };
    let page = "<html>the proxy of the lab says no</html>";
    let answer = match kind {
        ProxyKind::HttpConnect => {
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into_bytes()
        }
        ProxyKind::Socks5 => vec![5, reply, 0, 1, 0, 0, 0, 0, 0, 0],
    };
    Ok(near.write_all(&answer).await?)
}
