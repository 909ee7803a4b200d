//! What the lab tells as it happens, for whoever watches: one line each.

use std::fmt;
use std::sync::Arc;

use crate::lab::entra::TokenAnswer;
use crate::lab::exchange::{Message, SignIn};
use crate::lab::graph::GraphMessage;

/// Something that happened in the lab.
#[derive(Clone, Debug)]
pub enum Event {
    /// Entra answered a token request, or misbehaved.
    TokenAnswered(Arc<TokenAnswer>),
    /// Somebody tried to sign in to Exchange.
    SignedIn(Arc<SignIn>),
    /// Exchange took a message.
    MessageTaken(Arc<Message>),
    /// Graph took a message.
    MailSent(Arc<GraphMessage>),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenAnswered(answer) => answer.fmt(f),
            Self::SignedIn(sign_in) => sign_in.fmt(f),
            Self::MessageTaken(message) => message.fmt(f),
            Self::MailSent(message) => message.fmt(f),
        }
    }
}
