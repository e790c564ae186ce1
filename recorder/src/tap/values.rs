//! The values that requests wrote, so that the value of a read names its write.
//!
//! A history identifies each write by a payload: a user and a number. A driven run sends payloads, which say so themselves. Other
//! clients send whatever they like, so the book gives each written text a payload and remembers the text by its digest. A read of
//! that text is then a read of that payload.
//!
//! A read is recorded with a value only if it is certain which write it shows. It is indeterminate if two writes of one user had the
//! same text, and if no recorded request wrote the text: requests that the tap does not recognise, and the application itself,
//! may have. A guess would be a false alarm, or would hide a violation.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use workloads::{SessionPayload, Value};

/// The most values that are remembered. Later ones are recorded, and reads of them are indeterminate.
const VALUES_MAX: usize = 2_000_000;

/// Numbers of payloads that the book gives to users whose other payloads have numbers of their own.
const ASSIGNED_FROM: u64 = 1 << 40;

/// Texts shorter than this are never taken for the value of another user. Applications show such texts by themselves.
const FOREIGN_BYTES_MIN: usize = 8;

/// A digest of a text, keyed with random bits of this recording.
#[derive(Debug, Default)]
pub(super) struct TextDigest([RandomState; 2]);

impl TextDigest {
    pub(super) fn of_text(&self, text: &str) -> u128 {
        let [high, low] = [&self.0[0], &self.0[1]].map(|key| u128::from(key.hash_one(text)));
        high << 64 | low
    }
}

/// A write of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct WrittenValue {
    digest: Option<u128>,
    pub(super) payload: SessionPayload,
}

/// The texts that were written, by their digests.
#[derive(Debug, Default)]
pub(super) struct ValueBook {
    digest: TextDigest,
    writes: HashMap<u128, Vec<SessionPayload>>,
    count: usize,
}

/// The payload that a driven run made, if the text is one.
pub(super) fn parse_driven_payload(text: &str) -> Option<SessionPayload> {
    match SessionPayload::from_bytes(text.as_bytes()) {
        Value::Payload(payload) => Some(payload),
        _ => None,
    }
}

impl ValueBook {
    /// Whether a payload of a driven run can stand in the history as it is: nobody has written it before.
    pub(super) fn is_unwritten(&self, text: &str) -> bool {
        !self.writes.contains_key(&self.digest.of_text(text))
    }

    /// Notes a write. `version` is the next number of the user, for a text that names no payload of the user itself; `text` is
    /// `None` if it was not looked at, and `bytes` is then its length as far as it is known.
    pub(super) fn note_write(
        &mut self,
        user: &Arc<str>,
        field: Option<Arc<str>>,
        text: Option<&str>,
        bytes: u64,
        version: &mut u64,
    ) -> WrittenValue {
        let driven = text.and_then(parse_driven_payload);
        let driven = driven.filter(|made| made.session == *user && made.field == field);
        let driven = driven.filter(|_| text.is_some_and(|text| self.is_unwritten(text)));
        let payload = driven.unwrap_or_else(|| {
            *version += 1;
            let bytes = text.map_or(bytes, |text| text.len() as u64);
            SessionPayload { session: user.clone(), field, version: *version, bytes }
        });
        let digest = text.filter(|_| self.count < VALUES_MAX).map(|text| self.digest.of_text(text));
        if let Some(digest) = digest {
            self.writes.entry(digest).or_default().push(payload.clone());
            self.count += 1;
        }
        WrittenValue { digest, payload }
    }

    /// Forgets a write that certainly did not take effect, so that a repetition of it is no second write.
    pub(super) fn forget_write(&mut self, written: &WrittenValue) {
        let Some(digest) = written.digest else { return };
        if let Some(claims) = self.writes.get_mut(&digest) {
            let before = claims.len();
            claims.retain(|payload| *payload != written.payload);
            self.count -= before - claims.len();
            if claims.is_empty() {
                self.writes.remove(&digest);
            }
        }
    }

