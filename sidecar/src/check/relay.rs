//! The way to the relay: name, connection, TLS, login, sender, and a message where one is asked for.
//!
//! What is said to the relay is the dialogue's, as in the sidecar itself; only MAIL and RSET are
//! said here, since the dialogue begins no message without a recipient.

use std::time::Duration;

use jiff::Timestamp;
use mail_egress_config::SmtpRoute;
use mail_egress_entra::dial::Deadline;
use mail_egress_entra::fault::{Fault, Peer};
use mail_egress_smtp::Address;
use mail_egress_smtp::client::{
    self, Action, Attempt, Dialogue, Failure, Login, Offers, Phase, Security, Settings, Timeouts,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::conversation::{Conversation, Next, in_words, words_of};
use super::message;
use super::reach::{NAME_TIME, Reach, of_fault, tls};
use super::report::{Finding, Kind, Report};
use crate::clock::now;
use crate::sender::claims::Explained;
use crate::upstream::{Trouble, judge, peer, relay_of};

/// Shorter than the sidecar's own: somebody is waiting at a terminal.
pub(super) const TIMEOUTS: Timeouts = Timeouts {
    greeting: Duration::from_secs(30),
    setup: Duration::from_secs(30),
    envelope: Duration::from_secs(30),
    data: Duration::from_secs(30),
    body_block: Duration::from_secs(30),
    final_dot: Duration::from_secs(60),
    farewell: Duration::from_secs(5),
};

/// What the way is.
pub(super) struct Way<'a> {
    pub(super) route: &'a SmtpRoute,
    pub(super) reach: Reach<'a>,
    pub(super) mailbox: &'a Address,
    /// `None`: there is no token, and it ends before AUTH.
    pub(super) login: Option<Login>,
    /// What that token says of itself, for where it is refused.
    pub(super) token: Option<Explained>,
    /// Whom a test message is for.
    pub(super) test: Option<&'a Address>,
}

type Secured = Conversation<TlsStream<TcpStream>>;

/// A connection, whether TLS or not.
trait Octets: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Octets for S {}

/// Walks it. `None` where it ended early; the report has the reason.
pub(super) async fn walk(way: &Way<'_>, report: &mut Report<'_>) -> Option<()> {
    let mut peer = peer(&way.route.host, way.route.port);
    if way.route.mx {
        peer.host = exchanger(way, &peer, report).await?;
    }
    let stream = way.reach.tcp(&peer, report).await?;
    match way.route.security {
        mail_egress_config::Security::StartTls => {
            let (talk, dialogue) = start_tls(way, &peer, stream, report).await?;
            rest_of_it(way, talk, dialogue, report).await
        }
        mail_egress_config::Security::ImplicitTls => {
            let (talk, dialogue) = implicit_tls(way, &peer, stream, report).await?;
            rest_of_it(way, talk, dialogue, report).await
        }
        mail_egress_config::Security::Plaintext => {
            let (talk, dialogue) = plaintext(way, stream, report).await?;
            rest_of_it(way, talk, dialogue, report).await
        }
    }
}

async fn rest_of_it<S: Octets>(
    way: &Way<'_>,
    mut talk: Conversation<S>,
    mut dialogue: Dialogue,
    report: &mut Report<'_>,
) -> Option<()> {
    let done = signed_in(way, &mut talk, &mut dialogue, report).await;
    talk.farewell(&dialogue).await;
    done
}

async fn signed_in<S: Octets>(
    way: &Way<'_>,
    talk: &mut Conversation<S>,
    dialogue: &mut Dialogue,
    report: &mut Report<'_>,
) -> Option<()> {
    log_in(way, talk, dialogue, report).await?;
    sender(way, talk, report).await?;
    match way.test {
        Some(to) => test_message(way, to, talk, dialogue, report).await,
        None => Some(()),
    }
}

