//! What people do at Entra: sign in, decline, let a sign-in lapse, lose their sessions.

use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;

use super::Entra;
use super::grants::{Asked, SignedIn};

impl Entra {
    /// The codes with which somebody may sign in now.
    pub fn codes(&self) -> Vec<String> {
        self.inner.grants.waiting()
    }

    /// Waits until a client has asked for a code.
    ///
    /// # Errors
    /// When `timeout` passes first.
    pub async fn wait_for_code(&self, timeout: Duration) -> anyhow::Result<String> {
        let waited = tokio::time::timeout(timeout, self.inner.grants.wait()).await;
        waited.context("no client has asked for a code")?.context("the lab has ended")
    }

    /// How many seconds clients are told to wait between two polls; 5 at first.
    pub fn ask_for_interval(&self, seconds: u64) {
        self.inner.grants.set_interval(seconds);
    }

    /// Somebody signs in with a code, as the owner of this mailbox.
    ///
    /// # Errors
    /// When nobody waits with that code, or there is no such mailbox.
    pub fn approve(&self, user_code: &str, user: &str) -> anyhow::Result<()> {
        let directory = self.inner.directory.borrow();
        let mailbox = directory.mailbox(user).with_context(|| format!("there is no mailbox {user}"))?;
        self.inner.grants.approve(user_code, &mailbox.address)
    }

    /// Somebody declines.
    ///
    /// # Errors
    /// When nobody waits with that code.
    pub fn decline(&self, user_code: &str) -> anyhow::Result<()> {
        self.inner.grants.decline(user_code)
    }

    /// Nobody signed in within the code's time.
    ///
    /// # Errors
    /// When nobody waits with that code.
    pub fn expire_code(&self, user_code: &str) -> anyhow::Result<()> {
        self.inner.grants.expire_code(user_code)
    }

    /// The refresh token of somebody who signed in to this tenant, for
    /// `https://outlook.office.com/SMTP.Send offline_access`.
    pub fn sign_in(&self, client_id: &str, tenant: &str, user: &str) -> SecretString {
        let asked = Asked {
            client_id: client_id.to_owned(),
            tenant: tenant.to_owned(),
            scope: "https://outlook.office.com/SMTP.Send offline_access".to_owned(),
        };
        self.inner.grants.issue(SignedIn { asked, user: user.to_owned() })
    }

    /// The newest refresh token of a user.
    pub fn newest_refresh_token(&self, user: &str) -> Option<SecretString> {
        self.inner.grants.newest(user)
    }

    /// Takes back every refresh token of a user, as when the password was changed (AADSTS50173).
    pub fn revoke_refresh_tokens(&self, user: &str) {
        self.inner.grants.refuse_all(user, 50173);
    }

    /// Lets every refresh token of a user end, unused for 90 days (AADSTS700082).
    pub fn expire_refresh_tokens(&self, user: &str) {
        self.inner.grants.refuse_all(user, 700_082);
    }

    /// Lets one refresh token end.
    pub fn expire_refresh_token(&self, token: &str) {
        self.inner.grants.refuse_one(token, 700_082);
    }
}
