//! Which proxy the environment names for HTTPS: `HTTPS_PROXY` and `NO_PROXY`, read as Go and curl do.

use std::net::IpAddr;

use ipnet::IpNet;

use super::proxy::{InvalidProxy, Proxy};
use crate::fault::{Fault, Peer};

/// The proxy for HTTPS, and for whom it is not used. The default: none.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    https: Option<Named>,
    except: Vec<Exception>,
}

/// What a variable names.
#[derive(Clone, Debug)]
struct Named {
    variable: &'static str,
    proxy: Result<Proxy, InvalidProxy>,
}

/// One entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    /// `*`
    All,
    /// `10.0.0.0/8`
    Network(IpNet),
    /// `10.0.0.1`, perhaps with a port.
    Address(IpAddr, Option<u16>),
    /// `example.com`, with all below it; perhaps with a port.
    Name(String, Option<u16>),
    /// `.example.com` or `*.example.com`: what is below it and not the name itself, as Go has it.
    Below(String, Option<u16>),
}

impl Proxies {
    /// From this process's environment.
    #[must_use]
    pub fn of_environment() -> Self {
        // what is no text is no proxy either, and must not pass for none
        Self::of(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// From these variables. The first that is set and not empty of `HTTPS_PROXY` and `https_proxy`
    /// counts, and so with `NO_PROXY`; `HTTP_PROXY` and `ALL_PROXY` are not looked at.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = variable(name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            })
        };
        let https = first(["HTTPS_PROXY", "https_proxy"]).map(|(variable, value)| {
            let with_scheme = if value.contains("://") { value } else { format!("http://{value}") };
            Named { variable, proxy: with_scheme.parse() }
        });
        let except = first(["NO_PROXY", "no_proxy"]).map(|(_, value)| exceptions(&value)).unwrap_or_default();
        Self { https, except }
    }

    /// The proxy for whatever `NO_PROXY` does not name; `None` also where it cannot be used.
    #[must_use]
    pub fn https(&self) -> Option<&Proxy> {
        self.https.as_ref()?.proxy.as_ref().ok()
    }

    /// The proxy on the way to this peer; `None`: it is dialled itself. Loopback always is.
    ///
    /// # Errors
    /// When the variable names something that is no proxy: then nobody is dialled, since the way that
    /// was meant may be the only one that is wanted.
    pub fn proxy_for(&self, peer: &Peer) -> Result<Option<&Proxy>, Fault> {
        let Some(Named { variable, proxy }) = &self.https else { return Ok(None) };
        let host = peer.host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        let is_local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        if is_local || self.except.iter().any(|entry| entry.covers(&host, address, peer.port)) {
            return Ok(None);
        }
        match proxy {
            Ok(proxy) => Ok(Some(proxy)),
            Err(why) => Err(Fault::ProxyInvalid { named_by: (*variable).to_owned(), why: *why }),
        }
    }
}

impl Exception {
    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let is_for = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        let is_below = |name: &str| {
            host.strip_suffix(name)
                .and_then(|before| before.strip_suffix('.'))
                .is_some_and(|it| !it.is_empty())
        };
        match self {
            Self::All => true,
            Self::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Self::Address(known, wanted) => address == Some(*known) && is_for(wanted),
            Self::Name(name, wanted) => (host == name || is_below(name)) && is_for(wanted),
            Self::Below(name, wanted) => is_below(name) && is_for(wanted),
        }
    }
}

fn exceptions(text: &str) -> Vec<Exception> {
    text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).filter_map(exception).collect()
}

