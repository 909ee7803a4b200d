//! The CAs as the Secret keeps them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;

use super::certificate::{Anchor, Ca, SigningError, Unusable};
use super::rotation::Step;

/// All that the Secret holds. Keys that are not named here are left alone.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// Signs.
    pub(super) current: Ca,
    /// Is trusted, and does not sign yet.
    pub(super) next: Option<Ca>,
    /// Is trusted, and does not sign any more: its key is forgotten.
    pub(super) previous: Option<Anchor>,
}

const CURRENT: Entry = Entry { certificate: "ca.crt", key: "ca.key" };
const NEXT: Entry = Entry { certificate: "next.crt", key: "next.key" };
const PREVIOUS: &str = "previous.crt";

struct Entry {
    certificate: &'static str,
    key: &'static str,
}

/// The Secret holds no CA that could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{entry} {fault}")]
pub(super) struct Damage {
    entry: &'static str,
    fault: Unusable,
}

type Data = BTreeMap<String, ByteString>;

impl Entry {
    fn read(&self, data: &Data) -> Result<Ca, Damage> {
        let certificate = read(data, self.certificate)?;
        let key = read(data, self.key)?;
        Ca::parse(certificate, key).map_err(|fault| match fault {
            Unusable::Key | Unusable::Mismatch => Damage { entry: self.key, fault },
            Unusable::Certificate | Unusable::NotACa | Unusable::Missing => {
                Damage { entry: self.certificate, fault }
            }
        })
    }

    fn write(&self, ca: Option<&Ca>, data: &mut BTreeMap<String, Option<ByteString>>) {
        let bytes = |text: String| ByteString(text.into_bytes());
        data.insert(self.certificate.to_owned(), ca.map(|ca| bytes(ca.anchor.pem())));
        data.insert(self.key.to_owned(), ca.map(|ca| bytes(ca.key_pem())));
    }
}

fn read<'a>(data: &'a Data, entry: &'static str) -> Result<&'a [u8], Damage> {
    let found = data.get(entry).ok_or(Damage { entry, fault: Unusable::Missing })?;
    Ok(&found.0)
}

impl Stored {
    /// A first CA, with nothing before or after it.
    pub(super) fn first(now: Timestamp) -> Result<Self, SigningError> {
        Ok(Self { current: Ca::generate(now)?, next: None, previous: None })
    }

    /// What to write where the Secret is missing or damaged: what is remembered, with a successor
    /// that will take over, or a first CA.
    pub(super) fn anew(remembered: Option<&Self>, now: Timestamp) -> Result<Self, SigningError> {
        match remembered {
            Some(known) if !known.current.anchor.validity.is_over(now) => {
                known.clone().after(Step::Announce, now)
            }
            Some(_) | None => Self::first(now),
        }
    }

    /// Reads the Secret's data. Only the signing CA must be sound: a damaged successor or
    /// predecessor is as good as none, and the second value says which.
    pub(super) fn read(data: &Data) -> Result<(Self, Vec<Damage>), Damage> {
        let current = CURRENT.read(data)?;
        let mut damages = Vec::new();
        let mut optional = |damage: Damage| {
            if damage.fault != Unusable::Missing {
                damages.push(damage);
            }
        };
        let next = NEXT.read(data).map_err(&mut optional).ok();
        let previous = read(data, PREVIOUS)
            .and_then(|pem| Anchor::parse(pem).map_err(|fault| Damage { entry: PREVIOUS, fault }))
            .map_err(&mut optional)
            .ok();
        Ok((Self { current, next, previous }, damages))
    }

    /// The data to write; an absent entry is a null, which removes it by a merge patch.
    pub(super) fn data(&self) -> BTreeMap<String, Option<ByteString>> {
        let mut data = BTreeMap::new();
        CURRENT.write(Some(&self.current), &mut data);
        NEXT.write(self.next.as_ref(), &mut data);
        let previous = self.previous.as_ref().map(|anchor| ByteString(anchor.pem().into_bytes()));
        data.insert(PREVIOUS.to_owned(), previous);
        data
    }

