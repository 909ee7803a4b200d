//! SOCKS5's CONNECT without authentication, without a connection (RFC 1928).
//!
//! ```text
//! Method ──05 00──► Reply ──05 00 00 atyp──► Bound ──address──► open
//! ```

use std::net::IpAddr;

use super::Heard;
use crate::fault::{Peer, ProxyTrouble};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// What is heard next. Every part says how long it is, or the one before it does.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Version and chosen method (section 3).
    Method,
    /// Version, reply, reserved, type of address, and one octet more: a name's length, or the
    /// beginning of an address (section 6).
    Reply,
    /// What is left of an address that is of no use to us.
    Bound(usize),
}

/// One negotiation and one request.
#[derive(Debug)]
pub(super) struct Socks5 {
    state: State,
    request: Vec<u8>,
    output: Vec<u8>,
    heard: Vec<u8>,
}

impl Socks5 {
    pub(super) fn new(peer: &Peer) -> Self {
        let mut request = vec![VERSION, CONNECT, 0];
        match peer.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                request.push(IPV4);
                request.extend(address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(IPV6);
                request.extend(address.octets());
            }
            Err(_) => {
                // the caller has seen to it that it fits
                let length = u8::try_from(peer.host.len()).unwrap_or(u8::MAX);
                request.extend([NAME, length]);
                request.extend(peer.host.bytes().take(length.into()));
            }
        }
        request.extend(peer.port.to_be_bytes());
        let output = vec![VERSION, 1, NO_AUTHENTICATION];
        Self { state: State::Method, request, output, heard: Vec::new() }
    }

    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes at most what the part that is being heard still lacks.
    pub(super) fn feed(&mut self, heard: &[u8]) -> Result<(usize, Heard), ProxyTrouble> {
        let lacks = self.length().saturating_sub(self.heard.len());
        let taken = heard.get(..lacks).unwrap_or(heard);
        self.heard.extend_from_slice(taken);
        if taken.len() < lacks {
            return Ok((taken.len(), Heard::More));
        }
        let part = std::mem::take(&mut self.heard);
        self.part(&part).map(|heard| (taken.len(), heard))
    }

    fn length(&self) -> usize {
        match self.state {
            State::Method => 2,
            State::Reply => 5,
            State::Bound(left) => left,
        }
    }

    fn part(&mut self, part: &[u8]) -> Result<Heard, ProxyTrouble> {
        match (self.state, part) {
            (State::Method, [VERSION, NO_AUTHENTICATION]) => {
                self.output = std::mem::take(&mut self.request);
                self.state = State::Reply;
            }
            (State::Method, [VERSION, method]) => return Err(wants_login(*method)),
            (State::Reply, [VERSION, 0, _, kind, first]) => {
                // the address without its first octet, and a port
                let left = match *kind {
                    IPV4 => 3 + 2,
                    IPV6 => 15 + 2,
                    NAME => usize::from(*first) + 2,
                    other => return Err(garbled(&format!("an address of the type {other}"))),
                };
                self.state = State::Bound(left);
            }
            (State::Reply, [VERSION, reply, ..]) => return Err(refused(*reply)),
            (State::Method | State::Reply, _) => return Err(garbled("an answer")),
            (State::Bound(_), _) => return Ok(Heard::Open),
        }
        Ok(Heard::More)
    }
}

fn wants_login(method: u8) -> ProxyTrouble {
    match method {
        0xff => ProxyTrouble::WantsLogin("SOCKS5 without authentication is not accepted".to_owned()),
        other => garbled(&format!("the method {other}, which was not offered,")),
    }
}

/// Section 6, in its order.
fn refused(reply: u8) -> ProxyTrouble {
    let words = match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "CONNECT is not supported",
        8 => "this type of address is not supported",
        _ => "a failure without a name",
    };
    let words = format!("SOCKS5 {reply}, {words}");
    match reply {
        2 | 7 | 8 => ProxyTrouble::Refused(words),
        _ => ProxyTrouble::NoWay(words),
    }
}

fn garbled(what: &str) -> ProxyTrouble {
    ProxyTrouble::Garbled(format!("{what} that is no SOCKS5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str) -> Socks5 {
        let mut talk = Socks5::new(&Peer { host: host.to_owned(), port: 587 });
        assert_eq!(talk.take_output(), [5, 1, 0]);
        talk
    }

    /// Feeds all of it, in pieces of this size; what is left when the way is open.
    fn rest(host: &str, answers: &[u8], size: usize) -> Result<Vec<u8>, ProxyTrouble> {
        let mut talk = asked(host);
        let mut rest = answers.to_vec();
        loop {
            let piece = &rest[..size.min(rest.len())];
            assert!(!piece.is_empty(), "the way is not open, and there is no more");
            let (used, heard) = talk.feed(piece)?;
            rest.drain(..used);
            if heard == Heard::Open {
                return Ok(rest);
            }
        }
    }

    #[test]
    fn names_are_left_to_the_proxy_and_addresses_are_sent_as_such() {
        let request = |host| {
            let mut talk = asked(host);
            assert_eq!(talk.feed(&[5, 0]), Ok((2, Heard::More)));
            talk.take_output()
        };
        assert_eq!(request("mx.test"), *b"\x05\x01\x00\x03\x07mx.test\x02\x4b");
        assert_eq!(request("192.0.2.1"), [5, 1, 0, 1, 192, 0, 2, 1, 2, 0x4b]);
        let v6 = request("2001:db8::1");
        assert_eq!((v6[3], v6.len()), (4, 4 + 16 + 2));
    }

    #[test]
    fn what_stands_behind_the_reply_is_left_alone_however_it_is_cut() {
        let replies: [&[u8]; 4] = [
            &[5, 0, 0, 1, 10, 0, 0, 1, 0x1f, 0x90],
            &[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
            b"\x05\x00\x00\x03\x04p.tl\x00\x00",
            &[5, 0, 0, 3, 0, 0, 0],
        ];
        for reply in replies {
            let answers = [&[5, 0], reply, b"220 relay\r\n"].concat();
            for size in 1..=answers.len() {
                assert_eq!(rest("mx.test", &answers, size).unwrap(), b"220 relay\r\n", "{reply:?} by {size}");
            }
        }
    }

    #[test]
    fn each_refusal_says_who_is_at_fault() {
        let trouble = |answers: &[u8]| rest("mx.test", answers, 64).unwrap_err();
        let reply = |code| trouble(&[5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert!(matches!(trouble(&[5, 0xff]), ProxyTrouble::WantsLogin(_)));
        for code in [2, 7, 8] {
            assert!(matches!(reply(code), ProxyTrouble::Refused(_)), "{code}");
        }
        for code in [1, 3, 4, 5, 6, 9] {
            assert!(matches!(reply(code), ProxyTrouble::NoWay(_)), "{code}");
        }
        let refused = ProxyTrouble::Refused("SOCKS5 2, not allowed by its rules".to_owned());
        assert_eq!(reply(2), refused);
    }

    #[test]
    fn what_is_no_socks5_is_called_so() {
        for answers in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[4, 90], &[5, 2], &[5, 0, 5, 0, 0, 9, 0]] {
            let trouble = rest("mx.test", answers, 64).unwrap_err();
            assert!(matches!(trouble, ProxyTrouble::Garbled(_)), "{answers:?}: {trouble:?}");
        }
    }
}
