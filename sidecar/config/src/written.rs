//! How values are written into the file: what is usual is left out, and a secret stands there only where
//! the field says so.

use secrecy::{ExposeSecret, SecretString};
use serde::Serializer;

/// Whether a value is the usual one, and so left out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The one place where a secret is written out: into the file that is made to carry it.
pub(crate) fn expose<S: Serializer>(value: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.expose_secret())
}
