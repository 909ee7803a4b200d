//! From the relay's name to a TCP connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Names, Trouble};

/// For all addresses together, once the name is known.
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// A further address is tried while the one before is silent (RFC 8305 section 5 proposes 250 ms).
const STAGGER: Duration = Duration::from_millis(250);
/// More addresses are not tried; Exchange has up to eight.
const MOST_ADDRESSES: usize = 16;

/// Connects to the first address that answers. Name and connection have a time limit each.
pub(super) async fn dial(names: &Names, host: &str, port: u16) -> Result<TcpStream, Trouble> {
    let addresses = match names.addresses(host).await {
        Ok(addresses) => addresses,
        Err(cause) => return Err(Trouble::Name { host: host.to_owned(), cause }),
    };
    let stream = match timeout(CONNECT_TIME, first(addresses, port)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(refused)) => return Err(Trouble::Connect(refused)),
        Err(_elapsed) => return Err(Trouble::ConnectTimeout(format!("{host} port {port}"))),
    };
    // Nagle's algorithm with a delayed ACK costs 40 ms a message
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
    Ok(stream)
}

/// The first connection that comes about; the error names the last address that refused.
async fn first(addresses: Vec<IpAddr>, port: u16) -> Result<TcpStream, String> {
    let waiting = addresses.into_iter().take(MOST_ADDRESSES).map(|ip| SocketAddr::new(ip, port));
    let mut attempts = FuturesUnordered::new();
    let mut refusal = "no address".to_owned();
    for address in waiting {
        attempts.push(connect(address));
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(refused) => refusal = refused,
            },
            () = sleep(STAGGER) => {}
        }
    }
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => return Ok(stream),
            Err(refused) => refusal = refused,
        }
    }
    Err(refusal)
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let named = |error: io::Error| format!("{address}: {}", error.kind());
    TcpStream::connect(address).await.map_err(named)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hide_one_that_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = first(vec![ip("127.0.0.2"), ip("127.0.0.1")], port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().ip(), ip("127.0.0.1"));
    }

    #[tokio::test]
    async fn a_refusal_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        match dial(&Names::default(), "127.0.0.1", address.port()).await {
            Err(Trouble::Connect(why)) => assert_eq!(why, format!("{address}: connection refused")),
            other => panic!("{other:?}"),
        }
    }
}