fn exception(entry: &str) -> Option<Exception> {
    if entry == "*" {
        return Some(Exception::All);
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return Some(Exception::Network(network));
    }
    if let Ok(address) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(Exception::Address(address, None));
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (entry, None),
    };
    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(Exception::Address(address, port));
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let below = name.strip_prefix('*').unwrap_or(&name).strip_prefix('.');
    match below {
        Some(below) if !below.is_empty() => Some(Exception::Below(below.to_owned(), port)),
        None if !name.is_empty() => Some(Exception::Name(name, port)),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::of(|wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        })
    }

    fn way(proxies: &Proxies, host: &str, port: u16) -> String {
        match proxies.proxy_for(&Peer { host: host.to_owned(), port }) {
            Ok(Some(proxy)) => proxy.to_string(),
            Ok(None) => "direct".to_owned(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn the_variables_are_read_in_their_order_and_empty_ones_are_none() {
        let login = |variables: &[(&str, &str)]| way(&proxies(variables), "login.test", 443);
        assert_eq!(login(&[]), "direct");
        assert_eq!(login(&[("HTTPS_PROXY", ""), ("https_proxy", " ")]), "direct");
        assert_eq!(login(&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:1")]), "http://a:1");
        assert_eq!(login(&[("HTTPS_PROXY", ""), ("https_proxy", "http://b:1/")]), "http://b:1");
        assert_eq!(login(&[("HTTPS_PROXY", "b.test:3128")]), "http://b.test:3128");
        assert_eq!(login(&[("HTTPS_PROXY", "socks5h://[::1]:1080")]), "socks5://[::1]:1080");
        assert_eq!(login(&[("HTTP_PROXY", "http://a:1"), ("ALL_PROXY", "http://a:1")]), "direct");
        assert_eq!(login(&[("https_proxy", "http://a:1"), ("no_proxy", "LOGIN.test")]), "direct");
    }

    #[test]
    fn what_is_no_proxy_is_said_by_the_name_of_its_variable_and_only_where_it_would_be_used() {
        let secret = proxies(&[("HTTPS_PROXY", "http://me:s3cret@proxy:3128"), ("NO_PROXY", "entra.test")]);
        let shown = way(&secret, "login.test", 443);
        assert!(shown.starts_with("HTTPS_PROXY holds a user name or password"), "{shown}");
        assert!(!shown.contains("s3cret") && !format!("{secret:?}").contains("s3cret"), "{shown}");
        assert_eq!(way(&secret, "entra.test", 443), "direct");
        assert_eq!(way(&secret, "127.0.0.1", 443), "direct");
    }

    /// As curl 8 and Go 1.2x do, which agree on all of these.
    #[test]
    fn no_proxy_is_read_as_others_read_it() {
        for (no_proxy, host, is_direct) in [
            ("", "login.test", false),
            ("*", "login.test", true),
            ("login.test", "login.test", true),
            ("login.test", "a.login.test", true),
            ("login.test", "LOGIN.Test", true),
            ("login.test", "notlogin.test", false),
            ("login.test", "login.test.example", false),
            (".login.test", "a.login.test", true),
            (".login.test", "notlogin.test", false),
            ("a.test,login.test", "login.test", true),
            ("a.test , login.test", "login.test", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.10", false),
            ("10.0.0.0/8", "10.200.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "10.test", false),
            ("2001:db8::/32", "2001:db8::1", true),
            ("2001:db8::1", "2001:db8::1", true),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("2001:db8::2", "2001:db8::1", false),
            (",,", "login.test", false),
        ] {
            let found = proxies(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", no_proxy)]);
            let expected = if is_direct { "direct" } else { "http://proxy:3128" };
            assert_eq!(way(&found, host, 443), expected, "{host} with NO_PROXY={no_proxy}");
        }
    }

    /// Go's way: whoever sets these for a cluster sets them for programs in Go. But a dot at the end
    /// changes nothing, as with curl.
    #[test]
    fn where_curl_and_go_differ_go_is_followed() {
        for (no_proxy, host, port, is_direct) in [
            ("", "localhost", 443, true),
            ("", "127.9.9.9", 443, true),
            ("", "::1", 443, true),
            ("*, other.test", "login.test", 443, true),
            (".login.test", "login.test", 443, false),
            ("*.login.test", "login.test", 443, false),
            ("*.login.test", "a.b.login.test", 443, true),
            ("login.test.", "login.test", 443, true),
            ("login.test", "login.test.", 443, true),
            ("login.test:443", "login.test", 443, true),
            ("login.test:8443", "login.test", 443, false),
            ("10.0.0.1:443", "10.0.0.1", 443, true),
            ("[2001:db8::1]:443", "2001:db8::1", 443, true),
            ("[2001:db8::1]:25", "2001:db8::1", 443, false),
            ("login.test:x", "login.test", 443, false),
            (".", "login.test", 443, false),
        ] {
            let found = proxies(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", no_proxy)]);
            let expected = if is_direct { "direct" } else { "http://proxy:3128" };
            assert_eq!(way(&found, host, port), expected, "{host} with NO_PROXY={no_proxy}");
        }
    }
}
