//! Each fault of the submission server does what it says.

use std::time::Duration;

use super::client::{Client, usual_response};
use super::{PATIENCE, lab};
use crate::lab::{Act, CertificateFault, DEFAULT_MAILBOX, ExchangeFault, Lab, Limits, Phase, Span};

const MAIL: &str = "From: billing@contoso.com\r\n\r\nx\r\n";

/// Every phase, in the order in which a dialogue comes to them.
const PHASES: [Phase; 14] = [
    Phase::Greeting,
    Phase::Ehlo,
    Phase::StartTls,
    Phase::Handshake,
    Phase::EhloAfterTls,
    Phase::Auth,
    Phase::Rset,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::MidBody,
    Phase::AfterDot,
    Phase::AfterDotAccepted,
    Phase::Quit,
];

/// Goes through a whole dialogue until something is not as it should be: the phase, and the reply
/// or the end of the connection there.
async fn first_oddity(lab: &Lab) -> Option<(Phase, Result<String, ()>)> {
    let as_it_should = |phase: Phase, reply: std::io::Result<String>, code: &str| match reply {
        Ok(reply) if reply.starts_with(code) => None,
        Ok(reply) => Some((phase, Ok(reply))),
        Err(_) => Some((phase, Err(()))),
    };
    let mut client = Client::dial(lab).await;
    macro_rules! step {
        ($phase:expr, $reply:expr, $code:expr) => {
            let oddity = as_it_should($phase, $reply, $code);
            if oddity.is_some() {
                return oddity;
            }
        };
    }
    step!(Phase::Greeting, client.hear().await, "220 ");
    step!(Phase::Ehlo, client.try_ask("EHLO c.test").await, "250-");
    step!(Phase::StartTls, client.try_ask("STARTTLS").await, "220 ");
    let Ok(mut client) = client.start_tls(lab, "smtp.lab.test").await else {
        return Some((Phase::Handshake, Err(())));
    };
    step!(Phase::EhloAfterTls, client.try_ask("EHLO c.test").await, "250-");
    step!(Phase::Auth, client.try_ask(&format!("AUTH XOAUTH2 {}", usual_response(lab))).await, "235 ");
    step!(Phase::Rset, client.try_ask("RSET").await, "250 ");
    step!(Phase::Mail, client.try_ask(&format!("MAIL FROM:<{DEFAULT_MAILBOX}>")).await, "250 ");
    step!(Phase::Rcpt, client.try_ask("RCPT TO:<a@x.test>").await, "250 ");
    step!(Phase::Data, client.try_ask("DATA").await, "354 ");
    client.say(MAIL).await;
    step!(Phase::AfterDot, client.try_ask(".").await, "250 ");
    step!(Phase::Quit, client.try_ask("QUIT").await, "221 ");
    None
}

/// Where a client notices a fault of this phase.
fn noticed_at(phase: Phase) -> Phase {
    match phase {
        Phase::MidBody | Phase::AfterDotAccepted => Phase::AfterDot,
        phase => phase,
    }
}

#[tokio::test]
async fn without_faults_nothing_is_odd() {
    let lab = lab().await;
    assert_eq!(first_oddity(&lab).await, None);
    assert_eq!(lab.exchange().messages().len(), 1);
}

#[tokio::test]
async fn drops_at_each_phase() {
    for phase in PHASES {
        let lab = lab().await;
        lab.exchange().misbehave(ExchangeFault::At(phase, Act::Drop));
        assert_eq!(first_oddity(&lab).await, Some((noticed_at(phase), Err(()))), "{phase:?}");
        let kept = usize::from(matches!(phase, Phase::AfterDotAccepted | Phase::Quit));
        assert_eq!(lab.exchange().messages().len(), kept, "{phase:?}");
    }
}

#[tokio::test]
async fn says_a_given_reply_at_each_phase() {
    for phase in PHASES {
        let lab = lab().await;
        let reply = "451-4.7.0 Temporary\n451 4.7.0 PRX4".to_owned();
        lab.exchange().misbehave(ExchangeFault::At(phase, Act::Reply(reply.clone())));
        // in the place of a handshake a reply is noise, which ends the handshake
        let heard = if phase == Phase::Handshake { Err(()) } else { Ok(reply) };
        assert_eq!(first_oddity(&lab).await, Some((noticed_at(phase), heard)), "{phase:?}");
        let kept = usize::from(matches!(phase, Phase::AfterDotAccepted | Phase::Quit));
        assert_eq!(lab.exchange().messages().len(), kept, "{phase:?}");
    }
}

