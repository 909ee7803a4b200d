//! From the relay's name to its addresses.
//!
//! Done by ourselves, since a static binary has no NSS: addresses written out, `/etc/hosts`, then
//! the nameservers of `/etc/resolv.conf`.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use tokio::time::timeout;

/// For one name, all attempts together.
const LOOKUP_TIME: Duration = Duration::from_secs(10);
/// Answers that are remembered; a sidecar asks for one name.
const REMEMBERED: u64 = 8;

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The nameservers say that there is no address, or none could be asked.
    #[error("{0}")]
    NotFound(String),
    /// No nameserver answered in time.
    #[error("no nameserver answered within {} s", LOOKUP_TIME.as_secs())]
    Timeout,
}

/// Resolves names; made from the system's files when first needed, and anew after a failure, so
/// that a changed `/etc/resolv.conf` needs no restart.
#[derive(Debug, Default, Clone)]
pub struct Names {
    resolver: Arc<Mutex<Option<TokioResolver>>>,
}

impl Names {
    /// The addresses of `host`, at least one.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
            return Ok(vec![ip]);
        }
        let resolver = self.resolver()?;
        let found = match timeout(LOOKUP_TIME, resolver.lookup_ip(host)).await {
            Ok(Ok(found)) => Ok(found.iter().collect::<Vec<_>>()),
            Ok(Err(error)) => Err(ResolveError::NotFound(explained(&error))),
            Err(_) => Err(ResolveError::Timeout),
        };
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(ResolveError::NotFound("the name has no address".to_owned())),
            Err(error) => {
                self.forget();
                Err(error)
            }
        }
    }

    fn resolver(&self) -> Result<TokioResolver, ResolveError> {
        let mut kept = self.resolver.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resolver) = &*kept {
            return Ok(resolver.clone());
        }
        let unusable = |error| ResolveError::NotFound(format!("/etc/resolv.conf cannot be used: {error}"));
        let mut builder = TokioResolver::builder_tokio().map_err(unusable)?;
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.cache_size = REMEMBERED;
        // a pod's ndots of 5 would ask for relay.example.com.shop.svc.cluster.local first
        options.ndots = 1;
        let resolver = builder.build().map_err(unusable)?;
        *kept = Some(resolver.clone());
        Ok(resolver)
    }

    fn forget(&self) {
        *self.resolver.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// In our words where we have some; the resolver's own answer shows the whole query.
fn explained(error: &NetError) -> String {
    if error.is_nx_domain() {
        "no such name".to_owned()
    } else if error.is_no_records_found() {
        "the name has no address".to_owned()
    } else if matches!(error, NetError::NoConnections | NetError::Io(_)) {
        "no nameserver can be reached".to_owned()
    } else {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_its_own_answer() {
        let names = Names::default();
        for (host, ip) in [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7"), ("[::1]", "::1")] {
            assert_eq!(names.addresses(host).await.unwrap(), vec![ip.parse::<IpAddr>().unwrap()]);
        }
    }

    #[tokio::test]
    async fn localhost_needs_no_nameserver() {
        let addresses = Names::default().addresses("localhost").await.unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }
}
