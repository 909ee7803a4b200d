//! Two operators as processes on one API server, each over a connection that can be cut.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mail_egress_tests::cuttable::Cuttable;
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::faketime::clock_off_by;
use mail_egress_tests::free_port::free_port;
use mail_egress_tests::installation::OPERATOR_NAMESPACE;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::Bed;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn a_leader_that_is_cut_off_stops_before_the_other_begins(bed: &Bed) -> Result<()> {
    change_of_leaders(bed, "even-clocks", false, false).await
}

pub(crate) async fn and_when_the_follower_s_clock_is_ahead(bed: &Bed) -> Result<()> {
    change_of_leaders(bed, "follower-ahead", false, true).await
}

pub(crate) async fn and_when_the_leader_s_clock_is_ahead(bed: &Bed) -> Result<()> {
    change_of_leaders(bed, "leader-ahead", true, false).await
}

async fn change_of_leaders(bed: &Bed, namespace: &str, first_ahead: bool, second_ahead: bool) -> Result<()> {
    bed.kubectl.run(&["create", "namespace", namespace]).await?;
    let first = Operator::start(bed, namespace, "first", first_ahead).await?;
    eventually("the first leads", PATIENCE, async || first.must_lead(true).await).await?;
    let second = Operator::start(bed, namespace, "second", second_ahead).await?;
    eventually("the second answers", PATIENCE, async || second.must_lead(false).await).await?;

    // a live lease stays where it is: over more renewals than fit into its duration
    let mut renewed = holder(bed, namespace).await?.1;
    for _ in 0..9 {
        let before = renewed;
        renewed = eventually("the lease is renewed", PATIENCE, async || {
            let (holder, time) = holder(bed, namespace).await?;
            ensure!(holder.contains("first"), "{holder} holds the lease");
            ensure!(time != before, "not since {before}");
            Ok(time)
        })
        .await?;
        ensure!(second.leads().await? == Some(false), "two lead at once");
    }

    first.way.cut();
    let cut = Instant::now();
    let mut first_led = true;
    while second.leads().await? != Some(true) {
        first_led = first.leads().await? == Some(true);
        ensure!(cut.elapsed() < PATIENCE, "the second does not take over");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(!first_led, "the first still led when the second began");
    ensure!(first.leads().await? != Some(true), "two lead at once");

    first.way.mend();
    for _ in 0..3 {
        let before = holder(bed, namespace).await?.1;
        eventually("the second renews", PATIENCE, async || {
            let (holder, time) = holder(bed, namespace).await?;
            ensure!(holder.contains("second"), "{holder} holds the lease");
            ensure!(time != before, "not since {before}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn holder(bed: &Bed, namespace: &str) -> Result<(String, String)> {
    let lease = bed.kubectl.object(&["lease", "mail-egress-operator", "-n", namespace]).await?;
    let text = |key: &str| lease["spec"][key].as_str().unwrap_or_default().to_owned();
    Ok((text("holderIdentity"), text("renewTime")))
}

/// A running operator, ended when dropped.
pub(crate) struct Operator {
    way: Cuttable,
    admin: SocketAddr,
    log: PathBuf,
    _child: Child,
    _folder: TempDir,
}

impl Operator {
    async fn start(bed: &Bed, namespace: &str, name: &str, ahead: bool) -> Result<Self> {
        let way = Cuttable::to(bed.api_server()?).await?;
        let kubeconfig = bed.kubeconfig_by(way.address())?;
        Self::launch(bed, way, &kubeconfig, namespace, name, ahead)
    }

    /// One as the manifests install it: under its service account, with no more than its rights.
    pub(crate) async fn installed(bed: &Bed, name: &str) -> Result<Self> {
        let way = Cuttable::to(bed.api_server()?).await?;
        let user = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:mail-egress-operator");
        let mut kubeconfig: serde_yaml::Value = serde_yaml::from_str(&bed.kubeconfig_by(way.address())?)?;
        kubeconfig["users"][0]["user"]["as"] = user.into();
        let kubeconfig = serde_yaml::to_string(&kubeconfig)?;
        Self::launch(bed, way, &kubeconfig, OPERATOR_NAMESPACE, name, false)
    }

    fn launch(
        bed: &Bed,
        way: Cuttable,
        config: &str,
        namespace: &str,
        name: &str,
        ahead: bool,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, config)?;
        let admin = free_port()?;
        let log = folder.path().join("log");
        let mut command = Command::new(bed.programs.operator());
        command
            .args(["run", "--namespace", namespace, "--identity", name])
            .args(["--sidecar-image", "localhost/none:1", "--webhook-address", "127.0.0.1:0"])
            .args(["--admin-address", &admin.to_string(), "--create-default-routes=false"])
            .env("KUBECONFIG", &kubeconfig)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log)?)
            .stderr(fs::File::options().append(true).open(&log)?)
            .kill_on_drop(true);
        if ahead {
            command.envs(clock_off_by("+30s")?);
        }
        let child = command.spawn().context("the operator cannot be started")?;
        Ok(Self { way, admin, log, _child: child, _folder: folder })
    }

    /// What its metric says; `None` where it has ended, and so leads no more.
    async fn leads(&self) -> Result<Option<bool>> {
        let Ok(mut connection) = TcpStream::connect(self.admin).await else { return Ok(None) };
        connection.write_all(b"GET /metrics HTTP/1.0\r\nHost: operator\r\n\r\n").await?;
        let mut text = String::new();
        connection.read_to_string(&mut text).await?;
        let line = text.lines().find(|line| line.starts_with("leader_election_master_status"));
        let line = line.context("no leader_election_master_status")?;
        Ok(Some(line.ends_with(" 1")))
    }

    async fn must_lead(&self, expected: bool) -> Result<()> {
        if self.leads().await? == Some(expected) {
            return Ok(());
        }
        bail!("it does not; its log:\n{}", fs::read_to_string(&self.log)?)
    }
}
