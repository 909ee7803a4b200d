//! AUTH (RFC 4954) with the mechanisms XOAUTH2 and, where a password may be let in, LOGIN and PLAIN.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::Session;
use crate::lab::event::Event;
use crate::lab::exchange::access::{self, Admitted, Refused};
use crate::lab::exchange::fault::{ExchangeFault, Phase};
use crate::lab::exchange::kind::Kind;
use crate::lab::exchange::seen::SignIn;
use crate::lab::exchange::wire::Ended;
use crate::lab::exchange::{Inner, reply};

/// Who is signed in; counted among the mailbox's connections for as long as it lives.
pub(super) struct Account {
    pub(super) admitted: Admitted,
    inner: Arc<Inner>,
}

impl Account {
    fn new(admitted: Admitted, inner: &Arc<Inner>) -> Self {
        inner.usage().entry(admitted.mailbox.clone()).or_default().sign_in();
        Self { admitted, inner: Arc::clone(inner) }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(usage) = self.inner.usage().get_mut(&self.admitted.mailbox) {
            usage.sign_out();
        }
    }
}

impl Session {
    pub(super) async fn auth(
        &mut self,
        mechanism: &str,
        initial: Option<String>,
        length: usize,
    ) -> Result<(), Ended> {
        self.inner.seen.send_modify(|seen| seen.counters.auth_commands += 1);
        if self.misbehaves(Phase::Auth).await? {
            return Ok(());
        }
        if self.tls.is_none() || !self.inner.kind.mechanisms().contains(&mechanism) {
            return self.say(&reply::unrecognized_mechanism()).await;
        }
        if !self.greeted {
            return self.say(&reply::hello_first()).await;
        }
        if self.account.is_some() {
            return self.say(&reply::already_signed_in()).await;
        }
        if length > 510 && self.strikes(&ExchangeFault::BareAuth) {
            return self.say(&reply::auth_line_too_long()).await;
        }
        match mechanism {
            "LOGIN" => self.login(initial).await,
            "PLAIN" => self.plain(initial).await,
            _ => self.xoauth2(initial).await,
        }
    }

    async fn xoauth2(&mut self, initial: Option<String>) -> Result<(), Ended> {
        let response = match initial {
            Some(response) => response,
            None => self.ask("").await?,
        };
        if response == "*" {
            return self.say(&reply::cancelled()).await;
        }
        let challenge = self.strikes(&ExchangeFault::ErrorChallenge);
        let (user, verdict) = match access::read_response(&response) {
            Ok((user, _)) if challenge => (Some(user), Err(Refused::Ordered)),
            Ok((user, token)) => {
                let directory = self.inner.directory.borrow();
                let admit = match self.inner.kind {
                    Kind::HighVolumeEmail => access::admit_to_high_volume,
                    _ => access::admit,
                };
                let verdict = admit(&directory, &self.inner.mint, &user, &token, Timestamp::now());
                (Some(user), verdict)
            }
            Err(refused) => (None, Err(refused)),
        };
        if challenge {
            let error = r#"{"status":"401","schemes":"bearer","scope":"https://outlook.office365.com/"}"#;
            let answer = self.ask(&STANDARD.encode(error)).await?;
            if !answer.is_empty() {
                self.violation("the answer to an error challenge was not an empty line");
            }
        }
        self.decide(user, verdict).await
    }

    async fn login(&mut self, initial: Option<String>) -> Result<(), Ended> {
        let user = match initial {
            Some(user) => user,
            None => self.ask(&STANDARD.encode("Username:")).await?,
        };
        let password = self.ask(&STANDARD.encode("Password:")).await?;
        if user == "*" || password == "*" {
            return self.say(&reply::cancelled()).await;
        }
        let text =
            |base64: String| STANDARD.decode(base64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = (text(user), text(password));
        let verdict = match (&user, &password) {
            (Some(user), Some(password)) => self.check_password(user, password),
            _ => Err(Refused::Password),
        };
        self.decide(user, verdict).await
    }

    /// RFC 4616: who is meant (nobody else), who it is, and the password.
    async fn plain(&mut self, initial: Option<String>) -> Result<(), Ended> {
        let response = match initial {
            Some(response) => response,
            None => self.ask("").await?,
        };
        if response == "*" {
            return self.say(&reply::cancelled()).await;
        }
        let text = STANDARD.decode(response).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = text.as_deref().map(|text| text.split('\0').collect::<Vec<_>>());
        let (user, verdict) = match parts.as_deref() {
            Some(["", user, password]) => (Some((*user).to_owned()), self.check_password(user, password)),
            Some(_) | None => (None, Err(Refused::Malformed)),
        };
        self.decide(user, verdict).await
    }

    fn check_password(&self, user: &str, password: &str) -> Result<Admitted, Refused> {
        let directory = self.inner.directory.borrow();
        match self.inner.kind {
            Kind::AzureCommunicationServices => {
                access::admit_to_communication(&directory, user, password, Timestamp::now())
            }
            _ => access::admit_by_password(&directory, user, password),
        }
    }

    async fn decide(
        &mut self,
        user: Option<String>,
        verdict: Result<Admitted, Refused>,
    ) -> Result<(), Ended> {
        let outcome = verdict.as_ref().map(|admitted| admitted.client_id.clone()).map_err(Clone::clone);
        let sign_in = Arc::new(SignIn { connection: self.number, user, verdict: outcome });
        self.note(sign_in.to_string());
        self.inner.seen.send_modify(|seen| {
            seen.counters.signed_in += usize::from(verdict.is_ok());
            seen.sign_ins.push(Arc::clone(&sign_in));
        });
        self.inner.tell(Event::SignedIn(sign_in));
        let reply = match verdict {
            Ok(admitted) => {
                self.account = Some(Account::new(admitted, &self.inner));
                self.refusal = None;
                return self.say(&reply::signed_in()).await;
            }
            Err(Refused::DisabledForTenant) => reply::unsuccessful_because(
                &self.host,
                "SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
            ),
            Err(Refused::DisabledForMailbox) => reply::unsuccessful_because(
                &self.host,
                "SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.",
            ),
            Err(Refused::EndsSoon) => reply::token_ends_soon(),
            Err(Refused::Malformed) if self.inner.kind == Kind::HighVolumeEmail => reply::bad_token_data(),
            Err(Refused::Password | Refused::App(_))
                if self.inner.kind == Kind::AzureCommunicationServices =>
            {
                reply::wrong_credentials()
            }
            Err(Refused::Password) => {
                reply::unsuccessful_because(&self.host, "basic authentication is disabled.")
            }
            Err(
                Refused::Malformed
                | Refused::Token(_)
                | Refused::Audience(_)
                | Refused::Tenant(_)
                | Refused::App(_)
                | Refused::Mailbox(_)
                | Refused::NoFullAccess(_)
                | Refused::OutOfScope(_)
                | Refused::NoSmtpSend(_)
                | Refused::AnotherUser(_)
                | Refused::NoHighVolumeAccess(_)
                | Refused::Ordered,
            ) => reply::unsuccessful(&self.host),
        };
        self.refusal = Some(reply.text().to_owned());
        self.say(&reply).await
    }

    /// Says 334 and reads the answer, which goes into no transcript.
    async fn ask(&mut self, challenge: &str) -> Result<String, Ended> {
        self.say(&reply::challenge(challenge)).await?;
        let answer = self.line().await?;
        self.heard(&format!("({} characters)", answer.len()));
        Ok(answer)
    }
}
