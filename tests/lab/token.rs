//! The lab's access tokens: Entra makes them here, Exchange checks them here.

mod jwt;

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::lab::directory::{App, Directory};
use crate::lab::stamp;
pub(super) use jwt::SigningKey;

/// The audience of tokens for Exchange Online.
pub const EXCHANGE_AUDIENCE: &str = "https://outlook.office365.com";
/// Exchange's other name, which the scopes of people have (`https://outlook.office.com/SMTP.Send`).
pub const OUTLOOK_AUDIENCE: &str = "https://outlook.office.com";
/// The tenant of personal accounts, the `tid` of their tokens.
pub const CONSUMERS_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// The audience of tokens for Microsoft Graph.
pub const GRAPH_AUDIENCE: &str = "https://graph.microsoft.com";

/// What a token says, in the claims that Entra puts into tokens of version 1.0, which Exchange and
/// Graph ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The resource it is for.
    pub aud: String,
    /// Who made it.
    pub iss: String,
    /// When, in seconds since 1970.
    pub iat: i64,
    /// From when it is valid.
    pub nbf: i64,
    /// Until when it is valid.
    pub exp: i64,
    /// The application's client id.
    pub appid: String,
    /// How the app proved itself: "0" not at all, "1" by a secret, "2" by an assertion.
    pub appidacr: String,
    /// "app": no user stands behind it; "user".
    pub idtyp: String,
    /// The object id of the enterprise application, or of the user.
    pub oid: String,
    /// Application permissions; absent where there are none, as with RBAC for Applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What the user allows, as `SMTP.Send`; absent where none stands behind it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scp: String,
    /// The same as `oid`.
    pub sub: String,
    /// The tenant's GUID.
    pub tid: String,
    /// The user's address; absent where none stands behind it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub upn: String,
    /// The token's own id.
    pub uti: String,
    /// "1.0".
    pub ver: String,
}

impl Claims {
    /// What Entra says of an app to a resource.
    pub(super) fn of(directory: &Directory, app: &App, audience: &str, now: Timestamp) -> Self {
        let tenant = &directory.tenant.id;
        let roles = match audience {
            EXCHANGE_AUDIENCE => app.exchange_roles.clone(),
            GRAPH_AUDIENCE => app.graph_roles.clone(),
            _ => Vec::new(),
        };
        let now = now.as_second();
        Self {
            aud: audience.to_owned(),
            iss: format!("https://sts.windows.net/{tenant}/"),
            iat: now,
            nbf: now,
            exp: now + usual_lifetime().as_secs(),
            appid: app.client_id.clone(),
            appidacr: "1".to_owned(),
            idtyp: "app".to_owned(),
            oid: app.object_id.clone(),
            roles,
            scp: String::new(),
            sub: app.object_id.clone(),
            tid: tenant.clone(),
            upn: String::new(),
            uti: stamp::guid(),
            ver: "1.0".to_owned(),
        }
    }

    /// The same for an app that acts as this user, with these permissions.
    #[must_use]
    pub(super) fn on_behalf_of(mut self, user: &str, scp: &str) -> Self {
        self.roles.clear();
        (self.idtyp, self.oid) = ("user".to_owned(), stamp::guid());
        self.sub.clone_from(&self.oid);
        (self.upn, self.scp) = (user.to_owned(), scp.to_owned());
        self
    }

    /// Moves the end.
    #[must_use]
    pub fn lasting(mut self, lifetime: SignedDuration) -> Self {
        self.exp = self.iat + lifetime.as_secs();
        self
    }
}

/// Random, 60 to 90 minutes, as Entra's (fact sheet A).
fn usual_lifetime() -> SignedDuration {
    SignedDuration::from_secs(rand::random_range(3600..=5400))
}

/// The form in which a token is handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A JWT, signed RS256.
    #[default]
    Jwt,
    /// Letters and digits that only the lab can look up.
    Opaque,
    /// A JWT whose claims were changed after it was signed.
    Forged,
}