/// The MX of the route's domain.
async fn exchanger(way: &Way<'_>, domain: &Peer, report: &mut Report<'_>) -> Option<String> {
    let began = Instant::now();
    let found = async {
        let resolver = way.reach.resolver.as_ref().map_err(Fault::clone)?;
        relay_of(resolver, &domain.host, Deadline::after(NAME_TIME)).await
    };
    let found = found.await.map_err(|fault| of_fault(&fault, domain));
    report.settle(Kind::Mx, began, found, |host| {
        Finding::ok(format!("Microsoft takes the mail of {} at {host}", domain.host))
    })
}

async fn start_tls(
    way: &Way<'_>,
    peer: &Peer,
    stream: TcpStream,
    report: &mut Report<'_>,
) -> Option<(Secured, Dialogue)> {
    let mut dialogue = Dialogue::new(settings(way, Security::StartTls), now());
    let mut talk = Conversation::new(stream);
    let began = Instant::now();
    let greeted = match talk.go(&mut dialogue, Some(Phase::StartTls)).await {
        // a relay that greets well and does not offer TLS fails at the next step
        Next::Action(Action::Finished(Attempt::Failed(missing @ Failure::StartTlsMissing))) => {
            report.add(Kind::Greeting, began, greeting(&talk, dialogue.offers()));
            report.add(Kind::Tls, Instant::now(), ended(Attempt::Failed(missing)));
            return None;
        }
        Next::Action(action) => Err(unexpected(action)),
        Next::Reached => Ok(()),
    };
    report.settle(Kind::Greeting, began, greeted, |()| greeting(&talk, dialogue.offers()))?;

    let began = Instant::now();
    let secured = match talk.go(&mut dialogue, None).await {
        Next::Action(Action::StartTls) => way.reach.secured(peer, talk.into_stream()).await,
        Next::Action(action) => Err(unexpected(action)),
        Next::Reached => Err(out_of_turn()),
    };
    let secured = secured.and_then(|stream| match dialogue.tls_established(now()) {
        Ok(()) => Ok(Conversation::new(stream)),
        Err(_) => Err(out_of_turn()),
    });
    let talk = report.settle(Kind::Tls, began, secured, |talk| tls(peer, talk.stream()))?;
    Some((talk, dialogue))
}

async fn implicit_tls(
    way: &Way<'_>,
    peer: &Peer,
    stream: TcpStream,
    report: &mut Report<'_>,
) -> Option<(Secured, Dialogue)> {
    let began = Instant::now();
    let secured = way.reach.secured(peer, stream).await.map(Conversation::new);
    let mut talk = report.settle(Kind::Tls, began, secured, |talk| tls(peer, talk.stream()))?;

    let dialogue = Dialogue::new(settings(way, Security::Implicit), now());
    let dialogue = greeted(way, &mut talk, dialogue, report).await?;
    Some((talk, dialogue))
}

/// As somebody has asked for it; nothing secret is said.
async fn plaintext(
    way: &Way<'_>,
    stream: TcpStream,
    report: &mut Report<'_>,
) -> Option<(Conversation<TcpStream>, Dialogue)> {
    let mut talk = Conversation::new(stream);
    let dialogue = Dialogue::new(settings(way, Security::Plaintext), now());
    let dialogue = greeted(way, &mut talk, dialogue, report).await?;
    let why = "the route says Plaintext: who sees the packets on their way reads the mail";
    report.add(Kind::Tls, Instant::now(), Finding::skipped(why));
    Some((talk, dialogue))
}

