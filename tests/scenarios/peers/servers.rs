//! Servers that were not written here, as the relay.

mod credentials;
pub(crate) mod postfix;

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use mail_egress_config::{EntraSource, Route, Security, SenderFile, Token, TokenSource};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::{
    Claims, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT, Form,
};
use mail_egress_tests::stand::Stand;

use crate::clients::{mime, whole};
pub(crate) use credentials::{postfix_takes_a_certificate, postfix_takes_a_password};
use postfix::{LARGEST, Postfix, claims, field};

const SOON: Duration = Duration::from_secs(30);

/// A sidecar and a Postfix that takes the tokens of the sidecar's lab.
struct Relayed {
    stand: Stand,
    postfix: Postfix,
    security: Security,
}

impl Relayed {
    /// With a good token.
    async fn start(security: Security) -> Result<Self> {
        let stand = Stand::without_file().await?;
        let postfix = Postfix::start(&stand.lab, "xoauth2").await?;
        let this = Self { stand, postfix, security };
        this.configure(&claims(&this.stand.lab)?, Form::Jwt).await?;
        Ok(this)
    }

    /// From now on with a token that says this.
    async fn configure(&self, claims: &Claims, form: Form) -> Result<()> {
        let token = Token {
            value: self.stand.lab.entra().mint(claims, form)?,
            // what the token response said, whatever the token says
            expires_at: Timestamp::now() + SignedDuration::from_hours(1),
        };
        let loads = async || self.stand.metric("mail_egress_config_loads_total{result=\"usable\"}").await;
        let before = loads().await?;
        self.stand.configure(&SenderFile { token: Some(token), ..self.file().await? })?;
        eventually("the sidecar follows its file", SOON, async || {
            ensure!(loads().await? > before, "not yet");
            Ok(())
        })
        .await
    }

    /// The way to Postfix, with a token that says nothing of a mailbox.
    async fn file(&self) -> Result<SenderFile> {
        let route = Some(Route::ExchangeOnline(self.postfix.route(self.security)));
        Ok(SenderFile { route, ..self.stand.file().await? })
    }

    async fn send(&self, to: &[&str], message: &[u8]) -> Result<(u16, String)> {
        let answer = self.stand.client().await?.send(DEFAULT_MAILBOX, to, message).await?;
        Ok((answer.code, answer.text))
    }

    fn logs(&self) -> String {
        format!("{}\n{}", self.stand.log(), self.postfix.log())
    }
}

/// Text, 8-bit, an attachment, many recipients; over one connection, as the pool promises.
pub(crate) async fn postfix_takes_everything(security: Security) -> Result<()> {
    let relayed = Relayed::start(security).await?;
    let long = "x".repeat(1_998);
    let attachment = format!("{}\n", "QUJD".repeat(19)).repeat(14_000);
    let one = vec!["to@example.org".to_owned()];
    let many: Vec<String> = (1..=60).map(|number| format!("to{number}@example.org")).collect();
    let messages = [
        ("text", format!("Hello.\n.\n..two dots\n{long}\n\nlast line\n.\n\n"), &one),
        ("8-bit", "Gr\u{fc}\u{df}e, \u{4f60}\u{597d}\n".to_owned(), &one),
        ("attachment", mime(&attachment), &one),
        ("many recipients", "Hello, all.\n".to_owned(), &many),
    ];
    let count = messages.len();
    for (kind, body, recipients) in messages {
        let text = whole(kind, &body);
        let to: Vec<&str> = recipients.iter().map(String::as_str).collect();
        let (code, said) = relayed.send(&to, text.replace('\n', "\r\n").as_bytes()).await?;
        ensure!(code == 250 && said.contains("queued as"), "{kind}: {code} {said}\n{}", relayed.logs());
        let delivered = relayed.postfix.wait_for(to.len()).await?;
        let mut got: Vec<&str> = delivered.iter().map(|copy| copy.recipient.as_str()).collect();
        got.sort_by_key(|address| (address.len(), *address));
        ensure!(got == to, "{kind}: delivered to {got:?}");
        for copy in &delivered {
            let (trace, rest) = field(&copy.content, "Received: ")?;
            ensure!(trace.starts_with(b"from localhost by mail-egress "), "{kind}: no trace of the sidecar");
            ensure!(
                rest == text.as_bytes(),
                "{kind}: it arrived changed, {} octets of {}: {}",
                rest.len(),
                text.len(),
                String::from_utf8_lossy(rest).chars().take(2_000).collect::<String>()
            );
        }
        relayed.postfix.empty()?;
    }
    let log = relayed.postfix.log();
    let connects = log.lines().filter(|line| line.contains("sasl_method=XOAUTH2")).count();
    ensure!(connects == count, "{connects} messages of {count} were signed in for by XOAUTH2:\n{log}");
    by_one_connection(&relayed, count).await
}

/// Postfix saw one sign-in, and the sidecar counted it so.
async fn by_one_connection(relayed: &Relayed, messages: usize) -> Result<()> {
    let metric = async |name: &str| relayed.stand.metric(&format!("mail_egress_upstream_{name}_total")).await;
    let (connects, reuses) = (metric("connects").await?, metric("reuses").await?);
    let wanted = u32::try_from(messages - 1)?;
    ensure!(connects == Some(1.0) && reuses == Some(wanted.into()), "{connects:?} and {reuses:?} reuses");
    let log = relayed.postfix.log();
    let handshakes = log.lines().filter(|line| line.contains("TLS connection established from")).count();
    ensure!(handshakes == 1, "Postfix saw {handshakes} handshakes:\n{log}");
    Ok(())
}

