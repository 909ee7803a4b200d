//! An ordinary app in a pod: it knows SMTP on localhost, by Debian's curl, and nothing else.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cluster::{Image, Running};
use crate::eventually::eventually;
use crate::kubectl::{Kubectl, condition};

/// The app's image on the test node: busybox and curl.
pub const APP_IMAGE: &str = "localhost/mail-app:test";

/// How long a pod may take to start, on a busy machine.
const START: Duration = Duration::from_secs(90);

/// Builds the app's image and gives it to the node.
///
/// # Errors
/// When the machine has no curl, or the image cannot be made.
pub fn load_image(running: &Running) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let curl = std::env::split_paths(&path).map(|folder| folder.join("curl")).find(|file| file.is_file());
    let curl: PathBuf = curl.context("there is no curl: apt-get install curl")?;
    running.load_image(&Image::new(APP_IMAGE).busybox().program(curl, "/bin/curl"))
}

/// A running pod of an app.
#[derive(Clone, Debug)]
pub struct App {
    kubectl: Kubectl,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// One message as the app tried to send it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Whether curl saw every reply that it wants.
    pub sent: bool,
    /// The dialogue as the app saw it, `> ` said and `< ` heard, each on a line.
    pub dialogue: String,
}

impl Attempt {
    /// The last reply but that to QUIT: its codes once, and the texts of all its lines joined by a space.
    #[must_use]
    pub fn reply(&self) -> String {
        let heard = self.dialogue.lines().filter_map(|line| line.strip_prefix("< "));
        let heard = heard.filter(|line| !line.starts_with("221 ")).collect::<Vec<_>>();
        let is_last = |line: &&str| line.as_bytes().get(3) != Some(&b'-');
        let end = heard.iter().rposition(is_last).map_or(0, |last| last + 1);
        let before = heard.get(..end.saturating_sub(1)).unwrap_or_default();
        let start = before.iter().rposition(is_last).map_or(0, |last| last + 1);
        let lines = heard.get(start..end).unwrap_or_default();
        let code = lines.first().and_then(|line| line.get(..3)).unwrap_or_default();
        let mut reply = code.to_owned();
        let mut enhanced = "";
        for line in lines {
            let text = line.get(4..).unwrap_or_default().trim();
            let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
            let is_code =
                first.split('.').count() == 3 && first.starts_with(code.get(..1).unwrap_or_default());
            let text = if is_code && first == enhanced { rest } else { text };
            if is_code {
                enhanced = first;
            }
            reply.push(' ');
            reply.push_str(text);
        }
        reply
    }
}

/// A pod of an app that sits there until it is told to send.
#[must_use]
pub fn pod(namespace: &str, name: &str, sender: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{mail-egress.io/sender: {sender}}}
spec:
  terminationGracePeriodSeconds: 20
  containers:
  - name: app
    image: {APP_IMAGE}
    imagePullPolicy: Never
    command: [sh, -c, 'trap \"exit 0\" TERM; while :; do sleep 3600 & wait $!; done']
"
    )
}

impl App {
    /// Creates the pod and waits until it is ready, sidecar and all.
    ///
    /// # Errors
    /// When the API server refuses it, or it does not get ready; with what its events say.
    pub async fn start(kubectl: &Kubectl, namespace: &str, name: &str, sender: &str) -> Result<Self> {
        Self::start_pod(kubectl, &pod(namespace, name, sender), namespace, name).await
    }

    /// The same with a pod of one's own.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub async fn start_pod(kubectl: &Kubectl, pod: &str, namespace: &str, name: &str) -> Result<Self> {
        kubectl.apply(pod).await?;
        let app = Self { kubectl: kubectl.clone(), namespace: namespace.to_owned(), name: name.to_owned() };
        if let Err(error) = app.wait_until_ready().await {
            let story = kubectl.run(&["describe", "pod", name, "-n", namespace]).await.unwrap_or_default();
            return Err(error.context(story));
        }
        Ok(app)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        eventually("the app's pod is ready", START, async || {
            let pod = self.kubectl.object(&["pod", &self.name, "-n", &self.namespace]).await?;
            let (status, _, message) = condition(&pod, "Ready");
            anyhow::ensure!(status == "True", "{message}");
            Ok(())
        })
        .await
    }

    /// Runs a command line in the app's container.
    ///
    /// # Errors
    /// With its words on stderr, when it does not exit with 0.
    pub async fn shell(&self, script: &str) -> Result<String> {
        let words = ["exec", "-n", &self.namespace, &self.name, "-c", "app", "--", "sh", "-c", script];
        self.kubectl.run(&words).await
    }

    /// Sends a message, which must be text without single quotes.
    ///
    /// # Errors
    /// When curl could not be run; a refusal by the sidecar is an [`Attempt`] that was not sent.
    pub async fn send(&self, from: &str, to: &str, message: &str) -> Result<Attempt> {
        let script = format!(
            "printf '%s' '{message}' | curl -sv --crlf --max-time 90 smtp://127.0.0.1:2525/app.test \
             --mail-from '{from}' --mail-rcpt '{to}' -T - 2>&1 && echo '* sent'"
        );
        let dialogue = self.shell(&format!("{script}; true")).await?;
        Ok(Attempt { sent: dialogue.ends_with("* sent\n"), dialogue })
    }
}

#[cfg(test)]
mod tests {
    use super::Attempt;

    #[test]
    fn the_last_reply_is_read_with_all_its_lines() {
        let dialogue = "< 220 hi\n> DATA\n< 451-4.7.0 one \r\n< 451-4.7.0 two\n< 451 4.7.0 three\n> QUIT\n< 221 2.0.0 bye\n";
        let attempt = Attempt { sent: false, dialogue: dialogue.to_owned() };
        assert_eq!(attempt.reply(), "451 4.7.0 one two three");
    }
}