#[tokio::test]
async fn stalls_at_each_phase_until_it_behaves() {
    for phase in PHASES {
        let lab = lab().await;
        lab.exchange().misbehave(ExchangeFault::At(phase, Act::Stall));
        let dialogue = first_oddity(&lab);
        tokio::pin!(dialogue);
        tokio::select! {
            oddity = &mut dialogue => panic!("{phase:?}: {oddity:?}"),
            stalled = lab.exchange().wait_until(PATIENCE, |counters| counters.misbehaved == 1) => { stalled.unwrap(); }
        }
        let silence = tokio::time::timeout(Duration::from_millis(50), &mut dialogue).await;
        assert!(silence.is_err(), "{phase:?}: {silence:?}");
        lab.exchange().behave();
        assert_eq!(dialogue.await, Some((noticed_at(phase), Err(()))), "{phase:?}");
    }
}

#[tokio::test]
async fn a_421_closes() {
    let lab = lab().await;
    lab.exchange().misbehave(ExchangeFault::At(Phase::Mail, Act::Reply("421 4.3.2 bye".to_owned())));
    let mut client = Client::signed_in(&lab).await;
    assert_eq!(client.ask("MAIL FROM:<billing@contoso.com>").await, "421 4.3.2 bye");
    assert!(client.hear().await.is_err());
}

#[tokio::test]
async fn a_body_that_stops_half_way_is_left_in_the_socket() {
    let lab = lab().await;
    lab.exchange().misbehave(ExchangeFault::At(Phase::MidBody, Act::Stall));
    let mut client = Client::signed_in(&lab).await;
    client.envelope(&["a@x.test"]).await;
    client.ask("DATA").await;
    let body = vec![b'x'; 64 << 20];
    let sent = tokio::time::timeout(Duration::from_millis(300), client.say(&body)).await;
    assert!(sent.is_err(), "64 MiB went into a server that reads nothing");
}

#[tokio::test]
async fn replies_can_be_endless() {
    for act in [Act::EndlessLines, Act::EndlessLine] {
        let lab = lab().await;
        lab.exchange().misbehave(ExchangeFault::At(Phase::EhloAfterTls, act));
        let mut client = Client::dial(&lab).await;
        client.hear().await.unwrap();
        client.ask("EHLO c.test").await;
        client.ask("STARTTLS").await;
        let mut client = client.start_tls(&lab, "smtp.lab.test").await.unwrap();
        client.say("EHLO c.test\r\n").await;
        assert!(client.drain(4_000_000).await >= 4_000_000);
        drop(client);
        lab.exchange().wait_until(PATIENCE, |counters| counters.open == 0).await.unwrap();
    }
}

#[tokio::test]
async fn starttls_can_be_left_out() {
    let lab = lab().await;
    lab.exchange().misbehave(ExchangeFault::NoStartTls);
    let mut client = Client::dial(&lab).await;
    client.hear().await.unwrap();
    assert!(!client.ask("EHLO c.test").await.contains("STARTTLS"));
    assert!(client.ask("STARTTLS").await.starts_with("500 "));
}

#[tokio::test]
async fn an_extension_can_be_left_out() {
    let lab = lab().await;
    lab.exchange().misbehave(ExchangeFault::Without("8bitmime".to_owned()));
    let mut client = Client::signed_in(&lab).await;
    let list = client.ask("EHLO c.test").await;
    assert!(!list.contains("8BITMIME") && list.contains("BINARYMIME"), "{list}");
}

