//! The test message of `check`, and its way through the dialogue.

use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt::rfc2822};
use mail_egress_smtp::client::{Action, Attempt, Dialogue, Failure, Lost, Message, Phase};
use mail_egress_smtp::data::Scan;
use mail_egress_smtp::{Address, BodyType, Dsn, Envelope};
use tokio::io::{AsyncRead, AsyncWrite};

use super::conversation::{Conversation, Next, in_words};
use super::relay::TIMEOUTS;
use crate::clock::now;

/// The test message, behind its Message-ID.
pub(super) fn test(from: &Address, to: &Address, at: Timestamp) -> (String, String) {
    let id = format!("{:x}.{:x}.check@{}", at.as_microsecond(), std::process::id(), from.domain());
    let text = text(from, to, &id, at);
    (id, text)
}

/// The whole message, headers first.
fn text(from: &Address, to: &Address, id: &str, at: Timestamp) -> String {
    // fails only beyond the year 9999
    let date = rfc2822::to_string(&at.to_zoned(TimeZone::UTC)).unwrap_or_default();
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nDate: {date}\r\nMessage-ID: <{id}>\r\n\
         Subject: Test message of mail-egress\r\nAuto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         This is a test message, asked for by mail-egress-sidecar check.\r\n\
         If you can read it, mail of {from} is sent on.\r\n"
    )
}

/// The relay's last words, or how else it ended.
pub(super) async fn sent<S: AsyncRead + AsyncWrite + Unpin>(
    from: &Address,
    to: &Address,
    text: &[u8],
    talk: &mut Conversation<S>,
    dialogue: &mut Dialogue,
) -> Result<String, Attempt> {
    let mut scan = Scan::default();
    scan.feed(text);
    let envelope = Envelope {
        from: from.clone().into(),
        to: vec![to.clone().into()],
        body: BodyType::SevenBit,
        smtputf8: !(from.is_ascii() && to.is_ascii()),
        size: None,
        dsn: Dsn::default(),
    };
    let defect = || Attempt::Failed(Lost::Garbled { phase: Phase::Body, what: "a step out of turn" }.into());
    let message = Message { envelope, content: scan.content() };
    let action = match dialogue.send(message, now()).map_err(|_| defect())? {
        Some(action) => Next::Action(action),
        None => talk.go(dialogue, None).await,
    };
    match action {
        Next::Action(Action::SendBody) => {}
        Next::Action(Action::Finished(attempt)) => return Err(attempt),
        Next::Action(Action::StartTls | Action::Ready) | Next::Reached => return Err(defect()),
    }
    let mut out = Vec::new();
    dialogue.body(text, &mut out, now()).map_err(|_| defect())?;
    talk.write(&out, TIMEOUTS.body_block).await.map_err(Attempt::Failed)?;
    out.clear();
    dialogue.end_of_body(&mut out, now()).map_err(|_| defect())?;
    if let Err(Failure::Lost(lost)) = talk.write(&out, TIMEOUTS.body_block).await {
        return Err(Attempt::Uncertain(lost));
    }
    match talk.go(dialogue, None).await {
        Next::Action(Action::Finished(Attempt::Accepted(accepted))) => Ok(in_words(accepted.reply())),
        Next::Action(Action::Finished(attempt)) => Err(attempt),
        Next::Action(Action::StartTls | Action::Ready | Action::SendBody) | Next::Reached => Err(defect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_message_has_what_a_message_needs() {
        let [from, to] = ["a@contoso.com", "b@example.org"].map(|it| it.parse::<Address>().unwrap());
        let text = text(&from, &to, "1@contoso.com", Timestamp::UNIX_EPOCH);
        for line in [
            "From: <a@contoso.com>\r\n",
            "To: <b@example.org>\r\n",
            "Date: Thu, 1 Jan 1970 00:00:00 ",
            "Message-ID: <1@contoso.com>\r\n",
            "Subject: Test message of mail-egress\r\n",
            "\r\n\r\nThis is a test message",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
        assert!(text.lines().all(|line| !line.starts_with(' ')), "{text}");
    }
}
