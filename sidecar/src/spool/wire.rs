//! Envelopes as the session has them and as the spool writes them: pure.

use std::fmt::Display;
use std::str::FromStr;

use mail_egress_smtp::{BodyType, Dsn, Envelope, Recipient, RecipientDsn, ReversePath};
use mail_egress_spool as spool;

/// As it is written.
pub(super) fn written(envelope: &Envelope) -> spool::Envelope {
    spool::Envelope {
        from: envelope.from.to_string(),
        to: envelope.to.iter().map(|to| to.address.as_str().to_owned()).collect(),
        eight_bit: envelope.body == BodyType::EightBitMime,
        smtputf8: envelope.smtputf8,
        dsn: envelope.asks_for_dsn().then(|| spool::Dsn {
            ret: text(envelope.dsn.ret.as_ref()),
            envid: text(envelope.dsn.envid.as_ref()),
            recipients: envelope.to.iter().map(|to| written_dsn(&to.dsn)).collect(),
        }),
    }
}

fn written_dsn(dsn: &RecipientDsn) -> spool::RecipientDsn {
    spool::RecipientDsn { notify: text(dsn.notify.as_ref()), orcpt: text(dsn.orcpt.as_ref()) }
}

fn text(value: Option<&impl Display>) -> Option<String> {
    value.map(ToString::to_string)
}

/// As it is said to the relay; `None`: it holds what is no envelope, so it was not written by us.
pub(super) fn read(envelope: &spool::Envelope, octets: u64) -> Option<Envelope> {
    let from = match envelope.from.as_str() {
        "" => ReversePath::Null,
        address => ReversePath::Address(address.parse().ok()?),
    };
    let asked = envelope.dsn.clone().unwrap_or_default();
    let mut dsn = asked.recipients.iter();
    let recipient = |address: &String| {
        let dsn = dsn.next().map_or(Some(RecipientDsn::default()), read_dsn)?;
        Some(Recipient { address: address.parse().ok()?, dsn })
    };
    let to = envelope.to.iter().map(recipient).collect::<Option<Vec<_>>>()?;
    (!to.is_empty()).then_some(Envelope {
        from,
        to,
        body: if envelope.eight_bit { BodyType::EightBitMime } else { BodyType::SevenBit },
        smtputf8: envelope.smtputf8,
        size: Some(octets),
        dsn: Dsn { ret: value(asked.ret.as_ref())?, envid: value(asked.envid.as_ref())? },
    })
}

fn read_dsn(dsn: &spool::RecipientDsn) -> Option<RecipientDsn> {
    Some(RecipientDsn { notify: value(dsn.notify.as_ref())?, orcpt: value(dsn.orcpt.as_ref())? })
}

/// The outer `None`: there is a text, and it is no such value.
fn value<T: FromStr>(text: Option<&String>) -> Option<Option<T>> {
    text.map(|text| text.parse().ok()).map_or(Some(None), |parsed| parsed.map(Some))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient(address: &str) -> Recipient {
        Recipient::from(address.parse::<mail_egress_smtp::Address>().unwrap())
    }

    #[test]
    fn what_was_written_is_read_as_it_was() {
        let mut asking = recipient("d@x.test");
        asking.dsn.notify = Some("FAILURE,DELAY".parse().unwrap());
        asking.dsn.orcpt = Some("rfc822;d+2Bx@x.test".parse().unwrap());
        let asked = Dsn { ret: Some("HDRS".parse().unwrap()), envid: Some("QQ+2B1".parse().unwrap()) };
        for (from, dsn, last) in [
            (ReversePath::Null, Dsn::default(), recipient("c@[192.0.2.1]")),
            (ReversePath::Address("a@contoso.com".parse().unwrap()), asked, asking),
        ] {
            let envelope = Envelope {
                from,
                to: vec![recipient("\"a b\"@x.test"), last],
                body: BodyType::EightBitMime,
                smtputf8: true,
                size: Some(9),
                dsn,
            };
            assert_eq!(read(&written(&envelope), 9), Some(envelope));
        }
    }

    #[test]
    fn what_is_no_envelope_is_not_read_as_one() {
        let envelope = |from: &str, to: &[&str], ret: Option<&str>| spool::Envelope {
            from: from.to_owned(),
            to: to.iter().map(|&to| to.to_owned()).collect(),
            eight_bit: false,
            smtputf8: false,
            dsn: ret.map(|ret| spool::Dsn { ret: Some(ret.to_owned()), ..spool::Dsn::default() }),
        };
        for bad in [
            envelope("a", &["b@x.test"], None),
            envelope("", &["x\r\ny@z.test"], None),
            envelope("", &[], None),
            envelope("", &["b@x.test"], Some("FULL NOTIFY=NEVER")),
        ] {
            assert_eq!(read(&bad, 1), None);
        }
    }
}
