//! The Secret that carries a sender's configuration, state and token: pure.

pub(super) mod terms;

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Resource, ResourceExt, api::ObjectMeta};
use mail_egress_config::{
    FILE_NAME, Fallback, Limits, Route, SenderFile, SenderRef, State, Token, TokenSource, Unready, write,
};
use mail_egress_crds::{MailSender, names};
use mail_egress_diagnosis::Diagnosis;

/// What the sidecar is to do.
#[derive(Clone, Debug)]
pub(super) enum Orders {
    /// Send.
    Send(Box<Sending>),
    /// Answer 451 with this reason; no token is carried.
    Refuse(Diagnosis),
}

/// By what the sidecar sends. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    /// The way out.
    pub(super) route: Route,
    /// The token for it, where it needs one that is had here.
    pub(super) token: Option<Token>,
    /// Where the sidecar gets its tokens, where they are had there.
    pub(super) token_source: Option<TokenSource>,
    /// The way for what the first cannot carry.
    pub(super) fallback: Option<Fallback>,
    /// How much it may send.
    pub(super) limits: Limits,
}

/// The content of the file.
#[must_use]
pub(super) fn file(sender: &MailSender, orders: &Orders) -> SenderFile {
    let name = SenderRef { namespace: sender.namespace().unwrap_or_default(), name: sender.name_any() };
    let spec = &sender.spec;
    match orders {
        Orders::Send(sending) => SenderFile {
            route: Some(sending.route.clone()),
            token: sending.token.clone(),
            token_source: sending.token_source.clone(),
            fallback: sending.fallback.clone(),
            rules: terms::rules(spec),
            limits: sending.limits,
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
