//! Runs transcripts against a [`Session`].

use std::{sync::Arc, time::Instant};

use mail_egress_smtp::{
    BodyType, Envelope,
    reply::{NegativeCode, NegativeReply, Status},
    server::{Event, Fed, Outcome, Session, Settings},
};

use secrecy::ExposeSecret;

use crate::{
    dialogue,
    pieces::{Pieces, longest, octets, steps},
};

/// Runs it with the default settings.
#[track_caller]
pub(crate) fn session(transcript: &str) {
    session_with(Settings::default(), transcript);
}

/// Runs it in every way that its input can be cut.
#[track_caller]
pub(crate) fn session_with(settings: Settings, transcript: &str) {
    let longest = longest(&steps(transcript), 'C');
    run_all(settings, transcript, Pieces::all(longest));
}

/// The same for a session that demands a login.
#[track_caller]
pub(crate) fn session_with_login(transcript: &str) {
    let longest = longest(&steps(transcript), 'C');
    run(Settings::default(), true, transcript, Pieces::all(longest));
}

/// The same for transcripts with very long lines, for which every octet would take too long.
#[track_caller]
pub(crate) fn session_in_large_pieces(settings: Settings, transcript: &str) {
    run_all(settings, transcript, [1, 511, 1_000, 4_096, 100_000].into_iter().map(Pieces::Of));
}

#[track_caller]
fn run_all(settings: Settings, transcript: &str, ways: impl Iterator<Item = Pieces>) {
    run(settings, false, transcript, ways);
}

#[track_caller]
fn run(settings: Settings, login: bool, transcript: &str, ways: impl Iterator<Item = Pieces>) {
    let settings = Arc::new(settings);
    let steps = steps(transcript);
    for pieces in ways {
        let mut run = Run::new(settings.clone(), login, pieces);
        run.decides = steps.iter().any(|(letter, text)| *letter == 'E' && text.starts_with("sender"));
        for (letter, text) in &steps {
            run.step(*letter, text);
        }
        run.finish();
    }
}

struct Run {
    session: Session,
    pieces: Pieces,
    now: Instant,
    input: Vec<u8>,
    /// How much of this stretch of input was taken already.
    done: usize,
    output: Vec<u8>,
    body: Vec<u8>,
    event: Option<Event>,
    /// Whether the transcript decides about senders and recipients itself; else all are permitted.
    decides: bool,
}

/// Feeds a session, and permits every sender and recipient on the way.
pub(crate) fn feed(session: &mut Session, input: &[u8], body: &mut Vec<u8>, now: Instant) -> Fed {
    let mut consumed = 0;
    loop {
        let fed = session.feed(&input[consumed..], body, now);
        consumed += fed.consumed;
        match fed.event {
            Some(Event::Sender(_) | Event::Recipient(_)) => session.permit(now).unwrap(),
            event => return Fed { consumed, event },
        }
    }
}

impl Run {
    fn new(settings: Arc<Settings>, login: bool, pieces: Pieces) -> Self {
        let now = Instant::now();
        let session = Session::new(settings, now);
        let session = if login { session.demanding_login() } else { session };
        let (input, output, body) = (Vec::new(), Vec::new(), Vec::new());
        Self { session, pieces, now, input, done: 0, output, body, event: None, decides: false }
    }

    #[track_caller]
    fn step(&mut self, letter: char, text: &str) {
        match letter {
            'C' => self.input.extend([octets(text), b"\r\n".to_vec()].concat()),
            'R' => self.input.extend(octets(text)),
            'S' => {
                self.pump();
                let end = self.output.windows(2).position(|w| w == b"\r\n");
                let end = end.unwrap_or_else(|| panic!("{:?}: nothing said, expected {text}", self.pieces));
                let line: Vec<u8> = self.output.drain(..end + 2).collect();
                assert_eq!(
                    String::from_utf8_lossy(&line[..end]).trim_end(),
                    text.trim_end(),
                    "{:?}",
                    self.pieces
                );
            }
            'E' => {
                self.pump();
                let event = self.event.take().unwrap_or_else(|| panic!("{:?}: no {text}", self.pieces));
                assert_eq!(self.shown(&event).trim_end(), text.trim_end(), "{:?}", self.pieces);
            }
            'D' => self.decide(text),
            'X' => {
                self.pump();
                let closed = self.session.is_closed();
                assert_eq!(if closed { "closed" } else { "open" }, text, "{:?}", self.pieces);
            }
            _ => panic!("no such step: {letter}"),
        }
    }

