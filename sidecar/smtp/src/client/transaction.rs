//! The envelope of one message: which commands were sent, what was answered, what follows.

use super::{Message, Phase, Refusal, RefusedRecipient, Unsendable, UpstreamReply, offers::Offers};
use crate::{BodyType, Recipient};

/// The most commands that wait for their replies at once. With more, both sides could wait for
/// the other to read (RFC 2920 section 3.1).
const WINDOW: usize = 64;

/// MAIL, RCPT and DATA of one message.
///
/// With PIPELINING a single recipient's three commands go out together, since DATA can only mean
/// that recipient. With several, DATA waits until all are accepted: there is no way back behind
/// a 354, and a message goes to all or to none. An RSET before them costs no round trip.
pub(super) struct Transaction {
    recipients: Vec<Recipient>,
    size: u64,
    window: usize,
    /// RSET was said, for what a message before may have left, and is not answered.
    resetting: bool,
    /// MAIL, until it is said.
    mail: Option<String>,
    mail_answered: bool,
    sent: usize,
    answered: usize,
    data_sent: bool,
    /// Why MAIL was refused.
    sender: Option<UpstreamReply>,
    refused: Vec<RefusedRecipient>,
}

/// What follows from a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More replies are to come.
    Waiting,
    /// The relay waits for the message.
    Body,
    /// RSET was not answered by yes: the connection is of no use, and nothing was sent.
    Unclean(UpstreamReply),
    /// It is refused; this is to be said before the connection can be used again.
    Refused(Refusal, Aftermath),
}

/// How a refused transaction is cleared away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// There is none open.
    Nothing,
    /// RSET.
    Reset,
    /// The relay said 354 without a recipient: a dot alone ends it (RFC 2920 section 3.1).
    LoneDot,
}

impl Transaction {
    /// Appends the first commands to `out`, unless the relay cannot take the message. `reset`: a
    /// message before may have left something.
    pub(super) fn begin(
        message: Message,
        reset: bool,
        offers: &Offers,
        out: &mut Vec<u8>,
    ) -> Result<Self, Unsendable> {
        let mail = mail(&message, offers)?;
        if reset {
            out.extend_from_slice(b"RSET\r\n");
        }
        let mut transaction = Self {
            recipients: message.envelope.to,
            size: message.content.size,
            window: if offers.pipelining { WINDOW } else { 1 },
            resetting: reset,
            mail: Some(mail),
            mail_answered: false,
            sent: 0,
            answered: 0,
            data_sent: false,
            sender: None,
            refused: Vec::new(),
        };
        transaction.send_more(out);
        Ok(transaction)
    }

    /// How many octets the message has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// What the next reply answers.
    pub(super) fn phase(&self) -> Phase {
        if self.resetting {
            Phase::Reset
        } else if !self.mail_answered {
            Phase::Mail
        } else if self.answered < self.sent {
            Phase::Rcpt
        } else {
            Phase::Data
        }
    }

