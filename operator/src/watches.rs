//! What the cluster says: one watch for each kind, a store that it fills, and a stream of changes.

mod change;
mod follow;
mod kinds;
mod stores;

pub use change::{Change, Changes};
pub use follow::run;
pub use stores::{Named, Stores, Synced};
