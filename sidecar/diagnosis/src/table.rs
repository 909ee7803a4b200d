//! The table itself: one file per side that can answer.

mod entra;
pub mod local;
mod smtp;

use crate::row::Row;

/// Every row, in the order in which they are tried.
pub const TABLE: &[&[Row]] = &[entra::ROWS, smtp::ROWS, local::ROWS];

pub(crate) use {entra::ROWS as ENTRA, local::ROWS as LOCAL, smtp::ROWS as SMTP};
