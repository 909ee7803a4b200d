//! The file that the operator writes and the sidecar reads: `sender.json`.
//!
//! One file holds the configuration, the state with its diagnosis, and the token, so that all
//! change at once and one read is one consistent state. Two minor versions of either side
//! understand each other: unknown fields are ignored, and [`FORMAT`] rises only when a reader of
//! the older format would do harm.

mod file;
pub mod pattern;
mod read;
mod route;
mod rules;
mod token_source;
mod written;

pub use file::{FORMAT, Fallback, SenderFile, SenderRef, State, Token, Unready};
pub use read::{LIMIT, ReadError, parse, write};
pub use route::{ClientCertificate, GraphRoute, LargeMessages, Login, Route, Security, SmtpRoute};
pub use rules::{BareLineEndings, Delivery, ForeignFrom, Limits, Mode, Rules, Uncertain};
pub use token_source::{CertificateFiles, CredentialFile, EntraSource, SignatureAlgorithm, TokenSource};

/// The file's name inside the Secret, the mounted directory, or a folder of one's own.
pub const FILE_NAME: &str = "sender.json";
