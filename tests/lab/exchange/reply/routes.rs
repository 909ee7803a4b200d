//! What the other ways in say, beside Exchange's submission (fact sheet C and D).

use super::{Host, Reply};

/// What a domain's MX says instead; the figures are those of the fact sheet's log.
pub(in crate::lab::exchange) fn queued(id: &str, octets: usize, host: &Host) -> Reply {
    Reply::new(
        250,
        format!(
            "2.6.0 {id} [InternalId=34282021849703, Hostname={}] {octets} bytes in 0.296, 27.285 KB/sec Queued mail for delivery",
            host.name
        ),
    )
}

pub(in crate::lab::exchange) fn token_ends_soon() -> Reply {
    Reply::new(501, "5.5.127 Token will expire soon")
}

pub(in crate::lab::exchange) fn bad_token_data() -> Reply {
    Reply::new(501, "5.5.124 Invalid XOAUTH2 auth data")
}

pub(in crate::lab::exchange) fn internal_only() -> Reply {
    Reply::new(550, "5.5.105 External sending is not supported for High Volume Email accounts")
}

pub(in crate::lab::exchange) fn relay_denied(host: &Host) -> Reply {
    Reply::new(550, format!("5.7.64 TenantAttribution; Relay Access Denied {}", host.trace()))
}

pub(in crate::lab::exchange) fn unable_to_relay() -> Reply {
    Reply::new(550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain")
}

pub(in crate::lab::exchange) fn no_direct_send(host: &Host) -> Reply {
    Reply::new(
        550,
        format!(
            "5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources {}",
            host.trace()
        ),
    )
}

/// Azure Communication Services; the fact sheet has none of its words. These are RFC 4954's.
pub(in crate::lab::exchange) fn wrong_credentials() -> Reply {
    Reply::new(535, "5.7.8 Authentication credentials invalid")
}

/// The same: the fact sheet has the limits and not the words.
pub(in crate::lab::exchange) fn too_fast() -> Reply {
    Reply::new(450, "4.5.127 Message rejected. Excessive message rate from sender")
}
