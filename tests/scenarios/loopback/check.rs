//! `mail-egress-sidecar check`: each step is seen, and where one fails, cause and fix are told.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use mail_egress_config::{
    EntraSource, Route, Security, SenderFile, SmtpRoute, State, TokenSource, Unready, write,
};
use mail_egress_tests::free_port::free_port;
use mail_egress_tests::lab::program::RouteKind;
use mail_egress_tests::lab::{
    Act, CertificateFault, DEFAULT_CLIENT_ID, DEFAULT_SECRET, DEFAULT_TENANT, ExchangeFault, Phase,
};
use mail_egress_tests::programs::Programs;
use mail_egress_tests::stand::Stand;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::process::Command;

const STEPS: [&str; 9] =
    ["configuration", "token", "dns", "tcp", "greeting", "tls", "auth", "mail-from", "test-message"];

/// What one run said.
struct Checked {
    code: Option<i32>,
    text: String,
}

impl Checked {
    fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text).with_context(|| format!("no JSON: {}", self.text))
    }

    /// The one step that failed, as `step`, with these words in its cause; all after it were skipped.
    fn failed(&self, step: &str, words: &str) -> Result<()> {
        let json = self.json()?;
        ensure!(self.code == Some(1) && json["ok"] == false, "{:?} {}", self.code, self.text);
        let found = of(&json, step)?;
        ensure!(found["result"] == "failed", "{step}: {}", self.text);
        ensure!(found["cause"].as_str().is_some_and(|cause| cause.contains(words)), "{words}: {}", self.text);
        ensure!(found["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "no fix: {}", self.text);
        let failed = json["steps"].as_array().into_iter().flatten().filter(|it| it["result"] == "failed");
        ensure!(failed.count() == 1, "{}", self.text);
        Ok(())
    }
}

fn of<'a>(json: &'a Value, step: &str) -> Result<&'a Value> {
    json["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|it| it["step"] == step)
        .with_context(|| step.to_owned())
}

/// Runs it with this file; the token is in nothing that it says.
async fn check(file: &SenderFile, more: &[&str]) -> Result<Checked> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sender.json");
    fs::write(&path, write(file)?)?;
    let path = path.display().to_string();
    let (checked, errors) = run(&[&["--config", path.as_str()], more].concat()).await?;
    let text = &checked.text;
    if let Some(token) = &file.token {
        let token = token.value.expose_secret();
        ensure!(!text.contains(token) && !errors.contains(token), "it shows the token:\n{text}{errors}");
    }
    ensure!(!text.contains(DEFAULT_SECRET) && !errors.contains(DEFAULT_SECRET), "it shows the secret");
    ensure!(errors.is_empty(), "{errors}");
    Ok(checked)
}

/// Runs it, and gives what it wrote to standard error too.
async fn run(args: &[&str]) -> Result<(Checked, String)> {
    let mut command = Command::new(Programs::build_sidecar()?.sidecar());
    let output = command.arg("check").args(args).env("RUST_LOG", "trace").output().await?;
    let checked = Checked { code: output.status.code(), text: String::from_utf8(output.stdout)? };
    Ok((checked, String::from_utf8(output.stderr)?))
}

/// A stand whose own sidecar has nothing to do, and the file for its lab.
async fn stand() -> Result<(Stand, SenderFile)> {
    let stand = Stand::without_file().await?;
    let file = stand.file().await?;
    Ok((stand, file))
}

fn rerouted(mut file: SenderFile, change: impl FnOnce(&mut SmtpRoute)) -> SenderFile {
    if let Some(Route::ExchangeOnline(route)) = &mut file.route {
        change(route);
    }
    file
}

