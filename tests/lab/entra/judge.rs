//! Whether a client may have what it asks for, in the order in which Entra complains.

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::Shown;
use super::aadsts::{About, Refusal};
use super::assertion::{self, Objection, Proved};
use super::grants::{Asked, Grants, SignedIn};
use super::request::{Grant, Proof, TokenRequest};
use crate::lab::directory::{App, Directory};
use crate::lab::token::{EXCHANGE_AUDIENCE, GRAPH_AUDIENCE, OUTLOOK_AUDIENCE};

/// The tenant of personal Microsoft accounts.
const CONSUMERS: &str = "consumers";

/// Scopes that are of no resource.
const OPEN_ID: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// What the endpoint is about to promise.
#[derive(Debug)]
pub(super) struct Granted<'a> {
    pub(super) app: &'a App,
    pub(super) audience: String,
    /// What the client has shown.
    pub(super) shown: Shown,
    /// Who stands behind it, where it is not the app alone.
    pub(super) person: Option<Person>,
}

/// Somebody who signed in, and what they allow.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) signed_in: SignedIn,
    /// Permissions, as `SMTP.Send`, with a space between.
    pub(super) scp: String,
    /// Whether a refresh token was asked for.
    pub(super) offline: bool,
    /// Whether it is a personal account.
    pub(super) personal: bool,
}

/// What is known when a request is judged.
pub(super) struct Bench<'a> {
    pub(super) directory: &'a Directory,
    pub(super) grants: &'a Grants,
    /// The names of the token endpoint that an assertion may be made out to.
    pub(super) endpoints: &'a [String],
    pub(super) now: Timestamp,
}

impl TokenRequest {
    /// Checks tenant, app, proof, grant and scope.
    pub(super) fn judge<'a>(&self, bench: &Bench<'a>) -> Result<Granted<'a>, Refusal> {
        let directory = bench.directory;
        let about = self.about();
        let refuse = |code| Refusal::new(code, &about);
        let for_people = !matches!(self.grant, Grant::ClientCredentials);
        let app = find_app(directory, &self.tenant, &self.client_id, for_people, &about)?;
        let proved = self.check_proof(app, bench)?;
        let (shown, signed_in) = match &self.grant {
            Grant::ClientCredentials => {
                let audience = audience(self.scope.as_deref().unwrap_or_default()).map_err(refuse)?;
                if ![EXCHANGE_AUDIENCE, GRAPH_AUDIENCE].contains(&audience) {
                    let named = About { tenant: &directory.tenant.name, ..about };
                    return Err(Refusal::new(500011, &About { scope: audience, ..named }));
                }
                let shown = proved.ok_or_else(|| refuse(7000218))?;
                return Ok(Granted { app, audience: audience.to_owned(), shown, person: None });
            }
            Grant::RefreshToken(token) => {
                let found = bench.grants.look(token, &self.client_id, &self.tenant);
                (Shown::RefreshToken, found.map_err(refuse)?)
            }
            Grant::DeviceCode(code) => {
                (Shown::DeviceCode, bench.grants.poll(code, &self.client_id).map_err(refuse)?)
            }
        };
        if directory.mailbox(&signed_in.user).is_none() {
            return Err(refuse(50034));
        }
        let scope = self.scope.as_deref().unwrap_or(&signed_in.asked.scope);
        let (audience, scp) = delegated(app, scope).map_err(refuse)?;
        let offline = has_offline_access(scope);
        let personal = self.tenant == CONSUMERS;
        Ok(Granted { app, audience, shown, person: Some(Person { signed_in, scp, offline, personal }) })
    }

    fn about(&self) -> About<'_> {
        let scope = self.scope.as_deref().unwrap_or_default();
        About { app: &self.client_id, tenant: &self.tenant, scope, ..About::default() }
    }

    /// Which of the app's credentials was shown; none where a public client needs none.
    fn check_proof(&self, app: &App, bench: &Bench<'_>) -> Result<Option<Shown>, Refusal> {
        let refuse = |code| Refusal::new(code, &self.about());
        let for_people = !matches!(self.grant, Grant::ClientCredentials);
        match &self.proof {
            None if for_people && app.public_client => Ok(None),
            None => Err(refuse(7000218)),
            Some(_) if for_people && app.public_client => Err(refuse(700025)),
            Some(Proof::Secret(given)) => {
                let known =
                    app.secrets.iter().find(|known| known.value.expose_secret() == given.expose_secret());
                match known {
                    None => Err(refuse(7000215)),
                    Some(secret) if secret.expires.is_some_and(|end| end <= bench.now) => {
                        Err(refuse(7000222))
                    }
                    Some(_) => Ok(Some(Shown::Secret)),
                }
            }
            Some(Proof::Assertion(text)) => match assertion::check(app, text, bench.endpoints, bench.now) {
                Ok(Proved::Certificate) => Ok(Some(Shown::Certificate)),
                Ok(Proved::Federated) => Ok(Some(Shown::Federated)),
                Err(Objection { code, why }) => {
                    Err(Refusal::new(code, &About { field: why, ..self.about() }))
                }
            },
        }
    }
}

