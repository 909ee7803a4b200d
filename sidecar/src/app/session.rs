//! One app's connection: moves octets between its socket and the session, and waits for whichever
//! comes first: input, a deadline, the end of the program.

use std::future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mail_egress_smtp::OutOfTurn;
use mail_egress_smtp::reply::SHUTTING_DOWN;
use mail_egress_smtp::server::{Event, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::clock::{now, past};
use crate::drain::Drain;
use crate::message::refusal::Refusal;
use crate::message::submission::{Submission, Submissions};
use crate::sender::follow::Current;

/// What is read at a time.
const READ: usize = 16 * 1024;
/// What is kept of an app that sends on while its message is on the way; beyond, at most [`READ`].
const MOST_AHEAD: usize = 2 * READ;
/// For the app to take a reply.
const WRITE_TIME: Duration = Duration::from_secs(60);
/// For the app to close after the last reply.
const CLOSE_TIME: Duration = Duration::from_millis(200);

/// A connection with everything that belongs to it. While it is idle it holds no buffer.
struct Conversation {
    stream: TcpStream,
    session: Session,
    submissions: Arc<Submissions>,
    current: watch::Receiver<Current>,
    drain: Drain,
    input: Vec<u8>,
    text: Vec<u8>,
    submission: Option<Submission>,
}

/// What a wait brought.
enum Woken {
    Readable(io::Result<()>),
    Late,
    GiveBackPlace,
    Ending,
    Over,
}

/// Serves one connection to its end. An error is the app's connection, broken.
pub async fn serve(stream: TcpStream, submissions: Arc<Submissions>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut current = submissions.current.clone();
    let settings = current.borrow_and_update().session_settings();
    let drain = submissions.drain.clone();
    let session = Session::new(settings, now());
    let session = if submissions.login.is_some() { session.demanding_login() } else { session };
    let mut conversation = Conversation {
        session,
        stream,
        submissions,
        current,
        drain,
        input: Vec::new(),
        text: Vec::new(),
        submission: None,
    };
    let ended = conversation.run().await;
    if let Some(submission) = conversation.submission.take() {
        conversation.submissions.abandoned(&submission);
    }
    ended
}

impl Conversation {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            // also where the app never lets us wait
            if self.drain.has_begun() {
                self.session.shutdown();
            }
            self.write().await?;
            if self.session.is_closed() {
                return self.close().await;
            }
            if !self.input.is_empty() || self.session.is_due() {
                self.step().await?;
            } else if !self.wait().await? {
                return Ok(());
            }
        }
    }

    /// Gives the session what is there, and sees to what comes of it.
    async fn step(&mut self) -> io::Result<()> {
        if self.current.has_changed().unwrap_or(false) {
            let settings = self.current.borrow_and_update().session_settings();
            self.session.update(settings);
        }
        let fed = self.session.feed(&self.input, &mut self.text, now());
        self.input.drain(..fed.consumed.min(self.input.len()));
        if let Some(submission) = &mut self.submission {
            submission.body.push(&self.text).await;
        }
        self.text.clear();
        let Some(event) = fed.event else {
            // else it would be offered the same input for ever
            let stuck = fed.consumed == 0 && !self.input.is_empty() && !self.session.is_closed();
            return if stuck { Err(io::Error::other(OutOfTurn)) } else { Ok(()) };
        };
        // the rules on addresses need no waiting, and no write of its own for each answer
        let event = match event {
            Event::Sender(from) => return self.answer(self.submissions.may_send_as(&from)),
            Event::Recipient(to) => return self.answer(self.submissions.may_send_to(&to)),
            event => event,
        };
        // what was answered so far, before anything is waited for
        self.write().await?;
        // boxed: an idle session should not pay for the largest future
        Box::pin(self.see_to(event)).await
    }

    async fn see_to(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Sender(_) | Event::Recipient(_) => Err(io::Error::other(OutOfTurn)),
            Event::Login => {
                let checked = self.submissions.may_log_in(self.session.credentials()).await;
                self.answer(checked)
            }
            Event::Data(envelope) => match self.submissions.admit(envelope).await {
                Ok(submission) => {
                    self.submission = Some(submission);
                    self.session.permit(now()).map_err(io::Error::other)
                }
                Err(refusal) => {
                    self.offer_what_came().await?;
                    self.session.refuse(&refusal.reply(), now()).map_err(io::Error::other)
                }
            },
            Event::Unfit(why) => {
                if let Some(submission) = self.submission.take() {
                    self.submissions.unfit(&submission, why);
                }
                Ok(())
            }
            Event::Dropped => {
                if let Some(submission) = self.submission.take() {
                    self.submissions.abandoned(&submission);
                }
                Ok(())
            }
            Event::End => {
                let submission = self.submission.take().ok_or(OutOfTurn).map_err(io::Error::other)?;
                let gone = gone(&mut self.stream, &mut self.input);
                let outcome = self.submissions.deliver(submission, gone).await;
                let outcome = outcome.ok_or(io::ErrorKind::ConnectionAborted)?;
                self.session.finish(&outcome, now()).map_err(io::Error::other)
            }
        }
    }

    fn answer(&mut self, decided: Result<(), Refusal>) -> io::Result<()> {
        match decided {
            Ok(()) => self.session.permit(now()),
            Err(refusal) => self.session.refuse(&refusal.reply(), now()),
        }
        .map_err(io::Error::other)
    }

    /// Shows the session what has come during its question, so that a body sent blindly behind
    /// DATA is not read as commands. What comes even later cannot be told from commands.
    async fn offer_what_came(&mut self) -> io::Result<()> {
        if self.input.is_empty() {
            // lets the runtime look at the sockets, where the answer needed no waiting
            tokio::task::yield_now().await;
            self.read().await?;
        }
        let _nothing_is_taken = self.session.feed(&self.input, &mut self.text, now());
        Ok(())
    }

    /// Waits for input; `false` where the app has closed, or the time to drain is over.
    async fn wait(&mut self) -> io::Result<bool> {
        if self.submission.is_none() {
            (self.input, self.text) = (Vec::new(), Vec::new());
        }
        let place = self.submission.as_ref().and_then(Submission::place_deadline);
        let woken = tokio::select! {
            readable = self.stream.readable() => Woken::Readable(readable),
            () = past(self.session.deadline()) => Woken::Late,
            () = past(place.map(Instant::into_std)) => Woken::GiveBackPlace,
            woken = end(&mut self.drain) => woken,
        };
        match woken {
            Woken::Readable(readable) => {
                readable?;
                return self.read().await;
            }
            Woken::Late => self.session.handle_timeout(now()),
            Woken::GiveBackPlace => {
                if let Some(submission) = &mut self.submission {
                    submission.give_back_place();
                }
            }
            Woken::Ending => {}
            Woken::Over => {
                let mut farewell = Vec::new();
                SHUTTING_DOWN.write_to(&mut farewell);
                self.stream.write_all(&farewell).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn read(&mut self) -> io::Result<bool> {
        read(&mut self.stream, &mut self.input).await
    }

    async fn write(&mut self) -> io::Result<()> {
        for declined in self.session.take_declined() {
            self.submissions.declined(&declined);
        }
        let out = self.session.take_output();
        if out.is_empty() {
            return Ok(());
        }
        timeout(WRITE_TIME, self.stream.write_all(&out)).await?
    }

    /// Closes so that the last reply arrives: a close with input unread would reset it away.
    async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut rest = [0; 512];
        let unread = async { while matches!(self.stream.read(&mut rest).await, Ok(1..)) {} };
        let _closed_in_time = timeout(CLOSE_TIME, unread).await;
        Ok(())
    }
}

/// Reads once what is there, without waiting; `false` where the app has closed.
async fn read(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<bool> {
    input.reserve(READ);
    // not `try_read_buf`, which does not conclude from a short read that there is no more, so that
    // each wait behind it would begin with a read in vain
    tokio::select! {
        biased;
        read = stream.read_buf(input) => Ok(read? > 0),
        () = future::ready(()) => Ok(true),
    }
}

/// Waits until the app has left: closed, half-closed or reset. No client closes its sending half
/// and goes on to wait for a reply: SMTP ends with QUIT (RFC 5321 section 4.1.1.10).
///
/// What it sends meanwhile, such as that QUIT, is kept in `input`. From an app that sends more than
/// may be kept ahead of its turn nothing further is read, so its end is not seen either.
async fn gone(stream: &mut TcpStream, input: &mut Vec<u8>) {
    while input.len() < MOST_AHEAD {
        let there = match stream.readable().await {
            Ok(()) => read(stream, input).await,
            Err(error) => Err(error),
        };
        if !there.unwrap_or(false) {
            return;
        }
    }
    future::pending::<()>().await;
}

/// First the drain's beginning, then its end.
async fn end(drain: &mut Drain) -> Woken {
    if drain.has_begun() {
        drain.over().await;
        return Woken::Over;
    }
    drain.begun().await;
    Woken::Ending
}
