//! STARTTLS (RFC 3207), with a look at what a client does that was shown something odd.

use super::Session;
use crate::lab::exchange::fault::{ExchangeFault, Phase};
use crate::lab::exchange::reply;
use crate::lab::exchange::wire::Ended;

impl Session {
    pub(super) async fn start_tls(&mut self) -> Result<(), Ended> {
        if self.misbehaves(Phase::StartTls).await? {
            return Ok(());
        }
        if self.tls.is_some() {
            return self.say(&reply::one_starttls()).await;
        }
        if self.starttls_hidden {
            return self.say(&reply::unknown_command("STARTTLS", &self.host)).await;
        }
        if !self.wire.buffered().is_empty() {
            // RFC 3207 section 6: nothing that came in plaintext may be taken for more
            return Err(Ended::Violation("the client spoke behind STARTTLS before its reply"));
        }
        self.say(&reply::ready_for_tls()).await?;
        if let Some(injected) = self.inner.faults.strike(self.number, |fault| {
            if let ExchangeFault::InjectAfterStartTls(text) = fault { Some(text.clone()) } else { None }
        }) {
            self.note(format!("injected in plaintext: {injected:?}"));
            self.wire.put(injected.as_bytes());
        }
        self.flush().await?;
        self.handshake().await
    }

    /// The server's side of the TLS handshake.
    pub(super) async fn handshake(&mut self) -> Result<(), Ended> {
        if self.misbehaves(Phase::Handshake).await? {
            return Err(Ended::Dropped);
        }
        match self.wire.begins_handshake().await {
            Ok(Some(true)) => {}
            Ok(Some(false)) => {
                self.failed_handshake("the client went on in plaintext");
                self.violation("plaintext where a TLS handshake must begin");
                return Ok(());
            }
            Ok(None) => {
                self.failed_handshake("the client left");
                return Err(Ended::ClientLeft);
            }
            Err(ended) => {
                self.failed_handshake(&ended.to_string());
                return Err(ended);
            }
        }
        let certificate = self.inner.faults.strike(self.number, |fault| {
            if let ExchangeFault::Certificate(kind) = fault { Some(*kind) } else { None }
        });
        match self.wire.start_tls(self.inner.certificates.acceptor(certificate)).await {
            Ok(version) => {
                self.note(format!("TLS ({version})"));
                self.inner.seen.send_modify(|seen| seen.counters.handshakes += 1);
                self.tls = Some(version);
                self.client.names = self.inner.clients.names(self.wire.shown_certificates());
                // RFC 3207 section 4.2: what was learned before is forgotten
                self.greeted = false;
                Ok(())
            }
            Err(ended) => {
                self.failed_handshake(&ended.to_string());
                Err(ended)
            }
        }
    }

    fn failed_handshake(&self, why: &str) {
        self.note(format!("no TLS: {why}"));
        self.inner.seen.send_modify(|seen| {
            seen.counters.failed_handshakes += 1;
            seen.handshake_failures.push(why.to_owned());
        });
    }
}
