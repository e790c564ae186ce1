//! How the state of a monitor is written down, so that another monitor can go on from it.
//!
//! The state is what the monitor has in memory, field by field. Types of other crates have no form of their own here: an
//! outcome is a letter, an event of an actor a row, and a violation the text of its small history. When a violation is read
//! back, its history is checked again, so a snapshot that was changed by hand cannot make up a verdict.

use super::verdicts::OnlineViolation;
use claims::Question;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Maps as lists of pairs: their keys are not texts.
pub(crate) mod pairs {
    use super::*;
    use rustc_hash::FxHashMap;
    use std::hash::Hash;

    pub(crate) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &FxHashMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map.iter())
    }

    pub(crate) fn deserialize<'de, K, V, D>(from: D) -> Result<FxHashMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Eq + Hash,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}

/// The outcome of an operation; none while it is open.
pub(super) mod outcome {
    use super::*;
    use histories::Outcome;

    pub(crate) fn serialize<S: Serializer>(outcome: &Option<Outcome>, to: S) -> Result<S::Ok, S::Error> {
        let letter = match outcome {
            None => "",
            Some(Outcome::Ok) => "o",
            Some(Outcome::Fail) => "f",
            Some(Outcome::Info) => "i",
        };
        to.serialize_str(letter)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Outcome>, D::Error> {
        match String::deserialize(from)?.as_str() {
            "" => Ok(None),
            "o" => Ok(Some(Outcome::Ok)),
            "f" => Ok(Some(Outcome::Fail)),
            "i" => Ok(Some(Outcome::Info)),
            other => Err(de::Error::custom(format!("unknown outcome {other:?}"))),
        }
    }
}

/// Events of actors with their positions and indexes.
pub(super) mod actors {
    use super::*;
    use histories::ActorEvent;
    use std::collections::VecDeque;

    /// One event: position and index in the stream, then the fields of the event.
    type ActorRow = (u64, u64, (u32, Option<i64>, String, String, String, String));

    pub(crate) fn serialize<S: Serializer>(
        events: &VecDeque<(u64, u64, ActorEvent)>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(events.iter().map(|(position, index, event)| {
            let fields =
                (event.position, event.time, &event.actor, &event.kind, &event.function, &event.value);
            (position, index, fields)
        }))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<VecDeque<(u64, u64, ActorEvent)>, D::Error> {
        let rows = Vec::<ActorRow>::deserialize(from)?.into_iter();
        let events = rows.map(|(at, index, (position, time, actor, kind, function, value))| {
            (at, index, ActorEvent { position, time, actor, kind, function, value })
        });
        Ok(events.collect())
    }
}

/// The violation of a level, if it has one.
pub(super) mod violation {
    use super::*;
    use crate::check;
    use claims::{Limits, Property};
    use histories::format::{Format, from_text, write_native};
    use std::sync::atomic::AtomicBool;

    #[derive(Serialize, Deserialize)]
    struct StoredViolation {
        property: Property,
        event: u64,
        history: String,
        question: Question,
        found: usize,
    }

    pub(crate) fn serialize<S: Serializer>(
        violation: &Option<Box<OnlineViolation>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let stored = violation.as_ref().map(|violation| {
            let mut text = Vec::new();
            write_native(&violation.history, &mut text).expect("memory can be written");
            StoredViolation {
                property: violation.property,
                event: violation.event,
                history: String::from_utf8(text).expect("a history is text"),
                question: violation.question.clone(),
                found: violation.found,
            }
        });
        stored.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Box<OnlineViolation>>, D::Error> {
        static NEVER_STOPPED: AtomicBool = AtomicBool::new(false);
        let Some(stored) = Option::<StoredViolation>::deserialize(from)? else { return Ok(None) };
        let history = from_text(Format::Native, &stored.history)
            .map_err(|problems| de::Error::custom(format!("the history of a violation: {problems}")))?;
        let question = Question { accept_untested: true, ..stored.question.clone() };
        let limits = Limits { steps: 10_000_000, bytes: 1 << 30, stop: &NEVER_STOPPED };
        let report = check(&history, &question, &limits).map_err(de::Error::custom)?;
        if report.verdict() != "violated" {
            return Err(de::Error::custom("the history of a violation does not violate the level"));
        }
        let StoredViolation { property, event, question, found, .. } = stored;
        Ok(Some(Box::new(OnlineViolation { property, event, history, question, report, found })))
    }
}