    /// The payload that a user's read of a text shows.
    ///
    /// # Errors
    /// Says why that is not certain.
    pub(super) fn find_write(
        &self,
        user: &Arc<str>,
        field: Option<&str>,
        text: &str,
    ) -> Result<SessionPayload, String> {
        let claims = self.writes.get(&self.digest.of_text(text)).map_or(&[][..], Vec::as_slice);
        let of_field = |payload: &&SessionPayload| payload.field.as_deref() == field;
        let mut own = claims.iter().filter(|payload| payload.session == *user).filter(of_field);
        match (own.next(), own.next()) {
            (Some(one), None) => return Ok(one.clone()),
            (Some(_), Some(_)) => {
                return Err(
                    "the value was written more than once, so it does not tell which write the read shows"
                        .into(),
                );
            }
            _ => {}
        }
        if let Some(driven) = parse_driven_payload(text) {
            return Ok(driven);
        }
        match claims {
            [one] if text.len() >= FOREIGN_BYTES_MIN => Ok(one.clone()),
            [] => Err("the read shows a value that no recorded request wrote".into()),
            _ => Err("the read shows a value that other sessions wrote, and does not tell which".into()),
        }
    }
}

/// The number before the first one that the book gives to a user.
pub(super) fn version_before_first(driven: bool) -> u64 {
    if driven { ASSIGNED_FROM } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(book: &mut ValueBook, user: &Arc<str>, text: &str, version: &mut u64) -> WrittenValue {
        book.note_write(user, None, Some(text), 0, version)
    }

    #[test]
    fn a_read_names_its_write_or_says_why_not() {
        let (mut book, ann, bob) = (ValueBook::default(), Arc::from("s-1"), Arc::from("s-2"));
        let (mut of_ann, mut of_bob) = (0, 0);
        let apples = write(&mut book, &ann, "ten apples", &mut of_ann);
        let found =
            |book: &ValueBook, user, text| book.find_write(user, None, text).map(|found| found.version);
        assert_eq!((found(&book, &ann, "ten apples"), apples.payload.version), (Ok(1), 1));
        // The only write of the text is of another user: the read shows what is not its own.
        assert_eq!(book.find_write(&bob, None, "ten apples").unwrap().session, ann);
        write(&mut book, &bob, "ten apples", &mut of_bob);
        assert_eq!(book.find_write(&bob, None, "ten apples").unwrap().session, bob);
        write(&mut book, &ann, "ten apples", &mut of_ann);
        assert!(found(&book, &ann, "ten apples").unwrap_err().contains("more than once"));
        assert!(found(&book, &ann, "ten pears").unwrap_err().contains("no recorded request"));
        // A write that was refused did nothing, and its repetition is the only write.
        let pears = write(&mut book, &ann, "ten pears", &mut of_ann);
        book.forget_write(&pears);
        let again = write(&mut book, &ann, "ten pears", &mut of_ann);
        assert_eq!(found(&book, &ann, "ten pears"), Ok(again.payload.version));
    }

    /// An application shows `[]` to all visitors. Once one user had written `[]`, every empty cart was read as that user's write.
    #[test]
    fn short_texts_are_nobody_elses() {
        let (mut book, ann, bob) = (ValueBook::default(), Arc::from("s-1"), Arc::from("s-2"));
        write(&mut book, &ann, "[]", &mut 0);
        assert!(book.find_write(&bob, None, "[]").is_err());
    }

    #[test]
    fn payloads_of_a_driven_run_stay_what_they_are() {
        let (mut book, user, other) = (ValueBook::default(), Arc::<str>::from("s-9-1"), Arc::from("s-1"));
        let made = SessionPayload { session: user.clone(), field: None, version: 7, bytes: 64 };
        let text = String::from_utf8(made.to_bytes()).unwrap();
        assert_eq!(write(&mut book, &user, &text, &mut 0).payload, made);
        assert_eq!(book.find_write(&other, None, &text), Ok(made.clone()));
        // A script that sends the same recorded body for every user sends it as any other text.
        let mut version = version_before_first(true);
        let copied = write(&mut book, &user, &text, &mut version).payload;
        assert_eq!(copied.version, ASSIGNED_FROM + 1);
        assert!(book.find_write(&user, None, &text).is_err());
        assert_eq!(write(&mut book, &other, &text, &mut 0).payload.session, other);
    }
}
