//! The way to Microsoft Graph: name, connection, TLS, and a message where one is asked for.
//!
//! There is no login to try: the token's own words are all that is known of it before a message.

use std::future::pending;
use std::sync::Arc;

use jiff::Timestamp;
use mail_egress_config::GraphRoute;
use mail_egress_entra::dial::Proxies;
use mail_egress_entra::fault::{Fault, Phase};
use mail_egress_entra::https;
use mail_egress_graph::{Ended, Endpoint, Refused, Sender, Sending};
use mail_egress_smtp::Address;
use secrecy::SecretString;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

use super::message;
use super::reach::{Reach, of_fault, tls};
use super::relay::TIMEOUTS;
use super::report::{Finding, Kind, Report};
use crate::sender::claims::Explained;
use crate::upstream;

/// What the way is.
pub(super) struct Way<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) reach: Reach<'a>,
    pub(super) mailbox: &'a Address,
    /// `None`: there is no token, and no message is sent.
    pub(super) token: Option<SecretString>,
    /// What that token says of itself, for where it is refused.
    pub(super) explained: Option<Explained>,
    /// Whom a test message is for.
    pub(super) test: Option<&'a Address>,
}

/// Where Graph is; or why that is no place.
pub(super) fn endpoint(route: &GraphRoute) -> Result<Endpoint, Finding> {
    Endpoint::parse(&route.base_url)
        .map_err(|why| Finding::refused(&upstream::troubled(&upstream::Trouble::BaseUrl(why)), None))
}

/// Walks it. `None` where it ended early; the report has the reason.
pub(super) async fn walk(mut way: Way<'_>, report: &mut Report<'_>) -> Option<()> {
    let peer = way.endpoint.peer().clone();
    let proxies = Proxies::of_environment();
    if way.reach.proxy.is_none() {
        match proxies.proxy_for(&peer) {
            Ok(proxy) => way.reach.proxy = proxy,
            Err(fault) => {
                report.add(Kind::Tcp, Instant::now(), of_fault(&fault, &peer));
                return None;
            }
        }
    }
    way.reach.tls = Arc::new(https::alone(way.reach.tls.as_ref().clone()));
    let stream = way.reach.tcp(&peer, report).await?;
    let began = Instant::now();
    let secured = way.reach.secured(&peer, stream).await;
    let stream = report.settle(Kind::Tls, began, secured, |stream| tls(&peer, stream))?;
    for (kind, why) in [
        (Kind::Greeting, "Graph says nothing before it is asked"),
        (Kind::Auth, "Graph judges the token when a message is sent"),
        (Kind::MailFrom, "Graph has no envelope"),
    ] {
        report.add(kind, Instant::now(), Finding::skipped(why));
    }
    match (way.test, &way.token) {
        (Some(to), Some(token)) => test_message(&way, to, token, stream, report).await,
        (Some(_), None) => {
            report.add(Kind::TestMessage, Instant::now(), Finding::skipped("there is no token to show"));
            None
        }
        (None, _) => Some(()),
    }
}

async fn test_message(
    way: &Way<'_>,
    to: &Address,
    token: &SecretString,
    stream: TlsStream<TcpStream>,
    report: &mut Report<'_>,
) -> Option<()> {
    let began = Instant::now();
    let (id, text) = message::test(way.mailbox, to, Timestamp::now());
    let sender = Sender { mailbox: way.mailbox.to_string(), token: token.clone() };
    let peer = way.endpoint.peer();
    let sending = async {
        let mut sending = Sending::begin(stream, &way.endpoint, &sender, text.len() as u64).await?;
        sending.write(text.as_bytes()).await?;
        sending.finish()
    };
    let sent = match timeout(TIMEOUTS.data, sending).await {
        Ok(Ok(unsent)) => unsent.conclude(pending()).await.map_err(|refused| refusal(way, &refused)),
        Ok(Err(Ended::Refused(refused))) => Err(refusal(way, &refused)),
        Ok(Err(Ended::Fault(fault))) => Err(of_fault(&fault, peer)),
        Ok(Err(Ended::Length)) => {
            Err(of_fault(&Fault::Protocol("the message is not as long as was said".to_owned()), peer))
        }
        Err(_elapsed) => Err(of_fault(&Fault::Timeout { phase: Phase::Answer, within: TIMEOUTS.data }, peer)),
    };
    report
        .settle(Kind::TestMessage, began, sent, |accepted| {
            let request = accepted.request_id();
            Finding::ok(format!("Graph took it for {to}, Message-ID <{id}>: 202, request-id {request}"))
        })
        .map(drop)
}

/// As the app is told it: a refused token is explained by what it says.
fn refusal(way: &Way<'_>, refused: &Refused) -> Finding {
    let said = refused.diagnosis.said.clone();
    let why = upstream::refused_by_graph(refused);
    match &way.explained {
        Some(token) if why.is_of_the_token() => Finding::refused(&why.with_token(token), said),
        Some(_) | None => Finding::refused(&why, said),
    }
}
