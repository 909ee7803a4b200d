//! The table itself: one file per side that can answer.

mod entra;
mod graph;
pub mod local;
mod provider;
mod smtp;

use crate::row::Row;

/// Every row, in the order in which they are tried.
pub const TABLE: &[&[Row]] = &[entra::ROWS, provider::ROWS, smtp::ROWS, graph::ROWS, local::ROWS];

pub(crate) use {
    entra::ROWS as ENTRA, graph::ROWS as GRAPH, local::ROWS as LOCAL, provider::ROWS as PROVIDER,
    smtp::ROWS as SMTP,
};
