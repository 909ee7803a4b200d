//! One run of a session, with an outside that decides as it is steered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mail_egress_smtp::{
    Envelope,
    reply::{NegativeCode, NegativeReply, Status},
    server::{Event, Outcome, Session, Settings},
};

use super::framing::{Framing, Step};
use crate::{data::one_kind_of_line_end, dialogue::accepted, replies, steering::Steering};

/// A session and all that came out of it.
pub(crate) struct Run<'a> {
    session: Session,
    settings: Settings,
    steering: Steering<'a>,
    start: Instant,
    now: Instant,
    body: Vec<u8>,
    seen: Seen,
    framing: Option<Framing>,
}

/// What must not depend on the cut of the input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    said: Vec<u8>,
    told: Vec<String>,
    /// When the session's patience ends, since its start.
    patience: Option<Duration>,
    state: String,
}

impl<'a> Run<'a> {
    pub(crate) fn new(settings: Settings, login: bool, steering: Steering<'a>) -> Self {
        let now = Instant::now();
        let session = Session::new(Arc::new(settings.clone()), now);
        let session = if login { session.demanding_login() } else { session };
        let (body, seen) = (Vec::new(), Seen::default());
        let mut run = Self { session, settings, steering, start: now, now, body, seen, framing: None };
        run.listen();
        run
    }

    /// Compares each octet's effect with a second opinion on what it belongs to; only for a run that
    /// is given one octet at a time.
    pub(crate) fn watched(mut self) -> Self {
        self.framing = Some(Framing::default());
        self
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Gives what the app sends in one go.
    pub(crate) fn give(&mut self, pieces: &[&[u8]]) {
        for (index, piece) in pieces.iter().enumerate() {
            let mut step = Step::default();
            let mut done = 0;
            while !self.session.is_closed() && (done < piece.len() || self.session.is_due()) {
                let fed = self.session.feed(&piece[done..], &mut self.body, self.now);
                done += fed.consumed;
                let said = self.listen();
                assert!(fed.consumed > 0 || fed.event.is_some() || !said.is_empty(), "no progress");
                step.said.extend(said);
                if let Some(event) = fed.event {
                    if let Event::Data(envelope) = &event {
                        let behind = [&[&piece[done..]], &pieces[index + 1..]].concat().concat();
                        self.asked(envelope, &behind);
                    }
                    step.events.push(self.event(&event, &mut step.message));
                    step.said.extend(self.listen());
                }
            }
            step.more = index + 1 < pieces.len();
            step.closed = self.session.is_closed();
            if let Some(framing) = &mut self.framing {
                piece.iter().for_each(|octet| framing.octet(*octet, &step));
            }
        }
        self.note();
    }

    /// Time passes, or the process is told something, while the app says nothing.
    pub(crate) fn pause(&mut self) {
        let usual = Settings::default();
        match self.steering.below(8) {
            4 => self.now += Duration::from_secs(1),
            5 => {
                self.now = self.session.deadline().unwrap_or(self.now);
                self.session.handle_timeout(self.now);
            }
            6 => self.session.shutdown(),
            7 if self.settings.bare_line_endings == usual.bare_line_endings
                && self.settings.max_text_line == usual.max_text_line =>
            {
                self.settings.max_message_bytes /= 2;
                self.session.update(Arc::new(self.settings.clone()));
            }
            _ => {}
        }
        self.listen();
        self.note();
    }

    /// A message is asked for; `behind` has come already and may not be taken before the decision.
    fn asked(&mut self, envelope: &Envelope, behind: &[u8]) {
        assert!((1..=self.settings.max_recipients).contains(&envelope.to.len()));
        let fed = self.session.feed(behind, &mut self.body, self.now);
        assert!(fed.consumed == 0 && fed.event.is_none(), "read before the decision");
        assert!(self.body.is_empty(), "a message before its DATA");
    }

    /// Decides, and takes a message that has ended.
    fn event(&mut self, event: &Event, message: &mut Option<Vec<u8>>) -> &'static str {
        self.seen.told.push(format!("{event:?}"));
        match event {
            Event::Sender(_) | Event::Recipient(_) | Event::Login | Event::Data(_) => self.decide(),
            Event::Unfit(_) | Event::Dropped => self.body.clear(),
            Event::End => *message = Some(self.end()),
        }
        match event {
            Event::Sender(_) => "sender",
            Event::Recipient(_) => "recipient",
            Event::Login => "login",
            Event::Data(_) => "data",
            Event::Unfit(_) => "unfit",
            Event::Dropped => "dropped",
            Event::End => "end",
        }
    }

    fn decide(&mut self) {
        let decided = match self.steering.below(4) {
            3 => self.session.refuse(&refusal(), self.now),
            _ => self.session.permit(self.now),
        };
        assert!(decided.is_ok() && self.session.permit(self.now).is_err());
    }

    fn end(&mut self) -> Vec<u8> {
        let body = std::mem::take(&mut self.body);
        one_kind_of_line_end(&body);
        assert!(body.is_empty() || body.ends_with(b"\r\n"));
        self.seen.told.push(body.escape_ascii().to_string());
        let outcome = match self.steering.below(2) {
            0 => Outcome::Accepted(accepted("2.0.0 taken")),
            _ => Outcome::Refused(refusal()),
        };
        assert!(self.session.finish(&outcome, self.now).is_ok());
        body
    }

    fn listen(&mut self) -> Vec<u8> {
        let said = self.session.take_output();
        replies::codes(&said);
        for declined in self.session.take_declined() {
            assert!(declined.reply.code() >= 400);
        }
        self.seen.said.extend_from_slice(&said);
        said
    }

    fn note(&mut self) {
        self.seen.patience = self.session.deadline().map(|deadline| deadline - self.start);
        self.seen.state = format!("{:?}", self.session);
        let most = usize::try_from(self.settings.max_message_bytes).unwrap_or(usize::MAX);
        // halved in a pause, perhaps within the message
        assert!(self.body.len() <= most.saturating_mul(2).max(100_000));
    }
}

fn refusal() -> NegativeReply {
    NegativeReply::new(NegativeCode::LocalError, Status::new(3, 0), &"not now, for a reason ".repeat(40))
}