    /// What every client of the webhook must trust: all that are not over.
    pub(super) fn bundle(&self, now: Timestamp) -> String {
        let next = self.next.as_ref().map(|ca| &ca.anchor);
        [Some(&self.current.anchor), next, self.previous.as_ref()]
            .into_iter()
            .flatten()
            .filter(|anchor| !anchor.validity.is_over(now))
            .map(Anchor::pem)
            .collect()
    }

    /// Takes a step of the rotation.
    pub(super) fn after(self, step: Step, now: Timestamp) -> Result<Self, SigningError> {
        Ok(match step {
            Step::Keep => self,
            Step::Announce => Self { next: Some(Ca::generate(now)?), ..self },
            Step::Promote => match self.next {
                Some(next) => Self { current: next, next: None, previous: Some(self.current.anchor) },
                None => self,
            },
            Step::Replace => Self::first(now)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).unwrap()
    }

    fn kept(stored: &Stored) -> Data {
        stored.data().into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    fn certificates(bundle: &str) -> usize {
        bundle.matches("BEGIN CERTIFICATE").count()
    }

    #[test]
    fn a_whole_rotation_keeps_old_and_new_trusted() {
        let first = Stored::first(day(0)).unwrap();
        let old = first.current.anchor.clone();
        assert_eq!(certificates(&first.bundle(day(0))), 1);

        let announced = first.after(Step::Announce, day(250)).unwrap();
        assert_eq!(announced.current.anchor, old, "the old one signs on");
        let bundle = announced.bundle(day(250));
        let new = announced.next.as_ref().unwrap().anchor.clone();
        assert!(bundle.contains(&old.pem()) && bundle.contains(&new.pem()));

        let promoted = announced.after(Step::Promote, day(251)).unwrap();
        assert_eq!(promoted.current.anchor, new);
        assert!(promoted.bundle(day(251)).contains(&old.pem()));
        assert!(!promoted.bundle(day(365)).contains(&old.pem()), "until it is over");
    }

    #[test]
    fn what_is_written_is_read_again_and_forgets_the_old_key() {
        let stored = Stored::first(day(0)).unwrap();
        let old_key = stored.current.key_pem();
        let stored = stored.after(Step::Announce, day(1)).unwrap().after(Step::Promote, day(2)).unwrap();
        let data = kept(&stored);
        let (read, damages) = Stored::read(&data).unwrap();
        assert_eq!(read.current.anchor, stored.current.anchor);
        assert_eq!(read.previous, stored.previous);
        assert!(read.next.is_none() && damages.is_empty());
        assert!(data.values().all(|value| value.0 != old_key.as_bytes()));
    }

    #[test]
    fn says_what_is_damaged() {
        let stored = Stored::first(day(0)).unwrap();
        let damage = |key: &str, value: Option<&str>| {
            let mut data = kept(&stored);
            match value {
                Some(text) => data.insert(key.to_owned(), ByteString(text.into())),
                None => data.remove(key),
            };
            Stored::read(&data).unwrap_err().to_string()
        };
        assert_eq!(damage("ca.crt", None), "ca.crt is missing");
        assert_eq!(damage("ca.crt", Some("x")), "ca.crt holds no PEM certificate");
        assert_eq!(damage("ca.key", Some("x")), "ca.key holds no PEM private key of a kind that can sign");
        let other = Ca::generate(day(0)).unwrap().key_pem();
        assert_eq!(damage("ca.key", Some(&other)), "ca.key is not the key of the certificate beside it");
    }

    #[test]
    fn a_damaged_successor_is_as_good_as_none() {
        let stored = Stored::first(day(0)).unwrap().after(Step::Announce, day(1)).unwrap();
        let mut data = kept(&stored);
        data.insert("next.key".to_owned(), ByteString(b"x".to_vec()));
        data.insert("previous.crt".to_owned(), ByteString(b"x".to_vec()));
        let (read, damages) = Stored::read(&data).unwrap();
        assert!(read.next.is_none() && read.previous.is_none());
        assert_eq!(damages.len(), 2);
    }
}
