//! The other ways in: whom each of them lets in, to whom, and in which words.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::client::{Client, response, usual_response};
use crate::lab::{
    App, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, Form, InboundConnector, Kind, Lab, LabOptions,
    Limits,
};

const MAIL: &[u8] = b"From: billing@contoso.com\r\nMessage-ID: <own@contoso.com>\r\n\r\nHello.\r\n";
const INSIDE: &str = "to@contoso.com";
const OUTSIDE: &str = "to@example.org";

async fn lab(kind: Kind) -> Lab {
    Lab::start(LabOptions::of(kind)).await.unwrap()
}

/// The last reply of a message to this recipient.
async fn send(client: &mut Client, to: &str) -> String {
    client.ask(&format!("MAIL FROM:<{DEFAULT_MAILBOX}>")).await;
    let reply = client.ask(&format!("RCPT TO:<{to}>")).await;
    if reply != "250 2.1.5 Recipient OK" {
        client.ask("RSET").await;
        return reply;
    }
    client.ask("DATA").await;
    client.say(MAIL).await;
    client.ask(".").await
}

fn plain(user: &str, password: &str) -> String {
    format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{user}\0{password}")))
}

#[tokio::test]
async fn a_consumer_mailbox_gets_an_id_of_the_servers_own() {
    let lab = lab(Kind::Consumer).await;
    let reply = send(&mut Client::signed_in(&lab).await, OUTSIDE).await;
    assert!(reply.starts_with("250 2.0.0 OK <") && !reply.contains("own@contoso.com"), "{reply}");
}

#[tokio::test]
async fn high_volume_email_reaches_the_inside_without_a_limit_a_minute() {
    let lab = lab(Kind::HighVolumeEmail).await;
    let mut client = Client::signed_in(&lab).await;
    for _ in 0..31 {
        assert!(send(&mut client, INSIDE).await.starts_with("250 2.0.0 OK <own@contoso.com>"));
    }
    let refused = send(&mut client, OUTSIDE).await;
    assert_eq!(refused, "550 5.5.105 External sending is not supported for High Volume Email accounts");
    assert_eq!(lab.exchange().counters().throttled, 0);
}

#[tokio::test]
async fn high_volume_email_refuses_a_token_that_ends_soon_or_is_none() {
    let lab = lab(Kind::HighVolumeEmail).await;
    let sign_in = async |change: fn(crate::lab::Claims) -> crate::lab::Claims| {
        let claims = change(lab.entra().claims(DEFAULT_CLIENT_ID).unwrap());
        let token = lab.entra().mint(&claims, Form::Jwt).unwrap();
        let mut client = Client::in_tls(&lab).await;
        client.ask(&format!("AUTH XOAUTH2 {}", response(DEFAULT_MAILBOX, token.expose_secret()))).await
    };
    let soon = sign_in(|claims| claims.lasting(SignedDuration::from_secs(599))).await;
    assert_eq!(soon, "501 5.5.127 Token will expire soon");
    let roles = sign_in(|mut claims| {
        claims.roles = vec![App::SMTP_SEND_AS_APP.to_owned()];
        claims
    });
    assert!(roles.await.starts_with("535 5.7.3 "));
    let mut client = Client::in_tls(&lab).await;
    assert_eq!(client.ask("AUTH XOAUTH2 bm9uc2Vuc2U=").await, "501 5.5.124 Invalid XOAUTH2 auth data");
}

#[tokio::test]
async fn communication_services_take_a_secret_until_it_is_taken_back() {
    let lab = lab(Kind::AzureCommunicationServices).await;
    let mut client = Client::dial(&lab).await;
    client.hear().await.unwrap();
    client.ask("EHLO client.test").await;
    client.ask("STARTTLS").await;
    let mut client = client.start_tls(&lab, "smtp.lab.test").await.unwrap();
    assert!(client.ask("EHLO client.test").await.contains("\n250-AUTH LOGIN PLAIN\n"));
    assert!(client.ask(&format!("AUTH XOAUTH2 {}", usual_response(&lab))).await.starts_with("504 "));
    assert!(client.ask(&plain("Billing System", "wrong")).await.starts_with("535 5.7.8 "));
    assert!(client.ask(&plain("Billing System", DEFAULT_SECRET)).await.starts_with("235 "));
    assert!(send(&mut client, OUTSIDE).await.starts_with("250 "));

    let whole = format!("contoso-acs|{DEFAULT_CLIENT_ID}|{}", lab.directory().tenant.id);
    let mut client = Client::in_tls(&lab).await;
    client.ask("AUTH LOGIN").await;
    client.ask(&STANDARD.encode(&whole)).await;
    assert!(client.ask(&STANDARD.encode(DEFAULT_SECRET)).await.starts_with("235 "));

    lab.administer(|directory| directory.apps[0].secrets[0].expires = Some(Timestamp::now()));
    let mut client = Client::in_tls(&lab).await;
    assert!(client.ask(&plain(&whole, DEFAULT_SECRET)).await.starts_with("535 5.7.8 "));
}