/// Begins a sign-in on another device; nobody need prove anything yet.
pub(super) fn begin(
    directory: &Directory,
    grants: &Grants,
    asked: Asked,
) -> Result<(String, String), Refusal> {
    let about =
        About { app: &asked.client_id, tenant: &asked.tenant, scope: &asked.scope, ..About::default() };
    let app = find_app(directory, &asked.tenant, &asked.client_id, true, &about)?;
    delegated(app, &asked.scope).map_err(|code| Refusal::new(code, &about))?;
    Ok(grants.begin(asked))
}

fn find_app<'a>(
    directory: &'a Directory,
    tenant: &str,
    client_id: &str,
    for_people: bool,
    about: &About<'_>,
) -> Result<&'a App, Refusal> {
    let refuse = |code| Refusal::new(code, about);
    if !for_people && ["common", CONSUMERS].contains(&tenant) {
        return Err(refuse(9001023));
    }
    if !directory.is_tenant(tenant) && tenant != CONSUMERS {
        return Err(refuse(90002));
    }
    let admits = |app: &&App| tenant != CONSUMERS || app.personal_accounts;
    let named = About { tenant: &directory.tenant.name, ..about.clone() };
    let app = directory.app(client_id).filter(admits).ok_or_else(|| Refusal::new(700016, &named))?;
    if app.enabled { Ok(app) } else { Err(refuse(7000112)) }
}

/// The resource of a `.default` scope; the error is an AADSTS code.
fn audience(scope: &str) -> Result<&str, u32> {
    match scope.split_whitespace().collect::<Vec<_>>().as_slice() {
        [one] => one.strip_suffix("/.default").ok_or(70011),
        _ => Err(700022),
    }
}

/// Resource and permissions of a person's scopes: all of one resource, and all consented to.
fn delegated(app: &App, scope: &str) -> Result<(String, String), u32> {
    let mut of: Option<&str> = None;
    let mut permissions = Vec::new();
    for one in scope.split_whitespace().filter(|one| !OPEN_ID.contains(one)) {
        let (resource, permission) = one.rsplit_once('/').ok_or(70011u32)?;
        if of.is_some_and(|of| of != resource) {
            return Err(70011);
        }
        of = Some(resource);
        match permission {
            ".default" => permissions.extend(app.delegated.iter().map(String::as_str)),
            named => permissions.push(named),
        }
    }
    let resource = of.ok_or(70011u32)?;
    if ![EXCHANGE_AUDIENCE, OUTLOOK_AUDIENCE, GRAPH_AUDIENCE].contains(&resource) {
        return Err(500011);
    }
    if !permissions.iter().all(|wanted| app.delegated.iter().any(|known| known == wanted)) {
        return Err(65001);
    }
    Ok((resource.to_owned(), permissions.join(" ")))
}