/// Why a token does not hold. The names are for tests: a client sees the same 535 for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No JWT, and no opaque token of this lab.
    #[error("the token is neither a JWT nor an opaque token of this lab")]
    Unknown,
    /// The signature is not Entra's, or not over these claims.
    #[error("the token's signature is wrong")]
    Signature,
    /// It was taken back.
    #[error("the token was revoked")]
    Revoked,
    /// It is valid later only.
    #[error("the token is not valid yet")]
    NotYet,
    /// It was valid earlier.
    #[error("the token has expired")]
    Expired,
}

/// Makes tokens, and tells those it made from others.
pub(super) struct Mint {
    key: SigningKey,
    issued: Mutex<Issued>,
}

#[derive(Default)]
struct Issued {
    opaque: HashMap<String, Claims>,
    revoked: HashSet<String>,
    all: Vec<String>,
}

impl Mint {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { key: SigningKey::of_the_lab()?, issued: Mutex::default() })
    }

    /// The key that signs, for the discovery endpoint.
    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Makes a token that says `claims`.
    pub(super) fn issue(&self, claims: &Claims, form: Form) -> anyhow::Result<SecretString> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.all.push(claims.uti.clone());
        let token = match form {
            Form::Jwt => self.key.sign(claims)?,
            Form::Forged => self.key.forge(claims)?,
            Form::Opaque => {
                // as long as a JWT, so that no size is special; no dot, so that nothing parses it
                let token: String = (0..64).map(|_| stamp::hex_id()).collect();
                issued.opaque.insert(token.clone(), claims.clone());
                token
            }
        };
        Ok(token.into())
    }

    /// Refuses from now on every token that was issued until now.
    pub(super) fn revoke_all(&self) {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut issued.all);
        issued.revoked.extend(all);
    }

    /// What a presented token says, if it is one of ours and in force.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Invalid> {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = match issued.opaque.get(token) {
            Some(claims) => claims.clone(),
            None => self.key.verify(token)?,
        };
        let now = now.as_second();
        match () {
            () if issued.revoked.contains(&claims.uti) => Err(Invalid::Revoked),
            () if now < claims.nbf => Err(Invalid::NotYet),
            () if now >= claims.exp => Err(Invalid::Expired),
            () => Ok(claims),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::lab::LabOptions;

    fn claims(mint_time: Timestamp) -> Claims {
        let options = LabOptions::default();
        Claims::of(&options.directory, &options.directory.apps[0], EXCHANGE_AUDIENCE, mint_time)
    }

    #[test]
    fn each_form_is_verified_for_what_it_is() {
        let (mint, now) = (Mint::new().unwrap(), Timestamp::now());
        let claims = claims(now);
        let verified = |form| mint.verify(mint.issue(&claims, form).unwrap().expose_secret(), now);
        assert_eq!(verified(Form::Jwt).as_ref(), Ok(&claims));
        assert_eq!(verified(Form::Opaque).as_ref(), Ok(&claims));
        assert_eq!(verified(Form::Forged), Err(Invalid::Signature));
        assert_eq!(mint.verify("not.a.token", now), Err(Invalid::Unknown));
    }

    #[test]
    fn lasts_between_60_and_90_minutes() {
        let (mint, now) = (Mint::new().unwrap(), Timestamp::now());
        let token = mint.issue(&claims(now), Form::Jwt).unwrap();
        let after = |minutes| mint.verify(token.expose_secret(), now + SignedDuration::from_mins(minutes));
        assert!(after(59).is_ok());
        assert_eq!(after(91), Err(Invalid::Expired));
        assert_eq!(after(-1), Err(Invalid::NotYet));
    }

    #[test]
    fn revocation_ends_earlier_tokens_and_spares_later_ones() {
        let (mint, now) = (Mint::new().unwrap(), Timestamp::now());
        let early = mint.issue(&claims(now), Form::Jwt).unwrap();
        mint.revoke_all();
        let late = mint.issue(&claims(now), Form::Opaque).unwrap();
        assert_eq!(mint.verify(early.expose_secret(), now), Err(Invalid::Revoked));
        assert!(mint.verify(late.expose_secret(), now).is_ok());
    }
}
