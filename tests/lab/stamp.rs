//! Times and identifiers in the forms that Microsoft's servers write them.

use jiff::Timestamp;

/// As in the greeting: `Sun, 23 Nov 2025 11:12:20 +0000`.
pub(super) fn banner(now: Timestamp) -> String {
    now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// As behind a 535: `2025-11-23T11:12:21.123Z`.
pub(super) fn exchange(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// As in Entra's errors: `2025-11-23 11:12:21Z`.
pub(super) fn entra(now: Timestamp) -> String {
    now.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Sixteen hexadecimal digits, as Exchange numbers its sessions.
pub(super) fn hex_id() -> String {
    format!("{:016X}", rand::random::<u64>())
}

/// A random UUID (version 4), as Entra numbers everything.
pub(super) fn guid() -> String {
    let digits = format!("{:032x}", rand::random::<u128>());
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_times_as_the_real_servers_do() {
        let now: Timestamp = "2025-11-23T11:12:20.5Z".parse().unwrap();
        assert_eq!(banner(now), "Sun, 23 Nov 2025 11:12:20 +0000");
        assert_eq!(exchange(now), "2025-11-23T11:12:20.500Z");
        assert_eq!(entra(now), "2025-11-23 11:12:20Z");
    }

    #[test]
    fn identifiers_have_their_length_and_differ() {
        assert_eq!((guid().len(), hex_id().len()), (36, 16));
        assert_ne!(guid(), guid());
    }
}
