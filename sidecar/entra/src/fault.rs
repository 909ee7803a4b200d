//! What can go wrong between a host's name and its first octet of TLS, and what each means.

mod mx;
mod proxy;

use std::fmt;
use std::io;
use std::time::Duration;

use mail_egress_diagnosis::{Diagnosis, local, reason};

use crate::dial::{InvalidProxy, Proxy};
pub use mx::MxTrouble;
pub use proxy::ProxyTrouble;

/// Where a connection goes. `Display` is `host:port`, with brackets around an IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A DNS name, or an IP address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Why there is no connection, or no longer one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name servers know no address of this name.
    #[error("its name does not resolve")]
    NameNotFound,
    /// The domain's MX records lead nowhere.
    #[error("its domain {0}")]
    Mx(MxTrouble),
    /// The name servers gave no answer, or a useless one.
    #[error("the name servers cannot say: {0}")]
    NameServer(String),
    /// Somebody answered that nobody listens there.
    #[error("connection refused")]
    Refused,
    /// There is no way there.
    #[error("{0}")]
    Unreachable(String),
    /// A deadline has passed.
    #[error("no {phase} within {} s", .within.as_secs_f32())]
    Timeout {
        /// What was being waited for.
        phase: Phase,
        /// How long was allowed.
        within: Duration,
    },
    /// The certificate's issuer is not among the roots.
    #[error("its certificate is from an issuer that is not trusted")]
    CertificateUntrusted,
    /// The certificate is for other names.
    #[error("its certificate is for another name: {presented}")]
    CertificateName {
        /// The names that it is for.
        presented: String,
    },
    /// The certificate has ended or has not begun.
    #[error("its certificate {0}")]
    CertificateTime(String),
    /// The other side does not take the certificate that it was shown, or wants one.
    #[error("it does not take our client certificate, or wants one (TLS alert {0})")]
    OwnCertificate(String),
    /// TLS failed in another way.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The other side, or something between, ended the connection.
    #[error("the connection was closed before the {0}")]
    Closed(Phase),
    /// What was said is not the protocol that was expected.
    #[error("{0}")]
    Protocol(String),
    /// The proxy on the way gave none.
    #[error("the proxy {proxy} {trouble}")]
    Proxy {
        /// Which one.
        proxy: Proxy,
        /// What it said, or why it said nothing.
        trouble: ProxyTrouble,
    },
    /// What was to name the proxy does not.
    #[error("{named_by} {why}")]
    ProxyInvalid {
        /// The variable or field.
        named_by: String,
        /// What is wrong with it.
        why: InvalidProxy,
    },
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The answer of the name servers.
    Name,
    /// The TCP connection.
    Connection,
    /// The proxy's answer, which it gives once it has reached the peer.
    Proxy,
    /// The end of the TLS handshake.
    Handshake,
    /// The answer to what was asked.
    Answer,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "answer of the name servers",
            Self::Connection => "TCP connection",
            Self::Proxy => "answer of the proxy",
            Self::Handshake => "TLS handshake",
            Self::Answer => "whole answer",
        })
    }
}

impl Fault {
    /// The fault, where `peer` is Entra's login host.
    #[must_use]
    pub fn entra(&self, peer: &Peer) -> Diagnosis {
        let reason = match self {
            Self::NameNotFound | Self::NameServer(_) | Self::Mx(_) => reason::ENTRA_NAME_NOT_FOUND,
            Self::Refused | Self::Unreachable(_) | Self::Closed(_) => reason::ENTRA_UNREACHABLE,
            Self::Timeout { .. } => reason::ENTRA_TIMEOUT,
            Self::CertificateUntrusted
            | Self::CertificateName { .. }
            | Self::CertificateTime(_)
            | Self::OwnCertificate(_)
            | Self::Tls(_) => reason::ENTRA_TLS_FAILED,
            Self::Protocol(_) => reason::TOKEN_UNUSABLE,
            Self::Proxy { trouble, .. } => trouble.reason(),
            Self::ProxyInvalid { .. } => reason::PROXY_INVALID,
        };
        let found = local(reason);
        let found = match self {
            Self::CertificateUntrusted => found.with_fix(
                "put the issuer's certificate into spec.endpoint.caBundle of the EntraApp; at Microsoft's own login host, look for a proxy that opens TLS",
            ),
            Self::CertificateName { .. } => found.with_fix(
                "set spec.endpoint.loginURL of the EntraApp to a name in the certificate, or look for a proxy that opens TLS",
            ),
            Self::CertificateTime(_) => {
                found.with_fix("renew the certificate at the login host, and check the clock of the node")
            }
            Self::Tls(_) => found.with_fix(
                "check host and port in spec.endpoint.loginURL of the EntraApp; the login host must speak TLS 1.2 or newer",
            ),
            Self::NameNotFound
            | Self::NameServer(_)
            | Self::Mx(_)
            | Self::Refused
            | Self::Unreachable(_)
            | Self::Timeout { .. }
            | Self::OwnCertificate(_)
            | Self::Closed(_)
            | Self::Protocol(_)
            | Self::Proxy { .. }
            | Self::ProxyInvalid { .. } => found,
        };
        self.explain(found, "the login host", peer)
    }

