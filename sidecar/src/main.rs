//! `mail-egress-sidecar`: parse, log, build and bind, announce, run until told to stop, drain.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use mail_egress_sidecar::args::{CheckArgs, Cli, Command, ProbeArgs, RunArgs};
use mail_egress_sidecar::sidecar::{Ended, Sidecar};
use mail_egress_sidecar::{check, log, probe};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Probe(args) => ask(&args),
        Command::Run(args) => match run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{error:#}")),
        },
        Command::Check(args) => match walk(&args) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => fail(&format!("{error:#}")),
        },
    }
}

fn ask(args: &ProbeArgs) -> ExitCode {
    match probe::ask(args.question, args.admin_address) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

#[expect(clippy::print_stderr, reason = "the one line that says why it ends")]
fn fail(why: &str) -> ExitCode {
    eprintln!("mail-egress-sidecar: {why}");
    ExitCode::FAILURE
}

/// For the disk: as many as keep one busy. Were they more, a disk that hangs would cost more memory.
const DISK_THREADS: usize = 4;
/// A thread for the disk is soon gone, with its stack: most sidecars never see a large message.
const DISK_THREAD_KEPT: Duration = Duration::from_secs(5);
/// Such a thread makes one system call; the usual 2 MiB are for more.
const DISK_THREAD_STACK: usize = 256 * 1024;
/// The signal that a write beyond RLIMIT_FSIZE raises, on every platform that we build for.
const SIGXFSZ: i32 = 25;

/// One thread: a sidecar is paid for once per pod, and it waits more than it works. What waits for
/// the disk has a few threads of its own.
fn run(args: &RunArgs) -> anyhow::Result<()> {
    log::install(args.log_format, args.log_addresses);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .thread_keep_alive(DISK_THREAD_KEPT)
        .thread_stack_size(DISK_THREAD_STACK)
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(serve(args));
    // a disk that hangs must not keep the pod
    runtime.shutdown_background();
    ended
}

/// Without a log: what is to be said goes to standard output, step by step.
fn walk(args: &CheckArgs) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    Ok(runtime.block_on(check::check(args, &mut std::io::stdout())))
}

async fn serve(args: &RunArgs) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    // with a handler it no longer ends the process, and the write fails as on a full disk
    let _file_too_large = signal(SignalKind::from_raw(SIGXFSZ)).context("cannot listen for SIGXFSZ")?;
    let mut signalled = async move || {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };

    let sidecar = Sidecar::bind(args).await?;
    for address in sidecar.smtp_addresses() {
        tracing::info!(sender = %args.sender, %address, "listening for SMTP");
    }
    if let Some(address) = sidecar.admin_address() {
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving metrics and health");
    }

    let (stop, stopped) = tokio::sync::oneshot::channel();
    let running = sidecar.run(async {
        let _ = stopped.await;
    });
    let second_signal = async {
        signalled().await;
        let _ = stop.send(());
        signalled().await
    };
    tokio::select! {
        ended = running => {
            match ended {
                Ended::Drained => tracing::info!("ended: nothing is in hand"),
                Ended::OutOfTime { sessions } => {
                    tracing::warn!(sessions, "ended: the time to drain was not enough for all sessions");
                }
            }
            Ok(())
        }
        name = second_signal => anyhow::bail!("a second signal ({name}) ended it at once; what was in hand got no reply"),
    }
}
