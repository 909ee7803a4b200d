//! Signing in to Exchange: who is let in, and what everybody else hears.

use secrecy::ExposeSecret;

use super::client::{Client, response, usual_response};
use super::lab;
use crate::lab::{
    Claims, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, ExchangeFault, Form, Invalid, Lab, Mailbox, Refused,
};

async fn sign_in(lab: &Lab, user: &str, form: Form, change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = lab.entra().claims(DEFAULT_CLIENT_ID).unwrap();
    change(&mut claims);
    let token = lab.entra().mint(&claims, form).unwrap();
    let mut client = Client::in_tls(lab).await;
    client.ask(&format!("AUTH XOAUTH2 {}", response(user, token.expose_secret()))).await
}

#[tokio::test]
async fn speaks_as_the_real_server_does() {
    let lab = lab().await;
    let mut client = Client::dial(&lab).await;
    let greeting = client.hear().await.unwrap();
    assert!(
        greeting.starts_with("220 LABP000CA0001.smtp.lab.test Microsoft ESMTP MAIL Service ready at "),
        "{greeting}"
    );
    let plain = client.ask("EHLO client.test").await;
    assert!(plain.contains("\n250-STARTTLS\n") && !plain.contains("AUTH"), "{plain}");
    assert_eq!(client.ask("MAIL FROM:<a@b.c>").await, "530 5.7.0 Must issue a STARTTLS command first");
    assert_eq!(client.ask("STARTTLS").await, "220 2.0.0 SMTP server ready");
    let mut client = client.start_tls(&lab, "smtp.lab.test").await.unwrap();
    assert_eq!(client.ask("AUTH XOAUTH2").await, "503 5.5.2 Send hello first");
    let secure = client.ask("EHLO client.test").await;
    assert_eq!(secure, plain.replace("STARTTLS", "AUTH LOGIN XOAUTH2"));
    assert!(client.ask("MAIL FROM:<a@b.c>").await.starts_with("530 5.7.57 Client not authenticated"));
    assert_eq!(client.ask("AUTH PLAIN AGEAYg==").await, "504 5.7.4 Unrecognized authentication type");
    let accepted = client.ask(&format!("AUTH XOAUTH2 {}", usual_response(&lab))).await;
    assert_eq!(accepted, "235 2.7.0 Authentication successful");
    assert!(client.ask("FOO").await.starts_with("500 5.3.3 Unrecognized command 'FOO' "));
    assert_eq!(client.ask("QUIT").await, "221 2.0.0 Service closing transmission channel");
    assert!(client.hear().await.is_err());
    assert_eq!(lab.exchange().counters().plaintext_secrets_seen, 0);
    assert_eq!(lab.exchange().violations(), Vec::<String>::new());
}

#[tokio::test]
async fn takes_the_response_also_after_a_334() {
    let lab = lab().await;
    let mut client = Client::in_tls(&lab).await;
    assert_eq!(client.ask("AUTH XOAUTH2").await, "334 ");
    assert_eq!(client.ask("*").await, "501 5.7.0 Authentication cancelled");
    assert_eq!(client.ask("AUTH XOAUTH2").await, "334 ");
    assert_eq!(client.ask(&usual_response(&lab)).await, "235 2.7.0 Authentication successful");
}