/// Up to the login, on a connection that is as protected as it will be.
async fn greeted<S: Octets>(
    way: &Way<'_>,
    talk: &mut Conversation<S>,
    mut dialogue: Dialogue,
    report: &mut Report<'_>,
) -> Option<Dialogue> {
    let began = Instant::now();
    let greeted = match talk.go(&mut dialogue, Some(Phase::Auth)).await {
        Next::Action(Action::Finished(Attempt::Failed(
            failed @ (Failure::MechanismMissing { .. }
            | Failure::CredentialTooLong
            | Failure::CredentialInPlaintext),
        ))) => {
            report.add(Kind::Greeting, began, greeting(talk, dialogue.offers()));
            report.add(Kind::Auth, Instant::now(), ended(Attempt::Failed(failed)));
            return None;
        }
        // nobody is to log in
        Next::Action(Action::Ready) | Next::Reached => Ok(()),
        Next::Action(action) => Err(objected(way, talk).unwrap_or_else(|| unexpected(action))),
    };
    report.settle(Kind::Greeting, began, greeted, |()| greeting(talk, dialogue.offers()))?;
    Some(dialogue)
}

fn greeting<S: Octets>(talk: &Conversation<S>, offers: &Offers) -> Finding {
    Finding::ok(format!("{}; it offers {}", talk.said(Phase::Greeting), offered(offers)))
}

