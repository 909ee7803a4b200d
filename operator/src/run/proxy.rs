//! The proxy for HTTPS that the environment names, and whom it concerns beside the operator's own token
//! requests.

use kube::Config;
use mail_egress_entra::dial::Proxies;

/// Keeps it away from the Kubernetes API, which is near. In a pod kube leaves `HTTPS_PROXY` alone; with a
/// kubeconfig it would take it for the API server as well. A proxy that the kubeconfig itself names stays, and is refused.
pub(super) fn spare(config: &mut Config) {
    let named = set("HTTPS_PROXY").or_else(|| set("https_proxy"));
    let named = named.and_then(|named| named.parse::<http::Uri>().ok());
    if config.proxy_url.is_some() && config.proxy_url == named {
        config.proxy_url = None;
    }
}

/// The variables that the sidecars get, so that those which ask for their own tokens, or send by Graph,
/// go the same way.
pub(super) fn of_sidecars() -> Vec<(String, String)> {
    shared(set)
}

fn set(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.to_string_lossy().into_owned();
    Some(value).filter(|value| !value.is_empty())
}

/// None where there is no proxy, or one that cannot be used: its value may hold a password, which pods
/// must not show.
fn shared(variable: impl Fn(&str) -> Option<String> + Copy) -> Vec<(String, String)> {
    let proxies = Proxies::of(variable);
    let Some(proxy) = proxies.https() else { return Vec::new() };
    let except = variable("NO_PROXY").or_else(|| variable("no_proxy"));
    let https = ("HTTPS_PROXY".to_owned(), proxy.to_string());
    std::iter::once(https).chain(except.map(|except| ("NO_PROXY".to_owned(), except))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared_of(https_proxy: &str) -> Vec<(String, String)> {
        shared(|name| match name {
            "HTTPS_PROXY" => Some(https_proxy.to_owned()),
            "no_proxy" => Some(".svc".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn the_sidecars_get_the_operators_proxy_and_never_a_password() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let both = [pair("HTTPS_PROXY", "http://proxy:3128"), pair("NO_PROXY", ".svc")];
        assert_eq!(shared_of("proxy:3128/"), both);
        assert_eq!(shared_of("http://me:s3cret@proxy:3128"), []);
        assert_eq!(shared(|_| None), []);
    }
}
