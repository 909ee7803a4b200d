//! Sends a token request with what is had only at that moment: the operator's own token, or the newest
//! refresh token, whose successor is kept.

use jiff::Timestamp;
use mail_egress_entra::{Credential, Token, TokenError};
use tokio::time::sleep;
use tracing::{info, warn};

use super::{
    Owner, Proof, Request, Surroundings, Tokens, own,
    rotated::{self, Rotated},
    run::SAVE_AGAIN,
};
use crate::{causes::Causes, writer::WriteError};

impl Tokens {
    /// Sends a request; returns the token, and the next refresh token where one came with it, which
    /// counts from now on.
    pub(super) async fn exchange(
        &self,
        owner: &Owner,
        request: Request,
        around: &Surroundings,
    ) -> Result<(Token, Option<Rotated>), TokenError> {
        let (credential, first) = match request.proof.clone() {
            Proof::ClientSecret(secret) => (Credential::ClientSecret(secret), None),
            Proof::Certificate { chain, key, algorithm } => {
                (Credential::Certificate { chain, key, algorithm }, None)
            }
            Proof::OwnToken { audience } => {
                let assertion = own::token(&around.writer, &around.account, &audience).await?;
                (Credential::Federated { assertion }, None)
            }
            Proof::RefreshToken { first, client_secret } => {
                let newest = self.rotated().get(owner).and_then(|rotated| rotated.of(&first).cloned());
                let token = newest.unwrap_or_else(|| first.clone());
                (Credential::RefreshToken { token, client_secret }, Some(first))
            }
        };
        let granted = self.client.request(&request.with(credential), Timestamp::now()).await?;
        let rotated = first.zip(granted.refresh_token).map(|(first, next)| Rotated::new(&first, next));
        if let Some(rotated) = &rotated {
            self.rotated().insert(owner.clone(), rotated.clone());
        }
        Ok((granted.token, rotated))
    }

    /// Keeps a refresh token, however often it takes, until another has taken its place. Should the
    /// leader end before, the one that was shown still works.
    pub(super) async fn keep_rotated(&self, owner: &Owner, rotated: &Rotated, around: &Surroundings) {
        for attempt in 1.. {
            match rotated::save(&around.writer, &around.account.namespace, owner, rotated).await {
                Ok(()) | Err(WriteError::NotLeading(_)) => return,
                Err(error @ (WriteError::TimedOut | WriteError::Api(_))) => {
                    warn!(app = %owner, attempt, error = %Causes(&error), "refresh token not kept yet");
                }
            }
            sleep(SAVE_AGAIN.delay(attempt, rand::random())).await;
            if !self.rotated().get(owner).is_some_and(|current| current.is(rotated)) {
                return;
            }
        }
    }

    /// Deletes what is kept of a refresh token whose owner is gone.
    pub(super) async fn delete_rotated(owner: Owner, around: Surroundings) {
        match rotated::delete(&around.writer, &around.account.namespace, &owner).await {
            Ok(()) => info!(app = %owner, "refresh token forgotten"),
            // the next start finds it again, and forgets it then
            Err(error) => warn!(app = %owner, error = %Causes(&error), "kept refresh token not deleted"),
        }
    }
}
