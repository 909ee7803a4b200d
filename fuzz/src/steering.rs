//! How one input says both what comes over the wire and what happens around it.

/// What the app or relay waits behind: everything before it has been read and answered (ASCII's
/// record separator, which has no meaning in mail).
pub(crate) const PAUSE: u8 = 0x1e;

/// The first line of an input: one octet for each choice, again from the start when used up. Without
/// one, every choice is the first.
///
/// The choices are numbered so that the digits 0 to 7 mean what they say in a file of the corpus.
#[derive(Clone, Debug)]
pub(crate) struct Steering<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Steering<'a> {
    /// The first line, and what is behind it; an input without a line end is all wire.
    pub(crate) fn split(input: &'a [u8]) -> (Self, &'a [u8]) {
        let end = input.iter().position(|octet| *octet == b'\n');
        let (line, wire) = end.map_or((&[][..], input), |end| (&input[..end], &input[end + 1..]));
        (Self { octets: line, at: 0 }, wire)
    }

    /// The next choice of so many.
    pub(crate) fn below(&mut self, choices: usize) -> usize {
        let Some(octet) = self.octets.get(self.at) else { return 0 };
        self.at = (self.at + 1) % self.octets.len();
        usize::from(*octet) % choices
    }

    /// One of these.
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// The octets, cut into pieces of 1 to 64.
    pub(crate) fn pieces<'b>(&mut self, mut octets: &'b [u8]) -> Vec<&'b [u8]> {
        let mut pieces = Vec::new();
        while !octets.is_empty() {
            let (piece, rest) = octets.split_at((1 + self.below(64)).min(octets.len()));
            pieces.push(piece);
            octets = rest;
        }
        pieces
    }
}

/// The three ways in which every stretch of octets is given: at once, one by one, and as steered.
pub(crate) fn cuts<'b>(steering: &Steering<'_>, octets: &'b [u8]) -> [Vec<&'b [u8]>; 3] {
    [vec![octets], octets.chunks(1).collect(), steering.clone().pieces(octets)]
}
