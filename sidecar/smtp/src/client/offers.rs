//! What the relay offers in its reply to EHLO.

use super::replies::Lines;

/// What the relay said that it can do, in its last reply to EHLO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// STARTTLS (RFC 3207); never within TLS.
    pub starttls: bool,
    /// Several commands at once (RFC 2920).
    pub pipelining: bool,
    /// Octets above 127 in the body (RFC 6152).
    pub eight_bit_mime: bool,
    /// Octets above 127 in addresses and header (RFC 6531).
    pub smtputf8: bool,
    /// Delivery status notifications on request (RFC 3461).
    pub dsn: bool,
    /// BDAT (RFC 3030).
    pub chunking: bool,
    /// The largest message in octets. `None`: SIZE is not offered; `Some(0)`: offered without a
    /// limit (RFC 1870 section 4).
    pub size: Option<u64>,
    /// The AUTH mechanisms in capitals, as the relay wrote them: not to be shown unchecked.
    pub mechanisms: Vec<String>,
}

impl Offers {
    /// Reads the reply; its first line is the relay's name and says nothing.
    pub(super) fn read(reply: &Lines) -> Self {
        let mut offers = Self::default();
        for line in reply.texts.iter().skip(1) {
            // "AUTH=LOGIN" is how it was written before RFC 4954
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "STARTTLS" => offers.starttls = true,
                "PIPELINING" => offers.pipelining = true,
                "8BITMIME" => offers.eight_bit_mime = true,
                "SMTPUTF8" => offers.smtputf8 = true,
                "DSN" => offers.dsn = true,
                "CHUNKING" => offers.chunking = true,
                "SIZE" => offers.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                "AUTH" => offers.mechanisms.extend(words.map(str::to_ascii_uppercase)),
                _ => {}
            }
        }
        offers
    }

    /// The mechanisms for a diagnosis: printable, at most 100 octets.
    pub(super) fn shown_mechanisms(&self) -> String {
        if self.mechanisms.is_empty() {
            return "nothing".to_owned();
        }
        let all = self.mechanisms.join(" ");
        all.chars().filter(|c| matches!(c, ' '..='~')).take(100).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Offers {
        Offers::read(&Lines { code: 250, texts: lines.iter().map(|&line| line.to_owned()).collect() })
    }

    #[test]
    fn reads_what_exchange_offers() {
        let offers = read(&[
            "SY5P282CA0097.outlook.office365.com Hello [172.105.184.101]",
            "SIZE 157286400",
            "PIPELINING",
            "DSN",
            "ENHANCEDSTATUSCODES",
            "AUTH LOGIN XOAUTH2",
            "8BITMIME",
            "BINARYMIME",
            "CHUNKING",
            "SMTPUTF8",
        ]);
        let expected = Offers {
            starttls: false,
            pipelining: true,
            eight_bit_mime: true,
            smtputf8: true,
            dsn: true,
            chunking: true,
            size: Some(157_286_400),
            mechanisms: vec!["LOGIN".into(), "XOAUTH2".into()],
        };
        assert_eq!(offers, expected);
    }

    #[test]
    fn the_first_line_offers_nothing() {
        assert_eq!(read(&["STARTTLS"]), Offers::default());
    }

    #[test]
    fn reads_any_case_and_the_old_form_of_auth() {
        let offers = read(&["x", "starttls", "AUTH=LOGIN", "AUTH plain xoauth2", "SIZE"]);
        assert!(offers.starttls);
        assert_eq!((offers.shown_mechanisms().as_str(), offers.size), ("LOGIN PLAIN XOAUTH2", Some(0)));
    }

    #[test]
    fn names_the_mechanisms_briefly() {
        assert_eq!(read(&["x"]).shown_mechanisms(), "nothing");
        assert_eq!(read(&["x", &format!("AUTH {}", "A".repeat(500))]).shown_mechanisms().len(), 100);
    }
}
