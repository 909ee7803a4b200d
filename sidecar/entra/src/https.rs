//! HTTPS from the client's side: one request on a connection of its own, every part of the answer
//! with its cap, and a redirect is an answer like any other.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use oauth2::url::Host;
pub use oauth2::url::Url;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::fault::{Fault, Peer, Phase};

/// Longest head that is read, in octets and in fields.
const MAX_HEAD: usize = 32 * 1024;
const MAX_FIELDS: usize = 64;

const AGENT: &str = concat!("mail-egress/", env!("CARGO_PKG_VERSION"));

/// A connection that was not used yet, and what must be awaited for anything to happen on it.
pub type Opened<C, B> = (http1::SendRequest<B>, http1::Connection<TokioIo<C>, B>);

/// The same TLS, for HTTP/1.1 alone. Sessions are resumed as before.
#[must_use]
pub fn alone(mut tls: ClientConfig) -> ClientConfig {
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls
}

/// A URL under which a service has its paths, and where that is. The error says what is wrong with the
/// URL, without repeating it.
pub fn base(text: &str) -> Result<(Url, Peer), &'static str> {
    if text.len() > 2048 {
        return Err("is longer than 2048 octets");
    }
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    let peer = peer(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("holds a query or a fragment");
    }
    Ok((url, peer))
}

/// Where a URL leads. The error says why it is not to be followed.
pub fn peer(url: &Url) -> Result<Peer, &'static str> {
    if url.scheme() != "https" {
        return Err("does not begin with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password");
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err("names no host"),
    };
    let port = url.port_or_known_default().filter(|port| *port != 0).ok_or("has no port")?;
    Ok(Peer { host, port })
}

/// Begins HTTP on a connection whose peer has proved its name.
pub async fn open<C, B>(connection: C) -> Result<Opened<C, B>, Fault>
where
    C: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
    builder.handshake(TokioIo::new(connection)).await.map_err(|e| fault(&e))
}

/// With the target in origin form and the fields that hyper leaves to its caller.
pub fn addressed<B>(request: Request<B>, peer: &Peer) -> Result<Request<B>, Fault> {
    let unfit = || Fault::Protocol("its URL does not fit into a request".to_owned());
    let (mut head, body) = request.into_parts();
    let host = match head.uri.authority() {
        Some(authority) => authority.to_string(),
        None => peer.to_string(),
    };
    head.headers.insert(HOST, HeaderValue::from_str(&host).map_err(|_| unfit())?);
    head.headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let target = head.uri.path_and_query().cloned().ok_or_else(unfit)?;
    head.uri = Uri::from(target);
    Ok(Request::from_parts(head, body))
}

/// The whole body of an answer; a longer one than `most` octets is a fault.
pub async fn capped(mut body: Incoming, most: usize) -> Result<Vec<u8>, Fault> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| fault(&e))?.into_data() else {
            continue; // trailers
        };
        if read.len() + data.len() > most {
            return Err(Fault::Protocol(format!("its answer is longer than {} KiB", most / 1024)));
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds or a date; 1 s to 1 h, whatever it says.
#[must_use]
pub fn retry_after(field: &str, now: Timestamp) -> Option<Duration> {
    const LEAST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_secs(3600);
    let field = field.trim();
    let wait = if !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit()) {
        field.parse().map_or(MOST, Duration::from_secs)
    } else {
        let until = DateTimeParser::new().parse_timestamp(field).ok()?;
        Duration::try_from(until.duration_since(now)).unwrap_or(LEAST)
    };
    Some(wait.clamp(LEAST, MOST))
}

/// What an error of hyper's says of the peer.
#[must_use]
pub fn fault(error: &hyper::Error) -> Fault {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match io {
        // In TLS 1.3 the server's objections come after our side of the handshake is done.
        Some(io) if io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => Fault::of_handshake(io),
        Some(_) => Fault::Closed(Phase::Answer),
        None if error.is_parse() => Fault::Protocol(format!(
            "its answer is no HTTP, or has a head of more than {} KiB",
            MAX_HEAD / 1024
        )),
        None => Fault::Closed(Phase::Answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let seconds = |field| retry_after(field, now).map(|wait| wait.as_secs());
        for (field, wait) in [
            ("60", Some(60)),
            (" 5 ", Some(5)),
            ("0", Some(1)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sun, 22 Nov 2026 10:02:00 GMT", Some(120)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(1)),
            ("Mon, 23 Nov 2026 10:00:00 GMT", Some(3600)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(seconds(field), wait, "{field}");
        }
    }
}
