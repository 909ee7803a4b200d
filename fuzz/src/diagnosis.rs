//! The explanation of what another side has said.

use mail_egress_diagnosis::{At, Class, Diagnosis, Smtp, TABLE, entra, graph, sentence, smtp};
use mail_egress_smtp::reply::Enhanced;

use crate::steering::Steering;

/// Whatever a server says: there is a row of the table for it, its sentence is one printable line that
/// passes unchanged from one program to the other, and a message is given up for good only where
/// the answer was to the message and was itself final.
///
/// Input: a line of choices (the code, what it answered), and then the words.
pub fn diagnosis(input: &[u8]) {
    let (mut steering, words) = Steering::split(input);
    let words = String::from_utf8_lossy(words);
    let code = steering.one(&[550, 421, 451, 530, 535, 554, 452, 552]);
    let at = steering.one(&[At::Message, At::Recipient, At::Sender, At::Connection, At::Password]);
    let (enhanced, text) = match Enhanced::split_from(&words) {
        Some((enhanced, text)) => (enhanced.to_string(), text),
        None => (String::new(), words.as_ref()),
    };
    let found = smtp(Smtp { code, enhanced: &enhanced, text, at });
    explained(&found);
    let final_answer = code >= 500 && !matches!(at, At::Connection | At::Password);
    assert!(found.class != Class::Permanent || final_answer, "given up for good: {found:?}");
    assert!(found.class != Class::Uncertain, "a refusal is certain");

    let status = steering.one(&[400, 401, 403, 404, 413, 429, 500, 503]);
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let found = graph(status, first, rest);
    explained(&found);
    assert!(found.class != Class::Permanent || (status < 500 && status != 429), "{found:?}");

    let number: Option<u32> = first.trim_start_matches("AADSTS").trim_end_matches(':').parse().ok();
    let found = entra(status, Some(first), number.as_slice(), text);
    explained(&found);
    assert!(found.class != Class::Permanent, "no message is at fault for a token");
}

fn explained(found: &Diagnosis) {
    assert!(TABLE.iter().flat_map(|rows| rows.iter()).any(|row| row.reason == found.reason));
    let shown = found.sentence();
    assert!(shown.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{shown}");
    assert_eq!(sentence(&shown), shown);
}