#[tokio::test]
async fn refuses_every_wrong_token_alike_and_keeps_the_reason_to_itself() {
    let lab = lab().await;
    lab.administer(|directory| directory.mailboxes.push(Mailbox::new("other@contoso.com")));
    let replies = [
        sign_in(&lab, DEFAULT_MAILBOX, Form::Forged, |_| ()).await,
        sign_in(&lab, DEFAULT_MAILBOX, Form::Jwt, |c| c.aud = "https://graph.microsoft.com".to_owned()).await,
        sign_in(&lab, DEFAULT_MAILBOX, Form::Jwt, |c| (c.nbf, c.exp) = (c.nbf - 4000, c.iat - 1)).await,
        sign_in(&lab, "other@contoso.com", Form::Jwt, |_| ()).await,
        sign_in(&lab, DEFAULT_MAILBOX, Form::Opaque, |c| c.tid = "another".to_owned()).await,
    ];
    for reply in &replies {
        assert!(
            reply.starts_with("535 5.7.3 Authentication unsuccessful [LABP000CA0001.smtp.lab.test 20"),
            "{reply}"
        );
    }
    let reasons: Vec<Refused> =
        lab.exchange().sign_ins().iter().map(|one| one.verdict.clone().unwrap_err()).collect();
    assert_eq!(
        reasons,
        [
            Refused::Token(Invalid::Signature),
            Refused::Audience("https://graph.microsoft.com".to_owned()),
            Refused::Token(Invalid::Expired),
            Refused::NoFullAccess("other@contoso.com".to_owned()),
            Refused::Tenant("another".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_refused() {
    let lab = lab().await;
    let response = usual_response(&lab);
    lab.entra().revoke_tokens();
    let mut client = Client::in_tls(&lab).await;
    assert!(client.ask(&format!("AUTH XOAUTH2 {response}")).await.starts_with("535 5.7.3 "));
    let after = client.ask(&format!("AUTH XOAUTH2 {}", usual_response(&lab))).await;
    assert_eq!(after, "235 2.7.0 Authentication successful");
}

#[tokio::test]
async fn a_mail_after_a_refusal_repeats_it() {
    let lab = lab().await;
    let mut client = Client::in_tls(&lab).await;
    let refused = client.ask("AUTH XOAUTH2 bm9uc2Vuc2U=").await;
    let mail = client.ask(&format!("MAIL FROM:<{DEFAULT_MAILBOX}>")).await;
    assert_eq!(mail, format!("530 5.7.57 Client not authenticated to send mail. [Error: {refused}]"));
}

#[tokio::test]
async fn says_where_smtp_auth_is_disabled() {
    let lab = lab().await;
    lab.administer(|directory| directory.tenant.smtp_client_authentication = false);
    let tenant = sign_in(&lab, DEFAULT_MAILBOX, Form::Jwt, |_| ()).await;
    assert!(tenant.starts_with("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled"), "{tenant}");
    lab.administer(|directory| directory.mailboxes[0].smtp_client_authentication = Some(false));
    let mailbox = sign_in(&lab, DEFAULT_MAILBOX, Form::Jwt, |_| ()).await;
    assert!(mailbox.contains("disabled for the Mailbox."), "{mailbox}");
}

#[tokio::test]
async fn passwords_are_refused() {
    let lab = lab().await;
    let mut client = Client::in_tls(&lab).await;
    assert_eq!(client.ask("AUTH LOGIN").await, "334 VXNlcm5hbWU6");
    assert_eq!(client.ask("YmlsbGluZ0Bjb250b3NvLmNvbQ==").await, "334 UGFzc3dvcmQ6");
    let reply = client.ask("c2VjcmV0").await;
    assert!(
        reply.starts_with("535 5.7.139 Authentication unsuccessful, basic authentication is disabled. ["),
        "{reply}"
    );
    assert!(!lab.exchange().transcripts()[0].to_string().contains("c2VjcmV0"));
}

#[tokio::test]
async fn a_password_is_taken_where_the_mailbox_has_one() {
    let lab = lab().await;
    lab.administer(|directory| directory.mailboxes[0].password = Some("secret".into()));
    for (password, code) in [("c2VjcmV0", "235"), ("b3RoZXI=", "535")] {
        let mut client = Client::in_tls(&lab).await;
        client.ask("AUTH LOGIN").await;
        client.ask("YmlsbGluZ0Bjb250b3NvLmNvbQ==").await;
        let reply = client.ask(password).await;
        assert!(reply.starts_with(code), "{reply}");
    }
}

#[tokio::test]
async fn a_challenge_with_an_error_awaits_an_empty_line() {
    let lab = lab().await;
    lab.exchange().misbehave(ExchangeFault::ErrorChallenge);
    let mut client = Client::in_tls(&lab).await;
    let challenge = client.ask(&format!("AUTH XOAUTH2 {}", usual_response(&lab))).await;
    assert!(challenge.starts_with("334 eyJzdGF0dXMiOiI0MDEi"), "{challenge}");
    assert!(client.ask("").await.starts_with("535 5.7.3 "));
    assert_eq!(lab.exchange().violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_long_auth_line_can_be_refused_and_the_long_response_is_then_taken() {
    let lab = lab().await;
    lab.exchange().misbehave(ExchangeFault::BareAuth);
    let mut client = Client::in_tls(&lab).await;
    let response = usual_response(&lab);
    let long = client.ask(&format!("AUTH XOAUTH2 {response}")).await;
    assert_eq!(long, "500 5.5.6 Authentication exchange line is too long");
    assert_eq!(client.ask("AUTH XOAUTH2").await, "334 ");
    assert_eq!(client.ask(&response).await, "235 2.7.0 Authentication successful");
}

#[tokio::test]
async fn sees_a_credential_in_plaintext() {
    let lab = lab().await;
    let mut client = Client::dial(&lab).await;
    client.hear().await.unwrap();
    client.ask("EHLO client.test").await;
    assert_eq!(lab.exchange().counters().plaintext_secrets_seen, 0);
    let reply = client.ask(&format!("AUTH XOAUTH2 {}", usual_response(&lab))).await;
    assert_eq!(reply, "504 5.7.4 Unrecognized authentication type");
    assert_eq!(lab.exchange().counters().plaintext_secrets_seen, 1);
    assert!(lab.exchange().transcripts()[0].to_string().contains("C: AUTH XOAUTH2 ("));
    assert!(!lab.exchange().transcripts()[0].to_string().contains("dXNlcj"));
}
