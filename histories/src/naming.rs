//! Ids in what is written down: by the names that a history itself has for them, not by numbers that depend on how it was
//! read.
//!
//! An id is a place in a table that a reader made. Written into a file as it is, it would mean nothing to another program, or
//! to a later version of this one. Within [`with_names`] an operation is written as the index of its invocation, and a key,
//! a value or a session as its text (the JSON that it is); what is read is looked up again, and what the history does not
//! have is an error. Outside of it ids are numbers.

use crate::{History, Id, KeyId, OpId, SessionId, ValueId};
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

scoped_tls::scoped_thread_local!(static HISTORY: History);

/// Runs with the ids of a history told by their names, on this thread.
///
/// ```
/// let history = histories::notation::parse("a: [w1] [r1]").unwrap();
/// let ops: Vec<histories::OpId> = history.ids().collect();
/// let told = histories::with_names(&history, || serde_json::to_string(&ops)).unwrap();
/// assert_eq!(told, "[0,2]");
/// let read: Result<Vec<histories::OpId>, _> = histories::with_names(&history, || serde_json::from_str(&told));
/// assert_eq!(read.unwrap(), ops);
/// ```
pub fn with_names<T>(history: &History, run: impl FnOnce() -> T) -> T {
    HISTORY.set(history, run)
}

/// Runs with the history whose names are told, if there is one.
fn named<T>(of: impl FnOnce(&History) -> T) -> Option<T> {
    HISTORY.is_set().then(|| HISTORY.with(of))
}

impl Serialize for OpId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(named(|history| history.operation_index(*self)).unwrap_or(u64::from(self.raw())))
    }
}

impl<'de> Deserialize<'de> for OpId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(from)?;
        let unknown = || D::Error::custom(format!("the history has no operation {number}"));
        match named(|history| history.find_operation(number)) {
            Some(found) => found.ok_or_else(unknown),
            None => u32::try_from(number).map(OpId::from_raw).map_err(|_| unknown()),
        }
    }
}

/// Writes and reads ids that have a text.
macro_rules! told_by_text {
    ($($id:ident: $table:ident, $what:literal;)*) => {$(
        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let text = |history: &History| match self.index() < history.$table.len() {
                    true => Some(history.$table.text(*self).to_owned()),
                    false => None,
                };
                match named(text).flatten() {
                    Some(text) => to.serialize_str(&text),
                    None => to.serialize_u32(self.raw()),
                }
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if !HISTORY.is_set() {
                    return u32::deserialize(from).map($id::from_raw);
                }
                let text = String::deserialize(from)?;
                named(|history| history.$table.get(&text)).flatten().ok_or_else(|| {
                    D::Error::invalid_value(Unexpected::Str(&text), &concat!($what, " of the history"))
                })
            }
        }
    )*};
}

told_by_text! {
    KeyId: keys, "a key";
    ValueId: values, "a value";
    SessionId: sessions, "a session";
}
