//! Ctrl-C and SIGTERM: take the cluster down, then end.

use std::future::poll_fn;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Says whether an interruption came; nothing new is to be started then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    came: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on SIGINT, SIGTERM and SIGHUP run `take_down` once and end the process with 128 + the
    /// signal's number; a second signal ends it at once.
    ///
    /// The threads that this takes stay in the namespaces of their birth.
    pub(crate) fn listen(&self, take_down: impl FnOnce() + Send + 'static) -> Result<()> {
        let came = Arc::clone(&self.came);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = Vec::new();
        let entered = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            signals.push((kind.as_raw_value(), signal(kind).context("cannot listen for signals")?));
        }
        drop(entered);
        let wait = move || {
            let number = runtime.block_on(next(&mut signals));
            came.store(true, Ordering::SeqCst);
            let ending = thread::Builder::new().spawn(move || {
                take_down();
                process::exit(128 + number);
            });
            if ending.is_ok() {
                runtime.block_on(next(&mut signals));
            }
            process::exit(128 + number);
        };
        thread::Builder::new().name("interrupt".to_owned()).spawn(wait)?;
        Ok(())
    }

    /// Parks the calling thread for ever if an interruption came: the process is about to end.
    pub(crate) fn stop_here_if_it_came(&self) {
        while self.came.load(Ordering::SeqCst) {
            thread::park();
        }
    }
}

/// The number of the next signal.
async fn next(signals: &mut [(i32, Signal)]) -> i32 {
    poll_fn(|context| {
        for (number, signal) in signals.iter_mut() {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready(*number);
            }
        }
        Poll::Pending
    })
    .await
}
