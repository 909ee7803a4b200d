//! The sidecar between your own SMTP client and the lab, on loopback: no Kubernetes, no root.
//!
//! `make try` runs it.

#![expect(clippy::print_stdout, reason = "showing is what this program is for")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use jiff::Timestamp;
use mail_egress_tests::lab::{DEFAULT_MAILBOX, Event, FaultOrder, Lab, LabOptions};
use mail_egress_tests::programs::Programs;
use mail_egress_tests::stand::Stand;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

const EXAMPLES: &str = "\
Examples:
  make try
  cargo run -p mail-egress-tests --bin try -- --smtp-port 2626
  cargo run -p mail-egress-tests --bin try -- --fault exchange:no-starttls
  cargo run -p mail-egress-tests --bin try -- --fault 'exchange:reply=auth:535 5.7.3 Authentication unsuccessful'";

/// A sidecar on loopback that sends to a lab, for your own SMTP client to talk to
#[derive(Debug, Parser)]
#[command(name = "try", after_help = EXAMPLES)]
struct Arguments {
    /// Where the sidecar takes mail, on 127.0.0.1
    #[arg(long, default_value_t = 2525)]
    smtp_port: u16,
    /// A misbehaviour of the lab, as `lab --help` lists them; may be given several times
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<FaultOrder>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match attempt(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("try: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn attempt(arguments: Arguments) -> Result<()> {
    let programs = Programs::build_sidecar()?;
    let lab = Lab::start(LabOptions::default()).await?;
    let mut events = lab.events();
    let stand = Stand::with(&programs, lab, arguments.smtp_port, true).await?;
    let mut file = stand.file().await?;
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    arguments.faults.into_iter().for_each(|fault| stand.lab.order(fault));
    println!("{}", introduction(&stand));

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    loop {
        let end = file.token.as_ref().map(|token| token.expires_at.duration_since(Timestamp::now()));
        let half = end.and_then(|left| Duration::try_from(left / 2).ok()).unwrap_or(Duration::from_secs(60));
        tokio::select! {
            event = events.recv() => match event {
                Ok(Event::MessageTaken(message)) => {
                    println!("{message}\n{}", String::from_utf8_lossy(&message.content));
                }
                Ok(event) => println!("{event}"),
                Err(RecvError::Lagged(missed)) => println!("({missed} events not shown)"),
                Err(RecvError::Closed) => break,
            },
            () = tokio::time::sleep(half) => {
                file.token = Some(stand.token().await?);
                stand.configure(&file)?;
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    Ok(())
}

fn introduction(stand: &Stand) -> String {
    let port = stand.smtp().port();
    format!(
        "
The sidecar takes mail at 127.0.0.1:{port}, without TLS and without a password, and sends it to the
lab's Exchange as {DEFAULT_MAILBOX}, with a token from the lab's Entra. Try it with your own client:

  printf 'From: {DEFAULT_MAILBOX}\\nSubject: hello\\n\\nHello.\\n' | curl -v --crlf smtp://127.0.0.1:{port} \\
    --mail-from {DEFAULT_MAILBOX} --mail-rcpt you@example.org -T -

  swaks --server 127.0.0.1:{port} --from {DEFAULT_MAILBOX} --to you@example.org

Metrics: http://{}/metrics   Send with another From to hear the rules refuse it. Ctrl-C ends it.
",
        stand.admin()
    )
}
