//! One log line and one count for each change of the configuration.

use mail_egress_config::{Route, SenderRef, State};

use crate::metrics::{Load, Metrics};
use crate::sender::follow::{Current, Seen};
use crate::sender::loaded::Loaded;

/// Says what a look at the configuration brought, and what is in force now; nothing where nothing
/// changed.
pub fn change(metrics: &Metrics, sender: &SenderRef, seen: &Seen, current: &Current) {
    match seen {
        Seen::Same => {}
        Seen::Missing => {
            metrics.config_load(Load::Missing);
            tracing::warn!(%sender, "no configuration: mail is answered 451 until the MailSender's file comes");
        }
        Seen::Unusable(why) => {
            metrics.config_load(Load::Unusable);
            let now = match current {
                Current::Usable(_) => "the last good one stays in force",
                Current::Missing | Current::Unusable(_) => "mail is answered 451",
            };
            tracing::error!(%sender, why, "the configuration cannot be used: {now}");
        }
        Seen::Usable(loaded) => {
            metrics.config_load(Load::Usable);
            if loaded.brings_token {
                metrics.token_updated();
            }
            usable(sender, loaded);
        }
    }
}

fn usable(sender: &SenderRef, loaded: &Loaded) {
    let file = &loaded.file;
    if file.sender != *sender {
        tracing::warn!(%sender, found = %file.sender, "the configuration is for another MailSender; it is used all the same");
    }
    match &file.state {
        State::Unready(unready) => tracing::warn!(
            %sender,
            reason = unready.reason,
            why = unready.message,
            "configuration in force: mail is answered 451"
        ),
        State::Ready => {
            let route = file.route.as_ref();
            let relay = route.and_then(|route| route.by_smtp().ok());
            tracing::info!(
                %sender,
                mailbox = file.mailbox,
                route = route.map(Route::name).unwrap_or_default(),
                kind = route.map(Route::kind).unwrap_or_default(),
                host = relay.map(|it| it.host.as_str()),
                port = relay.map(|it| it.port),
                fallback = file.fallback.as_ref().map(|it| it.route.name()),
                token_until = file.token.as_ref().map(|it| format!("{:.0}", it.expires_at)).unwrap_or_default(),
                "configuration in force: mail is sent"
            );
        }
    }
}
