//! Names to addresses, as the machine's hosts file and resolv.conf say: a static binary has no
//! name service of the C library to ask.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, ResolverBuilder, TokioResolver};
use tokio::time::timeout;

use super::MailExchanger;
use crate::fault::{Fault, MxTrouble, Peer};

/// Finds addresses. Cheap to clone; keeps at most [`CACHED`] answers.
#[derive(Clone)]
pub struct Resolver {
    hosts: Arc<Hosts>,
    dns: TokioResolver,
}

/// Answers kept until their TTL ends; a program of ours knows two or three names.
const CACHED: u64 = 32;

/// One query, before it is repeated; resolv.conf's usual 5 s would use up a whole connect.
const QUERY: Duration = Duration::from_secs(2);

/// How long the answer for one family waits for the other one's (RFC 8305 section 3): name
/// servers that drop AAAA queries are common.
const OTHER_FAMILY: Duration = Duration::from_millis(100);

/// Addresses tried of one name.
const TRIED: usize = 6;

/// Mail exchangers looked at of one domain.
const EXCHANGERS: usize = 16;

impl Resolver {
    /// Reads `/etc/hosts` and `/etc/resolv.conf`, once.
    ///
    /// Without a usable resolv.conf the name server of this machine is asked, as resolv.conf(5)
    /// says; without a hosts file only DNS is.
    pub fn system() -> Result<Self, Fault> {
        let builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            let server = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
            asking(vec![server])
        });
        Self::new(Hosts::from_system().unwrap_or_default(), builder)
    }

    /// Reads `/etc/hosts`, once, and asks these name servers in place of those of `/etc/resolv.conf`,
    /// by UDP and, where an answer is too long for that, by TCP.
    pub fn with_name_servers(servers: &[SocketAddr]) -> Result<Self, Fault> {
        let servers = servers.iter().map(|server| {
            let at_port = |mut connection: ConnectionConfig| {
                connection.port = server.port();
                connection
            };
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            config.connections = config.connections.into_iter().map(at_port).collect();
            config
        });
        Self::new(Hosts::from_system().unwrap_or_default(), asking(servers.collect()))
    }

    fn new(hosts: Hosts, mut dns: Builder) -> Result<Self, Fault> {
        let options = dns.options_mut();
        options.timeout = options.timeout.min(QUERY);
        options.cache_size = CACHED;
        // a pod's ndots of 5 would ask for login.example.com.shop.svc.cluster.local first
        options.ndots = 1;
        // Ours comes first, for both families: the library would still ask DNS for the AAAA of
        // a name whose A is in the file.
        options.use_hosts_file = ResolveHosts::Never;
        let dns = dns.build().map_err(|e| Fault::NameServer(e.to_string()))?;
        Ok(Self { hosts: Arc::new(hosts), dns })
    }

    /// At least one and at most six addresses, IPv4 and IPv6 in turn. The caller limits the time.
    pub async fn addresses(&self, peer: &Peer) -> Result<Vec<SocketAddr>, Fault> {
        if let Ok(address) = peer.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, peer.port)]);
        }
        let name = Name::from_utf8(&peer.host).map_err(|_| Fault::NameNotFound)?;
        let known = self.of_hosts_file(&name);
        let found = if known.is_empty() { self.of_dns(&name).await? } else { known };
        Ok(in_turn(&found).into_iter().map(|ip| SocketAddr::new(ip, peer.port)).collect())
    }

    /// Who takes the mail of this domain, the most preferred first; at least one. The caller limits
    /// the time.
    ///
    /// # Errors
    /// When there is no MX record, or a null one alone (RFC 7505), or no answer.
    pub async fn mail_exchangers(&self, domain: &str) -> Result<Vec<MailExchanger>, Fault> {
        let mut name = Name::from_utf8(domain).map_err(|_| Fault::NameNotFound)?;
        // a domain of mail is never one of the cluster's search list
        name.set_fqdn(true);
        let found = match self.dns.mx_lookup(name).await {
            Ok(lookup) => exchangers(&lookup),
            Err(error) if error.is_no_records_found() => return Err(Fault::Mx(MxTrouble::Missing)),
            Err(error) => return Err(Fault::NameServer(error.to_string())),
        };
        match found.as_slice() {
            [] => Err(Fault::Mx(MxTrouble::Missing)),
            [only] if only.host.is_empty() => Err(Fault::Mx(MxTrouble::Null)),
            _ => Ok(found),
        }
    }

    fn of_hosts_file(&self, name: &Name) -> Vec<IpAddr> {
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|family| self.hosts.lookup_static_host(&Query::query(name.clone(), family)))
            .flat_map(|lookup| addresses(&lookup))
            .collect()
    }

    async fn of_dns(&self, name: &Name) -> Result<Vec<IpAddr>, Fault> {
        let mut v4 = pin!(self.dns.ipv4_lookup(name.clone()));
        let mut v6 = pin!(self.dns.ipv6_lookup(name.clone()));
        let (first, second) = tokio::select! {
            first = &mut v4 => second(first, v6).await,
            first = &mut v6 => second(first, v4).await,
        };
        let mut found = Vec::new();
        let mut fault = Fault::NameNotFound;
        for answer in [Some(first), second].into_iter().flatten() {
            match answer {
                Ok(lookup) => found.extend(addresses(&lookup)),
                Err(error) if error.is_no_records_found() => {}
                Err(error) => fault = Fault::NameServer(error.to_string()),
            }
        }
        if found.is_empty() { Err(fault) } else { Ok(found) }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

type Builder = ResolverBuilder<TokioRuntimeProvider>;

fn asking(servers: Vec<NameServerConfig>) -> Builder {
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

type Answer = Result<Lookup, NetError>;

/// The other family's answer: only for a moment once there is an address to go to.
async fn second(first: Answer, other: impl Future<Output = Answer>) -> (Answer, Option<Answer>) {
    let second = match first.as_ref().is_ok_and(|lookup| !addresses(lookup).is_empty()) {
        true => timeout(OTHER_FAMILY, other).await.ok(),
        false => Some(other.await),
    };
    (first, second)
}

fn addresses(lookup: &Lookup) -> Vec<IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}

/// In the order of their preference. The null MX has an empty host.
fn exchangers(lookup: &Lookup) -> Vec<MailExchanger> {
    let of_record = |data: &RData| match data {
        RData::MX(mx) => Some(MailExchanger {
            preference: mx.preference,
            host: mx.exchange.to_lowercase().to_ascii().trim_end_matches('.').to_owned(),
        }),
        _ => None,
    };
    let mut found: Vec<_> = lookup.answers().iter().filter_map(|record| of_record(&record.data)).collect();
    found.sort();
    found.truncate(EXCHANGERS);
    found
}

/// IPv4 and IPv6 in turn, so that one family without a way out costs one attempt.
fn in_turn(found: &[IpAddr]) -> Vec<IpAddr> {
    let mut v4 = found.iter().filter(|a| a.is_ipv4());
    let mut v6 = found.iter().filter(|a| a.is_ipv6());
    std::iter::from_fn(|| {
        let pair = [v4.next(), v6.next()];
        pair.iter().any(Option::is_some).then_some(pair)
    })
    .flatten()
    .flatten()
    .copied()
    .take(TRIED)
    .collect()
}

#[cfg(test)]
mod tests;
