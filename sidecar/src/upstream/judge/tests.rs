//! Which reply the app gets for what happened upstream.

use std::time::Duration;

use mail_egress_entra::fault::{self, Fault, Peer};
use mail_egress_smtp::reply::{Enhanced, Status};

use super::*;

fn reply(code: u16, enhanced: (u16, u16, u16), text: &str) -> UpstreamReply {
    let (class, subject, detail) = enhanced;
    UpstreamReply { code, enhanced: Some(Enhanced { class, subject, detail }), text: text.to_owned() }
}

fn refused(phase: Phase, reply: UpstreamReply) -> Attempt {
    Attempt::Refused(RelayRefusal::new(phase, reply))
}

#[track_caller]
fn told(attempt: Result<Attempt, Trouble>) -> (&'static str, String) {
    let refusal = judge(attempt).unwrap_err();
    (refusal.reason, refusal.reply().as_reply().to_string().replace('\n', " "))
}

#[test]
fn a_refused_token_is_451_with_the_relays_words() {
    let (reason, reply) =
        told(Ok(refused(Phase::Auth, reply(535, (5, 7, 3), "Authentication unsuccessful [HOST 2026]"))));
    assert_eq!(reason, "TokenRefused");
    assert!(reply.starts_with("451") && reply.contains("535 5.7.3 Authentication unsuccessful"), "{reply}");
}

#[test]
fn a_refusal_before_the_message_is_never_the_messages_fault() {
    for phase in [Phase::Greeting, Phase::Ehlo, Phase::StartTls, Phase::Auth] {
        let (_, reply) = told(Ok(refused(phase, reply(554, (5, 5, 0), "no"))));
        assert!(reply.starts_with("451"), "{phase:?}: {reply}");
    }
    let (_, reply) = told(Ok(refused(Phase::FinalDot, reply(554, (5, 6, 0), "no"))));
    assert!(reply.starts_with("554 5.6.0"), "{reply}");
}

#[test]
fn a_refused_password_is_not_told_as_a_token() {
    let refusal = RelayRefusal::new(Phase::Auth, reply(535, (5, 7, 3), "Authentication unsuccessful"));
    let refusal = judge(Ok(Attempt::Refused(RelayRefusal { of_a_password: true, ..refusal }))).unwrap_err();
    assert_eq!(refusal.reason, "AuthenticationRefused");
    assert!(refusal.at_authentication && !refusal.sentence.contains("token"), "{}", refusal.sentence);
}

#[test]
fn refused_recipients_are_named_and_nobody_got_it() {
    let recipient = |address: &str| RefusedRecipient {
        address: address.parse().unwrap(),
        reply: reply(550, (5, 1, 1), "no such user"),
    };
    let attempt = || {
        Ok(Attempt::Refused(RelayRefusal {
            recipients: (0..25).map(|n| recipient(&format!("user{n}@contoso.com"))).collect(),
            ..RelayRefusal::new(Phase::Rcpt, reply(550, (5, 1, 1), "no such user"))
        }))
    };
    let (_, reply) = told(attempt());
    let logged = judge(attempt()).unwrap_err().sentence;
    assert!(!logged.contains("user1@"), "the log names recipients: {logged}");
    assert!(reply.starts_with("550-5.1.1 "), "{reply}");
    assert!(reply.contains("sent to nobody"), "{reply}");
    assert!(reply.contains("<user19@contoso.com> (550)") && reply.contains("5 more"), "{reply}");
}

#[test]
fn a_lost_answer_may_have_been_delivered() {
    let (reason, reply) = told(Ok(Attempt::Uncertain(Lost::Closed(Phase::FinalDot))));
    assert_eq!(reason, "DeliveryUncertain");
    assert!(reply.starts_with("451 4.4.2") && reply.contains("may have been delivered"), "{reply}");
}

#[test]
fn what_goes_wrong_on_the_way_is_451_with_the_cause() {
    let peer = || Peer { host: "relay.test".to_owned(), port: 587 };
    let fault = |fault| Trouble::Fault { peer: peer(), fault };
    let late = Fault::Timeout { phase: fault::Phase::Connection, within: Duration::from_secs(20) };
    for (trouble, reason, cause) in [
        (
            fault(Fault::Refused),
            "UpstreamUnreachable",
            "the relay relay.test:587 cannot be used: connection refused",
        ),
        (fault(late), "UpstreamTimeout", "no TCP connection within 20 s"),
        (fault(Fault::NameNotFound), "UpstreamNameNotFound", "relay.test"),
        (fault(Fault::CertificateUntrusted), "UpstreamCertificateUntrusted", "not trusted"),
        (
            fault(Fault::CertificateName { presented: "other.test".to_owned() }),
            "UpstreamCertificateName",
            "another name: other.test",
        ),
        (
            fault(Fault::CertificateTime("has expired".to_owned())),
            "UpstreamCertificateExpired",
            "has expired",
        ),
        (fault(Fault::Tls("handshake".to_owned())), "UpstreamTlsFailed", "handshake"),
        (fault(Fault::Closed(fault::Phase::Answer)), "UpstreamClosed", "closed"),
        (Trouble::Slow, "UpstreamTimeout", "not handed over within 300 s"),
        (Trouble::Ending, "ShuttingDown", "ending"),
    ] {
        let (found, reply) = told(Err(trouble));
        assert_eq!(found, reason);
        assert!(reply.starts_with("451") && reply.contains(cause), "{reply}");
    }
}

#[test]
fn a_relay_that_is_not_as_it_must_be_is_451_with_the_cause() {
    for (failure, reason) in [
        (Failure::StartTlsMissing, "StartTlsNotOffered"),
        (Failure::InjectedPlaintext, "PlaintextInjected"),
        (Failure::MechanismMissing { wanted: "XOAUTH2", offered: "LOGIN".to_owned() }, "Xoauth2NotOffered"),
        (
            Failure::MechanismMissing { wanted: "PLAIN or LOGIN", offered: "XOAUTH2".to_owned() },
            "PasswordLoginNotOffered",
        ),
        (Failure::CredentialInPlaintext, "CredentialInPlaintext"),
        (Failure::Lost(Lost::Closed(Phase::Body)), "UpstreamClosed"),
        (Failure::Lost(Lost::TimedOut(Phase::Mail)), "UpstreamTimeout"),
    ] {
        let (found, reply) = told(Ok(Attempt::Failed(failure)));
        assert_eq!(found, reason);
        assert!(reply.starts_with("451"), "{reply}");
    }
}

#[test]
fn what_the_relay_cannot_take_is_permanent() {
    let start = |why| told(Ok(Attempt::Unsendable(why))).1[..9].to_owned();
    assert_eq!(start(Unsendable::EightBit), "554 5.6.3");
    assert_eq!(start(Unsendable::SmtpUtf8), "554 5.6.7");
    assert_eq!(start(Unsendable::TooLarge { limit: 1, size: 2 }), "552 5.3.4");
}

#[test]
fn the_relays_enhanced_code_is_passed_on_in_the_class_that_we_say() {
    let answer = Refusal::of("SendAsDenied").answered(554, Some(Status::new(2, 252)));
    let text = answer.reply().as_reply().to_string();
    assert!(text.starts_with("451"), "{text}");
    assert!(text[4..].starts_with("4.2.252"), "{text}");
}
