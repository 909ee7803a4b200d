//! One token request, from the question to the token or the reason why there is none.

use std::time::Duration;

use jiff::Timestamp;
use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use oauth2::{AuthType, ClientId, ClientSecret, RequestTokenError, Scope, StandardRevocableToken};
use secrecy::ExposeSecret;

use crate::answer::{Grant, Refusal};
use crate::dial::{Proxies, Resolver};
use crate::error::TokenError;
use crate::fault::Fault;
use crate::post::Post;
use crate::request::{Credential, TokenRequest};
use crate::tls;
use crate::token::Token;

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

/// Asks Entra for tokens. Cheap to clone; holds no credential, no token and no connection.
#[derive(Clone, Debug)]
pub struct TokenClient {
    resolver: Resolver,
    limits: Limits,
    proxies: Proxies,
}

/// oauth2's client, which reads Entra's answers by our types.
type Client = oauth2::Client<
    Refusal,
    Grant,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

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

    /// Asks once. Repeats nothing, follows no redirect, speaks to nobody but `login_url`'s host
    /// (and the proxy on the way), and to that only after it proved its name. Dropping the future ends the connection.
    ///
    /// `now` is the wall clock before the call, from which the token's end is counted.
    ///
    /// # Errors
    /// Says why there is no token, how that is mended and when to ask again; the time limits are
    /// errors as well.
    pub async fn request(&self, request: &TokenRequest, now: Timestamp) -> Result<Token, TokenError> {
        let endpoint = request.validate().map_err(TokenError::invalid)?;
        let tls = tls::client_config(request.ca_bundle.as_deref()).map_err(|e| TokenError::bundle(&e))?;
        let proxy = self
            .proxies
            .proxy_for(&endpoint.peer)
            .map_err(|fault| TokenError::fault(&fault, &endpoint.peer))?;
        let post = Post::new(&self.resolver, self.limits, tls, &endpoint.peer).through(proxy);
        let Credential::ClientSecret(secret) = &request.credential;
        let answered = Client::new(ClientId::new(request.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(endpoint.url.clone())
            .set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
            .exchange_client_credentials()
            .add_scope(Scope::new(request.scope.clone()))
            .request_async(&post)
            .await;
        match (answered, post.head()) {
            (Ok(grant), _) => {
                Token::from_grant(&grant, now).map_err(|why| TokenError::unusable(why, &endpoint.peer))
            }
            (Err(RequestTokenError::Request(_)), Some(head)) if head.status != 200 => {
                Err(TokenError::foreign(head, &endpoint.peer, now))
            }
            (Err(RequestTokenError::Request(fault)), _) => Err(TokenError::fault(&fault, &endpoint.peer)),
            (Err(RequestTokenError::ServerResponse(refusal)), Some(head)) => {
                Err(TokenError::refused(&refusal, secret.expose_secret(), head, now))
            }
            // What these errors hold is dropped unseen: the raw body, perhaps with a token.
            (Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)), Some(head)) => {
                Err(TokenError::foreign(head, &endpoint.peer, now))
            }
            (Err(_), None) => {
                let fault = Fault::Protocol("no request was sent".to_owned());
                Err(TokenError::fault(&fault, &endpoint.peer))
            }
        }
    }
}
