//! A sidecar that runs within the test.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use mail_egress_sidecar::args::{Bytes, Cli, Command, Limit, Period, RunArgs};
use mail_egress_sidecar::sidecar::{Ended, Sidecar};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::relay::Relay;

pub(crate) struct Running {
    pub(crate) smtp: SocketAddr,
    pub(crate) admin: SocketAddr,
    folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Ended>,
}

impl Running {
    /// With a relay to send to.
    pub(crate) async fn with(relay: &Relay) -> Self {
        Self::start(Some(&sender_file(relay, "ready")), |_| {}).await
    }

    pub(crate) async fn start(file: Option<&str>, adjust: impl FnOnce(&mut RunArgs)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(file) = file {
            std::fs::write(folder.path().join("sender.json"), file).unwrap();
        }
        let mut args = arguments(&folder.path().join("sender.json"));
        args.spill_dir = folder.path().join("spill");
        adjust(&mut args);
        args.auth_dir = args.auth_dir.map(|name| folder.path().join(name));
        let sidecar = Sidecar::bind(&args).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            smtp: sidecar.smtp_addresses()[0],
            admin: sidecar.admin_address().unwrap(),
            folder,
            stop: Some(stop),
            ended: tokio::spawn(sidecar.run(async {
                let _ = stopped.await;
            })),
        }
    }

    /// Puts another file in place, as the kubelet and an editor do: whole or not at all.
    pub(crate) fn bring(&self, file: &str) {
        let path = self.folder.path();
        std::fs::write(path.join("new"), file).unwrap();
        std::fs::rename(path.join("new"), path.join("sender.json")).unwrap();
    }

    pub(crate) fn take_away(&self) {
        std::fs::remove_file(self.folder.path().join("sender.json")).unwrap();
    }

    /// Puts a file of this name beside it, in the folder `auth`.
    pub(crate) fn bring_auth(&self, name: &str, content: &str) {
        let folder = self.folder.path().join("auth");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), content).unwrap();
    }

    /// As SIGTERM does.
    pub(crate) fn terminate(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap();
        }
    }

    pub(crate) async fn ended(self) -> Ended {
        tokio::time::timeout(Duration::from_secs(20), self.ended).await.expect("did not end").unwrap()
    }

    /// One HTTP request, its whole answer.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: pod\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Waits until the metrics hold this line.
    pub(crate) async fn until_metric(&self, line: &str) {
        let began = Instant::now();
        while !self.ask("GET", "/metrics").await.lines().any(|it| it == line) {
            assert!(began.elapsed() < Duration::from_secs(10), "{line} does not come");
            tokio::task::yield_now().await;
        }
    }

    /// Asserts that the metrics hold this line.
    #[track_caller]
    pub(crate) fn metric(&self, line: &str) -> impl Future<Output = ()> + use<'_> {
        let line = line.to_owned();
        async move {
            let text = self.ask("GET", "/metrics").await;
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}

/// Waits, with the clock set forward by a step again and again; `meanwhile` is done before each.
pub(crate) async fn while_time_flies<T>(
    step: Duration,
    meanwhile: impl Fn(),
    event: impl Future<Output = T>,
) -> T {
    let mut event = std::pin::pin!(event);
    loop {
        tokio::select! {
            result = &mut event => return result,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                meanwhile();
                tokio::time::pause();
                tokio::time::advance(step).await;
                tokio::time::resume();
            }
        }
    }
}

fn arguments(config: &Path) -> RunArgs {
    use clap::Parser;
    let path = config.to_str().unwrap();
    let words = ["sidecar", "run", "--sender", "shop/billing", "--config", path, "--smtp-port", "0"];
    let cli = Cli::parse_from(words.into_iter().chain(["--admin-address", "127.0.0.1:0"]));
    match cli.command {
        Command::Run(args) => RunArgs { drain_timeout: Period(Duration::from_secs(10)), ..args },
        Command::Probe(_) | Command::Check(_) => unreachable!(),
    }
}

/// So much memory, and no disk.
pub(crate) fn budget(octets: usize) -> impl FnOnce(&mut RunArgs) {
    move |args| {
        args.memory_budget = Bytes(octets);
        args.spill_limit = Limit(Some(1));
    }
}

/// The file that the operator would write.
pub(crate) fn sender_file(relay: &Relay, state: &str) -> String {
    let (port, ca_bundle) = (relay.address.port(), relay.ca_bundle.replace('\n', "\\n"));
    format!(
        r#"{{"format": 1, "sender": {{"namespace": "shop", "name": "billing"}}, "mailbox": "billing@contoso.com",
            "state": "{state}", "token": {{"value": "t0ken", "expiresAt": "2999-01-01T00:00:00Z"}},
            "route": {{"exchangeOnline": {{"name": "lab", "host": "127.0.0.1", "port": {port},
                       "caBundle": "{ca_bundle}", "maxMessageBytes": 1000000}}}}}}"#
    )
}