    #[track_caller]
    fn decide(&mut self, text: &str) {
        self.pump();
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let outcome = match verb {
            "permit" => self.session.permit(self.now),
            "refuse" => self.session.refuse(&refusal(rest), self.now),
            "accept" => self.session.finish(&Outcome::Accepted(dialogue::accepted(rest)), self.now),
            "fail" => self.session.finish(&Outcome::Refused(refusal(rest)), self.now),
            "shutdown" => {
                self.session.shutdown();
                Ok(())
            }
            _ => panic!("no such decision: {text}"),
        };
        outcome.unwrap();
        self.output.extend(self.session.take_output());
    }

    /// Feeds what there is, as far as the session takes it.
    #[track_caller]
    fn pump(&mut self) {
        self.output.extend(self.session.take_output());
        while (!self.input.is_empty() || self.session.is_due()) && self.event.is_none() {
            let piece = self.pieces.next(self.done, self.input.len());
            let fed = match self.decides {
                true => self.session.feed(&self.input[..piece], &mut self.body, self.now),
                false => feed(&mut self.session, &self.input[..piece], &mut self.body, self.now),
            };
            self.output.extend(self.session.take_output());
            self.input.drain(..fed.consumed);
            self.done += fed.consumed;
            self.event = fed.event;
            if fed.consumed == 0 && !self.session.is_due() {
                break;
            }
        }
        if self.input.is_empty() {
            self.done = 0;
        }
    }

    fn shown(&mut self, event: &Event) -> String {
        match event {
            Event::Sender(from) => format!("sender <{from}>"),
            Event::Recipient(to) => format!("recipient <{to}>"),
            Event::Login => {
                let given = self.session.credentials().unwrap();
                format!("login {:?} {:?}", given.user.expose_secret(), given.password.expose_secret())
            }
            Event::Data(envelope) => format!("data {}", shown(envelope)),
            Event::Dropped => {
                self.body.clear();
                "dropped".to_owned()
            }
            Event::Unfit(why) => {
                self.body.clear();
                format!("unfit {why:?}")
            }
            Event::End => format!("end {}", std::mem::take(&mut self.body).escape_ascii()),
        }
    }

    #[track_caller]
    fn finish(mut self) {
        self.pump();
        assert_eq!(String::from_utf8_lossy(&self.output), "", "{:?}: more was said", self.pieces);
        assert_eq!(self.event, None, "{:?}: more came of it", self.pieces);
        assert!(self.input.is_empty() || self.session.is_closed(), "{:?}: input was left", self.pieces);
    }
}

fn shown(envelope: &Envelope) -> String {
    let mut text = format!("<{}> ->", envelope.from);
    for to in &envelope.to {
        text.push_str(&format!(" <{}>", to.address));
        to.dsn.notify.iter().for_each(|notify| text.push_str(&format!(" notify={notify}")));
        to.dsn.orcpt.iter().for_each(|orcpt| text.push_str(&format!(" orcpt={orcpt}")));
    }
    envelope.dsn.ret.iter().for_each(|ret| text.push_str(&format!(" ret={ret}")));
    envelope.dsn.envid.iter().for_each(|envid| text.push_str(&format!(" envid={envid}")));
    if envelope.body == BodyType::EightBitMime {
        text.push_str(" 8bit");
    }
    if envelope.smtputf8 {
        text.push_str(" utf8");
    }
    if let Some(size) = envelope.size {
        text.push_str(&format!(" size={size}"));
    }
    text
}

/// `451 7.0 text`
fn refusal(text: &str) -> NegativeReply {
    let (code, rest) = text.split_once(' ').unwrap();
    let (status, text) = rest.split_once(' ').unwrap();
    let (subject, detail) = status.split_once('.').unwrap();
    let code = match code {
        "451" => NegativeCode::LocalError,
        "454" => NegativeCode::LoginLater,
        "535" => NegativeCode::LoginWrong,
        "452" => NegativeCode::InsufficientStorage,
        "550" => NegativeCode::NotTaken,
        "554" => NegativeCode::TransactionFailed,
        _ => panic!("no such code: {code}"),
    };
    NegativeReply::new(code, Status::new(subject.parse().unwrap(), detail.parse().unwrap()), text)
}
