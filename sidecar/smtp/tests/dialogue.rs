//! Runs transcripts against a [`Dialogue`].
//!
//! `D:` knows `tls`, `send <from> -> <to>… [8bit] [utf8]: body`, `body`, `end`, `quit`, `closed`
//! and `timeout`; `A:` shows an action; `X:` is one of `ready`, `ended`, `busy`. Within `C:`,
//! `{response}` stands for the SASL response.

use std::{fmt::Write as _, time::Instant};

use mail_egress_smtp::{
    Address, BodyType, Dsn, Envelope, Recipient, ReversePath,
    client::{
        Accepted, Action, Attempt, Dialogue, Login, Message, Security, Settings, Timeouts, UpstreamReply,
        XOAuth2,
    },
    data::Scan,
};

use crate::pieces::{Pieces, longest, octets, steps};

/// A token that, with its mailbox, leaves no room in an AUTH command.
pub(crate) const LONG_TOKEN: usize = 1_000;

/// The opening that most transcripts share, with all of Exchange's offers, up to the login.
pub(crate) const LOGIN: &str = "
    S: 220 relay ready
    C: EHLO pod
    S: 250-relay
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 2.0.0 go ahead
    A: start tls
    D: tls
    C: EHLO pod
    S: 250-relay
    S: 250-SIZE 1000
    S: 250-PIPELINING
    S: 250-AUTH LOGIN XOAUTH2
    S: 250-8BITMIME
    S: 250 SMTPUTF8
    C: AUTH XOAUTH2 {response}
    S: 235 2.7.0 welcome
    A: ready
    X: ready
";

/// The same for a relay that offers nothing but the login.
pub(crate) const PLAIN_LOGIN: &str = "
    S: 220 relay ready
    C: EHLO pod
    S: 250-relay
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 2.0.0 go ahead
    A: start tls
    D: tls
    C: EHLO pod
    S: 250-relay
    S: 250 AUTH XOAUTH2
    C: AUTH XOAUTH2 {response}
    S: 235 2.7.0 welcome
    A: ready
    X: ready
";

pub(crate) fn settings(token: &str) -> Settings {
    Settings {
        name: "pod".to_owned(),
        security: Security::StartTls,
        login: Login::XOAuth2(XOAuth2 { user: "ann@example.com".to_owned(), token: token.into() }),
        timeouts: Timeouts::default(),
    }
}

/// Runs it with a short token.
#[track_caller]
pub(crate) fn dialogue(transcript: &str) {
    dialogue_with(&settings("token"), transcript);
}

/// Runs it in every way that its input can be cut.
#[track_caller]
pub(crate) fn dialogue_with(settings: &Settings, transcript: &str) {
    let steps = steps(transcript);
    for pieces in Pieces::all(longest(&steps, 'S')) {
        let mut run = Run::new(settings, pieces);
        for (letter, text) in &steps {
            run.step(*letter, text);
        }
        run.finish();
    }
}

/// What a real dialogue makes of this reply to the final dot.
pub(crate) fn accepted(reply: &str) -> Accepted {
    let mut run = Run::new(&settings("token"), Pieces::Of(1_000));
    let message = "
        D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        A: send body
        D: body
        D: end
        C: x
        C: .";
    for (letter, text) in steps(LOGIN).into_iter().chain(steps(message)) {
        run.step(letter, text);
    }
    run.input = format!("250 {reply}\r\n").into_bytes();
    run.pump();
    match run.action {
        Some(Action::Finished(Attempt::Accepted(accepted))) => accepted,
        other => panic!("{other:?}"),
    }
}

pub(crate) struct Run {
    pub(crate) dialogue: Dialogue,
    pub(crate) now: Instant,
    pub(crate) action: Option<Action>,
    pub(crate) output: Vec<u8>,
    response: String,
    pieces: Pieces,
    input: Vec<u8>,
    body: Vec<u8>,
}

impl Run {
    pub(crate) fn new(settings: &Settings, pieces: Pieces) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        use secrecy::ExposeSecret;

