//! The listeners: SMTP on the loopback addresses, admin on the pod's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mail_egress_smtp::reply::TOO_MANY_SESSIONS;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;

use crate::app::session;
use crate::message::submission::Submissions;

/// After accept failed (out of descriptors, mostly): long enough not to spin.
const REST: Duration = Duration::from_millis(100);

/// A port that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for {what} on {address}: {cause}{}", hint(what, cause))]
pub struct ListenError {
    what: &'static str,
    address: SocketAddr,
    cause: io::Error,
}

fn hint(what: &'static str, cause: &io::Error) -> &'static str {
    match (cause.kind(), what) {
        (io::ErrorKind::AddrInUse, "SMTP") => {
            "; choose another port: --smtp-port, or the annotation mail-egress.io/smtp-port on the pod"
        }
        (io::ErrorKind::AddrInUse, _) => {
            "; choose another port: --admin-address, or the annotation mail-egress.io/admin-port on the pod"
        }
        _ => "",
    }
}

/// Listens for SMTP on 127.0.0.1 and, where the host has IPv6, on ::1, both on the same port; 0
/// takes a free one. Never on any other address.
pub async fn smtp(port: u16) -> Result<Vec<TcpListener>, ListenError> {
    let first = bind("SMTP", (Ipv4Addr::LOCALHOST, port).into()).await?;
    let port = first.local_addr().map_or(port, |address| address.port());
    let second = match bind("SMTP", (Ipv6Addr::LOCALHOST, port).into()).await {
        Ok(listener) => Some(listener),
        Err(error) if lacks_ipv6(&error.cause) => {
            tracing::info!(cause = %error.cause, "no IPv6 here: SMTP is served on 127.0.0.1 alone");
            None
        }
        Err(error) => return Err(error),
    };
    Ok([first].into_iter().chain(second).collect())
}

/// Listens for metrics and health. `[::]` takes IPv4 too, and means 0.0.0.0 where there is no IPv6.
pub async fn admin(address: SocketAddr) -> Result<TcpListener, ListenError> {
    // on Linux, unless net.ipv6.bindv6only is set, which the probes do not survive: they ask 127.0.0.1
    const WHAT: &str = "metrics and health";
    match bind(WHAT, address).await {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && lacks_ipv6(&error.cause) => {
            tracing::info!(cause = %error.cause, "no IPv6 here: metrics and health are served on IPv4 alone");
            bind(WHAT, (Ipv4Addr::UNSPECIFIED, address.port()).into()).await
        }
        bound => bound,
    }
}

/// Whether binding an IPv6 address failed for want of IPv6; kernels say that in several ways.
fn lacks_ipv6(cause: &io::Error) -> bool {
    !matches!(cause.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|cause| ListenError { what, address, cause })
}

/// What every session holds: its place among the sessions, and the word that it is still there.
struct Ticket {
    submissions: Arc<Submissions>,
    _place: OwnedSemaphorePermit,
    _open: mpsc::Sender<()>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.submissions.metrics.sessions.dec();
    }
}

/// Accepts connections until the drain begins; then closes the listener. Each session holds a
/// clone of `open`, so that its receiver tells when all have ended.
pub async fn accept(
    listener: TcpListener,
    submissions: Arc<Submissions>,
    places: Arc<Semaphore>,
    open: mpsc::Sender<()>,
) {
    let mut drain = submissions.drain.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = drain.begun() => return,
        };
        match accepted {
            Ok((stream, peer)) if is_loopback(peer.ip()) => admit(stream, &submissions, &places, &open),
            // with route_localnet, neighbours on the link reach loopback addresses (CVE-2020-8558)
            Ok((_, peer)) => tracing::warn!(%peer, "a connection from elsewhere was closed"),
            Err(error) => rest_after(&error, "SMTP").await,
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn admit(
    stream: TcpStream,
    submissions: &Arc<Submissions>,
    places: &Arc<Semaphore>,
    open: &mpsc::Sender<()>,
) {
    let Ok(place) = Arc::clone(places).try_acquire_owned() else {
        submissions.metrics.sessions_refused.inc();
        let mut reply = Vec::new();
        TOO_MANY_SESSIONS.write_to(&mut reply);
        // a fresh socket has room for one line; if not, the app sees it closed
        let _ = stream.try_write(&reply);
        return;
    };
    submissions.metrics.sessions.inc();
    let ticket = Ticket { submissions: Arc::clone(submissions), _place: place, _open: open.clone() };
    tokio::spawn(async move {
        match session::serve(stream, Arc::clone(&ticket.submissions)).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Other => {
                tracing::error!(%error, "a session was ended because of a defect in the sidecar");
            }
            Err(error) => tracing::debug!(%error, "the app's connection broke"),
        }
        drop(ticket);
    });
}

/// Says that accepting failed, and rests, so that a lack of descriptors does not become a lack of
/// processor time.
pub(crate) async fn rest_after(error: &io::Error, listener: &str) {
    tracing::warn!(%error, listener, "cannot accept a connection");
    sleep(REST).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unspecified_ipv6_address_is_reached_by_ipv4_too() {
        let listener = admin("[::]:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok());
    }

    #[tokio::test]
    async fn a_port_in_use_is_no_lack_of_ipv6() {
        let first = admin("[::]:0".parse().unwrap()).await.unwrap();
        let taken = first.local_addr().unwrap();
        let error = admin(taken).await.unwrap_err();
        assert!(error.to_string().contains("--admin-address"), "{error}");
    }

    #[test]
    fn without_ipv6_the_socket_cannot_even_be_made() {
        const EAFNOSUPPORT: i32 = 97;
        assert!(lacks_ipv6(&io::Error::from_raw_os_error(EAFNOSUPPORT)));
        assert!(lacks_ipv6(&io::Error::from(io::ErrorKind::AddrNotAvailable)));
        assert!(!lacks_ipv6(&io::Error::from(io::ErrorKind::AddrInUse)));
    }
}
