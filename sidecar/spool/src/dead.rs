//! Why a message will not be sent any more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What stands in `dead/ID.json` beside the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Death {
    /// When it was given up.
    pub at: Timestamp,
    /// A reason of the diagnosis table.
    pub reason: String,
    /// The whole sentence, with what to do about it.
    pub sentence: String,
    /// It may have been delivered all the same.
    pub uncertain: bool,
    /// Attempts that ended.
    pub attempts: u32,
}