    /// The fault, where `peer` is the token host of a provider other than Entra.
    #[must_use]
    pub fn token_host(&self, peer: &Peer) -> Diagnosis {
        let found = match self {
            Self::NameNotFound
            | Self::NameServer(_)
            | Self::Refused
            | Self::Unreachable(_)
            | Self::Timeout { .. }
            | Self::Closed(_)
            // nobody looks up its MX
            | Self::Mx(_) => local(reason::TOKEN_HOST_UNREACHABLE),
            Self::CertificateUntrusted
            | Self::CertificateName { .. }
            | Self::CertificateTime(_)
            | Self::OwnCertificate(_)
            | Self::Tls(_) => local(reason::TOKEN_HOST_TLS_FAILED),
            Self::Protocol(_) => local(reason::TOKEN_UNUSABLE)
                .with_fix("check the provider's token URL, and whether a proxy answers in its place"),
            Self::Proxy { trouble, .. } => local(trouble.reason()),
            Self::ProxyInvalid { .. } => local(reason::PROXY_INVALID),
        };
        self.explain(found, "the token host", peer)
    }

    /// The fault, where `peer` is the relay that mail goes to.
    #[must_use]
    pub fn relay(&self, peer: &Peer) -> Diagnosis {
        let reason = match self {
            Self::NameNotFound | Self::NameServer(_) => reason::UPSTREAM_NAME_NOT_FOUND,
            Self::Mx(trouble) => trouble.reason(),
            Self::Refused | Self::Unreachable(_) => reason::UPSTREAM_UNREACHABLE,
            Self::Timeout { .. } => reason::UPSTREAM_TIMEOUT,
            Self::CertificateUntrusted => reason::UPSTREAM_CERTIFICATE_UNTRUSTED,
            Self::CertificateName { .. } => reason::UPSTREAM_CERTIFICATE_NAME,
            Self::CertificateTime(_) => reason::UPSTREAM_CERTIFICATE_EXPIRED,
            Self::OwnCertificate(_) => reason::CLIENT_CERTIFICATE_REFUSED,
            Self::Tls(_) => reason::UPSTREAM_TLS_FAILED,
            Self::Closed(_) => reason::UPSTREAM_CLOSED,
            Self::Protocol(_) => reason::UPSTREAM_PROTOCOL,
            Self::Proxy { trouble, .. } => trouble.reason(),
            Self::ProxyInvalid { .. } => reason::PROXY_INVALID,
        };
        self.explain(local(reason), "the relay", peer)
    }

