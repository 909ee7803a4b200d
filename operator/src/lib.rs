//! The operator: `MailSender` resources in, Secrets and injected sidecars out.

pub mod admin;
#[cfg(test)]
mod api_in_memory;
pub mod args;
pub mod authority;
mod causes;
pub mod controller;
pub mod credential;
pub mod events;
pub mod inject;
pub mod leader;
pub mod log;
pub mod login;
pub mod metrics;
pub mod run;
pub mod tokens;
pub mod watches;
pub mod webhook;
pub mod writer;