#[tokio::test]
async fn communication_services_refuse_what_is_beyond_their_limits() {
    let lab = lab(Kind::AzureCommunicationServices).await;
    lab.exchange()
        .set_limits(Limits { messages_per_hour: Some(1), ..Limits::of(Kind::AzureCommunicationServices) });
    let mut client = Client::in_tls(&lab).await;
    client.ask(&plain(DEFAULT_MAILBOX, DEFAULT_SECRET)).await;
    assert!(send(&mut client, OUTSIDE).await.starts_with("250 "));
    assert!(send(&mut client, OUTSIDE).await.starts_with("450 4.5.127 "));
    client.ask(&format!("MAIL FROM:<{DEFAULT_MAILBOX}>")).await;
    for _ in 0..50 {
        assert!(client.ask(&format!("RCPT TO:<{OUTSIDE}>")).await.starts_with("250 "));
    }
    assert_eq!(client.ask(&format!("RCPT TO:<{OUTSIDE}>")).await, "452 4.5.3 Too many recipients");
    client.ask("RSET").await;
    let large = client.ask(&format!("MAIL FROM:<{DEFAULT_MAILBOX}> SIZE=10485761")).await;
    assert!(large.starts_with("552 5.3.4 "), "{large}");
}

#[tokio::test]
async fn a_connector_is_for_who_shows_its_certificate_or_comes_from_its_address() {
    let lab = lab(Kind::MailProtection).await;
    let mut client = Client::in_tls(&lab).await;
    assert!(client.ask("AUTH LOGIN").await.starts_with("504 "));
    assert_eq!(
        send(&mut client, OUTSIDE).await,
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"
    );
    lab.administer(|directory| {
        let certificate_name = Some("mail.contoso.com".to_owned());
        directory.organization.connectors.push(InboundConnector { certificate_name, addresses: Vec::new() });
    });
    let denied = "550 5.7.64 TenantAttribution; Relay Access Denied [";
    assert!(send(&mut client, OUTSIDE).await.starts_with(denied));

    let ours = lab.client_certificate("mail-egress", &["mail.contoso.com"]).unwrap();
    let reply = send(&mut Client::certified(&lab, &ours).await, OUTSIDE).await;
    let queued = "250 2.6.0 <own@contoso.com> [InternalId=";
    assert!(reply.starts_with(queued) && reply.ends_with(" Queued mail for delivery"), "{reply}");
    let by_common_name = lab.client_certificate("mail.contoso.com", &[]).unwrap();
    assert!(send(&mut Client::certified(&lab, &by_common_name).await, OUTSIDE).await.starts_with(queued));
    for other in [
        lab.client_certificate("contoso.com", &[]).unwrap(),
        lab.unknown_client_certificate("mail.contoso.com").unwrap(),
    ] {
        assert!(send(&mut Client::certified(&lab, &other).await, OUTSIDE).await.starts_with(denied));
    }

    lab.administer(|directory| {
        directory.organization.connectors[0].addresses.push(std::net::IpAddr::from([127, 0, 0, 1]));
    });
    assert!(send(&mut client, OUTSIDE).await.starts_with(queued));
}

#[tokio::test]
async fn direct_send_reaches_the_inside_unless_the_tenant_rejects_it() {
    let lab = lab(Kind::MailProtection).await;
    let mut client = Client::in_tls(&lab).await;
    assert!(send(&mut client, INSIDE).await.starts_with("250 2.6.0 "));
    lab.administer(|directory| directory.organization.reject_direct_send = true);
    let refused = send(&mut client, INSIDE).await;
    assert!(
        refused.starts_with(
            "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization"
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn a_relay_without_tls_offers_none_and_takes_everything() {
    let lab = lab(Kind::Plaintext).await;
    let mut client = Client::dial(&lab).await;
    client.hear().await.unwrap();
    let offers = client.ask("EHLO client.test").await;
    assert!(!offers.contains("STARTTLS") && !offers.contains("AUTH"), "{offers}");
    assert!(client.ask("STARTTLS").await.starts_with("500 "));
    assert!(send(&mut client, OUTSIDE).await.starts_with("250 2.0.0 OK "));
    assert_eq!(lab.exchange().messages()[0].tls, "none");
}
