//! HTTP's CONNECT, without a connection (RFC 9110 section 9.3.6).

use super::Heard;
use crate::fault::{Peer, ProxyTrouble};

/// Longest head of an answer that is read, in octets and in fields.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// One request, and its answer as far as it has come.
#[derive(Debug)]
pub(super) struct HttpConnect {
    request: Vec<u8>,
    head: Vec<u8>,
}

impl HttpConnect {
    pub(super) fn new(peer: &Peer) -> Self {
        let request = format!("CONNECT {peer} HTTP/1.1\r\nHost: {peer}\r\n\r\n").into_bytes();
        Self { request, head: Vec::new() }
    }

    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.request)
    }

    /// Takes the head of the answer and not an octet more: behind a 2xx there is no body, whatever its
    /// fields say (section 9.3.6), and behind a refusal nothing that we read.
    pub(super) fn feed(&mut self, heard: &[u8]) -> Result<(usize, Heard), ProxyTrouble> {
        let before = self.head.len();
        self.head.extend_from_slice(heard);
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let length = match answer.parse(&self.head) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.head.len() < MAX_HEAD => {
                return Ok((heard.len(), Heard::More));
            }
            Ok(httparse::Status::Partial) => {
                return Err(garbled(&format!("a head of more than {} KiB", MAX_HEAD / 1024)));
            }
            Err(httparse::Error::TooManyHeaders) => {
                return Err(garbled(&format!("a head of more than {MAX_FIELDS} fields")));
            }
            Err(_) => return Err(garbled("an answer that is no HTTP")),
        };
        // the answer's end lies in what was heard just now, or it would have been seen before
        let taken = length.saturating_sub(before);
        let code = answer.code.unwrap_or_default();
        let words = format!("{code} {}", answer.reason.unwrap_or_default()).trim_end().to_owned();
        match code {
            // section 15.2: more answers follow; 101 would be another protocol
            100 | 102..=199 => {
                self.head.clear();
                Ok((taken, Heard::More))
            }
            200..=299 => Ok((taken, Heard::Open)),
            407 => Err(ProxyTrouble::WantsLogin(words)),
            300..=499 => Err(ProxyTrouble::Refused(words)),
            // the way behind it is at fault: Squid says 503, and tinyproxy 500
            500..=599 => Err(ProxyTrouble::NoWay(words)),
            _ => Err(garbled(&format!("the status {code}"))),
        }
    }
}

fn garbled(what: &str) -> ProxyTrouble {
    ProxyTrouble::Garbled(format!("{what} to HTTP CONNECT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> HttpConnect {
        let mut talk = HttpConnect::new(&Peer { host: "smtp.test".to_owned(), port: 587 });
        assert_eq!(talk.take_output(), b"CONNECT smtp.test:587 HTTP/1.1\r\nHost: smtp.test:587\r\n\r\n");
        assert!(talk.take_output().is_empty());
        talk
    }

    fn answered(answer: &str) -> Result<(usize, Heard), ProxyTrouble> {
        asked().feed(answer.as_bytes())
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        let request = HttpConnect::new(&Peer { host: "2001:db8::1".to_owned(), port: 25 }).take_output();
        assert!(request.starts_with(b"CONNECT [2001:db8::1]:25 HTTP/1.1\r\n"));
    }

    #[test]
    fn what_stands_behind_the_head_is_left_alone() {
        let head = "HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(answered(&format!("{head}220 relay\r\n")), Ok((head.len(), Heard::Open)));
    }

    #[test]
    fn an_answer_may_come_in_pieces_of_any_size() {
        let head = "HTTP/1.0 200 OK\r\nVia: 1.1 p\r\n\r\n";
        for size in 1..=head.len() {
            let mut talk = asked();
            let mut rest = format!("{head}220 relay\r\n");
            let mut taken = 0;
            loop {
                let piece = &rest.as_bytes()[..size.min(rest.len())];
                let (used, heard) = talk.feed(piece).unwrap();
                rest.drain(..used);
                taken += used;
                if heard == Heard::Open {
                    break;
                }
            }
            assert_eq!((taken, rest.as_str()), (head.len(), "220 relay\r\n"), "in pieces of {size}");
        }
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let mut talk = asked();
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        let answers = format!("{interim}HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(talk.feed(answers.as_bytes()), Ok((interim.len(), Heard::More)));
        assert_eq!(talk.feed(b"HTTP/1.1 200 OK\r\n\r\n"), Ok((19, Heard::Open)));
    }

    #[test]
    fn each_refusal_says_who_is_at_fault() {
        let words = |text: &str| text.to_owned();
        for (line, trouble) in [
            ("403 Forbidden", ProxyTrouble::Refused(words("403 Forbidden"))),
            ("405", ProxyTrouble::Refused(words("405"))),
            ("302 Found", ProxyTrouble::Refused(words("302 Found"))),
            ("500 Unable to connect", ProxyTrouble::NoWay(words("500 Unable to connect"))),
            ("407 Login", ProxyTrouble::WantsLogin(words("407 Login"))),
            ("502 Bad Gateway", ProxyTrouble::NoWay(words("502 Bad Gateway"))),
            ("504 Timeout", ProxyTrouble::NoWay(words("504 Timeout"))),
        ] {
            assert_eq!(answered(&format!("HTTP/1.1 {line}\r\n\r\n<html>")), Err(trouble));
        }
    }

    #[test]
    fn what_is_no_answer_to_connect_is_called_so() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_HEAD));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: x\r\n".repeat(MAX_FIELDS + 1));
        for answer in ["220 relay ESMTP\r\n", "\u{5}\u{0}", "HTTP/1.1 101 Switching\r\n\r\n", &long, &many] {
            assert!(matches!(answered(answer), Err(ProxyTrouble::Garbled(_))), "{answer}");
        }
    }
}
