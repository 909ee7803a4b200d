//! From the greeting to the login.

use std::time::Instant;

use secrecy::ExposeSecret;

use super::{Dialogue, State, Tls};
use crate::{
    client::{
        Action, Failure, UpstreamReply,
        offers::Offers,
        replies::Lines,
        xoauth2::{self, Opening},
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
            State::AuthBare(tls) if class == 3 => self.respond(tls, now),
            // some relays have no room for the response in the command, and call it malformed
            State::AuthWhole(tls) if matches!(lines.code, 500 | 501) => {
                self.ask(xoauth2::BARE, State::AuthBare(tls), now);
            }
            State::AuthWhole(_) | State::AuthResponse if class == 3 => self.ask("", State::AuthError, now),
            State::AuthWhole(_) | State::AuthResponse if class == 2 => {
                self.enter(State::Idle, now);
                return Some(Action::Ready);
            }
            State::Greeting(_)
            | State::Ehlo(_)
            | State::StartTls
            | State::AuthWhole(_)
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
        match tls {
            Some(tls) if self.offers.xoauth2() => self.log_in(tls, now),
            Some(_) => self.fail(Failure::XOAuth2Missing { offered: self.offers.shown_mechanisms() }),
            None if self.offers.starttls => {
                self.ask("STARTTLS", State::StartTls, now);
                None
            }
            None => self.fail(Failure::StartTlsMissing),
        }
    }

    /// Begins the login. Only what holds a [`Tls`] can call it.
    fn log_in(&mut self, tls: Tls, now: Instant) -> Option<Action> {
        match xoauth2::open(&self.settings.login) {
            Some(Opening::Whole(line)) => self.ask(line.expose_secret(), State::AuthWhole(tls), now),
            Some(Opening::Bare) => self.ask(xoauth2::BARE, State::AuthBare(tls), now),
            None => return self.fail(Failure::TokenTooLong),
        }
        None
    }

    /// Says the response that the bare command has announced.
    fn respond(&mut self, _: Tls, now: Instant) {
        let response = xoauth2::response(&self.settings.login);
        self.ask(response.expose_secret(), State::AuthResponse, now);
    }
}
