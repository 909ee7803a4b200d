//! What can be wrong with a domain's MX records.

use mail_egress_diagnosis::reason;

/// Why the MX records of a domain lead nowhere. Completes the sentence "its domain … ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MxTrouble {
    /// There are none. Its own address is not tried in their place (RFC 5321 section 5.1 would), since
    /// it is not Microsoft's.
    #[error("has no MX record")]
    Missing,
    /// The null MX (RFC 7505).
    #[error("says by its MX record that it takes no mail at all")]
    Null,
    /// They name others than Microsoft.
    #[error("has the MX {0}, which is not Microsoft's")]
    Foreign(String),
}

impl MxTrouble {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Missing | Self::Null => reason::UPSTREAM_MX_MISSING,
            Self::Foreign(_) => reason::UPSTREAM_MX_FOREIGN,
        }
    }
}
