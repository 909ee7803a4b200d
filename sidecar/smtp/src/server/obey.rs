//! What each command does in each state.

use super::{
    Cause, Event, Session, Settings,
    command::{self, Command, ForwardPath, Mail, Rcpt},
    sasl::{self, Logins, Next},
    session::State,
};
use crate::{
    Address, Dsn, Envelope, Recipient, RecipientDsn,
    reply::{self, Reply},
};

impl Session {
    /// Takes one line: a response where AUTH asked for one, a command elsewhere.
    pub(super) fn obey(&mut self, line: &[u8]) -> Option<Event> {
        if matches!(self.state, State::Sasl(_))
            && let State::Sasl(step) = std::mem::replace(&mut self.state, State::Greeted)
        {
            let next = step.respond(line, self.logins);
            return self.authenticate(next);
        }
        let behind_data = std::mem::take(&mut self.behind_data);
        let command = match command::parse(line) {
            Ok(command) => command,
            Err(_) if behind_data => {
                self.close(&reply::MESSAGE_BEHIND_REFUSAL);
                return None;
            }
            Err(reply) => {
                self.complain(&reply);
                return None;
            }
        };
        self.behind_data = matches!(command, Command::Data);
        match command {
            Command::Bdat(chunk) => return self.bdat(chunk),
            command if matches!(self.state, State::Chunks(_)) => return self.between_chunks(&command),
            Command::Data => return self.data(),
            Command::Mail(mail) => return self.mail(mail),
            Command::Rcpt(rcpt) => return self.rcpt(rcpt),
            Command::Auth { mechanism, initial } => return self.auth(mechanism, initial),
            command => self.answer(&command),
        }
        None
    }

    fn answer(&mut self, command: &Command<'_>) {
        match command {
            Command::Ehlo => {
                self.state = State::Greeted;
                let Settings { name, max_message_bytes, dsn, .. } = &*self.settings;
                let mechanisms = match self.logins {
                    Logins::Ignored => "PLAIN LOGIN XOAUTH2",
                    Logins::Demanded => "PLAIN LOGIN",
                };
                self.say(&reply::extended_hello(name, *max_message_bytes, *dsn, mechanisms));
            }
            Command::Helo => {
                self.state = State::Greeted;
                self.say(&reply::hello(&self.settings.name));
            }
            Command::Rset => {
                if let State::Mail(_) = self.state {
                    self.state = State::Greeted;
                }
                self.say(&reply::OK);
            }
            Command::Noop => self.say(&reply::OK),
            Command::Vrfy => self.say(&reply::NOT_VERIFIED),
            Command::Help => self.say(&reply::HELP),
            Command::Quit => self.close(&reply::BYE),
            Command::StartTls => self.complain(&reply::STARTTLS_REFUSED),
            Command::Expn => self.complain(&reply::EXPN_REFUSED),
            Command::NotOffered => self.complain(&reply::NOT_OFFERED),
            // its chunk is right behind it and cannot be told from commands
            Command::BadBdat => self.close(&reply::BDAT_SYNTAX),
            // what follows was written by whoever led the web client here
            Command::Http => self.close(&reply::NOT_HTTP),
            // `obey` has seen to them: they alone give events
            Command::Mail(_) | Command::Rcpt(_) | Command::Data | Command::Bdat(_) | Command::Auth { .. } => {
            }
        }
    }

    fn mail(&mut self, mail: Mail) -> Option<Event> {
        self.sender_refused = false;
        if matches!(self.state, State::Fresh) {
            self.complain(&reply::HELLO_FIRST);
        } else if matches!(self.state, State::Mail(_)) {
            self.complain(&reply::MAIL_TWICE);
        } else if self.logins == Logins::Demanded && !self.authenticated {
            self.sender_refused = true;
            self.decline(&reply::LOGIN_FIRST, Cause::NotLoggedIn(mail.from));
        } else if mail.size.is_some_and(|size| size > self.settings.max_message_bytes) {
            self.sender_refused = true;
            self.decline(&reply::TOO_LARGE, Cause::TooLarge(mail.from));
        } else if !self.settings.dsn && mail.dsn != Dsn::default() {
            self.complain(&reply::PARAMETER_UNKNOWN);
        } else {
            let Mail { from, body, smtputf8, size, dsn } = mail;
            let event = Event::Sender(from.clone());
            self.state = State::Sender(Envelope { from, to: Vec::new(), body, smtputf8, size, dsn });
            return Some(event);
        }
        None
    }