/// What Dovecot refuses is told with Postfix's own words, and counted.
pub(crate) async fn postfix_refuses_wrong_tokens(security: Security) -> Result<()> {
    let relayed = Relayed::start(security).await?;
    let good = claims(&relayed.stand.lab)?;
    let mut expired = good.clone();
    (expired.nbf, expired.iat, expired.exp) = (good.nbf - 7_200, good.iat - 7_200, good.iat - 3_600);
    let mut anothers = good.clone();
    anothers.sub = "boss@contoso.com".to_owned();
    for (what, claims, form, why) in [
        ("forged", &good, Form::Forged, "signature"),
        ("expired", &expired, Form::Jwt, "expired"),
        ("another's", &anothers, Form::Jwt, "username"),
    ] {
        relayed.configure(claims, form).await?;
        let (code, said) = relayed.send(&["to@example.org"], &small()).await?;
        ensure!(code == 451 && said.contains("535 5.7.8"), "{what}: {code} {said}\n{}", relayed.logs());
        let log = relayed.postfix.log().to_lowercase();
        let by_dovecot = log.lines().any(|line| line.contains("oauth2 failed") && line.contains(why));
        ensure!(by_dovecot, "{what}: Dovecot does not say {why}:\n{log}");
        ensure!(said.contains("To mend: ") && said.contains("check the EntraApp"), "{what}: {said}");
    }
    let series = "mail_egress_messages_total{reason=\"AuthenticationRefused\",result=\"deferred\"}";
    ensure!(relayed.stand.metric(series).await? == Some(3.0), "{}", relayed.stand.get("/metrics").await?);
    ensure!(!relayed.postfix.log().contains("to=<"), "Postfix has delivered something");

    // a good one, and mail goes on
    relayed.configure(&good, Form::Jwt).await?;
    let (code, said) = relayed.send(&["to@example.org"], &small()).await?;
    ensure!(code == 250, "{code} {said}\n{}", relayed.logs());
    Ok(())
}

/// A sidecar that asks for its tokens by itself tries the message once more with another one, and
/// the app does not notice.
pub(crate) async fn a_token_that_postfix_refuses_is_replaced(security: Security) -> Result<()> {
    let relayed = Relayed::start(security).await?;
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    std::fs::write(&secret, DEFAULT_SECRET)?;
    let (lab, mut file) = (&relayed.stand.lab, relayed.file().await?);
    file.token = None;
    file.token_source = Some(TokenSource::Entra(EntraSource {
        login_url: lab.entra().url_by_ip(),
        ca_bundle: Some(lab.entra().ca_pem().to_owned()),
        client_secret_file: Some(secret),
        ..EntraSource::new(DEFAULT_TENANT.to_owned(), DEFAULT_CLIENT_ID.to_owned())
    }));
    let before = lab.entra().requests().len();
    relayed.stand.configure(&file)?;
    eventually("the sidecar has its own token", SOON, async || {
        let series = "mail_egress_token_requests_total{reason=\"\",result=\"success\"}";
        ensure!(relayed.stand.metric(series).await? == Some(1.0), "not yet");
        Ok(())
    })
    .await?;
    // the next token is for the mailbox
    lab.administer(|directory| {
        if let Some(app) = directory.app_mut(DEFAULT_CLIENT_ID) {
            app.object_id = DEFAULT_MAILBOX.to_owned();
        }
    });
    let (code, said) = relayed.send(&["to@example.org"], &small()).await?;
    ensure!(code == 250, "{code} {said}\n{}", relayed.logs());
    ensure!(relayed.postfix.log().contains("oauth2 failed"), "no token was refused:\n{}", relayed.logs());
    ensure!(lab.entra().requests().len() == before + 2, "{:?}", lab.entra().requests());
    relayed.postfix.wait_for(1).await.map(drop)
}

/// What Postfix does not take is permanent, and goes to nobody.
pub(crate) async fn postfix_refuses_the_unknown_and_the_large(security: Security) -> Result<()> {
    let relayed = Relayed::start(security).await?;
    let to = ["to1@example.org", "nobody@example.org", "to2@example.org"];
    let (code, said) = relayed.send(&to, &small()).await?;
    ensure!(code == 550 && said.contains("<nobody@example.org>"), "{code} {said}");
    ensure!(said.contains("User unknown in virtual mailbox table"), "not in Postfix's words: {said}");

    // the size is known from EHLO, so nothing of it is sent
    let large = whole("large", &"A line.\n".repeat(LARGEST / 8 + 1)).replace('\n', "\r\n");
    let (code, said) = relayed.send(&to[..1], large.as_bytes()).await?;
    ensure!(code == 552 && said.contains(&LARGEST.to_string()), "{code} {said}");

    let (code, said) = relayed.send(&to[..1], &small()).await?;
    ensure!(code == 250, "{code} {said}");
    let delivered = relayed.postfix.wait_for(1).await?;
    ensure!(delivered.len() == 1, "{} copies were delivered:\n{}", delivered.len(), relayed.logs());
    let refused =
        |reason: &str| format!("mail_egress_messages_total{{reason=\"{reason}\",result=\"refused\"}}");
    for reason in ["BadRecipient", "MessageTooLarge"] {
        let counted = relayed.stand.metric(&refused(reason)).await?;
        ensure!(counted == Some(1.0), "{reason}: {counted:?}\n{}", relayed.stand.get("/metrics").await?);
    }
    by_one_connection(&relayed, 3).await
}

fn small() -> Vec<u8> {
    whole("small", "Hello.\n").replace('\n', "\r\n").into_bytes()
}
