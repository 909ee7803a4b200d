//! From the greeting to the login.

use std::time::Instant;

use secrecy::ExposeSecret;

use super::{Dialogue, State, Tls};
use crate::{
    client::{
        Action, Failure, Login, Security, UpstreamReply,
        offers::Offers,
        replies::Lines,
        sasl::{Opening, Sasl, Unfit},
    },
    name::host_name,
};

impl Dialogue {
    /// Takes a reply in any state.
    pub(super) fn reply(&mut self, lines: Lines, now: Instant) -> Option<Action> {
        let class = lines.code / 100;
        match self.state {
            State::Greeting(tls) if class == 2 => {
                self.greeting = UpstreamReply::from(lines).text;
                self.hello(tls, now);
            }
            State::Ehlo(tls) if class == 2 => {
                self.offers = Offers::read(&lines);
                return self.offered(tls, now);
            }
            State::StartTls if class == 2 => {
                self.enter(State::Handshake, now);
                return Some(Action::StartTls);
            }
            State::AuthUser(tls) if class == 3 => self.say_user(tls, now),
            State::AuthBare(tls) if class == 3 => self.respond(tls, now),
            // some relays have no room for the response in the command, and call it malformed
            State::AuthWhole(tls) if matches!(lines.code, 500 | 501) => {
                let bare = self.sasl.as_ref().map_or("", Sasl::bare);
                self.ask(bare, State::AuthBare(tls), now);
            }
            State::AuthWhole(_) | State::AuthResponse if class == 3 => {
                let last_word = self.sasl.as_ref().map_or("*", Sasl::last_word);
                self.ask(last_word, State::AuthError, now);
            }
            State::AuthWhole(_) | State::AuthResponse if class == 2 => return self.logged_in(now),
            State::Greeting(_)
            | State::Ehlo(_)
            | State::StartTls
            | State::AuthWhole(_)
            | State::AuthUser(_)
            | State::AuthBare(_)
            | State::AuthResponse
            | State::AuthError => {
                return if class >= 4 {
                    self.refused(lines.into())
                } else {
                    self.garbled("a reply out of place")
                };
            }
            State::Handshake
            | State::Idle
            | State::Envelope(_)
            | State::Body { .. }
            | State::FinalDot
            | State::Clearing { .. }
            | State::Quit
            | State::Ended => return self.reply_to_message(lines.into(), now),
        }
        None
    }

    /// Says EHLO, without TLS or within it.
    pub(super) fn hello(&mut self, tls: Option<Tls>, now: Instant) {
        let line = format!("EHLO {}", host_name(&self.settings.name, "[127.0.0.1]"));
        self.ask(&line, State::Ehlo(tls), now);
    }

    /// Goes on from what the relay offers: to TLS, or within it to the login.
    fn offered(&mut self, tls: Option<Tls>, now: Instant) -> Option<Action> {
        match (tls, self.settings.security) {
            (Some(tls), _) => self.log_in(tls, now),
            (None, Security::Plaintext) => match self.settings.login {
                Login::None => self.logged_in(now),
                Login::XOAuth2(_) | Login::Password(_) => self.fail(Failure::CredentialInPlaintext),
            },
            (None, Security::StartTls | Security::Implicit) if self.offers.starttls => {
                self.ask("STARTTLS", State::StartTls, now);
                None
            }
            (None, Security::StartTls | Security::Implicit) => self.fail(Failure::StartTlsMissing),
        }
    }

    /// Begins the login, where there is one. Only what holds a [`Tls`] can call it.
    fn log_in(&mut self, tls: Tls, now: Instant) -> Option<Action> {
        let sasl = match Sasl::choose(&self.settings.login, &self.offers) {
            Ok(Some(sasl)) => sasl,
            Ok(None) => return self.logged_in(now),
            Err(Unfit::NotOffered(wanted)) => {
                let offered = self.offers.shown_mechanisms();
                return self.fail(Failure::MechanismMissing { wanted, offered });
            }
            Err(Unfit::TooLong) => return self.fail(Failure::CredentialTooLong),
        };
        match sasl.opening() {
            Opening::Whole(line) => self.ask(line.expose_secret(), State::AuthWhole(tls), now),
            Opening::Bare(line) => self.ask(line, State::AuthBare(tls), now),
            Opening::User(line) => self.ask(line, State::AuthUser(tls), now),
        }
        self.sasl = Some(sasl);
        None
    }

    /// Says the user name that LOGIN asks for.
    fn say_user(&mut self, tls: Tls, now: Instant) {
        let Some(sasl) = self.sasl.take() else { return };
        self.ask(sasl.user(), State::AuthBare(tls), now);
        self.sasl = Some(sasl);
    }

    /// Says the response that was asked for.
    fn respond(&mut self, _: Tls, now: Instant) {
        let Some(sasl) = self.sasl.take() else { return };
        self.ask(sasl.response(), State::AuthResponse, now);
        self.sasl = Some(sasl);
    }

    fn logged_in(&mut self, now: Instant) -> Option<Action> {
        self.sasl = None;
        self.enter(State::Idle, now);
        Some(Action::Ready)
    }
}
