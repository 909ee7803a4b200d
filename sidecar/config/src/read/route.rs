//! What the ways out must be like.

use secrecy::ExposeSecret;

use super::{ReadError, field};
use crate::route::{GraphRoute, Login, Route, Security, SmtpRoute};

/// Longest user name or password, in octets.
const LOGIN_LIMIT: usize = 1024;
/// Longest text of certificates or of a key, in octets.
const PEM_LIMIT: usize = 128 * 1024;

/// `at` is where the route stands in the file.
pub(super) fn check_route(at: &str, route: &Route) -> Result<(), ReadError> {
    let at = format!("{at}.{}", route.kind());
    match route.by_smtp() {
        Ok(smtp) => check_smtp(&at, route, smtp),
        Err(graph) => check_graph(&at, graph),
    }
}

fn check_smtp(at: &str, route: &Route, smtp: &SmtpRoute) -> Result<(), ReadError> {
    let wrong = |name: &str, problem: &str| Err(field(&format!("{at}.{name}"), problem));
    if !is_host(&smtp.host) {
        return wrong("host", "not a host name");
    }
    if smtp.mx && !matches!(route, Route::DirectSend(_)) {
        return wrong("mx", "belongs to directSend");
    }
    if smtp.port == 0 {
        return wrong("port", "0 is no port");
    }
    if smtp.max_message_bytes == 0 {
        return wrong("maxMessageBytes", "0 would refuse every message");
    }
    if smtp.security == Security::Plaintext {
        // nothing secret is said before TLS (the design's promises)
        if smtp.login != Login::None {
            return wrong("login", "plaintext never carries a credential; write none");
        }
        if smtp.client_certificate.is_some() {
            return wrong("clientCertificate", "has no use without TLS");
        }
    }
    // what ends a line, or a part of XOAUTH2's response, stands in no user name and no password
    let fits = |it: &str| !it.is_empty() && it.len() <= LOGIN_LIMIT && !it.chars().any(char::is_control);
    let wrong_login = |name: &str| wrong(name, "not 1 to 1024 octets on one line");
    match &smtp.login {
        Login::Password { username, .. } if !fits(username) => {
            return wrong_login("login.password.username");
        }
        Login::Password { password, .. } if !fits(password.expose_secret()) => {
            return wrong_login("login.password.password");
        }
        Login::Token { user: Some(user) } if !fits(user) => return wrong_login("login.token.user"),
        Login::Password { .. } | Login::Token { .. } | Login::None => {}
    }
    if let Some(certificate) = &smtp.client_certificate {
        let (chain, key) = (&certificate.certificates, certificate.key.expose_secret());
        if chain.len() > PEM_LIMIT || key.len() > PEM_LIMIT {
            return wrong("clientCertificate", "longer than 128 KiB");
        }
    }
    if !smtp.accepted_domains.iter().all(|domain| is_host(domain) && !domain.contains('@')) {
        return wrong("acceptedDomains", "not all are domains");
    }
    check_proxy(at, smtp.proxy.as_deref())
}

fn check_graph(at: &str, graph: &GraphRoute) -> Result<(), ReadError> {
    let wrong = |name: &str, problem: &str| Err(field(&format!("{at}.{name}"), problem));
    let url = &graph.base_url;
    if !url.starts_with("https://") || url.len() > 512 || !url.chars().all(|c| c.is_ascii_graphic()) {
        return wrong("baseURL", "not a URL that begins with https://");
    }
    if graph.max_message_bytes == 0 {
        return wrong("maxMessageBytes", "0 would refuse every message");
    }
    check_proxy(at, graph.proxy.as_deref())
}

fn check_proxy(at: &str, proxy: Option<&str>) -> Result<(), ReadError> {
    let rest = |proxy: &str| {
        let rest = proxy.strip_prefix("http://").or_else(|| proxy.strip_prefix("socks5://"))?;
        // a password there would be sent without TLS, and shown wherever the route is
        (is_host(rest) && !rest.contains('@')).then_some(())
    };
    match proxy {
        Some(proxy) if rest(proxy).is_none() => Err(field(
            &format!("{at}.proxy"),
            "not http://HOST:PORT or socks5://HOST:PORT, without user and password",
        )),
        Some(_) | None => Ok(()),
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.len() <= 253 && host.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: &str, more: &str) -> Option<String> {
        let text = format!(
            r#"{{"{kind}": {{"name": "r", "host": "relay.test", "port": 25, "maxMessageBytes": 1000 {more}}}}}"#
        );
        let route: Route = serde_json::from_str(&text).unwrap();
        check_route("route", &route).err().map(|error| error.to_string())
    }

    #[test]
    fn what_plaintext_would_give_away_is_refused() {
        let plaintext = r#", "security": "plaintext""#;
        let said = refusal("smtpRelay", plaintext).unwrap();
        assert_eq!(said, "route.smtpRelay.login: plaintext never carries a credential; write none");
        assert_eq!(refusal("smtpRelay", &format!(r#"{plaintext}, "login": "none""#)), None);
        let certified = r#", "login": "none", "clientCertificate": {"certificates": "c", "key": "k"}"#;
        let said = refusal("smtpRelay", &format!("{plaintext}{certified}")).unwrap();
        assert!(said.starts_with("route.smtpRelay.clientCertificate: "), "{said}");
        assert_eq!(refusal("connector", certified), None);
    }

    #[test]
    fn a_password_is_on_one_line_and_is_never_repeated() {
        let with = |password: &str| {
            let login =
                format!(r#", "login": {{"password": {{"username": "u", "password": "{password}"}}}}"#);
            refusal("smtpRelay", &login)
        };
        assert_eq!(with("s3cr3t wörd"), None);
        for wrong in ["", r"s3cr3t\r\nQUIT", r"s3cr3t\u0000"] {
            let said = with(wrong).unwrap();
            assert!(
                said.starts_with("route.smtpRelay.login.password.password: ") && !said.contains("s3cr3t")
            );
        }
    }

    #[test]
    fn a_user_need_not_be_an_address_and_ends_no_part_of_the_response() {
        let with =
            |user: &str| refusal("smtpRelay", &format!(r#", "login": {{"token": {{"user": "{user}"}}}}"#));
        assert_eq!(with("tenant|app"), None);
        let said = with(r"a\u0001auth=Bearer x").unwrap();
        assert!(said.starts_with("route.smtpRelay.login.token.user: "), "{said}");
    }

    #[test]
    fn the_rest_of_a_way_is_checked() {
        assert!(refusal("exchangeOnline", r#", "mx": true"#).unwrap().contains(".mx: "));
        assert_eq!(refusal("directSend", r#", "mx": true, "login": "none""#), None);
        assert!(refusal("connector", r#", "acceptedDomains": ["a b"]"#).unwrap().contains("acceptedDomains"));
        for (proxy, good) in [
            ("http://p:3128", true),
            ("socks5://p:1080", true),
            ("ftp://p", false),
            ("http://user:s3cr3t@p:3128", false),
            ("http://", false),
        ] {
            let said = refusal("exchangeOnline", &format!(r#", "proxy": "{proxy}""#));
            assert_eq!(said.is_none(), good, "{proxy}");
        }
        let graph = r#"{"graph": {"name": "g", "baseURL": "http://graph.test", "maxMessageBytes": 1}}"#;
        let said =
            check_route("fallback.route", &serde_json::from_str(graph).unwrap()).unwrap_err().to_string();
        assert_eq!(said, "fallback.route.graph.baseURL: not a URL that begins with https://");
    }
}