#[tokio::test]
async fn plaintext_is_injected_behind_the_220_and_who_believes_it_is_seen() {
    let lab = lab().await;
    let injected = "250-smtp.lab.test\r\n250 AUTH XOAUTH2\r\n".to_owned();
    lab.exchange().misbehave(ExchangeFault::InjectAfterStartTls(injected));
    let mut client = Client::dial(&lab).await;
    client.hear().await.unwrap();
    client.ask("EHLO c.test").await;
    assert_eq!(client.ask("STARTTLS").await, "220 2.0.0 SMTP server ready");
    assert_eq!(client.hear().await.unwrap(), "250-smtp.lab.test\n250 AUTH XOAUTH2");
    client.ask(&format!("AUTH XOAUTH2 {}", usual_response(&lab))).await;
    let counters = lab.exchange().counters();
    assert_eq!((counters.plaintext_secrets_seen, counters.failed_handshakes), (1, 1));

    let mut careful = Client::dial(&lab).await;
    careful.hear().await.unwrap();
    careful.ask("STARTTLS").await;
    drop(careful);
    let counters =
        lab.exchange().wait_until(PATIENCE, |counters| counters.failed_handshakes == 2).await.unwrap();
    assert_eq!(counters.plaintext_secrets_seen, 1);
}

#[tokio::test]
async fn who_speaks_behind_starttls_too_early_is_cut_off() {
    let lab = lab().await;
    let mut client = Client::dial(&lab).await;
    client.hear().await.unwrap();
    client.say("STARTTLS\r\nEHLO smuggled.test\r\n").await;
    assert!(client.hear().await.is_err());
    assert_eq!(lab.exchange().violations().len(), 1);
}

#[tokio::test]
async fn shows_bad_certificates() {
    for (fault, symptom) in [
        (CertificateFault::Untrusted, "BadSignature"),
        (CertificateFault::WrongName, "not valid for name"),
        (CertificateFault::Expired, "expired"),
    ] {
        let lab = lab().await;
        lab.exchange().misbehave(ExchangeFault::Certificate(fault));
        let mut client = Client::dial(&lab).await;
        client.hear().await.unwrap();
        client.ask("STARTTLS").await;
        let Err(error) = client.start_tls(&lab, "smtp.lab.test").await else {
            panic!("{fault:?} was trusted")
        };
        assert!(error.to_string().contains(symptom), "{fault:?}: {error}");
        let counters = lab.exchange().wait_until(PATIENCE, |counters| counters.failed_handshakes == 1).await;
        assert!(counters.is_ok(), "{fault:?}");
        assert!(lab.exchange().handshake_failures()[0].contains("alert"), "{fault:?}");
    }
}

#[tokio::test]
async fn one_recipient_can_be_refused() {
    let lab = lab().await;
    let reply = "550 5.1.10 Recipient not found".to_owned();
    lab.exchange().misbehave(ExchangeFault::RefuseRecipient("*@bad.test".to_owned(), reply.clone()));
    let mut client = Client::signed_in(&lab).await;
    client.envelope(&["a@good.test"]).await;
    assert_eq!(client.ask("RCPT TO:<b@bad.test>").await, reply);
    assert_eq!(client.ask("RCPT TO:<c@good.test>").await, "250 2.1.5 Recipient OK");
}

#[tokio::test]
async fn slow_replies_come_one_by_one_and_latency_strikes_a_group_once() {
    let delay = Duration::from_millis(200);
    for (fault, least, most) in
        [(ExchangeFault::SlowReplies(delay), 3, 30), (ExchangeFault::Latency(delay), 1, 3)]
    {
        let lab = lab().await;
        let mut client = Client::signed_in(&lab).await;
        lab.exchange().misbehave(fault.clone());
        let start = std::time::Instant::now();
        client.say(format!("MAIL FROM:<{DEFAULT_MAILBOX}>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n")).await;
        for _ in 0..3 {
            client.hear().await.unwrap();
        }
        let took = start.elapsed();
        assert!(took >= delay * least && took < delay * most, "{fault:?}: {took:?}");
    }
}

#[tokio::test]
async fn a_fault_strikes_so_many_connections_and_open_ones_too() {
    let lab = lab().await;
    lab.exchange().set_limits(Limits::lifted());
    let mut early = Client::signed_in(&lab).await;
    let fault = ExchangeFault::At(Phase::Mail, Act::Reply("451 4.7.0 later".to_owned()));
    lab.exchange().misbehave_for(Span::Connections(1), fault);
    let mail = format!("MAIL FROM:<{DEFAULT_MAILBOX}>");
    assert_eq!(early.ask(&mail).await, "451 4.7.0 later");
    assert_eq!(early.ask(&mail).await, "451 4.7.0 later");
    let mut late = Client::signed_in(&lab).await;
    assert_eq!(late.ask(&mail).await, "250 2.1.0 Sender OK");
}