    fn rcpt(&mut self, rcpt: Rcpt) -> Option<Event> {
        let (max, max_octets) = (self.settings.max_recipients, self.settings.max_recipient_octets);
        let State::Mail(envelope) = &mut self.state else {
            self.out_of_order();
            return None;
        };
        let Some(address) = addressed(rcpt.to, &self.settings) else {
            self.say(&reply::NO_POSTMASTER_YET);
            return None;
        };
        let recipient = Recipient { address, dsn: rcpt.dsn };
        let held = envelope.to.iter().map(Recipient::octets).sum::<usize>();
        if !self.settings.dsn && recipient.dsn != RecipientDsn::default() {
            self.complain(&reply::PARAMETER_UNKNOWN);
        } else if envelope.to.len() >= max || held + recipient.octets() > max_octets {
            self.say(&reply::TOO_MANY_RECIPIENTS);
        } else if !envelope.smtputf8 && !recipient.is_ascii() {
            self.complain(&reply::NEEDS_SMTPUTF8);
        } else if let State::Mail(envelope) = std::mem::replace(&mut self.state, State::Greeted) {
            let event = Event::Recipient(recipient.address.clone());
            self.state = State::Recipient(envelope, recipient);
            return Some(event);
        }
        None
    }

    fn data(&mut self) -> Option<Event> {
        let state = std::mem::replace(&mut self.state, State::Deciding { early: false });
        if let State::Mail(envelope) = state {
            if !envelope.to.is_empty() {
                return Some(Event::Data(envelope));
            }
            self.state = State::Mail(envelope);
            self.complain(&reply::NO_RECIPIENT);
        } else {
            self.state = state;
            self.out_of_order();
        }
        None
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Option<Event> {
        if matches!(self.state, State::Fresh) {
            self.complain(&reply::HELLO_FIRST);
        } else if matches!(self.state, State::Mail(_)) {
            self.complain(&reply::AUTH_IN_TRANSACTION);
        } else if self.authenticated {
            self.complain(&reply::AUTH_TWICE);
        } else {
            return self.authenticate(sasl::begin(mechanism, initial, self.logins));
        }
        None
    }

    fn authenticate(&mut self, next: Result<Next, Reply>) -> Option<Event> {
        match next {
            Ok(Next::Ask(step)) => {
                let challenge = step.challenge();
                self.state = State::Sasl(step);
                self.say(&challenge);
            }
            Ok(Next::Accepted) => {
                self.authenticated = true;
                self.say(&reply::AUTHENTICATED);
            }
            Ok(Next::Check(credentials)) => {
                self.state = State::LoggingIn(credentials);
                return Some(Event::Login);
            }
            Err(reply) => self.complain(&reply),
        }
        None
    }

    /// Between two chunks only what ends the message, or does nothing, has a place (RFC 3030 section
    /// 2).
    fn between_chunks(&mut self, command: &Command<'_>) -> Option<Event> {
        match command {
            Command::Ehlo | Command::Helo | Command::Rset => {
                self.state = State::Greeted;
                self.answer(command);
                Some(Event::Dropped)
            }
            Command::Noop
            | Command::Help
            | Command::Vrfy
            | Command::Quit
            | Command::Http
            | Command::BadBdat => {
                self.answer(command);
                None
            }
            _ => {
                self.complain(&reply::WITHIN_CHUNKS);
                None
            }
        }
    }

    /// RCPT or DATA without a MAIL; one that was pipelined behind a refused MAIL (RFC 2920 section
    /// 3.1) is not counted as an error.
    fn out_of_order(&mut self) {
        let reply = Self::out_of_order_reply(&self.state);
        if self.sender_refused {
            self.say(&reply);
        } else {
            self.complain(&reply);
        }
    }

    pub(super) fn out_of_order_reply(state: &State) -> Reply {
        if matches!(state, State::Fresh) { reply::HELLO_FIRST } else { reply::MAIL_FIRST }
    }
}

/// Where it goes; a postmaster without a domain is that of our own (RFC 5321 section 4.5.1).
fn addressed(path: ForwardPath, settings: &Settings) -> Option<Address> {
    match path {
        ForwardPath::Address(address) => Some(address),
        ForwardPath::Postmaster(name) => {
            format!("{name}@{}", settings.postmaster_domain.as_deref()?).parse().ok()
        }
    }
}
