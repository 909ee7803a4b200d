//! Base64 (RFC 4648 section 4) of octets that come in pieces, without line breaks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Encodes piece after piece; up to two octets wait for the next one.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    left: Vec<u8>,
}

/// How long so many octets become.
pub(crate) fn length(octets: u64) -> u64 {
    octets.div_ceil(3).saturating_mul(4)
}

impl Encoder {
    /// Appends what can be encoded by now.
    pub(crate) fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        if !self.left.is_empty() {
            let (fill, rest) = piece.split_at((3 - self.left.len()).min(piece.len()));
            self.left.extend_from_slice(fill);
            piece = rest;
            if self.left.len() < 3 {
                return;
            }
            append(&self.left, out);
        }
        let (whole, rest) = piece.split_at(piece.len() - piece.len() % 3);
        append(whole, out);
        self.left.clear();
        self.left.extend_from_slice(rest);
    }

    /// Appends the end, padded.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        append(&self.left, out);
    }
}

fn append(octets: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + octets.len().div_ceil(3) * 4, 0);
    // cannot fail: the room is there
    let written = STANDARD.encode_slice(octets, &mut out[begin..]).unwrap_or_default();
    out.truncate(begin + written);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_give_what_the_whole_gives() {
        let octets: Vec<u8> = (0..1000_u32).map(|n| (n * 7 % 251) as u8).collect();
        for whole in [0, 1, 2, 3, 4, 5, 1000] {
            let whole = &octets[..whole];
            for size in [1, 2, 3, 4, 5, 7, 64, 1000] {
                let (mut encoder, mut out) = (Encoder::default(), Vec::new());
                whole.chunks(size).for_each(|piece| encoder.push(piece, &mut out));
                encoder.finish(&mut out);
                assert_eq!(out, STANDARD.encode(whole).into_bytes(), "{} by {size}", whole.len());
                assert_eq!(length(whole.len() as u64), out.len() as u64);
            }
        }
    }
}