#[tokio::test]
async fn an_open_way_is_walked_to_mail_from_and_nothing_is_sent() -> Result<()> {
    let (stand, file) = stand().await?;
    let checked = check(&file, &["--sender", "shop/billing"]).await?;
    ensure!(checked.code == Some(0), "{}", checked.text);
    ensure!(checked.text.contains("The way of shop/billing is open."), "{}", checked.text);

    let checked = check(&file, &["--json"]).await?;
    let json = checked.json()?;
    ensure!(checked.code == Some(0) && json["ok"] == true && json["sender"] == "shop/billing", "{json:#}");
    let steps: Vec<_> = json["steps"].as_array().into_iter().flatten().map(|it| it["step"].clone()).collect();
    ensure!(steps == STEPS, "{steps:?}");
    for step in &STEPS[..8] {
        ensure!(of(&json, step)?["result"] == "ok", "{step}: {json:#}");
    }
    ensure!(of(&json, "test-message")?["result"] == "skipped", "{json:#}");
    for (step, words) in [
        ("token", "roles SMTP.SendAsApp"),
        ("greeting", "STARTTLS"),
        ("tls", "issued by mail-egress lab: Exchange, valid until 20"),
        ("auth", "235 2.7.0"),
        ("mail-from", "250 2.1.0"),
    ] {
        ensure!(
            of(&json, step)?["seen"].as_str().is_some_and(|seen| seen.contains(words)),
            "{step}: {json:#}"
        );
    }
    let counters = stand.lab.exchange().counters();
    ensure!(counters.messages == 0 && counters.plaintext_secrets_seen == 0, "{counters:?}");
    ensure!(stand.lab.exchange().violations().is_empty(), "{:?}", stand.lab.exchange().violations());
    Ok(())
}

#[tokio::test]
async fn tls_from_the_first_octet_comes_before_the_greeting() -> Result<()> {
    let (stand, file) = stand().await?;
    let port = stand.lab.exchange().tls_address().port();
    let file = rerouted(file, |route| (route.port, route.security) = (port, Security::ImplicitTls));
    let checked = check(&file, &["--output", "json"]).await?;
    let json = checked.json()?;
    let steps: Vec<_> = json["steps"].as_array().into_iter().flatten().map(|it| it["step"].clone()).collect();
    ensure!(checked.code == Some(0) && steps[4] == "tls" && steps[5] == "greeting", "{json:#}");
    Ok(())
}

#[tokio::test]
async fn every_route_is_walked_to_its_end() -> Result<()> {
    for kind in RouteKind::value_variants() {
        let stand = Stand::by_route(*kind).await?;
        let file = stand.file_for(*kind).await?;
        let checked = check(&file, &["--json", "--send-test-message-to", "to@contoso.com"]).await?;
        let json = checked.json()?;
        ensure!(checked.code == Some(0) && of(&json, "test-message")?["result"] == "ok", "{kind}: {json:#}");
        let uses_token = file.route.as_ref().is_some_and(Route::uses_token);
        let token = if uses_token { "ok" } else { "skipped" };
        ensure!(of(&json, "token")?["result"] == token, "{kind}: {json:#}");
        let messages = match kind {
            RouteKind::Graph => stand.lab.graph().messages().len(),
            _ => stand.lab.exchange().messages().len(),
        };
        ensure!(messages == 1, "{kind}: {messages} messages");
        ensure!(stand.lab.exchange().violations().is_empty(), "{:?}", stand.lab.exchange().violations());
    }
    Ok(())
}

#[tokio::test]
async fn a_recipient_that_the_route_does_not_take_fails_without_being_asked_for() -> Result<()> {
    let stand = Stand::by_route(RouteKind::DirectSend).await?;
    let file = stand.file_for(RouteKind::DirectSend).await?;
    let checked = check(&file, &["--json", "--send-test-message-to", "to@example.org"]).await?;
    checked.failed("test-message", "own domains only")?;
    let said = stand.lab.exchange().transcripts();
    let asked = said.iter().flat_map(|one| one.client_lines()).any(|line| line.starts_with("RCPT"));
    ensure!(!asked, "the server was asked");
    Ok(())
}

#[tokio::test]
async fn a_test_message_arrives_with_what_a_message_needs() -> Result<()> {
    let (stand, file) = stand().await?;
    let checked = check(&file, &["--json", "--send-test-message-to", "to@example.org"]).await?;
    let json = checked.json()?;
    ensure!(checked.code == Some(0) && of(&json, "test-message")?["result"] == "ok", "{json:#}");
    let arrived = stand.lab.exchange().wait_for_messages(1, Duration::from_secs(20)).await?;
    let message = arrived.first().context("none")?;
    ensure!(message.recipients() == ["to@example.org"], "{:?}", message.recipients());
    ensure!(message.header("Subject").is_some_and(|it| it.contains("Test message")), "no Subject");
    ensure!(message.header("Date").is_some(), "no Date");
    let id = message.header("Message-ID").context("no Message-ID")?;
    ensure!(
        of(&json, "test-message")?["seen"].as_str().is_some_and(|seen| seen.contains(id.trim())),
        "{json:#}"
    );
    ensure!(stand.lab.exchange().violations().is_empty(), "{:?}", stand.lab.exchange().violations());
    Ok(())
}

