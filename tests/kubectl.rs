//! kubectl as the tests use it.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::cluster::Running;

/// kubectl of a cluster, as its administrator.
#[derive(Clone, Debug)]
pub struct Kubectl {
    running: Running,
}

impl Kubectl {
    /// For this cluster.
    #[must_use]
    pub fn new(running: &Running) -> Self {
        Self { running: running.clone() }
    }

    /// What kubectl prints for these words.
    ///
    /// # Errors
    /// kubectl's own error text, when it does not exit with 0.
    pub async fn run(&self, words: &[&str]) -> Result<String> {
        self.feed(words, "").await
    }

    /// `kubectl apply -f -`.
    ///
    /// # Errors
    /// What the API server says against it.
    pub async fn apply(&self, yaml: &str) -> Result<String> {
        self.feed(&["apply", "-f", "-"], yaml).await
    }

    /// An object as JSON.
    ///
    /// # Errors
    /// When there is none.
    pub async fn object(&self, words: &[&str]) -> Result<Value> {
        let mut all = vec!["get", "-o", "json"];
        all.extend(words);
        Ok(serde_json::from_str(&self.run(&all).await?)?)
    }

    /// What kubectl prints for these words when it is given this on standard input.
    ///
    /// # Errors
    /// kubectl's own error text, when it does not exit with 0.
    pub async fn feed(&self, words: &[&str], input: &str) -> Result<String> {
        let mut command = tokio::process::Command::from(self.running.kubectl());
        command.args(words).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("kubectl cannot be started")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The status of a condition, its reason and its message; empty where there is no such condition.
#[must_use]
pub fn condition(object: &Value, kind: &str) -> (String, String, String) {
    let all = object["status"]["conditions"].as_array();
    let found = all.and_then(|all| all.iter().find(|condition| condition["type"] == kind));
    let text = |key: &str| found.and_then(|c| c[key].as_str()).unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}
