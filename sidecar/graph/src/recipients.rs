//! Whom a message would go to, and what makes that the envelope.

use mail_egress_policy::{is_same, named};

use crate::Unfit;

/// The Bcc field, with its CRLF, that makes `header` name every recipient of the envelope; empty where
/// it names them already. Graph sends to whom the header names, and hides who is in Bcc.
///
/// `header` is the section as it is to go out. Whom it names beyond the envelope is a refusal: Graph
/// would send to them, and taking them out would change what the others read. Addresses are compared
/// as Exchange compares them, whatever their letter case.
///
/// # Errors
/// Why the message cannot go by Graph.
pub fn bcc(header: &[u8], to: &[&str]) -> Result<String, Unfit> {
    let named = named(header)?;
    if named.resent {
        return Err(Unfit::Resent);
    }
    let meant = |address: &&String| to.iter().any(|to| is_same(address, to));
    if let Some(address) = named.recipients.iter().find(|address| !meant(address)) {
        return Err(Unfit::NotMeant(address.clone()));
    }
    let missing: Vec<_> = to
        .iter()
        .copied()
        .filter(|to| !named.recipients.iter().any(|address| is_same(address, to)))
        .collect();
    match missing.as_slice() {
        [] => Ok(String::new()),
        // the rules have removed it from every message that is not signed
        _ if named.blind => Err(Unfit::SignedBcc),
        // one to a line: an address has 254 octets at most, a line 998 (RFC 5322 section 2.1.1)
        missing => Ok(format!("Bcc: {}\r\n", missing.join(",\r\n "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(header: &str, to: &[&str]) -> Result<String, &'static str> {
        bcc(header.as_bytes(), to).map_err(|unfit| unfit.diagnosis().reason)
    }

    #[test]
    fn who_is_in_no_header_is_added_as_bcc() {
        let header = "From: f@x.test\r\nTo: A <a@x.test>\r\nCc: c@x.test\r\n\r\n";
        assert_eq!(told(header, &["a@x.test", "C@X.test"]), Ok(String::new()));
        assert_eq!(told(header, &["a@x.test", "b@x.test", "c@x.test"]), Ok("Bcc: b@x.test\r\n".to_owned()));
        let two = told("Subject: x\r\n\r\n", &["a@x.test", "\"b c\"@x.test"]);
        assert_eq!(two, Ok("Bcc: a@x.test,\r\n \"b c\"@x.test\r\n".to_owned()));
    }

    #[test]
    fn who_is_only_in_the_header_is_never_sent_to() {
        for header in
            ["To: a@x.test, b@x.test\r\n", "To: a@x.test\r\nBcc: b@x.test\r\n", "Cc: T: b@x.test;\r\n"]
        {
            assert_eq!(told(header, &["a@x.test"]), Err("HeaderRecipientNotMeant"), "{header}");
        }
    }

    #[test]
    fn what_was_sent_on_or_cannot_be_read_is_refused() {
        let to = &["a@x.test"];
        assert_eq!(told("To: a@x.test\r\nResent-Bcc: a@x.test\r\n", to), Err("ResentNotCarried"));
        assert_eq!(told("To: a@x.test b@x.test\r\n", to), Err("HeaderRecipientsUnclear"));
    }

    #[test]
    fn a_bcc_that_stayed_is_not_given_a_second_one() {
        let signed = "To: a@x.test\r\nBcc: b@x.test\r\n\r\n";
        assert_eq!(told(signed, &["a@x.test", "b@x.test"]), Ok(String::new()));
        assert_eq!(told(signed, &["a@x.test", "b@x.test", "c@x.test"]), Err("SignedBccNotExtended"));
    }
}
