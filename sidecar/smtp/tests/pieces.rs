//! The ways in which one stretch of octets can arrive.

/// How to cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pieces {
    /// All of the same size.
    Of(usize),
    /// One, and the rest.
    SplitAt(usize),
}

impl Pieces {
    /// Every way to cut up to `longest` octets.
    pub(crate) fn all(longest: usize) -> impl Iterator<Item = Self> {
        (1..=longest + 1).map(Self::Of).chain((1..longest).map(Self::SplitAt))
    }

    /// Where the piece that begins at `done` of a stretch ends, if `left` octets are there.
    pub(crate) fn next(self, done: usize, left: usize) -> usize {
        match self {
            Self::Of(size) => size.min(left),
            Self::SplitAt(at) if done < at => (at - done).min(left),
            Self::SplitAt(_) => left,
        }
    }
}

/// Reads `\r`, `\n`, `\\` and `\xNN`; other characters stand for themselves.
pub(crate) fn octets(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match (c, rest.as_bytes().get(1)) {
            ('\\', Some(b'r')) => (b"\r".to_vec(), 2),
            ('\\', Some(b'n')) => (b"\n".to_vec(), 2),
            ('\\', Some(b'\\')) => (b"\\".to_vec(), 2),
            ('\\', Some(b'x')) => (vec![u8::from_str_radix(&rest[2..4], 16).unwrap()], 4),
            _ => (rest.as_bytes()[..c.len_utf8()].to_vec(), c.len_utf8()),
        };
        out.extend(taken.0);
        rest = &rest[taken.1..];
    }
    out
}

/// The steps of a transcript: a letter and what stands behind it.
pub(crate) fn steps(transcript: &str) -> Vec<(char, &str)> {
    let lines =
        transcript.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (letter, rest) = line.split_once(':').unwrap();
            assert_eq!(letter.len(), 1, "{line}");
            (letter.chars().next().unwrap(), rest.strip_prefix(' ').unwrap_or(rest))
        })
        .collect()
}

/// The longest stretch that `speaker` and `R` put in without anybody else having a say.
pub(crate) fn longest(steps: &[(char, &str)], speaker: char) -> usize {
    let mut longest = 0;
    let mut current = 0;
    for (letter, text) in steps {
        current = if *letter == speaker || *letter == 'R' { current + octets(text).len() + 2 } else { 0 };
        longest = longest.max(current);
    }
    longest
}