/// In the words of EHLO.
fn offered(offers: &Offers) -> String {
    let mut all: Vec<String> = [
        (offers.starttls, "STARTTLS"),
        (offers.pipelining, "PIPELINING"),
        (offers.eight_bit_mime, "8BITMIME"),
        (offers.smtputf8, "SMTPUTF8"),
        (offers.dsn, "DSN"),
        (offers.chunking, "CHUNKING"),
    ]
    .into_iter()
    .filter(|(there, _)| *there)
    .map(|(_, name)| name.to_owned())
    .collect();
    all.extend(offers.size.map(|size| format!("SIZE {size}")));
    if !offers.mechanisms.is_empty() {
        all.push(format!("AUTH {}", mail_egress_diagnosis::words(&offers.mechanisms.join(" "))));
    }
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

async fn log_in<S: Octets>(
    way: &Way<'_>,
    talk: &mut Conversation<S>,
    dialogue: &mut Dialogue,
    report: &mut Report<'_>,
) -> Option<()> {
    let began = Instant::now();
    if matches!(way.login, Some(Login::None)) {
        let greeted = match dialogue.is_ready() {
            true => Ok(()),
            false => match talk.go(dialogue, None).await {
                Next::Action(Action::Ready) => Ok(()),
                Next::Action(action) => Err(objected(way, talk).unwrap_or_else(|| unexpected(action))),
                Next::Reached => Err(out_of_turn()),
            },
        };
        return match greeted {
            Ok(()) => {
                report.add(Kind::Auth, began, Finding::skipped(known_by(way)));
                Some(())
            }
            Err(why) => report.settle(Kind::Auth, began, Err(why), |()| Finding::skipped("")),
        };
    }
    let stop = if way.login.is_some() { None } else { Some(Phase::Auth) };
    let in_turn = match talk.go(dialogue, stop).await {
        Next::Action(Action::Ready) => Ok(()),
        Next::Action(Action::Finished(attempt)) => {
            Err(objected(way, talk).unwrap_or_else(|| not_signed_in(way, attempt)))
        }
        Next::Action(action) => Err(unexpected(action)),
        Next::Reached => {
            let why = format!("there is no token to show; the relay offers {}", offered(dialogue.offers()));
            report.add(Kind::Auth, began, Finding::skipped(&why));
            return None;
        }
    };
    report.settle(Kind::Auth, began, in_turn, |()| {
        let seen = format!("signed in as {}: {}", user(way), talk.said(Phase::Auth));
        Finding::ok(format!("{seen}; it offers {}", offered(dialogue.offers())))
    })
}

fn user(way: &Way<'_>) -> String {
    match &way.login {
        Some(Login::XOAuth2(login)) => login.user.clone(),
        Some(Login::Password(login)) => login.user.clone(),
        Some(Login::None) | None => way.mailbox.to_string(),
    }
}

fn known_by(way: &Way<'_>) -> &'static str {
    match way.route.client_certificate {
        Some(_) => "the route has no login: the relay knows us by our certificate",
        None => "the route has no login: the relay knows us by our address, or takes mail for its own",
    }
}

/// MAIL, taken back at once.
async fn sender<S: Octets>(way: &Way<'_>, talk: &mut Conversation<S>, report: &mut Report<'_>) -> Option<()> {
    let began = Instant::now();
    let utf8 = if way.mailbox.is_ascii() { "" } else { " SMTPUTF8" };
    let command = format!("MAIL FROM:<{}>{utf8}", way.mailbox);
    let asked = match talk.ask(&command, Phase::Mail, TIMEOUTS.envelope).await {
        Ok(reply) => talk.ask("RSET", Phase::Reset, TIMEOUTS.setup).await.map(|_| reply),
        Err(attempt) => Err(attempt),
    };
    let taken = report.settle(Kind::MailFrom, began, asked.map_err(ended), |reply| {
        Finding::ok(format!("{} may send: {}; taken back by RSET", way.mailbox, in_words(reply)))
    });
    taken.map(drop)
}

async fn test_message<S: Octets>(
    way: &Way<'_>,
    to: &Address,
    talk: &mut Conversation<S>,
    dialogue: &mut Dialogue,
    report: &mut Report<'_>,
) -> Option<()> {
    let began = Instant::now();
    let (id, text) = message::test(way.mailbox, to, Timestamp::now());
    let sent = message::sent(way.mailbox, to, text.as_bytes(), talk, dialogue).await;
    let judged = sent.map_err(ended);
    report
        .settle(Kind::TestMessage, began, judged, |reply| {
            Finding::ok(format!("the relay took it for {to}, Message-ID <{id}>: {reply}"))
        })
        .map(drop)
}

fn settings(way: &Way<'_>, security: Security) -> Settings {
    // an empty token is never written: without one, it ends before AUTH
    let empty = || client::XOAuth2 { user: way.mailbox.to_string(), token: String::new().into() };
    let login = way.login.clone().unwrap_or_else(|| Login::XOAuth2(empty()));
    Settings { name: String::new(), security, login, timeouts: TIMEOUTS }
}

fn unexpected(action: Action) -> Finding {
    match action {
        Action::Finished(attempt) => ended(attempt),
        Action::StartTls | Action::Ready | Action::SendBody => out_of_turn(),
    }
}

/// A defect of ours.
fn out_of_turn() -> Finding {
    refused(Err(Trouble::OutOfTurn(mail_egress_smtp::OutOfTurn)), None)
}

/// What the relay's TLS has against our certificate, where it has closed for that.
fn objected<S: Octets>(way: &Way<'_>, talk: &Conversation<S>) -> Option<Finding> {
    talk.objection().map(|fault| of_fault(fault, &peer(&way.route.host, way.route.port)))
}

/// As the app is told it: a refused token is explained by what it says.
fn not_signed_in(way: &Way<'_>, attempt: Attempt) -> Finding {
    let said = words_of(&attempt);
    match (judge(Ok(attempt)), &way.token) {
        (Err(why), Some(token)) if why.is_of_the_token() => Finding::refused(&why.with_token(token), said),
        (Err(why), _) => Finding::refused(&why, said),
        (Ok(accepted), _) => Finding::ok(in_words(accepted.reply())),
    }
}

fn ended(attempt: Attempt) -> Finding {
    let said = words_of(&attempt);
    refused(Ok(attempt), said)
}

fn refused(attempt: Result<Attempt, Trouble>, said: Option<String>) -> Finding {
    match judge(attempt) {
        Err(why) => Finding::refused(&why, said),
        Ok(accepted) => Finding::ok(in_words(accepted.reply())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_told_in_the_words_of_ehlo() {
        assert_eq!(offered(&Offers::default()), "nothing");
        let offers = Offers {
            starttls: true,
            size: Some(5),
            mechanisms: vec!["XOAUTH2".to_owned()],
            ..Offers::default()
        };
        assert_eq!(offered(&offers), "STARTTLS, SIZE 5, AUTH XOAUTH2");
    }
}
