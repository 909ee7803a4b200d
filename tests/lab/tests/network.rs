//! The lab's name server and its proxies, by the code that the programs dial with.

use std::net::SocketAddr;

use anyhow::ensure;
use mail_egress_entra::dial::{Deadline, Resolver, connect_through};
use mail_egress_entra::fault::{Fault, MxTrouble, Peer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PATIENCE, lab};
use crate::eventually::eventually;
use crate::lab::{Asked, Entry, NameFault, NameServer, Proxy, ProxyFault, ProxyKind};

fn resolver(server: &NameServer) -> Resolver {
    Resolver::with_name_servers(&[server.address()]).unwrap()
}

fn peer(host: &str) -> Peer {
    Peer { host: host.to_owned(), port: 25 }
}

async fn addresses(server: &NameServer, host: &str) -> Result<Vec<SocketAddr>, Fault> {
    resolver(server).addresses(&peer(host)).await
}

#[tokio::test]
async fn a_name_leads_by_its_aliases_to_addresses_of_both_families() {
    let server = NameServer::start().await.unwrap();
    server.add("mail.contoso.com", &Entry::Alias("mx.contoso.com".to_owned())).unwrap();
    server.add("mx.contoso.com", &Entry::Address("192.0.2.1".parse().unwrap())).unwrap();
    server.add("mx.contoso.com", &Entry::Address("2001:db8::1".parse().unwrap())).unwrap();
    let found = addresses(&server, "mail.contoso.com").await.unwrap();
    assert_eq!(found, ["192.0.2.1:25".parse().unwrap(), "[2001:db8::1]:25".parse().unwrap()]);
    server.forget("mx.contoso.com").unwrap();
    assert_eq!(addresses(&server, "mail.contoso.com").await, Err(Fault::NameNotFound));
    assert!(server.asked().contains(&"AAAA mail.contoso.com".to_owned()), "{:?}", server.asked());
}

#[tokio::test]
async fn what_is_too_long_for_udp_comes_by_tcp() {
    let server = NameServer::start().await.unwrap();
    for n in 0..12 {
        let host = format!("{n}-{}.mail.protection.outlook.com", "x".repeat(40));
        server.add("contoso.com", &Entry::Mx(n, host)).unwrap();
        server.add("contoso.com", &Entry::Text("y".repeat(200))).unwrap();
    }
    let found = resolver(&server).mail_exchangers("contoso.com").await.unwrap();
    assert_eq!(found.len(), 12);
    assert_eq!(server.asked(), ["MX contoso.com", "MX contoso.com"]);
}

#[tokio::test]
async fn a_domain_without_mail_and_a_server_in_trouble_are_told_apart() {
    let server = NameServer::start().await.unwrap();
    server.add("null.test", &Entry::Mx(0, ".".to_owned())).unwrap();
    let exchangers = async |domain| resolver(&server).mail_exchangers(domain).await;
    assert_eq!(exchangers("null.test").await, Err(Fault::Mx(MxTrouble::Null)));
    assert_eq!(exchangers("none.test").await, Err(Fault::Mx(MxTrouble::Missing)));
    server.misbehave(Some(NameFault::ServerFailure));
    assert!(matches!(exchangers("null.test").await, Err(Fault::NameServer(_))));
}

async fn through(proxy: &Proxy, host: &str) -> Result<TcpStream, Fault> {
    let proxy = proxy.url().parse().unwrap();
    let resolver = Resolver::system().unwrap();
    connect_through(&resolver, &peer(host), Some(&proxy), Deadline::after(PATIENCE)).await
}

#[tokio::test]
async fn a_proxy_leads_where_it_was_told_and_counts() {
    for kind in [ProxyKind::HttpConnect, ProxyKind::Socks5] {
        let lab = lab().await;
        let proxy = Proxy::start(kind).await.unwrap();
        proxy.lead("smtp.lab.test:25", lab.exchange().address());
        let mut connection = through(&proxy, "smtp.lab.test").await.unwrap();
        connection.write_all(b"QUIT\r\n").await.unwrap();
        let mut heard = String::new();
        connection.read_to_string(&mut heard).await.unwrap();
        assert!(heard.starts_with("220 ") && heard.contains("\r\n221 "), "{heard}");
        drop(connection);
        assert!(through(&proxy, "elsewhere.test").await.is_err());
        let asked = |target: &str, opened| Asked { target: target.to_owned(), opened };
        assert_eq!(proxy.asked(), [asked("smtp.lab.test:25", true), asked("elsewhere.test:25", false)]);
        let octets = u64::try_from("QUIT\r\n".len() + heard.len()).unwrap();
        eventually("what has passed is counted", PATIENCE, async || {
            ensure!(proxy.octets() == octets, "{kind:?}: {} of {octets}", proxy.octets());
            Ok(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_proxy_can_say_no_in_every_way() {
    for kind in [ProxyKind::HttpConnect, ProxyKind::Socks5] {
        for (fault, reason) in [
            (ProxyFault::Refuse, "ProxyRefused"),
            (ProxyFault::WantLogin, "ProxyWantsLogin"),
            (ProxyFault::NoWay, "ProxyFoundNoWay"),
            (ProxyFault::Drop, "ProxyUnreachable"),
            (ProxyFault::Greet, "ProxyProtocol"),
        ] {
            let proxy = Proxy::start(kind).await.unwrap();
            proxy.misbehave(fault);
            let found = through(&proxy, "smtp.lab.test").await.unwrap_err().relay(&peer("smtp.lab.test"));
            assert_eq!(found.reason, reason, "{kind:?} {fault:?}: {}", found.sentence());
        }
    }
}
