//! The operator's own Kubernetes token, for Entra to exchange: asked of the API server anew for each
//! exchange, for the audience that the EntraApp names.

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};
use mail_egress_diagnosis::{local, reason};
use mail_egress_entra::{Retry, TokenError};
use secrecy::SecretString;

use crate::{
    causes::Causes,
    writer::{WriteError, Writer},
};

/// How long it lasts, in seconds: the shortest that an API server makes. It is used at once.
const LASTS: i64 = 600;

/// Whose token it is: the service account that the operator runs as.
#[derive(Clone, Debug)]
pub struct Account {
    /// The operator's namespace.
    pub namespace: String,
    /// The service account's name.
    pub service_account: String,
}

/// Asks for one. Needs the verb `create` on `serviceaccounts/token` of this service account.
pub(super) async fn token(
    writer: &Writer,
    account: &Account,
    audience: &str,
) -> Result<SecretString, TokenError> {
    let Account { namespace, service_account } = account;
    let accounts: Api<ServiceAccount> = Api::namespaced(writer.client(), namespace);
    let spec = TokenRequestSpec {
        audiences: vec![audience.to_owned()],
        expiration_seconds: Some(LASTS),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let parameters = PostParams::default();
    let made = accounts.create_token_request(service_account, &parameters, &request);
    match writer.write(made).await {
        Ok(TokenRequest { status: Some(status), .. }) => Ok(SecretString::from(status.token)),
        Ok(TokenRequest { status: None, .. }) => Err(refused("the API server's answer holds no token")),
        // 408 and 429 pass by themselves
        Err(WriteError::Api(kube::Error::Api(status)))
            if (400..500).contains(&status.code) && !matches!(status.code, 408 | 429) =>
        {
            Err(refused(&status.message))
        }
        Err(error) => Err(TokenError {
            diagnosis: local(reason::OWN_TOKEN_UNAVAILABLE).with_words(&Causes(&error).to_string()),
            retry: Retry::Backoff,
            trace: None,
        }),
    }
}

fn refused(words: &str) -> TokenError {
    TokenError {
        diagnosis: local(reason::OWN_TOKEN_REFUSED).with_words(words),
        retry: Retry::WhenMended,
        trace: None,
    }
}