    /// From an error of `connect(2)`.
    #[must_use]
    pub fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::Unreachable("no answer to the TCP connection".to_owned()),
            _ => Self::Unreachable(error.to_string()),
        }
    }

    /// From an error of a TLS handshake.
    #[must_use]
    pub fn of_handshake(error: &io::Error) -> Self {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => Self::Closed(Phase::Handshake),
                _ => Self::Tls(error.to_string()),
            };
        };
        match tls {
            rustls::Error::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            rustls::Error::AlertReceived(alert) if is_about_our_certificate(*alert) => {
                Self::OwnCertificate(format!("{alert:?}"))
            }
            other => Self::Tls(other.to_string()),
        }
    }

    /// What the other side objects to in our certificate, from an error of reading. In TLS 1.3 it says so
    /// only after our side of the handshake is done.
    #[must_use]
    pub fn of_objection(error: &io::Error) -> Option<Self> {
        let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        match tls {
            rustls::Error::AlertReceived(alert) if is_about_our_certificate(*alert) => {
                Some(Self::of_handshake(error))
            }
            _ => None,
        }
    }

    fn of_certificate(error: &rustls::CertificateError) -> Self {
        use rustls::CertificateError as E;
        match error {
            // An issuer of the right name and another key: somebody else's, or a renewed CA.
            E::UnknownIssuer | E::BadSignature => Self::CertificateUntrusted,
            E::NotValidForName => Self::CertificateName { presented: "it names none".to_owned() },
            E::NotValidForNameContext { presented, .. } => {
                Self::CertificateName { presented: names(presented) }
            }
            E::Expired | E::ExpiredContext { .. } => Self::CertificateTime("has expired".to_owned()),
            E::NotValidYet | E::NotValidYetContext { .. } => {
                Self::CertificateTime("is not valid yet".to_owned())
            }
            other => Self::Tls(format!("its certificate cannot be used: {other}")),
        }
    }

    fn explain(&self, found: Diagnosis, role: &str, peer: &Peer) -> Diagnosis {
        found.with_cause(&format!("{role} {peer} cannot be used: {self}"))
    }
}

/// RFC 8446 section 6.2. No other certificate than ours can be meant: the server's own is judged here.
fn is_about_our_certificate(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as A;
    matches!(
        alert,
        A::NoCertificate
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            // a signature in it is wrong
            | A::DecryptError
            | A::CertificateRequired
    )
}

/// The first few, as a certificate can name hundreds.
fn names(presented: &[String]) -> String {
    const SHOWN: usize = 4;
    // rustls presents them in its own debug form: DnsName("a.test")
    let bare = |name: &String| {
        name.split_once('"')
            .and_then(|(_, rest)| rest.split_once('"'))
            .map_or(name.clone(), |(n, _)| n.into())
    };
    let shown: Vec<String> = presented.iter().take(SHOWN).map(bare).collect();
    match presented.len().saturating_sub(SHOWN) {
        0 if shown.is_empty() => "it names none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(host: &str) -> Peer {
        Peer { host: host.to_owned(), port: 587 }
    }

    #[test]
    fn a_peer_is_written_as_a_url_would() {
        let written = ["mx.test", "192.0.2.1", "2001:db8::1"].map(|host| peer(host).to_string());
        assert_eq!(written, ["mx.test:587", "192.0.2.1:587", "[2001:db8::1]:587"]);
    }

    #[test]
    fn each_side_has_its_own_reason_and_fix_and_the_same_cause() {
        let fault = Fault::Timeout { phase: Phase::Handshake, within: Duration::from_secs(5) };
        let (entra, relay) = (fault.entra(&peer("a.test")), fault.relay(&peer("a.test")));
        assert_eq!((entra.reason, relay.reason), ("EntraTimeout", "UpstreamTimeout"));
        assert_eq!(entra.cause, "the login host a.test:587 cannot be used: no TLS handshake within 5 s");
        assert_eq!(relay.cause, "the relay a.test:587 cannot be used: no TLS handshake within 5 s");
    }

    #[test]
    fn a_certificate_of_many_names_is_shown_by_its_first() {
        let presented: Vec<String> = (1..=6).map(|n| format!("DnsName(\"{n}.test\")")).collect();
        assert_eq!(names(&presented), "1.test, 2.test, 3.test, 4.test and 2 more");
        assert_eq!(names(&presented[..1]), "1.test");
        assert_eq!(names(&[]), "it names none");
    }

    #[test]
    fn a_handshake_that_the_peer_breaks_off_is_a_closed_connection() {
        let broken = |kind: io::ErrorKind| Fault::of_handshake(&io::Error::from(kind));
        assert_eq!(broken(io::ErrorKind::ConnectionReset), Fault::Closed(Phase::Handshake));
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion);
        let fault = Fault::of_handshake(&io::Error::new(io::ErrorKind::InvalidData, alert));
        assert_eq!(fault.relay(&peer("a.test")).reason, "UpstreamTlsFailed");
        assert!(fault.to_string().contains("ProtocolVersion"), "{fault}");
    }
}
