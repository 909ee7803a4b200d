//! One token request, from the question to the token or the reason why there is none.

use std::time::Duration;

use jiff::Timestamp;
use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use oauth2::{
    AuthType, ClientId, ClientSecret, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
};
use secrecy::ExposeSecret;

use crate::answer::{Grant, Refusal};
use crate::dial::{Proxies, Resolver};
use crate::error::TokenError;
use crate::fault::Fault;
use crate::post::Post;
use crate::request::{Target, TokenRequest};
use crate::tls;
use crate::token::Granted;

/// How an assertion is announced (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long a token request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Name, TCP and TLS together; 5 s.
    pub connect: Duration,
    /// Everything, from the name to the last octet of the answer; 15 s.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(15) }
    }
}

/// Asks Entra, or another provider, for tokens. Cheap to clone; holds no credential, no token and no
/// connection.
#[derive(Clone, Debug)]
pub struct TokenClient {
    resolver: Resolver,
    limits: Limits,
    proxies: Proxies,
}

/// oauth2's client, which reads Entra's answers by our types.
pub(crate) type Client = oauth2::Client<
    Refusal,
    Grant,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// What oauth2 makes of an answer that it cannot use.
pub(crate) type Unanswered = RequestTokenError<Fault, Refusal>;

impl TokenClient {
    /// A client that finds the login host by `resolver`, and goes there by itself.
    #[must_use]
    pub fn new(resolver: Resolver, limits: Limits) -> Self {
        Self { resolver, limits, proxies: Proxies::default() }
    }

    /// The same by the proxy that these name for the login host.
    #[must_use]
    pub fn through(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Asks once. Repeats nothing, follows no redirect, speaks to nobody but the endpoint's host
    /// (and the proxy on the way), and to that only after it proved its name. Dropping the future ends
    /// the connection.
    ///
    /// `now` is the wall clock before the call, from which the token's end is counted and from which
    /// on an assertion is valid.
    ///
    /// # Errors
    /// Says why there is no token, how that is mended and when to ask again; the time limits are
    /// errors as well.
    pub async fn request(&self, request: &TokenRequest, now: Timestamp) -> Result<Granted, TokenError> {
        let TokenRequest { client_id, credential, ca_bundle, .. } = request;
        let invalid = |error| TokenError::invalid(error, request.endpoint.issuer());
        let target = request.target().map_err(invalid)?;
        let assertion = credential.assertion(client_id, target.url.as_str(), now).map_err(invalid)?;
        let assertion = assertion.as_ref().map(ExposeSecret::expose_secret);
        let post = self.post(&target, ca_bundle.as_deref())?;

        let mut client = Client::new(ClientId::new(client_id.clone())).set_auth_type(AuthType::RequestBody);
        if let Some(secret) = credential.client_secret() {
            client = client.set_client_secret(ClientSecret::new(secret.to_owned()));
        }
        let client = client.set_token_uri(target.token_url());
        let scope = Scope::new(request.asked_scope().into_owned());
        let answered = match credential.refresh_token().map(|token| RefreshToken::new(token.to_owned())) {
            Some(token) => client.exchange_refresh_token(&token).add_scope(scope).request_async(&post).await,
            None => {
                let mut asked = client.exchange_client_credentials().add_scope(scope);
                if let Some(assertion) = assertion {
                    asked = asked
                        .add_extra_param("client_assertion_type", ASSERTION_TYPE)
                        .add_extra_param("client_assertion", assertion);
                }
                asked.request_async(&post).await
            }
        };
        let secrets = [credential.client_secret(), credential.refresh_token(), assertion];
        let secrets: Vec<&str> = secrets.into_iter().flatten().collect();
        let grant = answered.map_err(|error| explain(error, &post, &target, &secrets, now))?;
        Granted::from_grant(&grant, now).map_err(|why| TokenError::unusable(why, &target))
    }

    /// What sends one request to this target.
    pub(crate) fn post<'a>(
        &'a self,
        target: &'a Target,
        ca_bundle: Option<&str>,
    ) -> Result<Post<'a>, TokenError> {
        let tls = tls::client_config(ca_bundle).map_err(|e| TokenError::bundle(&e))?;
        let proxy =
            self.proxies.proxy_for(&target.peer).map_err(|fault| TokenError::fault(&fault, target))?;
        Ok(Post::new(&self.resolver, self.limits, tls, &target.peer).through(proxy))
    }
}

/// Why an answer to `post` is no token. What it repeats of `secrets` is blotted out.
pub(crate) fn explain(
    error: Unanswered,
    post: &Post<'_>,
    target: &Target,
    secrets: &[&str],
    now: Timestamp,
) -> TokenError {
    match (error, post.head()) {
        (RequestTokenError::Request(_), Some(head)) if head.status != 200 => {
            TokenError::foreign(head, target, now)
        }
        (RequestTokenError::Request(fault), _) => TokenError::fault(&fault, target),
        (RequestTokenError::ServerResponse(refusal), Some(head)) => {
            TokenError::refused(&refusal, target, secrets, head, now)
        }
        // What these errors hold is dropped unseen: the raw body, perhaps with a token.
        (RequestTokenError::Parse(..) | RequestTokenError::Other(_), Some(head)) => {
            TokenError::foreign(head, target, now)
        }
        (_, None) => TokenError::fault(&Fault::Protocol("no request was sent".to_owned()), target),
    }
}
