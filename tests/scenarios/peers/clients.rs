//! The commonest clients, each with every kind of message.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_tests::debian::Wanted;
use mail_egress_tests::lab::DEFAULT_MAILBOX;
use mail_egress_tests::stand::Stand;
use tokio::process::Command;

/// Where the clients come from.
pub(crate) const PACKAGES: &[Wanted<'static>] = &[
    ("/usr/bin/swaks", "swaks"),
    ("/usr/bin/curl", "curl"),
    ("/usr/bin/msmtp", "msmtp"),
    ("/usr/bin/python3", "python3"),
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/node", "nodejs"),
    ("/usr/share/nodejs/nodemailer/package.json", "node-nodemailer"),
];

/// A client, and how it sends the message in a file.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// How it wants the lines of that file to end.
    lines: &'static str,
    /// What it adds to a message's end by itself.
    adds: &'static str,
    command: fn(SocketAddr, &[String], &Path) -> Command,
}

/// All of them.
pub(crate) const CLIENTS: &[Client] = &[
    Client { name: "swaks", lines: "\n", adds: "\r\n", command: swaks },
    Client { name: "curl", lines: "\r\n", adds: "", command: curl },
    Client { name: "msmtp", lines: "\n", adds: "", command: msmtp },
    Client { name: "smtplib", lines: "\r\n", adds: "", command: smtplib },
    Client { name: "nodemailer", lines: "\r\n", adds: "", command: nodemailer },
];

const SOON: Duration = Duration::from_secs(30);

/// Sends each kind of message, and compares what Exchange received octet for octet.
pub(crate) async fn sends_everything(client: &Client) -> Result<()> {
    let stand = Stand::start().await?;
    let folder = tempfile::tempdir()?;
    let one = vec!["to@example.org".to_owned()];
    let many: Vec<String> = (1..=60).map(|number| format!("to{number}@example.org")).collect();
    let attachment = format!("{}\n", "QUJD".repeat(19)).repeat(14_000);
    let messages = [
        ("text", "Hello.\n.\n..two dots\n\nlast line\n".to_owned(), &one),
        ("8-bit", "Gr\u{fc}\u{df}e, \u{4f60}\u{597d}\n".to_owned(), &one),
        ("attachment", mime(&attachment), &one),
        ("many recipients", "Hello, all.\n".to_owned(), &many),
    ];
    for (count, (kind, body, recipients)) in messages.into_iter().enumerate() {
        let message = whole(kind, &body).replace('\n', client.lines);
        let file = folder.path().join("message.eml");
        fs::write(&file, &message)?;
        let mut command = (client.command)(stand.smtp(), recipients, &file);
        let done = command.kill_on_drop(true).output();
        let done =
            tokio::time::timeout(Duration::from_secs(60), done).await.context("it takes for ever")??;
        ensure!(
            done.status.success(),
            "{kind}: {} failed: {}{}\n{}",
            client.name,
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
            stand.log()
        );
        let received = stand.lab.exchange().wait_for_messages(count + 1, SOON).await?;
        let received = received.last().context("Exchange has nothing")?;
        let wanted = whole(kind, &body).replace('\n', "\r\n") + client.adds;
        ensure!(
            received.recipients() == *recipients,
            "{kind}: the recipients are {:?}",
            received.recipients()
        );
        ensure!(
            received.content.ends_with(wanted.as_bytes()),
            "{kind}: it arrived changed; {} octets of {}: {}",
            received.content.len(),
            wanted.len(),
            String::from_utf8_lossy(&received.content).chars().take(2_000).collect::<String>()
        );
    }
    ensure!(stand.lab.exchange().violations().is_empty(), "{:?}", stand.lab.exchange().violations());
    Ok(())
}

/// A message with all that its header needs; lines end in LF.
pub(crate) fn whole(kind: &str, body: &str) -> String {
    let head = if body.starts_with("MIME") { "" } else { "\n" };
    format!(
        "From: {DEFAULT_MAILBOX}\nTo: to@example.org\nSubject: {kind}\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n\
         Message-ID: <{}@contoso.com>\n{head}{body}",
        kind.replace(' ', "-")
    )
}

/// The rest of a message with an attachment.
pub(crate) fn mime(attachment: &str) -> String {
    format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\n\
         see below\n--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"a.bin\"\n\n{attachment}--b--\n"
    )
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

fn swaks(server: SocketAddr, to: &[String], file: &Path) -> Command {
    let mut command = quiet("swaks");
    command.args(["--server", &server.ip().to_string(), "--port", &server.port().to_string()]);
    command.args(["--from", DEFAULT_MAILBOX, "--to", &to.join(","), "--data"]);
    command.arg(format!("@{}", file.display()));
    command
}

fn curl(server: SocketAddr, to: &[String], file: &Path) -> Command {
    let mut command = quiet("curl");
    command.args(["--silent", "--show-error", "--mail-from", DEFAULT_MAILBOX, "--upload-file"]).arg(file);
    command.args(to.iter().flat_map(|to| ["--mail-rcpt", to])).arg(format!("smtp://{server}"));
    command
}

fn msmtp(server: SocketAddr, to: &[String], file: &Path) -> Command {
    let mut command = Command::new("sh");
    let host = [format!("--host={}", server.ip()), format!("--port={}", server.port())];
    command.args(["-c", r#"file="$1"; shift; exec msmtp --file=/dev/null "$@" < "$file""#, "sh"]).arg(file);
    command.args(host).args(["--tls=off", "--auth=off", &format!("--from={DEFAULT_MAILBOX}"), "--"]).args(to);
    command
}

fn smtplib(server: SocketAddr, to: &[String], file: &Path) -> Command {
    const SCRIPT: &str = "\
import smtplib, sys
host, port, sender, recipients, file = sys.argv[1:]
with smtplib.SMTP(host, int(port), timeout=30) as server:
    options = ['BODY=8BITMIME'] if server.ehlo() and server.has_extn('8bitmime') else []
    refused = server.sendmail(sender, recipients.split(','), open(file, 'rb').read(), options)
    assert not refused, refused
";
    let mut command = quiet("/usr/bin/python3");
    command.args(["-c", SCRIPT, &server.ip().to_string(), &server.port().to_string(), DEFAULT_MAILBOX]);
    command.arg(to.join(",")).arg(file);
    command
}

fn nodemailer(server: SocketAddr, to: &[String], file: &Path) -> Command {
    const SCRIPT: &str = "\
const [host, port, from, to, file] = process.argv.slice(1);
require('nodemailer').createTransport({host, port: Number(port), secure: false, ignoreTLS: true})
  .sendMail({envelope: {from, to: to.split(',')}, raw: require('fs').readFileSync(file)})
  .catch(error => { console.error(error.message); process.exit(1); });
";
    let mut command = quiet("/usr/bin/node");
    command.env("NODE_PATH", "/usr/share/nodejs").args(["-e", SCRIPT, "--", &server.ip().to_string()]);
    command.args([&server.port().to_string(), DEFAULT_MAILBOX, &to.join(",")]).arg(file);
    command
}
