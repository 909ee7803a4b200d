//! What a message needs is declared where the relay offers it, and elsewhere the message is refused,
//! never changed.

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::Running;

const ASCII: &str = "From: billing@contoso.com\r\nSubject: x\r\n\r\nhello\r\n";
const EIGHT_BIT_BODY: &str = "From: billing@contoso.com\r\nSubject: x\r\n\r\nh\u{e9}llo\r\n";
const EIGHT_BIT_HEADER: &str = "From: billing@contoso.com\r\nSubject: \u{e9}\r\n\r\nhello\r\n";

/// One message, whose envelope is said like this; gives the last reply.
async fn offered(sidecar: &Running, mail: &str, rcpt: &str, message: &str) -> String {
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    assert!(app.say(&format!("MAIL FROM:<billing@contoso.com>{mail}")).await.starts_with("250 "));
    assert!(app.say(&format!("RCPT TO:<{rcpt}")).await.starts_with("250 "));
    app.send(message).await
}

#[tokio::test]
async fn what_the_relay_does_not_offer_is_refused_for_good_and_nothing_of_it_leaves() {
    for (mail, rcpt, message, start, reason) in [
        ("", "ann@example.com>", EIGHT_BIT_BODY, "554 5.6.3 ", "EightBitNotOffered"),
        (" BODY=8BITMIME", "ann@example.com>", EIGHT_BIT_BODY, "554 5.6.3 ", "EightBitNotOffered"),
        ("", "ann@example.com>", EIGHT_BIT_HEADER, "554 5.6.3 ", "EightBitNotOffered"),
        (" SMTPUTF8", "ann@example.com>", EIGHT_BIT_HEADER, "554 5.6.7 ", "SmtpUtf8NotOffered"),
        (" SMTPUTF8", "j\u{fc}rgen@example.com>", ASCII, "554 5.6.7 ", "SmtpUtf8NotOffered"),
        (" RET=HDRS ENVID=x", "ann@example.com>", ASCII, "554 5.3.3 ", "DsnNotOffered"),
        ("", "ann@example.com> NOTIFY=NEVER", ASCII, "554 5.3.3 ", "DsnNotOffered"),
    ] {
        let relay = Relay::start(Way::OffersNothing).await;
        let sidecar = Running::with(&relay).await;
        let reply = offered(&sidecar, mail, rcpt, message).await;
        assert!(reply.starts_with(start) && reply.contains("To mend: "), "{reason}: {reply}");
        sidecar
            .metric(&format!(r#"mail_egress_messages_total{{reason="{reason}",result="refused"}} 1"#))
            .await;
        let seen = relay.seen();
        assert!(seen.messages.is_empty(), "{reason}");
        assert!(!seen.commands.iter().any(|line| line.starts_with("MAIL")), "{reason}: {:?}", seen.commands);
        // the connection is as good as new
        assert!(
            offered(&sidecar, " BODY=8BITMIME SMTPUTF8", "ann@example.com>", ASCII).await.starts_with("250 ")
        );
    }
}

#[tokio::test]
async fn what_it_offers_is_declared() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    for (mail, rcpt, message, declared, recipient) in [
        ("", "ann@example.com>", EIGHT_BIT_BODY, " BODY=8BITMIME", "ann@example.com>"),
        ("", "ann@example.com>", EIGHT_BIT_HEADER, " BODY=8BITMIME", "ann@example.com>"),
        (
            " SMTPUTF8",
            "j\u{fc}rgen@example.com>",
            EIGHT_BIT_HEADER,
            " BODY=8BITMIME SMTPUTF8",
            "j\u{fc}rgen@example.com>",
        ),
        (
            " ret=full envid=QQ+2B1",
            "ann@example.com> notify=failure,success orcpt=rfc822;a@b",
            ASCII,
            " RET=FULL ENVID=QQ+2B1",
            "ann@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b",
        ),
    ] {
        assert!(offered(&sidecar, mail, rcpt, message).await.starts_with("250 "));
        let commands = relay.seen().commands;
        let last = |verb| commands.iter().rfind(|line| line.starts_with(verb)).unwrap().as_str();
        assert!(last("MAIL").ends_with(declared), "{}", last("MAIL"));
        assert_eq!(last("RCPT"), format!("RCPT TO:<{recipient}"));
        let body = message.split_once("Subject").unwrap().1;
        assert!(relay.seen().messages.last().unwrap().ends_with(body));
    }
    assert!(relay.seen().messages[2].contains(" with UTF8SMTP "), "{}", relay.seen().messages[2]);
}
