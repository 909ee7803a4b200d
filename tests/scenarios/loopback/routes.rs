//! Each route by SMTP, to a lab that plays its server: what it takes, and what each documented refusal
//! becomes. A test is called after its route and its credential, as in the README's table.

mod azure_communication_services;
mod by_credential;
mod connector;
mod direct_send;
mod exchange_online;
mod high_volume_email;
mod smtp_relay;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use mail_egress_config::{Route, SenderFile, SmtpRoute};
use mail_egress_tests::lab::{Act, DEFAULT_MAILBOX, ExchangeFault, Kind, Lab, LabOptions, Message, Phase};
use mail_egress_tests::stand::{Setting, Stand};

const INSIDE: &str = "to@contoso.com";
const OUTSIDE: &str = "to@example.org";

/// Refusals that are tried at the same time: some of them wait.
const AT_ONCE: usize = 20;

/// How a route is written for a lab.
type Way = fn(&Lab, SmtpRoute) -> Result<Route>;

/// A sidecar that sends to such a server by this route, and has a token where the route uses one.
async fn stand(kind: Kind, way: Way) -> Result<Stand> {
    let stand = Stand::set(Setting { lab: LabOptions::of(kind), ..Setting::default() }).await?;
    stand.configure(&file(&stand, way).await?)?;
    stand.wait_until_configured().await?;
    Ok(stand)
}

/// What the operator would write for this route.
async fn file(stand: &Stand, way: Way) -> Result<SenderFile> {
    let mut file = stand.file().await?;
    let Some(Route::ExchangeOnline(smtp)) = file.route.take() else { anyhow::bail!("another route") };
    let route = way(&stand.lab, smtp)?;
    if !route.uses_token() {
        file.token = None;
    }
    file.route = Some(route);
    Ok(file)
}

fn message() -> Vec<u8> {
    format!(
        "From: {DEFAULT_MAILBOX}\r\nTo: {INSIDE}\r\nSubject: x\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <own@contoso.com>\r\n\r\n.A line that begins with a dot.\r\n"
    )
    .into_bytes()
}

/// Sends one message, which the server must take as it is; gives what came of it and the app's reply.
async fn accepted(stand: &Stand, to: &str) -> Result<(Arc<Message>, String)> {
    let before = stand.lab.exchange().messages().len();
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &[to], &message()).await?;
    ensure!(answer.code == 250, "{answer:?}\n{}", stand.log());
    let arrived = stand.lab.exchange().wait_for_messages(before + 1, Duration::from_secs(10)).await?;
    let arrived = Arc::clone(arrived.last().context("none")?);
    ensure!(arrived.content.ends_with(&message()), "{}", String::from_utf8_lossy(&arrived.content));
    ensure!(arrived.recipients() == [to] && arrived.envelope.sender.as_deref() == Some(DEFAULT_MAILBOX));
    ensure!(stand.lab.exchange().violations().is_empty(), "{:?}", stand.lab.exchange().violations());
    ensure!(stand.lab.exchange().counters().plaintext_secrets_seen == 0, "a credential in plaintext");
    Ok((arrived, answer.text))
}

/// What the app is told, and what is counted.
#[derive(Clone, Copy, Debug)]
struct Told {
    code: u16,
    /// A part of the reply: the server's own words, or ours.
    words: &'static str,
    reason: &'static str,
}

/// Sends one message, of which the server must keep nothing.
async fn refused(stand: &Stand, to: &str, told: Told) -> Result<()> {
    let before = stand.lab.exchange().messages().len();
    let series = match (told.code, told.reason) {
        (_, reason @ "RecipientNotInternal") => format!("mail_egress_denials_total{{reason=\"{reason}\"}}"),
        (451, reason) => format!("mail_egress_messages_total{{reason=\"{reason}\",result=\"deferred\"}}"),
        (_, reason) => format!("mail_egress_messages_total{{reason=\"{reason}\",result=\"refused\"}}"),
    };
    let counted = stand.metric(&series).await?.unwrap_or_default();
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &[to], &message()).await?;
    let whole =
        answer.code == told.code && answer.text.contains(told.words) && answer.text.contains("To mend: ");
    ensure!(whole, "wanted {told:?}, heard {answer:?}\n{}", stand.log());
    let now = stand.metric(&series).await?.unwrap_or_default();
    ensure!(
        (now - counted - 1.0).abs() < 0.1,
        "{series} went from {counted} to {now}\n{}",
        stand.get("/metrics").await?
    );
    let exchange = stand.lab.exchange();
    ensure!(exchange.messages().len() == before, "the server has the message");
    ensure!(exchange.violations().is_empty(), "{:?}", exchange.violations());
    ensure!(exchange.counters().plaintext_secrets_seen == 0, "a credential in plaintext");
    Ok(())
}

/// What a server says in place of its usual reply, and what the app is told of it.
struct Said(Phase, &'static str, u16, &'static str);

/// Every cell of the README's table that names a test, names one that there is.
#[test]
fn each_cell_of_the_readmes_table_is_a_test() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/loopback");
    let mut sources = String::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the scenarios can be listed").flatten() {
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => folders.push(entry.path()),
                false => sources += &fs::read_to_string(entry.path()).expect("a scenario can be read"),
            }
        }
    }
    let readme = read("../README.md").expect("there is a README");
    let section = readme.split("## Routes and credentials").nth(1).expect("it has the table");
    let table =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells =
        table.flat_map(|row| row.split('|').skip(2)).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let cells: Vec<&str> = cells.collect();
    assert!(cells.len() > 10, "{cells:?}");
    for cell in cells {
        assert!(sources.contains(&format!("async fn {cell}()")), "there is no test {cell}");
    }
}

/// Puts each of the server's replies to a sidecar of its own; the app must hear the server's words.
async fn each_is_explained(kind: Kind, way: Way, rows: &[Said]) -> Result<()> {
    let failed: Vec<String> = futures::stream::iter(rows)
        .map(async |Said(phase, reply, code, reason)| {
            let holds = async {
                let stand = stand(kind, way).await?;
                let act = Act::Reply((*reply).to_owned());
                stand.lab.exchange().misbehave(ExchangeFault::At(*phase, act));
                let words = reply.get(..30.min(reply.len())).unwrap_or_default();
                refused(&stand, INSIDE, Told { code: *code, words, reason }).await
            };
            holds.await.err().map(|error| format!("{reply}: {error:#}"))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    ensure!(failed.is_empty(), "{} replies are not explained:\n{}", failed.len(), failed.join("\n\n"));
    Ok(())
}
