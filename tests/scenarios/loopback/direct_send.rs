//! Direct Send without a host: the relay is the domain's MX, as far as that is to be believed.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_config::{Login, Route, SenderFile, SmtpRoute, write};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::{DEFAULT_MAILBOX, Entry, Kind, LabOptions, NameFault, NameServer};
use mail_egress_tests::programs::Programs;
use mail_egress_tests::stand::{Setting, Stand};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(40);
const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";
const DOMAIN: &str = "contoso.com";
const MX: &str = "contoso-com.mail.protection.outlook.com";
const INSIDE: &str = "to@contoso.com";

/// A sidecar that asks a name server of the lab, and a lab whose certificate is for this name.
async fn set_up(name: &str) -> Result<(Stand, NameServer)> {
    let names = NameServer::start().await?;
    names.add(MX, &Entry::Address("127.0.0.1".parse()?))?;
    let lab = LabOptions { more_names: vec![name.to_owned()], ..LabOptions::of(Kind::MailProtection) };
    let arguments = vec!["--name-server".to_owned(), names.address().to_string()];
    let stand = Stand::set(Setting { lab, arguments, ..Setting::default() }).await?;
    stand.configure(&file(&stand, |_| {}).await?)?;
    stand.wait_until_configured().await?;
    Ok((stand, names))
}

/// What the operator writes for a MailRoute without a host.
async fn file(stand: &Stand, change: impl FnOnce(&mut SmtpRoute)) -> Result<SenderFile> {
    let exchange = stand.lab.exchange();
    let port = exchange.address().port();
    let mut route = SmtpRoute::new("direct".to_owned(), DOMAIN.to_owned(), port, 35 * 1024 * 1024);
    route.mx = true;
    route.login = Login::None;
    route.ca_bundle = Some(exchange.ca_pem().to_owned());
    route.accepted_domains = vec![DOMAIN.to_owned()];
    change(&mut route);
    Ok(SenderFile { route: Some(Route::DirectSend(route)), token: None, ..stand.file().await? })
}

async fn hears(stand: &Stand, code: u16, words: &str) -> Result<String> {
    eventually(&format!("the app hears {code} {words}"), SOON, async || {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &[INSIDE], MESSAGE).await?;
        ensure!(answer.code == code && answer.text.contains(words), "{answer:?}\n{}", stand.log());
        Ok(answer.text)
    })
    .await
}

/// The message waits for this reason, and nobody was dialled.
async fn held(stand: &Stand, reason: &str, words: &str) -> Result<()> {
    let reply = hears(stand, 451, words).await?;
    ensure!(reply.contains("To mend: "), "{reply}");
    let series = format!("mail_egress_messages_total{{reason=\"{reason}\",result=\"deferred\"}}");
    ensure!(stand.metric(&series).await? >= Some(1.0), "{series}:\n{}", stand.get("/metrics").await?);
    ensure!(stand.lab.exchange().counters().connections == 0, "somebody was dialled");
    Ok(())
}

#[tokio::test]
async fn mail_goes_to_the_most_preferred_mx_and_its_certificate_must_be_for_it() -> Result<()> {
    let (stand, names) = set_up(MX).await?;
    names.add(DOMAIN, &Entry::Mx(20, "other.mail.protection.outlook.com".to_owned()))?;
    names.add(DOMAIN, &Entry::Mx(10, MX.to_owned()))?;
    hears(&stand, 250, "").await?;
    let asked = names.asked();
    ensure!(asked.contains(&format!("MX {DOMAIN}")) && asked.contains(&format!("A {MX}")), "{asked:?}");
    ensure!(!asked.iter().any(|it| it.contains("other")), "{asked:?}");
    ensure!(stand.lab.exchange().counters().messages == 1, "it did not arrive");
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_prove_the_name_of_the_mx_gets_nothing() -> Result<()> {
    let (stand, names) = set_up("elsewhere.lab.test").await?;
    names.add(DOMAIN, &Entry::Mx(10, MX.to_owned()))?;
    let reply = hears(&stand, 451, "its certificate is for another name").await?;
    ensure!(reply.contains(MX), "{reply}");
    ensure!(stand.lab.exchange().counters().messages == 0, "it was sent all the same");
    Ok(())
}

#[tokio::test]
async fn an_mx_that_is_not_microsofts_is_named_and_a_host_in_the_route_mends_it() -> Result<()> {
    let (stand, names) = set_up(MX).await?;
    names.add(DOMAIN, &Entry::Mx(10, "mx.filter.example".to_owned()))?;
    held(&stand, "UpstreamMxForeign", "has the MX mx.filter.example, which is not Microsoft's").await?;
    ensure!(!names.asked().iter().any(|it| it.contains("filter")), "{:?}", names.asked());
    hears(&stand, 451, "set spec.directSend.host of the MailRoute").await?;
    stand.configure(&file(&stand, |route| (route.mx, route.host) = (false, MX.to_owned())).await?)?;
    hears(&stand, 250, "").await.map(drop)
}

#[tokio::test]
async fn a_domain_without_mail_is_told_from_name_servers_in_trouble() -> Result<()> {
    let (stand, names) = set_up(MX).await?;
    held(&stand, "UpstreamMxMissing", "its domain has no MX record").await?;
    names.add(DOMAIN, &Entry::Mx(0, ".".to_owned()))?;
    held(&stand, "UpstreamMxMissing", "takes no mail at all").await?;
    names.forget(DOMAIN)?;
    names.add(DOMAIN, &Entry::Mx(10, MX.to_owned()))?;
    names.misbehave(Some(NameFault::ServerFailure));
    held(&stand, "UpstreamNameNotFound", "the name servers cannot say").await?;
    names.misbehave(Some(NameFault::Silence));
    let silent = hears(&stand, 451, "the relay contoso.com:").await?;
    ensure!(silent.contains("name servers"), "{silent}");
    names.misbehave(None);
    hears(&stand, 250, "").await.map(drop)
}

#[tokio::test]
async fn a_recipient_outside_is_refused_before_anybody_is_asked() -> Result<()> {
    let (stand, names) = set_up(MX).await?;
    names.add(DOMAIN, &Entry::Mx(10, MX.to_owned()))?;
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
    ensure!(answer.code >= 500 && answer.text.contains("to@example.org"), "{answer:?}");
    ensure!(names.asked().is_empty(), "{:?}", names.asked());
    ensure!(stand.lab.exchange().counters().connections == 0, "somebody was dialled");
    Ok(())
}

#[tokio::test]
async fn check_says_where_microsoft_takes_the_domains_mail() -> Result<()> {
    let (stand, names) = set_up(MX).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sender.json");
    fs::write(&path, write(&file(&stand, |_| {}).await?)?)?;
    let check = async || {
        let mut command = Command::new(Programs::build_sidecar()?.sidecar());
        command.arg("check").arg("--config").arg(&path);
        let output = command.arg("--name-server").arg(names.address().to_string()).output().await?;
        Ok::<_, anyhow::Error>((output.status.code(), String::from_utf8(output.stdout)?))
    };
    let (code, text) = check().await?;
    ensure!(code == Some(1) && text.contains("has no MX record"), "{text}");
    names.add(DOMAIN, &Entry::Mx(10, MX.to_owned()))?;
    let (code, text) = check().await.context("with an MX")?;
    ensure!(code == Some(0), "{text}");
    ensure!(text.contains(&format!("takes the mail of {DOMAIN} at {MX}")), "{text}");
    Ok(())
}