#[tokio::test]
async fn the_way_to_graph_is_walked_to_tls_and_a_test_message_arrives() -> Result<()> {
    let (stand, _) = stand().await?;
    let file = crate::graph::file(&stand, |_| ()).await?;
    let checked = check(&file, &["--json"]).await?;
    let json = checked.json()?;
    ensure!(checked.code == Some(0) && json["ok"] == true, "{json:#}");
    let steps: Vec<_> = json["steps"].as_array().into_iter().flatten().map(|it| it["step"].clone()).collect();
    ensure!(
        steps.len() == STEPS.len() && STEPS.iter().all(|step| steps.contains(&Value::from(*step))),
        "{steps:?}"
    );
    for (step, words) in [
        ("configuration", "to Microsoft Graph at https://"),
        ("token", "roles Mail.Send"),
        ("tls", "mail-egress lab: Graph"),
    ] {
        let found = of(&json, step)?;
        ensure!(
            found["result"] == "ok" && found["seen"].as_str().is_some_and(|it| it.contains(words)),
            "{json:#}"
        );
    }
    ensure!(stand.lab.graph().counters().requests == 0, "it asked Graph");

    let asked = ["--json", "--send-test-message-to", "to@example.org"];
    let checked = check(&file, &asked).await?;
    ensure!(
        checked.code == Some(0) && of(&checked.json()?, "test-message")?["result"] == "ok",
        "{}",
        checked.text
    );
    let messages = stand.lab.graph().messages();
    ensure!(messages.len() == 1 && messages[0].recipients == ["to@example.org"], "{messages:?}");

    let denied = crate::graph::file(&stand, |claims| claims.roles = vec!["Mail.Read".to_owned()]).await?;
    let checked = check(&denied, &asked).await?;
    checked.failed("test-message", "lacks the role Mail.Send")?;
    ensure!(of(&checked.json()?, "token")?["result"] == "warning", "{}", checked.text);
    Ok(())
}

#[tokio::test]
async fn a_name_that_does_not_resolve_fails_at_dns() -> Result<()> {
    let (_stand, file) = stand().await?;
    let file = rerouted(file, |route| route.host = "no-such-name.invalid".to_owned());
    let checked = check(&file, &["--json"]).await?;
    checked.failed("dns", "no-such-name.invalid")?;
    for step in &STEPS[3..] {
        ensure!(of(&checked.json()?, step)?["result"] == "skipped", "{step}: {}", checked.text);
    }
    Ok(())
}

