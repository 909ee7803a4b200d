//! The Secret that carries a sender's configuration, state and token: pure.

pub(super) mod terms;

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Resource, ResourceExt, api::ObjectMeta};
use mail_egress_config::{FILE_NAME, SenderFile, SenderRef, State, Token, Unready, write};
use mail_egress_crds::{MailSender, names};
use mail_egress_diagnosis::Diagnosis;

use super::validate::Validated;

/// What the sidecar is to do.
#[derive(Clone, Debug)]
pub(super) enum Orders {
    /// Send by this route with this token.
    Send(Box<Validated>, Token),
    /// Answer 451 with this reason; no token is carried.
    Refuse(Diagnosis),
}

/// The content of the file.
#[must_use]
pub(super) fn file(sender: &MailSender, orders: &Orders) -> SenderFile {
    let name = SenderRef { namespace: sender.namespace().unwrap_or_default(), name: sender.name_any() };
    let spec = &sender.spec;
    match orders {
        Orders::Send(validated, token) => SenderFile {
            route: Some(validated.route().clone()),
            token: Some(token.clone()),
            rules: terms::rules(spec),
            limits: validated.limits(),
            delivery: terms::delivery(spec),
            ..SenderFile::new(name, spec.mailbox.clone(), State::Ready)
        },
        Orders::Refuse(diagnosis) => {
            let reason = diagnosis.reason.to_owned();
            let state = State::Unready(Unready { reason, message: diagnosis.sentence() });
            // what is spooled already waits no longer for that
            let delivery = terms::delivery(spec);
            SenderFile { delivery, ..SenderFile::new(name, spec.mailbox.clone(), state) }
        }
    }
}

/// The Secret, complete as it is applied: whatever we set before and is not in it goes.
pub(super) fn secret(sender: &MailSender, orders: &Orders) -> Result<Secret, serde_json::Error> {
    let content = write(&file(sender, orders))?;
    let labels = BTreeMap::from([(names::LABEL_MANAGED_BY.to_owned(), names::MANAGED_BY.to_owned())]);
    let metadata = ObjectMeta {
        name: Some(names::sender_secret(&sender.name_any())),
        namespace: sender.namespace(),
        labels: Some(labels),
        owner_references: sender.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    Ok(Secret {
        metadata,
        type_: Some(names::SECRET_TYPE_SENDER.to_owned()),
        data: Some(BTreeMap::from([(FILE_NAME.to_owned(), ByteString(content.into_bytes()))])),
        ..Secret::default()
    })
}

#[cfg(test)]
mod tests;
