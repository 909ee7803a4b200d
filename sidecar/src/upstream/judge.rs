//! What an attempt means for the app: accepted, or a refusal out of the diagnosis table.

use mail_egress_diagnosis::{At, Diagnosis, Smtp, local, reason, smtp};
use mail_egress_smtp::client::{
    Accepted, Attempt, Failure, Lost, Phase, Refusal as RelayRefusal, RefusedRecipient, Unsendable,
    UpstreamReply,
};

use super::Trouble;
use crate::message::refusal::Refusal;

/// More refused recipients are counted, not named.
const MOST_NAMED: usize = 20;

/// The proof that the relay has the message, or why it was not sent (or is not known to be).
pub fn judge(attempt: Result<Attempt, Trouble>) -> Result<Accepted, Refusal> {
    Err(match attempt {
        Ok(Attempt::Accepted(accepted)) => return Ok(accepted),
        Ok(Attempt::Refused(refused)) => refusal(&refused),
        Ok(Attempt::Unsendable(why)) => unsendable(why),
        Ok(Attempt::Failed(failure)) => failed(&failure),
        Ok(Attempt::Uncertain(lost)) => {
            local(reason::DELIVERY_UNCERTAIN).with_words(&lost.to_string()).into()
        }
        Err(trouble) => troubled(&trouble),
    })
}

fn refusal(refused: &RelayRefusal) -> Refusal {
    let mut diagnosis = explain(&refused.reply, at(refused));
    if refused.phase == Phase::Rcpt {
        diagnosis.cause = format!("{}, so the message was sent to nobody", diagnosis.cause);
    }
    let status = refused.reply.enhanced.map(mail_egress_smtp::reply::Enhanced::status);
    let mut answer = Refusal::from(diagnosis).answered(refused.reply.code, status);
    answer.by_relay = true;
    // RFC 4954 section 6: 530 to MAIL says that authentication is wanted
    answer.at_authentication = refused.phase == Phase::Auth || matches!(refused.reply.code, 530 | 535);
    match refused.recipients.as_slice() {
        [] => answer,
        recipients => answer.naming(named(recipients)),
    }
}

fn explain(reply: &UpstreamReply, at: At) -> Diagnosis {
    let enhanced = reply.enhanced.map(|code| code.to_string()).unwrap_or_default();
    smtp(Smtp { code: reply.code, enhanced: &enhanced, text: &reply.text, at })
}

fn at(refused: &RelayRefusal) -> At {
    match refused.phase {
        Phase::Auth if refused.of_a_password => At::Password,
        Phase::Greeting
        | Phase::Ehlo
        | Phase::StartTls
        | Phase::Handshake
        | Phase::Auth
        | Phase::Reset
        | Phase::Idle
        | Phase::Quit => At::Connection,
        Phase::Mail => At::Sender,
        Phase::Rcpt => At::Recipient,
        Phase::Data | Phase::Body | Phase::FinalDot => At::Message,
    }
}

fn named(recipients: &[RefusedRecipient]) -> String {
    let mut names: Vec<_> = recipients
        .iter()
        .take(MOST_NAMED)
        .map(|it| format!("<{}> ({})", it.address, it.reply.code))
        .collect();
    if recipients.len() > MOST_NAMED {
        names.push(format!("{} more", recipients.len() - MOST_NAMED));
    }
    format!("Refused: {}", names.join(", "))
}

fn unsendable(why: Unsendable) -> Refusal {
    let reason = match why {
        Unsendable::EightBit => reason::EIGHT_BIT_NOT_OFFERED,
        Unsendable::SmtpUtf8 => reason::SMTPUTF8_NOT_OFFERED,
        Unsendable::Dsn => reason::DSN_NOT_OFFERED,
        Unsendable::TooLarge { limit, size } => {
            let numbers = format!("{size} octets, and the relay takes {limit}");
            return local(reason::MESSAGE_TOO_LARGE).with_words(&numbers).into();
        }
    };
    Refusal::of(reason)
}

fn failed(failure: &Failure) -> Refusal {
    let explained = |reason, words: &str| local(reason).with_words(words).into();
    match failure {
        Failure::Lost(lost) => explained(lost_reason(lost), &lost.to_string()),
        Failure::StartTlsMissing => Refusal::of(reason::STARTTLS_NOT_OFFERED),
        Failure::InjectedPlaintext => Refusal::of(reason::PLAINTEXT_INJECTED),
        Failure::MechanismMissing { wanted, offered } => {
            let reason = match *wanted {
                "XOAUTH2" => reason::XOAUTH2_NOT_OFFERED,
                _ => reason::PASSWORD_LOGIN_NOT_OFFERED,
            };
            explained(reason, &format!("it offers {offered}"))
        }
        Failure::CredentialTooLong => Refusal::of(reason::CREDENTIAL_TOO_LONG),
        Failure::CredentialInPlaintext => Refusal::of(reason::CREDENTIAL_IN_PLAINTEXT),
    }
}

fn lost_reason(lost: &Lost) -> &'static str {
    match lost {
        Lost::Closed(_) => reason::UPSTREAM_CLOSED,
        Lost::TimedOut(_) => reason::UPSTREAM_TIMEOUT,
        Lost::Garbled { .. } => reason::UPSTREAM_PROTOCOL,
    }
}

/// Why there was no attempt, or none to its end.
pub fn troubled(trouble: &Trouble) -> Refusal {
    let explained = |reason| local(reason).with_words(&trouble.to_string());
    let diagnosis = match trouble {
        Trouble::Fault { peer, fault } => fault.relay(peer),
        Trouble::Slow => explained(reason::UPSTREAM_TIMEOUT),
        Trouble::Ending => local(reason::SHUTTING_DOWN),
        Trouble::Unread(_) => explained(reason::SPILL_DISK_FAILED),
        Trouble::NoRoom(_) => explained(reason::MEMORY_BUDGET),
        Trouble::NeverRoom(_) => explained(reason::DRAFT_BEYOND_MEMORY),
        Trouble::BaseUrl(_) => explained(reason::CONFIGURATION_INVALID),
        Trouble::OutOfTurn(_) => explained(reason::UPSTREAM_PROTOCOL),
    };
    diagnosis.into()
}

#[cfg(test)]
#[path = "judge/tests.rs"]
mod tests;
