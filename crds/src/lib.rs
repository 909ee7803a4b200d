//! The four custom resources of mail-egress: their Rust types, and the CRDs made from them.
//!
//! Whatever can be refused at `kubectl apply` is refused there, by the schema's limits and CEL
//! rules; a field that this version accepts but does not act upon is named by the kind's
//! `not_yet_honoured()`, so that the operator can say so.

// The derive of the schemas copies each type, with its visibility, into a function.
#![allow(unreachable_pub)]
// It takes the columns of a definition for one attribute, given again and again.
#![allow(clippy::duplicated_attributes)]

pub mod allowed;
pub mod cloud;
pub mod definitions;
pub mod entra_app;
mod honoured;
pub mod limits;
pub mod mail_policy;
pub mod mail_route;
pub mod mail_sender;
pub mod names;
mod schema;
pub mod secret;
pub mod selector;

pub use allowed::{Admission, AllowedMailboxes, AllowedNamespace};
pub use cloud::Cloud;
pub use entra_app::{EntraApp, EntraAppSpec, EntraAppStatus};
pub use limits::Limits;
pub use mail_policy::{MailPolicy, MailPolicySpec, MailPolicyStatus};
pub use mail_route::{MailRoute, MailRouteSpec, MailRouteStatus, Way};
pub use mail_sender::{MailSender, MailSenderSpec, MailSenderStatus};
pub use secret::SecretKey;
pub use selector::NamespaceSelector;