    /// Takes the next reply and appends what is to be said. The error says what had no place here.
    pub(super) fn reply(
        &mut self,
        reply: UpstreamReply,
        out: &mut Vec<u8>,
    ) -> Result<Progress, &'static str> {
        let class = reply.code / 100;
        if self.resetting {
            if class != 2 {
                return Ok(Progress::Unclean(reply));
            }
            self.resetting = false;
        } else if !self.mail_answered {
            if class == 3 {
                return Err("a 3yz reply to MAIL");
            }
            self.mail_answered = true;
            self.sender = (class != 2).then_some(reply);
        } else if self.answered < self.sent {
            if class == 3 {
                return Err("a 3yz reply to RCPT");
            }
            // behind a refused MAIL it says only that
            if class != 2 && self.sender.is_none() {
                let address = self.recipients[self.answered].address.clone();
                self.refused.push(RefusedRecipient { address, reply });
            }
            self.answered += 1;
        } else if class == 2 {
            return Err("a 2yz reply to DATA");
        } else {
            return Ok(self.data(class == 3, reply));
        }
        self.send_more(out);
        if self.in_flight() > 0 {
            return Ok(Progress::Waiting);
        }
        // all was answered and nothing more was sent, so something was refused
        let aftermath = if self.sender.is_some() { Aftermath::Nothing } else { Aftermath::Reset };
        Ok(self.refusal().map_or(Progress::Waiting, |refusal| Progress::Refused(refusal, aftermath)))
    }

    /// What is refused so far; afterwards nothing is.
    pub(super) fn refusal(&mut self) -> Option<Refusal> {
        if let Some(reply) = self.sender.take() {
            return Some(Refusal::new(Phase::Mail, reply));
        }
        let recipients = std::mem::take(&mut self.refused);
        let decisive = recipients.iter().find(|r| !r.reply.is_transient()).or(recipients.first())?;
        let refusal = Refusal::new(Phase::Rcpt, decisive.reply.clone());
        Some(Refusal { recipients, ..refusal })
    }

    fn data(&mut self, go_ahead: bool, reply: UpstreamReply) -> Progress {
        let sender = self.sender.is_some();
        match (self.refusal(), go_ahead) {
            (None, true) => Progress::Body,
            (None, false) => Progress::Refused(Refusal::new(Phase::Data, reply), Aftermath::Reset),
            (Some(refusal), true) => Progress::Refused(refusal, Aftermath::LoneDot),
            (Some(refusal), false) if sender => Progress::Refused(refusal, Aftermath::Nothing),
            (Some(refusal), false) => Progress::Refused(refusal, Aftermath::Reset),
        }
    }

    /// Appends as many commands as may be under way.
    fn send_more(&mut self, out: &mut Vec<u8>) {
        if self.sender.is_some() {
            return;
        }
        if self.in_flight() < self.window
            && let Some(mail) = self.mail.take()
        {
            out.extend_from_slice(mail.as_bytes());
        }
        while self.mail.is_none() && self.sent < self.recipients.len() && self.in_flight() < self.window {
            out.extend_from_slice(rcpt(&self.recipients[self.sent]).as_bytes());
            self.sent += 1;
        }
        let all_sent = self.sent == self.recipients.len();
        let single = self.recipients.len() == 1 && self.in_flight() < self.window;
        let all_accepted = self.answered == self.recipients.len() && self.refused.is_empty();
        if all_sent && !self.data_sent && (single && self.refused.is_empty() || all_accepted) {
            out.extend_from_slice(b"DATA\r\n");
            self.data_sent = true;
        }
    }

    fn in_flight(&self) -> usize {
        let mail = self.mail.is_none() && !self.mail_answered;
        usize::from(self.resetting)
            + usize::from(mail)
            + (self.sent - self.answered)
            + usize::from(self.data_sent)
    }
}

/// The MAIL command with all that must be declared and is offered.
fn mail(message: &Message, offers: &Offers) -> Result<String, Unsendable> {
    let (envelope, content) = (&message.envelope, message.content);
    let international = envelope.from.address().is_some_and(|from| !from.is_ascii())
        || envelope.to.iter().any(|to| !to.is_ascii())
        || (envelope.smtputf8 && content.eight_bit_header);
    if international && !offers.smtputf8 {
        return Err(Unsendable::SmtpUtf8);
    }
    if content.eight_bit() && !offers.eight_bit_mime {
        return Err(Unsendable::EightBit);
    }
    if envelope.asks_for_dsn() && !offers.dsn {
        return Err(Unsendable::Dsn);
    }
    let mut line = format!("MAIL FROM:<{}>", envelope.from);
    if let Some(limit) = offers.size {
        if limit > 0 && content.size > limit {
            return Err(Unsendable::TooLarge { limit, size: content.size });
        }
        line.push_str(&format!(" SIZE={}", content.size));
    }
    if offers.eight_bit_mime && (content.eight_bit() || envelope.body == BodyType::EightBitMime) {
        line.push_str(" BODY=8BITMIME");
    }
    if offers.smtputf8 && (international || envelope.smtputf8) {
        line.push_str(" SMTPUTF8");
    }
    if let Some(ret) = envelope.dsn.ret {
        line.push_str(&format!(" RET={ret}"));
    }
    if let Some(envid) = &envelope.dsn.envid {
        line.push_str(&format!(" ENVID={envid}"));
    }
    line.push_str("\r\n");
    Ok(line)
}

/// The RCPT command; what it asks for is offered, or [`mail`] had refused it.
fn rcpt(recipient: &Recipient) -> String {
    let mut line = format!("RCPT TO:<{}>", recipient.address);
    if let Some(notify) = recipient.dsn.notify {
        line.push_str(&format!(" NOTIFY={notify}"));
    }
    if let Some(orcpt) = &recipient.dsn.orcpt {
        line.push_str(&format!(" ORCPT={orcpt}"));
    }
    line.push_str("\r\n");
    line
}
