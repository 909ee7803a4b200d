//! Signing in with a code on another device (RFC 8628; fact sheet A, "device"): how a person lets an
//! application send from their mailbox.
//!
//! ```text
//! begin ──► the person is shown a code and an address
//!             │
//!           poll ◄──┐ after `interval`
//!             ├─────┘ nobody has signed in yet (None)
//!             ├──► signed in: the tokens
//!             └──► declined, too late, or another refusal: the end
//! ```

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use jiff::Timestamp;
use mail_egress_diagnosis::{Class, entra as explained};
use oauth2::url::form_urlencoded;
use oauth2::{
    AuthType, ClientId, DeviceAuthorizationUrl, HttpResponse, RequestTokenError, Scope,
    StandardDeviceAuthorizationResponse,
};
use secrecy::{ExposeSecret, SecretString};

use crate::answer::{Grant, Refusal};
use crate::client::{Client, TokenClient, Unanswered, explain};
use crate::error::{Retry, TokenError};
use crate::fault::Fault;
use crate::request::{self, Issuer, Target, are_scopes, is_client_id, sized};
use crate::token::Granted;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// By how much `slow_down` lengthens the interval (RFC 8628 section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// The interval that is kept to, whatever the answer says.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Longest time for a sign-in that is believed; Entra gives 15 minutes.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Who is to sign in, and for what. The application must be allowed public client flows.
#[derive(Clone, Debug)]
pub struct DeviceLoginRequest {
    /// Where Entra is, without the tenant: `https://login.microsoftonline.com`.
    pub login_url: String,
    /// The tenant's domain or GUID, or `consumers`.
    pub tenant: String,
    /// The application's (client) id.
    pub client_id: String,
    /// What the application is to be allowed, one to eight scopes:
    /// `https://outlook.office.com/SMTP.Send offline_access`. Without `offline_access` there is no
    /// refresh token.
    pub scope: String,
    /// PEM; where given, only these roots are trusted for `login_url`.
    pub ca_bundle: Option<String>,
}

/// A sign-in that waits for its person. `Debug` does not show what the tokens are fetched with.
#[derive(Clone, Debug)]
pub struct DeviceLogin {
    /// What the person types at `verification_uri`; 1 to 64 visible ASCII characters.
    pub user_code: String,
    /// Where the person signs in; a URL, fit to be shown.
    pub verification_uri: String,
    /// Until when.
    pub expires_at: Timestamp,
    device_code: SecretString,
    interval: Duration,
}

impl DeviceLogin {
    /// How long to wait before the next [`TokenClient::poll`], 1 s to 1 h; it grows when Entra asks for
    /// it, and after each failure that may pass.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    fn slower(&mut self, by: Duration) {
        self.interval = (self.interval + by).min(INTERVAL.1).max(self.interval);
    }
}

impl DeviceLoginRequest {
    /// Entra's endpoint of that name.
    fn target(&self, name: &str) -> Result<Target, TokenError> {
        is_client_id(&self.client_id)
            .and_then(|()| are_scopes(&self.scope))
            .and_then(|()| request::entra(&self.login_url, &self.tenant, name))
            .map_err(|error| TokenError::invalid(error, Issuer::Entra))
    }
}

