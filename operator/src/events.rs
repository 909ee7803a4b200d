//! Events (events.k8s.io) on our objects: what `kubectl describe` shows below the conditions.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tracing::warn;

use crate::{
    causes::Causes,
    writer::{WriteError, Writer},
};

/// Longest note, in octets: the API server refuses more than 1 kB.
const NOTE: usize = 1000;

/// Publishes events. The same reason on the same object within six minutes counts up one event.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Events in the name of this replica.
    #[must_use]
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter =
            Reporter { controller: "mail-egress-operator".to_owned(), instance: Some(identity.to_owned()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Publishes what was found out about an object. Best effort: a lost event is logged, and the
    /// condition says the same.
    pub async fn publish(
        &self,
        writer: &Writer,
        object: &ObjectReference,
        warns: bool,
        reason: &str,
        message: &str,
    ) {
        let event = Event {
            type_: if warns { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(note(message)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        match writer.write(self.recorder.publish(&event, object)).await {
            Ok(()) => {}
            // the next leader says it
            Err(WriteError::NotLeading(_)) => {}
            Err(error @ (WriteError::TimedOut | WriteError::Api(_))) => {
                let object = object.name.as_deref();
                warn!(object, reason, error = %Causes(&error), "event not published");
            }
        }
    }
}

/// The message, if need be without its middle: its end says how to mend it.
fn note(message: &str) -> String {
    if message.len() <= NOTE {
        return message.to_owned();
    }
    let half = NOTE / 2 - 5;
    let head = (0..=half).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    let tail = (message.len() - half..message.len()).find(|at| message.is_char_boundary(*at));
    format!("{} [...] {}", &message[..head], &message[tail.unwrap_or(message.len())..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_keeps_its_beginning_and_its_end() {
        let long = format!("cause {} To mend: do this", "é".repeat(1000));
        let short = note(&long);
        assert!(short.len() <= NOTE && short.starts_with("cause ") && short.ends_with("To mend: do this"));
        assert_eq!(note("short"), "short");
    }
}
