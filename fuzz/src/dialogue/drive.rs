//! One run of a dialogue, with a caller that does as it is steered.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use mail_egress_smtp::client::{Action, Attempt, Dialogue, Lost, Phase, Security, UpstreamReply};

use super::{messages::Mail, settings};
use crate::{data::one_kind_of_line_end, data::one_message, steering::Steering};

/// A dialogue, what it is about, and all that came out of it.
pub(crate) struct Run<'a> {
    dialogue: Dialogue,
    steering: Steering<'a>,
    now: Instant,
    start: Instant,
    /// What must not be written without TLS.
    response: String,
    tls: bool,
    mail: Option<Mail>,
    /// What of the body was written, and whether its end was.
    framed: Vec<u8>,
    dotted: bool,
    /// A dot was written in place of a message that the relay waits for.
    lone_dot: bool,
    /// What the relay said since it was given a message, or asked for its body.
    answer: Vec<u8>,
    /// Something was written, and the relay had said more already.
    early: bool,
    seen: Seen,
}

/// What must not depend on the cut of the input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    written: Vec<u8>,
    told: Vec<String>,
    patience: Option<Duration>,
    state: String,
}

impl<'a> Run<'a> {
    pub(crate) fn new(mut steering: Steering<'a>) -> Self {
        let now = Instant::now();
        let security = steering.one(&[Security::StartTls, Security::Implicit]);
        let token = "t0ken".repeat(steering.one(&[1, 1_000, 4_000]));
        let response = STANDARD.encode(format!("user=ann@example.com\x01auth=Bearer {token}\x01\x01"));
        Self {
            dialogue: Dialogue::new(settings(security, &token), now),
            steering,
            now,
            start: now,
            response,
            tls: security == Security::Implicit,
            mail: None,
            framed: Vec::new(),
            dotted: false,
            lone_dot: false,
            answer: Vec::new(),
            early: false,
            seen: Seen::default(),
        }
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Whether the relay answered what was not asked yet. Whether that can be noticed does depend on
    /// the cut.
    pub(crate) fn was_early(&self) -> bool {
        self.early
    }

    /// Takes all that the relay says up to a pause, then does what follows from it.
    pub(crate) fn give(&mut self, pieces: &[&[u8]]) {
        let mut action = None;
        for (index, piece) in pieces.iter().enumerate() {
            self.answer.extend_from_slice(piece);
            action = self.dialogue.feed(piece, self.now).or(action);
            self.early |= self.listen() && index + 1 < pieces.len();
        }
        if action == Some(Action::Ready) && self.dialogue.is_ended() {
            // ready and already over: told at once where both came together
            action = Some(Action::Finished(Attempt::Failed(Lost::Closed(Phase::Idle).into())));
        }
        self.follow(action);
        self.pause();
        self.seen.patience = self.dialogue.deadline().map(|deadline| deadline - self.start);
        self.seen.state = format!("{:?}", self.dialogue);
    }

    /// The relay hangs up.
    pub(crate) fn close(&mut self) {
        let action = self.dialogue.closed();
        assert!(self.dialogue.is_ended());
        self.follow(action);
        assert!(self.mail.is_none(), "a message without an outcome");
    }

    fn pause(&mut self) {
        let action = match self.steering.below(8) {
            4 => {
                self.now += Duration::from_secs(1);
                self.dialogue.handle_timeout(self.now)
            }
            5 => {
                self.now = self.dialogue.deadline().unwrap_or(self.now);
                self.dialogue.handle_timeout(self.now)
            }
            6 => self.dialogue.closed(),
            7 => {
                let ready = self.dialogue.is_ready();
                assert_eq!(self.dialogue.quit(self.now).is_ok(), ready);
                None
            }
            _ => None,
        };
        self.listen();
        self.follow(action);
    }

    fn follow(&mut self, action: Option<Action>) {
        let Some(action) = action else { return };
        self.seen.told.push(format!("{action:?}"));
        match action {
            Action::StartTls => self.start_tls(),
            Action::Ready => self.send(),
            Action::SendBody => self.body(),
            Action::Finished(attempt) => {
                self.finished(&attempt);
                self.send();
            }
        }
        self.listen();
    }

    fn start_tls(&mut self) {
        if self.steering.below(4) == 3 {
            let action = self.dialogue.closed();
            return self.follow(action);
        }
        assert!(self.dialogue.tls_established(self.now).is_ok());
        self.tls = true;
    }

    fn send(&mut self) {
        if !self.dialogue.is_ready() {
            return;
        }
        assert!(self.tls, "ready without TLS");
        let mail = Mail::numbered(self.steering.below(8));
        let message = mail.message.clone();
        (self.mail, self.dotted, self.lone_dot) = (Some(mail), false, false);
        self.framed.clear();
        self.answered();
        match self.dialogue.send(message, self.now) {
            Ok(None) => {}
            Ok(Some(Action::Finished(attempt @ Attempt::Unsendable(_)))) => {
                self.seen.told.push(format!("{attempt:?}"));
                self.mail = None;
            }
            other => panic!("{other:?}"),
        }
    }

    /// The classes of the replies that came since this was last asked.
    fn answered(&mut self) -> Vec<u8> {
        let end = self.answer.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        let said: Vec<u8> = self.answer.drain(..end).collect();
        let lines = said.split(|octet| *octet == b'\n').filter(|line| line.get(3) != Some(&b'-'));
        lines.filter_map(|line| line.first().copied()).collect()
    }

    /// Sends the body, or breaks off in the middle of it.
    fn body(&mut self) {
        let Some(mail) = &self.mail else { panic!("asked for a body without a message") };
        let (body, recipients) = (mail.body.clone(), mail.message.envelope.to.len());
        let said = self.answered();
        let [accepted @ .., b'3'] = said.as_slice() else { panic!("a body without a 354") };
        assert!(accepted.iter().all(|class| *class == b'2'), "a message to some of its recipients");
        assert!(accepted.len() > recipients, "a body before MAIL and every RCPT were answered");
        let broken = self.steering.below(4) == 3 && !body.is_empty();
        let given = if broken { &body[..body.len() / 2] } else { &body[..] };
        for piece in self.steering.pieces(given) {
            assert!(self.dialogue.body(piece, &mut self.framed, self.now).is_ok());
        }
        let before = self.framed.len();
        if broken {
            assert!(self.dialogue.end_of_body(&mut self.framed, self.now).is_err());
            assert_eq!(self.framed.len(), before, "a dot behind half a message");
            let action = self.dialogue.closed();
            return self.follow(action);
        }
        assert!(self.dialogue.body(b"x", &mut self.framed, self.now).is_err(), "more than was announced");
        assert_eq!(self.framed.len(), before);
        assert!(self.dialogue.end_of_body(&mut self.framed, self.now).is_ok());
        one_message(&self.framed);
        self.dotted = true;
    }

    /// Judges what an attempt is said to have come to.
    fn finished(&mut self, attempt: &Attempt) {
        assert!(self.dialogue.is_ready() || self.dialogue.is_ended(), "neither ready nor ended");
        let waits = !self.dotted && self.answered().contains(&b'3');
        assert!(
            !(waits && self.dialogue.is_ready()) || self.lone_dot,
            "ready, and the relay waits for a message"
        );
        let dotted = self.mail.take().is_some() && self.dotted;
        match attempt {
            Attempt::Accepted(accepted) => {
                assert!(dotted && self.tls && accepted.reply().code / 100 == 2);
                assert_eq!(self.answer.first(), Some(&b'2'), "accepted without a 2yz to the dot");
            }
            Attempt::Uncertain(_) => assert!(dotted, "uncertain before the dot"),
            Attempt::Failed(_) => assert!(!dotted, "certain behind the dot"),
            Attempt::Refused(refusal) => {
                let no = |reply: &UpstreamReply| (400..600).contains(&reply.code);
                // whatever is said to an RSET instead of yes, the connection is of no use
                assert!(no(&refusal.reply) || refusal.phase == Phase::Reset, "a refusal that is none");
                assert!(refusal.recipients.iter().all(|one| no(&one.reply)));
            }
            Attempt::Unsendable(_) => panic!("unsendable when it was begun already"),
        }
    }

    /// Takes what is to be written, and tells whether there was anything.
    fn listen(&mut self) -> bool {
        let written = self.dialogue.take_output();
        let holds = |text: &str| written.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(self.tls || !(holds("t0ken") || holds(&self.response) || holds("AUTH")), "before TLS");
        one_kind_of_line_end(&written);
        assert!(written.is_empty() || written.ends_with(b"\r\n"));
        let dot = written.split(|octet| *octet == b'\n').any(|line| line == b".\r");
        let alone = self.mail.as_ref().is_some_and(|mail| mail.message.envelope.to.len() == 1);
        assert!(!dot || (self.framed.is_empty() && alone), "a dot where somebody may get an empty message");
        self.lone_dot |= dot;
        self.seen.written.extend_from_slice(&written);
        !written.is_empty()
    }
}