#[tokio::test]
async fn a_port_that_refuses_fails_at_tcp() -> Result<()> {
    let (_stand, file) = stand().await?;
    let port = free_port()?.port();
    let file = rerouted(file, |route| route.port = port);
    check(&file, &["--json"]).await?.failed("tcp", "connection refused")
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_fails_at_tls_and_no_token_is_sent() -> Result<()> {
    let (stand, file) = stand().await?;
    stand.lab.exchange().misbehave(ExchangeFault::Certificate(CertificateFault::Untrusted));
    check(&file, &["--json"]).await?.failed("tls", "not trusted")?;
    stand.lab.exchange().misbehave(ExchangeFault::NoStartTls);
    check(&file, &["--json"]).await?.failed("tls", "did not offer STARTTLS")?;
    let counters = stand.lab.exchange().counters();
    ensure!(counters.auth_commands == 0 && counters.plaintext_secrets_seen == 0, "{counters:?}");
    Ok(())
}

#[tokio::test]
async fn a_mailbox_that_is_denied_fails_at_auth_with_the_relays_words() -> Result<()> {
    let (stand, file) = stand().await?;
    stand.lab.administer(|directory| {
        for mailbox in &mut directory.mailboxes {
            mailbox.full_access.clear();
        }
    });
    let checked = check(&file, &["--json"]).await?;
    checked.failed("auth", "")?;
    let json = checked.json()?;
    ensure!(
        of(&json, "auth")?["seen"].as_str().is_some_and(|seen| seen.starts_with("535 5.7.3")),
        "{json:#}"
    );
    let text = check(&file, &[]).await?.text;
    ensure!(text.contains("FAILED   AUTH") && text.contains("to mend:  "), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_relay_that_repeats_the_token_does_not_make_it_known() -> Result<()> {
    let (stand, file) = stand().await?;
    let token = file.token.as_ref().context("no token")?.value.expose_secret();
    let echo = format!("501 5.5.4 What is {token}");
    stand.lab.exchange().misbehave(ExchangeFault::At(Phase::Auth, Act::Reply(echo)));
    let checked = check(&file, &["--json"]).await?;
    checked.failed("auth", "")?;
    let begin = token.get(..60).context("a short token")?;
    ensure!(checked.text.contains("What is") && !checked.text.contains(begin), "{}", checked.text);
    Ok(())
}

#[tokio::test]
async fn a_relay_that_hangs_up_fails_at_mail_from() -> Result<()> {
    let (stand, file) = stand().await?;
    stand.lab.exchange().misbehave(ExchangeFault::At(Phase::Mail, Act::Drop));
    check(&file, &["--json"]).await?.failed("mail-from", "closed")
}

#[tokio::test]
async fn without_a_token_the_way_is_walked_up_to_auth() -> Result<()> {
    let (stand, mut file) = stand().await?;
    file.token = None;
    let checked = check(&file, &["--json"]).await?;
    checked.failed("token", "there is no token")?;
    let json = checked.json()?;
    ensure!(of(&json, "tls")?["result"] == "ok" && of(&json, "auth")?["result"] == "skipped", "{json:#}");
    ensure!(stand.lab.exchange().counters().auth_commands == 0, "it said AUTH");
    Ok(())
}

#[tokio::test]
async fn a_token_of_ones_own_is_asked_for_and_a_wrong_secret_explained() -> Result<()> {
    let (stand, mut file) = stand().await?;
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    fs::write(&secret, DEFAULT_SECRET)?;
    let entra = stand.lab.entra();
    file.token = None;
    file.token_source = Some(TokenSource::Entra(EntraSource {
        login_url: entra.url_by_ip(),
        ca_bundle: Some(entra.ca_pem().to_owned()),
        client_secret_file: Some(secret.clone()),
        ..EntraSource::new(DEFAULT_TENANT.to_owned(), DEFAULT_CLIENT_ID.to_owned())
    }));
    let checked = check(&file, &["--json"]).await?;
    ensure!(checked.code == Some(0) && of(&checked.json()?, "token")?["result"] == "ok", "{}", checked.text);
    fs::write(&secret, "wrong")?;
    check(&file, &["--json"]).await?.failed("token", "Entra refused the client secret")
}

#[tokio::test]
async fn what_the_operator_says_and_a_missing_file_fail_at_the_configuration() -> Result<()> {
    let (_stand, mut file) = stand().await?;
    let message = "the MailSender is suspended. To mend: set its spec.suspend to false".to_owned();
    file.state = State::Unready(Unready { reason: "SenderSuspended".to_owned(), message });
    let checked = check(&file, &["--json"]).await?;
    checked.failed("configuration", "the MailSender is suspended")?;
    ensure!(
        of(&checked.json()?, "configuration")?["fix"] == "set its spec.suspend to false",
        "{}",
        checked.text
    );
    let (missing, _) = run(&["--json", "--config", "/no/such/sender.json"]).await?;
    missing.failed("configuration", "there is no file /no/such/sender.json")?;
    let (_, mistaken) = run(&["--send-test-message-to", "nobody"]).await?;
    ensure!(mistaken.contains("nobody"), "{mistaken}");
    for wrong in [["--sender", "billing"], ["--output", "xml"]] {
        ensure!(run(&wrong).await?.0.code == Some(2), "{wrong:?} was taken");
    }
    Ok(())
}
