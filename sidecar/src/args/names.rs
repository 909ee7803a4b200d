//! Who is asked for names.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use clap::Args;
use mail_egress_entra::dial::Resolver;
use mail_egress_entra::fault::Fault;

/// The flags about names, the same for `run` and `check`.
#[derive(Debug, Default, Args)]
pub struct Names {
    /// A name server to ask in place of those of /etc/resolv.conf, as 10.0.0.2 or 127.0.0.1:5353; may be
    /// given more than once. For Direct Send where the cluster's own view of the domain lacks its
    /// public MX
    #[arg(
        long = "name-server",
        env = "MAIL_EGRESS_NAME_SERVERS",
        value_name = "ADDRESS[:PORT]",
        value_delimiter = ','
    )]
    pub name_servers: Vec<NameServer>,
}

impl Names {
    /// Asks those that were given, else the machine's own; `/etc/hosts` comes first in any case.
    pub fn resolver(&self) -> Result<Resolver, Fault> {
        if self.name_servers.is_empty() {
            return Resolver::system();
        }
        let servers: Vec<_> = self.name_servers.iter().map(|server| server.0).collect();
        Resolver::with_name_servers(&servers)
    }
}

/// Where a name server is; port 53 where none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameServer(pub SocketAddr);

impl FromStr for NameServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let with_port = text.parse::<SocketAddr>().ok();
        let without = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 53));
        with_port
            .or_else(without)
            .filter(|server| server.port() != 0)
            .map(Self)
            .ok_or_else(|| format!("'{text}' is not an address; write it like 10.0.0.2 or 127.0.0.1:5353"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_is_an_address_with_or_without_its_port() {
        let read = |text: &str| text.parse::<NameServer>().map(|server| server.0.to_string());
        for (text, read_as) in [
            ("10.0.0.2", "10.0.0.2:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ] {
            assert_eq!(read(text).unwrap(), read_as);
        }
        for text in ["", "dns.test", "10.0.0.2:0", "10.0.0.2:x"] {
            assert!(read(text).unwrap_err().contains("write it like"), "{text}");
        }
    }
}
