use jiff::Timestamp;
use secrecy::SecretString;

use super::*;
use crate::SignatureAlgorithm;

fn at(login_url: &str, tenant: &str) -> Endpoint {
    Endpoint::Entra { login_url: login_url.to_owned(), tenant: tenant.to_owned() }
}

fn request() -> TokenRequest {
    TokenRequest {
        endpoint: at("https://login.microsoftonline.com", "contoso.onmicrosoft.com"),
        client_id: "00000000-0000-0000-0000-000000000001".to_owned(),
        scope: "https://outlook.office365.com/.default".to_owned(),
        credential: Credential::ClientSecret("s3cr~et".into()),
        ca_bundle: None,
    }
}

fn refusal(change: impl FnOnce(&mut TokenRequest)) -> Option<InvalidRequest> {
    let mut request = request();
    change(&mut request);
    request.target().err().or_else(|| {
        let proved =
            request.credential.assertion(&request.client_id, "https://a.test/token", Timestamp::UNIX_EPOCH);
        proved.err()
    })
}

#[test]
fn asks_at_the_tenants_v2_endpoint() {
    for (login, url, host, port) in [
        ("https://login.test", "https://login.test/t/oauth2/v2.0/token", "login.test", 443),
        ("https://login.test:8443/", "https://login.test:8443/t/oauth2/v2.0/token", "login.test", 8443),
        ("https://127.0.0.1:1", "https://127.0.0.1:1/t/oauth2/v2.0/token", "127.0.0.1", 1),
        ("https://[::1]:1/lab/", "https://[::1]:1/lab/t/oauth2/v2.0/token", "::1", 1),
    ] {
        let found = entra(login, "t", "token").unwrap();
        assert_eq!(found.url.as_str(), url);
        assert_eq!((found.peer.host.as_str(), found.peer.port, found.issuer), (host, port, Issuer::Entra));
    }
}

#[test]
fn refuses_a_login_url_that_is_not_plain_https() {
    for (url, why) in [
        ("http://login.test", "does not begin with https://"),
        ("https://user@login.test", "holds a user name or password"),
        ("https://:pw@login.test", "holds a user name or password"),
        ("https://login.test/?a=b", "holds a query or a fragment"),
        ("https://login.test/#a", "holds a query or a fragment"),
        ("https://", "is no URL"),
        ("login.test", "is no URL"),
        ("https://login.test:0", "has no port"),
        ("", "is no URL"),
    ] {
        assert_eq!(
            refusal(|r| r.endpoint = at(url, "contoso.com")),
            Some(InvalidRequest::LoginUrl(why)),
            "{url}"
        );
    }
}

#[test]
fn refuses_a_tenant_that_would_change_the_path() {
    for tenant in ["", ".", "..", "a/b", "a%2fb", "a?b", "a b", "contoso..com"] {
        assert_eq!(
            refusal(|r| r.endpoint = at("https://login.test", tenant)),
            Some(InvalidRequest::Tenant),
            "{tenant}"
        );
    }
}

#[test]
fn another_providers_url_is_asked_as_it_is() {
    let mut request = request();
    request.endpoint = Endpoint::Url("https://oauth2.googleapis.com/token".to_owned());
    let target = request.target().unwrap();
    assert_eq!(target.url.as_str(), "https://oauth2.googleapis.com/token");
    assert_eq!(
        (target.peer.to_string().as_str(), target.issuer),
        ("oauth2.googleapis.com:443", Issuer::Other)
    );
    assert_eq!(
        refusal(|r| r.endpoint = Endpoint::Url("http://a.test/token".to_owned())),
        Some(InvalidRequest::TokenUrl("does not begin with https://"))
    );
}

#[test]
fn a_refresh_token_may_ask_for_several_scopes() {
    let with = |scope: &str| {
        refusal(|r| {
            r.credential = Credential::RefreshToken { token: "0.AX".into(), client_secret: None };
            r.scope = scope.to_owned();
        })
    };
    assert_eq!(with("https://outlook.office.com/SMTP.Send offline_access"), None);
    for wrong in ["", " ", "a  b", "a b c d e f g h i", "a\tb"] {
        assert_eq!(with(wrong), Some(InvalidRequest::Scopes), "{wrong:?}");
    }
}

#[test]
fn entra_is_asked_for_a_successor_too_and_nobody_else() {
    let sent = |change: &dyn Fn(&mut TokenRequest)| {
        let mut request = request();
        request.credential = Credential::RefreshToken { token: "0.AX".into(), client_secret: None };
        request.scope = "https://outlook.office.com/SMTP.Send".to_owned();
        change(&mut request);
        request.asked_scope().into_owned()
    };
    let with = "https://outlook.office.com/SMTP.Send offline_access";
    assert_eq!(sent(&|_| ()), with);
    assert_eq!(sent(&|r| r.scope = with.to_owned()), with);
    let google = |r: &mut TokenRequest| r.endpoint = Endpoint::Url("https://a.test/token".to_owned());
    assert_eq!(sent(&google), "https://outlook.office.com/SMTP.Send");
    assert_eq!(
        sent(&|r| r.credential = Credential::ClientSecret("s".into())),
        "https://outlook.office.com/SMTP.Send"
    );
}

#[test]
fn refuses_what_is_no_assertion_and_no_refresh_token_by_its_form() {
    let federated = |text: &str| refusal(|r| r.credential = Credential::Federated { assertion: text.into() });
    assert_eq!(federated("eyJ0.e30.c2ln"), None);
    for wrong in ["", "eyJ0.e30", "eyJ0.e30.c2ln\n", "a.b.c.d", "a b.c.d"] {
        assert_eq!(federated(wrong), Some(InvalidRequest::Assertion), "{wrong:?}");
    }
    let refresh = |token: &str, secret: Option<&str>| {
        refusal(|r| {
            let client_secret = secret.map(Into::into);
            r.credential = Credential::RefreshToken { token: token.into(), client_secret };
        })
    };
    assert_eq!(refresh("0.AX~*!$", Some("s3cr~et")), None);
    assert_eq!(refresh("0.AX\n", None), Some(InvalidRequest::RefreshToken));
    assert_eq!(refresh("", None), Some(InvalidRequest::RefreshToken));
    assert_eq!(refresh("0.AX", Some("")), Some(InvalidRequest::ClientSecret));
}

#[test]
fn refuses_more_than_one_scope() {
    assert_eq!(refusal(|r| r.scope = "a b".to_owned()), Some(InvalidRequest::Scope));
    assert_eq!(refusal(|r| r.scope.clear()), Some(InvalidRequest::Scope));
}

#[test]
fn refuses_a_secret_with_a_line_feed_at_its_end() {
    let secret = |s: &str| Credential::ClientSecret(s.into());
    assert_eq!(refusal(|r| r.credential = secret("s3cret\n")), Some(InvalidRequest::ClientSecret));
    assert_eq!(refusal(|r| r.credential = secret("")), Some(InvalidRequest::ClientSecret));
    assert_eq!(refusal(|_| ()), None);
}

#[test]
fn debug_shows_no_secret() {
    let secret = || SecretString::from("s3cr~et");
    for credential in [
        Credential::ClientSecret(secret()),
        Credential::Certificate { chain: String::new(), key: secret(), algorithm: SignatureAlgorithm::PS256 },
        Credential::Federated { assertion: secret() },
        Credential::RefreshToken { token: secret(), client_secret: Some(secret()) },
    ] {
        let shown = format!("{:?}", TokenRequest { credential, ..request() });
        assert!(shown.contains("credential") && !shown.contains("s3cr"), "{shown}");
    }
}