        let now = Instant::now();
        let plain = match &settings.login {
            Login::XOAuth2(login) => {
                format!("user={}\x01auth=Bearer {}\x01\x01", login.user, login.token.expose_secret())
            }
            Login::Password(login) => format!("\0{}\0{}", login.user, login.password.expose_secret()),
            Login::None => String::new(),
        };
        let response = STANDARD.encode(plain);
        Self {
            dialogue: Dialogue::new(settings.clone(), now),
            now,
            action: None,
            output: Vec::new(),
            response,
            pieces,
            input: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A run that has come to the end of this transcript.
    #[track_caller]
    pub(crate) fn after(settings: &Settings, transcript: &str) -> Self {
        let mut run = Self::new(settings, Pieces::Of(100_000));
        for (letter, text) in steps(transcript) {
            run.step(letter, text);
        }
        run.pump();
        run
    }

    #[track_caller]
    pub(crate) fn step(&mut self, letter: char, text: &str) {
        match letter {
            'S' => self.input.extend([octets(text), b"\r\n".to_vec()].concat()),
            'R' => self.input.extend(octets(text)),
            'C' => {
                self.pump();
                let end = self.output.windows(2).position(|w| w == b"\r\n");
                let end = end.unwrap_or_else(|| panic!("{:?}: nothing said, expected {text}", self.pieces));
                let line: Vec<u8> = self.output.drain(..end + 2).collect();
                let expected = text.replace("{response}", &self.response);
                assert_eq!(String::from_utf8_lossy(&line[..end]), expected, "{:?}", self.pieces);
            }
            'A' => {
                self.pump();
                let action = self.action.take().unwrap_or_else(|| panic!("{:?}: no {text}", self.pieces));
                assert_eq!(shown(&action), text, "{:?}", self.pieces);
            }
            'D' => self.act(text),
            'X' => {
                self.pump();
                let state = match (self.dialogue.is_ready(), self.dialogue.is_ended()) {
                    (true, false) => "ready",
                    (false, true) => "ended",
                    (false, false) => "busy",
                    (true, true) => "ready and ended",
                };
                assert_eq!(state, text, "{:?}", self.pieces);
            }
            _ => panic!("no such step: {letter}"),
        }
    }

    #[track_caller]
    fn act(&mut self, text: &str) {
        self.pump();
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (now, out) = (self.now, &mut self.output);
        match verb {
            "tls" => self.dialogue.tls_established(now).unwrap(),
            "send" => {
                let (message, body) = message(rest);
                self.body = body;
                self.action = self.dialogue.send(message, now).unwrap();
            }
            "body" => {
                let mut done = 0;
                while done < self.body.len() {
                    let end = done + self.pieces.next(done, self.body.len() - done);
                    self.dialogue.body(&self.body[done..end], out, now).unwrap();
                    done = end;
                }
            }
            "end" => self.dialogue.end_of_body(out, now).unwrap(),
            "quit" => self.dialogue.quit(now).unwrap(),
            "closed" => self.action = self.dialogue.closed(),
            "timeout" => {
                let at = self.dialogue.deadline().unwrap();
                assert_eq!(self.dialogue.handle_timeout(at - std::time::Duration::from_millis(1)), None);
                self.action = self.dialogue.handle_timeout(at);
            }
            _ => panic!("no such act: {text}"),
        }
        self.output.extend(self.dialogue.take_output());
    }

    /// Feeds all input. A later action takes the place of one that nobody has looked at.
    pub(crate) fn pump(&mut self) {
        self.output.extend(self.dialogue.take_output());
        let input = std::mem::take(&mut self.input);
        let mut done = 0;
        while done < input.len() {
            let end = done + self.pieces.next(done, input.len() - done);
            let action = self.dialogue.feed(&input[done..end], self.now);
            self.action = action.or(self.action.take());
            self.output.extend(self.dialogue.take_output());
            done = end;
        }
    }

    #[track_caller]
    fn finish(mut self) {
        self.pump();
        assert_eq!(String::from_utf8_lossy(&self.output), "", "{:?}: more was said", self.pieces);
        assert_eq!(self.action, None, "{:?}: more came of it", self.pieces);
    }
}

/// `<a@b> -> <c@d> notify=NEVER <e@f> 8bit utf8 ret=FULL envid=x: body`
pub(crate) fn message(text: &str) -> (Message, Vec<u8>) {
    let (envelope, body) = text.split_once(": ").unwrap();
    let (from, rest) = envelope.split_once(" -> ").unwrap();
    let inner = |word: &str| word.strip_prefix('<').and_then(|w| w.strip_suffix('>')).map(str::to_owned);
    let from = match inner(from).unwrap().as_str() {
        "" => ReversePath::Null,
        address => address.parse::<Address>().unwrap().into(),
    };
    let mut to: Vec<Recipient> = Vec::new();
    let mut envelope = Envelope {
        from,
        to: Vec::new(),
        body: BodyType::SevenBit,
        smtputf8: false,
        size: None,
        dsn: Dsn::default(),
    };
    for word in rest.split(' ') {
        match word.split_once('=').unwrap_or((word, "")) {
            ("8bit", "") => envelope.body = BodyType::EightBitMime,
            ("utf8", "") => envelope.smtputf8 = true,
            ("ret", ret) => envelope.dsn.ret = Some(ret.parse().unwrap()),
            ("envid", envid) => envelope.dsn.envid = Some(envid.parse().unwrap()),
            ("notify", notify) => to.last_mut().unwrap().dsn.notify = Some(notify.parse().unwrap()),
            ("orcpt", orcpt) => to.last_mut().unwrap().dsn.orcpt = Some(orcpt.parse().unwrap()),
            _ => to.extend(inner(word).map(|to| Recipient::from(to.parse::<Address>().unwrap()))),
        }
    }
    envelope.to = to;
    let body = octets(body);
    let mut scan = Scan::default();
    scan.feed(&body);
    (Message { envelope, content: scan.content() }, body)
}

/// An action as it stands behind `A:`.
pub(crate) fn shown(action: &Action) -> String {
    match action {
        Action::StartTls => "start tls".to_owned(),
        Action::Ready => "ready".to_owned(),
        Action::SendBody => "send body".to_owned(),
        Action::Finished(Attempt::Accepted(accepted)) => format!("accepted {}", words(accepted.reply())),
        Action::Finished(Attempt::Refused(refusal)) => {
            let mut text = format!("refused {} {}", refusal.phase.name(), words(&refusal.reply));
            for refused in &refusal.recipients {
                let _ = write!(text, "; <{}> {}", refused.address, words(&refused.reply));
            }
            text
        }
        Action::Finished(Attempt::Unsendable(why)) => format!("unsendable {why}"),
        Action::Finished(Attempt::Failed(failure)) => format!("failed {failure}"),
        Action::Finished(Attempt::Uncertain(lost)) => format!("uncertain {lost}"),
    }
}

fn words(reply: &UpstreamReply) -> String {
    let enhanced = reply.enhanced.map(|code| format!("{code} ")).unwrap_or_default();
    format!("{} {enhanced}{}", reply.code, reply.text).trim_end().to_owned()
}
