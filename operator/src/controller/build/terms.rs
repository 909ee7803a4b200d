//! What a MailSender says about its own freedom, in the words of the sidecar's file: pure.

use mail_egress_config as file;
use mail_egress_crds::{
    Limits, MailSenderSpec,
    mail_sender::{BareLineEndings, DeliveryMode, ForeignFrom, Uncertain},
};

/// As whom and to whom the app may send.
pub(in crate::controller) fn rules(spec: &MailSenderSpec) -> file::Rules {
    let send_as = spec.send_as.clone().unwrap_or_default();
    let recipients = spec.recipients.clone().unwrap_or_default();
    file::Rules {
        send_as: send_as.envelope_from,
        header_from: match send_as.header_from.unwrap_or_default() {
            ForeignFrom::Refuse => file::ForeignFrom::Refuse,
            ForeignFrom::Rewrite => file::ForeignFrom::Rewrite,
        },
        allow_null_sender: send_as.allow_null_sender.unwrap_or_default(),
        allow_recipients: recipients.allow,
        deny_recipients: recipients.deny,
    }
}

/// The lower of the sender's and the route's, limit by limit; absent where neither says one, so
/// that the route's usual limit holds.
pub(in crate::controller) fn limits(sender: Option<&Limits>, route: Option<&Limits>) -> file::Limits {
    let lowest =
        |limit: fn(&Limits) -> Option<u32>| [sender, route].into_iter().flatten().filter_map(limit).min();
    file::Limits {
        messages_per_minute: lowest(|limits| limits.messages_per_minute),
        messages_per_hour: lowest(|limits| limits.messages_per_hour),
        recipients_per_day: lowest(|limits| limits.recipients_per_day),
        connections: lowest(|limits| limits.connections),
        recipients_per_message: lowest(|limits| limits.recipients_per_message),
    }
}

/// The same for the largest message, in octets.
pub(in crate::controller) fn message_bytes(sender: Option<&Limits>, route: Option<&Limits>) -> Option<u64> {
    [sender, route].into_iter().flatten().filter_map(|limits| limits.message_bytes).min()
}

/// When the app is told that a message is taken, and how long one is tried.
pub(in crate::controller) fn delivery(spec: &MailSenderSpec) -> file::Delivery {
    let said = spec.delivery.clone().unwrap_or_default();
    let usual = file::Delivery::default();
    file::Delivery {
        mode: match said.mode.unwrap_or_default() {
            DeliveryMode::Direct => file::Mode::Direct,
            DeliveryMode::Spool => file::Mode::Spool,
        },
        hold_seconds: said.hold_seconds.unwrap_or(usual.hold_seconds),
        max_age_seconds: said.max_age_seconds.unwrap_or(usual.max_age_seconds),
        uncertain: match said.uncertain.unwrap_or_default() {
            Uncertain::AtMostOnce => file::Uncertain::AtMostOnce,
            Uncertain::AtLeastOnce => file::Uncertain::AtLeastOnce,
        },
        accept_loss: said.accept_loss.unwrap_or_default(),
        bare_line_endings: match said.bare_line_endings.unwrap_or_default() {
            BareLineEndings::Normalize => file::BareLineEndings::Normalize,
            BareLineEndings::Refuse => file::BareLineEndings::Refuse,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(more: &str) -> MailSenderSpec {
        let yaml = format!("{{entraApp: a, mailbox: a@contoso.com, route: b, {more}}}");
        serde_yaml::from_str(&yaml).unwrap()
    }

    #[test]
    fn what_is_not_said_is_what_is_usual() {
        let spec = spec("");
        assert_eq!(rules(&spec), file::Rules::default());
        assert_eq!(delivery(&spec), file::Delivery::default());
        assert_eq!(limits(None, None), file::Limits::default());
    }

    #[test]
    fn everything_that_is_said_is_carried() {
        let spec = spec(
            "sendAs: {envelopeFrom: ['*@contoso.com'], headerFrom: Rewrite, allowNullSender: true},
             recipients: {allow: ['*@a.test'], deny: ['x@a.test']},
             delivery: {mode: Spool, holdSeconds: 3, maxAgeSeconds: 60, uncertain: AtLeastOnce,
                        acceptLoss: true, bareLineEndings: Refuse}",
        );
        let carried = serde_json::to_value((rules(&spec), delivery(&spec))).unwrap();
        let expected = serde_json::json!([
            {"sendAs": ["*@contoso.com"], "headerFrom": "rewrite", "allowNullSender": true,
             "allowRecipients": ["*@a.test"], "denyRecipients": ["x@a.test"]},
            {"mode": "spool", "holdSeconds": 3, "maxAgeSeconds": 60, "uncertain": "atLeastOnce",
             "acceptLoss": true, "bareLineEndings": "refuse"},
        ]);
        assert_eq!(carried, expected);
    }

    #[test]
    fn the_lower_limit_counts() {
        let sender = spec("limits: {messagesPerMinute: 10, connections: 9, messageBytes: 9000}").limits;
        let route = Limits { messages_per_minute: Some(30), connections: Some(3), ..Limits::default() };
        let lowest = limits(sender.as_ref(), Some(&route));
        assert_eq!((lowest.messages_per_minute, lowest.connections), (Some(10), Some(3)));
        assert_eq!(lowest.recipients_per_day, None);
        assert_eq!(message_bytes(sender.as_ref(), Some(&route)), Some(9000));
    }
}
