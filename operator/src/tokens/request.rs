//! A token request, but for what is had only at the moment when it is sent.

use mail_egress_entra::{Credential, Endpoint, SignatureAlgorithm, TokenRequest};
use secrecy::SecretString;

/// What is asked of whom, and by what proof. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who is asked.
    pub endpoint: Endpoint,
    /// The application's (client) id.
    pub client_id: String,
    /// What the token is for.
    pub scope: String,
    /// How the application proves itself.
    pub proof: Proof,
    /// PEM; where given, only these roots are trusted.
    pub ca_bundle: Option<String>,
}

/// By what an application proves itself.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A client secret.
    ClientSecret(SecretString),
    /// A certificate, by which an assertion is signed.
    Certificate {
        /// PEM, the application's own first.
        chain: String,
        /// PEM.
        key: SecretString,
        /// How the assertion is signed.
        algorithm: SignatureAlgorithm,
    },
    /// The operator's own Kubernetes token, had anew for each request.
    OwnToken {
        /// The audience that it is made for.
        audience: String,
    },
    /// A refresh token: the newest that came of this first one.
    RefreshToken {
        /// The one that a person has put into a Secret.
        first: SecretString,
        /// The client secret, where the provider asks for one.
        client_secret: Option<SecretString>,
    },
}

impl Request {
    /// The whole request, with the credential in hand.
    #[must_use]
    pub(super) fn with(self, credential: Credential) -> TokenRequest {
        let Self { endpoint, client_id, scope, proof: _, ca_bundle } = self;
        TokenRequest { endpoint, client_id, scope, credential, ca_bundle }
    }
}
