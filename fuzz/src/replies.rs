//! What every reply to the app must be.

use mail_egress_smtp::reply::Enhanced;

/// The codes of the replies that `said` is made of: whole ones, in printable ASCII, at most 512
/// octets a line (RFC 5321 section 4.5.3.1.5), the enhanced code of the class of the basic one
/// (RFC 2034 section 4), and never missing from a refusal.
pub(crate) fn codes(said: &[u8]) -> Vec<u16> {
    let mut codes = Vec::new();
    let mut begun = None;
    for line in said.split_inclusive(|octet| *octet == b'\n') {
        let shown = line.escape_ascii();
        assert!(line.len() <= 512, "a reply line of {} octets", line.len());
        let text = line.strip_suffix(b"\r\n").and_then(|text| str::from_utf8(text).ok()).unwrap_or_default();
        assert!(text.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{shown}");
        let (code, rest) = text.split_at_checked(3).unwrap_or_default();
        let code: u16 = code.parse().unwrap_or_default();
        assert!((200..600).contains(&code) && begun.is_none_or(|begun| begun == code), "{shown}");
        let more = rest.starts_with('-');
        assert!(more || rest.starts_with(' '), "{shown}");
        let enhanced = Enhanced::split_from(&rest[1..]).map(|(enhanced, _)| enhanced);
        assert!(enhanced.map_or(code < 400, |enhanced| enhanced.class == code / 100), "{shown}");
        begun = more.then_some(code);
        if !more {
            codes.push(code);
        }
    }
    assert_eq!(begun, None, "a reply is not ended");
    codes
}