impl TokenClient {
    /// Asks for a code with which a person can sign in. `now` is the wall clock before the call.
    ///
    /// # Errors
    /// As for [`request`](Self::request).
    pub async fn begin_device_login(
        &self,
        request: &DeviceLoginRequest,
        now: Timestamp,
    ) -> Result<DeviceLogin, TokenError> {
        let target = request.target("devicecode")?;
        let post = self.post(&target, request.ca_bundle.as_deref())?;
        let answered: Result<StandardDeviceAuthorizationResponse, Unanswered> =
            Client::new(ClientId::new(request.client_id.clone()))
                .set_auth_type(AuthType::RequestBody)
                .set_device_authorization_url(DeviceAuthorizationUrl::from_url(target.url.clone()))
                .exchange_device_code()
                .add_scope(Scope::new(request.scope.clone()))
                .request_async(&post)
                .await;
        let begun = answered.map_err(|error| explain(error, &post, &target, &[], now))?;
        let visible = |c: char| c.is_ascii_graphic();
        let (code, user_code) = (begun.device_code().secret(), begun.user_code().secret());
        let expires_at = now.checked_add(begun.expires_in().min(LONGEST));
        match expires_at {
            Ok(expires_at) if sized(user_code, 64, visible) && sized(code, 16 * 1024, visible) => {
                Ok(DeviceLogin {
                    user_code: user_code.clone(),
                    verification_uri: begun.verification_uri().url().to_string(),
                    expires_at,
                    device_code: code.as_str().into(),
                    interval: begun.interval().clamp(INTERVAL.0, INTERVAL.1),
                })
            }
            Ok(_) | Err(_) => Err(TokenError::unusable("its codes cannot be used", &target)),
        }
    }

    /// Asks once whether the person has signed in; `None` as long as not. `now` is the wall clock
    /// before the call. To be called again after [`DeviceLogin::interval`].
    ///
    /// # Errors
    /// As for [`request`](Self::request). The sign-in has failed, unless the error's class is
    /// `Transient`: then it goes on. After `expires_at` nobody is asked any more.
    pub async fn poll(
        &self,
        request: &DeviceLoginRequest,
        login: &mut DeviceLogin,
        now: Timestamp,
    ) -> Result<Option<Granted>, TokenError> {
        if now >= login.expires_at {
            return Err(TokenError::of(explained(400, Some("expired_token"), &[], "")));
        }
        let target = request.target("token")?;
        let post = self.post(&target, request.ca_bundle.as_deref())?;
        let code = login.device_code.expose_secret();
        // oauth2 polls in a loop of its own, which shows neither numbers nor description of a refusal.
        let answered = match form(&target, &request.client_id, code) {
            Ok(form) => post.send(form).await,
            Err(fault) => Err(fault),
        };
        let error: Unanswered = match answered.map(|answer| read(&answer)) {
            Ok(Answer::Granted(grant)) => {
                let granted = Granted::from_grant(&grant, now);
                return granted.map(Some).map_err(|why| TokenError::unusable(why, &target));
            }
            Ok(Answer::Refused(refusal)) => match refusal.error() {
                Some("authorization_pending") => return Ok(None),
                Some("slow_down") => {
                    login.slower(SLOWER);
                    return Ok(None);
                }
                _ => RequestTokenError::ServerResponse(refusal),
            },
            Ok(Answer::Foreign) => RequestTokenError::Other("not in the form of RFC 6749".to_owned()),
            Err(fault) => RequestTokenError::Request(fault),
        };
        let error = explain(error, &post, &target, &[code], now);
        if error.diagnosis.class == Class::Transient {
            login.slower(login.interval); // RFC 8628 section 3.5: twice as long after a lost connection
        }
        if let Retry::After(wait) = error.retry {
            login.interval = login.interval.max(wait);
        }
        Err(error)
    }
}

fn form(target: &Target, client_id: &str, code: &str) -> Result<Request<Vec<u8>>, Fault> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", GRANT)
        .append_pair("client_id", client_id)
        .append_pair("device_code", code)
        .finish();
    Request::builder()
        .method(Method::POST)
        .uri(target.url.as_str())
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.into_bytes())
        .map_err(|_| Fault::Protocol("its URL does not fit into a request".to_owned()))
}

/// An answer to the poll.
enum Answer {
    Granted(Grant),
    Refused(Refusal),
    /// In another form than RFC 6749's.
    Foreign,
}

fn read(answer: &HttpResponse) -> Answer {
    let body = answer.body();
    match answer.status().as_u16() {
        200 => serde_json::from_slice(body).map_or(Answer::Foreign, Answer::Granted),
        _ => serde_json::from_slice(body).map_or(Answer::Foreign, Answer::Refused),
    }
}