fn has_offline_access(scope: &str) -> bool {
    scope.split_whitespace().any(|one| one == "offline_access")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, LabOptions};

    const SCOPE: &str = "https%3A%2F%2Foutlook.office365.com%2F.default";
    const SEND: &str = "https%3A%2F%2Foutlook.office.com%2FSMTP.Send";

    fn good() -> String {
        format!(
            "grant_type=client_credentials&client_id={DEFAULT_CLIENT_ID}&client_secret={DEFAULT_SECRET}&scope={SCOPE}"
        )
    }

    fn directory() -> Directory {
        let mut directory = LabOptions::default().directory;
        directory.apps[0].secrets.push(crate::lab::AppSecret {
            value: "old".into(),
            expires: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        });
        directory.apps.push(App::new("people").for_people());
        directory.apps.push(App { public_client: false, ..App::new("confidential").for_people() });
        directory
    }

    fn code_with(grants: &Grants, tenant: &str, form: &str) -> Option<u32> {
        let directory = directory();
        let bench = Bench { directory: &directory, grants, endpoints: &[], now: Timestamp::now() };
        TokenRequest::parse(tenant, form.as_bytes())
            .and_then(|request| request.judge(&bench).map(|_| ()))
            .err()
            .map(|refusal| refusal.code)
    }

    fn code(tenant: &str, form: &str) -> Option<u32> {
        code_with(&Grants::new(), tenant, form)
    }

    #[test]
    fn grants_what_is_right() {
        assert_eq!(code("contoso.example", &good()), None);
        assert_eq!(code(&LabOptions::default().directory.tenant.id, &good()), None);
    }

    #[test]
    fn refuses_each_mistake_with_its_own_code() {
        let changed = |from: &str, to: &str| {
            assert!(good().contains(from), "{from}");
            code("contoso.example", &good().replace(from, to))
        };
        assert_eq!(code("elsewhere.example", &good()), Some(90002));
        assert_eq!(code("consumers", &good()), Some(9001023));
        assert_eq!(changed(DEFAULT_CLIENT_ID, "another"), Some(700016));
        assert_eq!(changed(DEFAULT_SECRET, "wrong"), Some(7000215));
        assert_eq!(changed(DEFAULT_SECRET, "old"), Some(7000222));
        assert_eq!(changed("client_secret", "secret"), Some(7000218));
        assert_eq!(changed("client_secret", "client_assertion"), Some(50027));
        assert_eq!(changed("scope", "score"), Some(900144));
        assert_eq!(changed("%2F.default", "%2FSMTP.Send"), Some(70011));
        assert_eq!(changed("%2F.default", "%2F.default%20x%2F.default"), Some(700022));
        assert_eq!(changed("outlook", "inlook"), Some(500011));
        assert_eq!(changed("client_credentials", "password"), Some(70003));
        assert_eq!(code("contoso.example", ""), Some(900144));
    }

    #[test]
    fn a_refresh_token_serves_its_own_client_tenant_and_scope() {
        let grants = Grants::new();
        let sign_in = |client_id: &str, tenant: &str| {
            let asked = Asked {
                client_id: client_id.to_owned(),
                tenant: tenant.to_owned(),
                scope: "https://outlook.office.com/SMTP.Send offline_access".to_owned(),
            };
            grants.issue(SignedIn { asked, user: DEFAULT_MAILBOX.to_owned() }).expose_secret().to_owned()
        };
        let token = sign_in("people", "consumers");
        let form = |token: &str| {
            format!("grant_type=refresh_token&client_id=people&refresh_token={token}&scope={SEND}")
        };
        let code = |tenant: &str, form: &str| code_with(&grants, tenant, form);
        assert_eq!(code("consumers", &form(&token)), None);
        assert_eq!(code("contoso.example", &form(&token)), Some(7000012));
        assert_eq!(code("consumers", &form("0.Aguessed")), Some(70000));
        assert_eq!(code("consumers", &format!("{}&client_secret=x", form(&token))), Some(700025));
        assert_eq!(code("consumers", &form(&token).replace("SMTP.Send", "IMAP.Read")), Some(65001));
        assert_eq!(code("consumers", &form(&token).replace("outlook", "inlook")), Some(500011));
        let of_confidential = sign_in("confidential", "contoso.example");
        let form = form(&of_confidential).replace("=people", "=confidential");
        assert_eq!(code("contoso.example", &form), Some(7000218), "public client flows are off");
    }
}
