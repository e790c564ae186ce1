//! What an operation on a register reads and writes.
//!
//! Every check of registers starts with the same question: which value did this operation observe, and which value does
//! it leave behind? The answer depends on the function, the outcome and the argument. An engine that answers it alone
//! can get a corner case wrong: the result of an `info` read, or the new value of a `cas` that failed. So all engines
//! use this one answer.
//!
//! | operation | `reads` | `writes` |
//! | --- | --- | --- |
//! | `read`, `get` that is `ok` | the result | – |
//! | `read`, `get` that is `fail` or `info` | – | – |
//! | `write`, `put` | – | the argument |
//! | `cas` | the expected value | the new value |
//!
//! Both columns hold *if the operation took effect*. [`Effect::took_effect`] tells whether it did: yes for `ok`, no for
//! `fail`, unknown for `info` and for an operation without a completion. An indeterminate operation may take effect at
//! any moment after its invocation, or never. Only other operations can show that it did, for example a read of its
//! value.
//!
//! # Choices
//! A `cas` that failed reads nothing here. Whether its failure shows that the register did not hold the expected value
//! depends on the client: some clients return `fail` for a refused connection too. So the user decides that
//! (`--failed-cas`).
//!
//! `delete`, `append`, `contains` and all other functions have no effect here: they belong to other models.
//!
//! ```
//! use histories::TookEffect;
//! let history = histories::notation::parse("a: [w1  ]   [r1]\nb:    [c1>2 ?").unwrap();
//! let [write, cas, read] = history.ids().map(|id| history.effect(id).unwrap()).collect::<Vec<_>>()[..] else {
//!     panic!("three operations");
//! };
//! assert_eq!(read.reads, write.writes);
//! assert_eq!((cas.reads, cas.took_effect), (write.writes, TookEffect::Unknown));
//! assert_eq!((cas.written(), cas.may_write()), (None, cas.writes));
//! ```

use crate::{Argument, Function, History, OpId, Operation, Outcome, ValueId};

/// What an operation on a register reads and writes, if it takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effect {
    /// The value that the register held before the operation: of an `ok` read, and of a compare-and-set.
    pub reads: Option<ValueId>,
    /// The value that the register holds after the operation: of a write, and of a compare-and-set.
    pub writes: Option<ValueId>,
    /// Whether it took effect.
    pub took_effect: TookEffect,
}

/// Whether an operation took effect, as far as its own outcome tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TookEffect {
    /// It took effect, between its two events.
    Yes,
    /// It did not take effect and never will.
    No,
    /// It may have taken effect, may do so later, or never does.
    Unknown,
}

impl From<Outcome> for TookEffect {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => TookEffect::Yes,
            Outcome::Fail => TookEffect::No,
            Outcome::Info => TookEffect::Unknown,
        }
    }
}

impl Effect {
    /// The value that the operation certainly wrote.
    pub fn written(&self) -> Option<ValueId> {
        self.writes.filter(|_| self.took_effect == TookEffect::Yes)
    }

    /// The value that the operation wrote or may write: that of an `ok` or indeterminate operation.
    pub fn may_write(&self) -> Option<ValueId> {
        self.writes.filter(|_| self.took_effect != TookEffect::No)
    }

    /// The value that the operation certainly observed.
    pub fn observed(&self) -> Option<ValueId> {
        self.reads.filter(|_| self.took_effect == TookEffect::Yes)
    }

    /// The value that the operation leaves behind if it differs from the value that it reads. A `cas` from 1 to 1
    /// changes nothing.
    pub fn changes_to(&self) -> Option<ValueId> {
        self.writes.filter(|_| self.reads != self.writes)
    }
}

impl Operation {
    /// What the operation reads and writes on a register; none if it is not an operation on a register. O(1).
    pub fn effect(&self) -> Option<Effect> {
        let (reads, writes) = match (self.function, &self.argument) {
            (Function::READ | Function::GET, _) => {
                ((self.outcome == Outcome::Ok).then_some(self.result), None)
            }
            (Function::WRITE | Function::PUT, Argument::Value(value)) => (None, Some(*value)),
            (Function::CAS, Argument::Pair(old, new)) => (Some(*old), Some(*new)),
            _ => return None,
        };
        Some(Effect { reads, writes, took_effect: self.outcome.into() })
    }
}

impl History {
    /// What an operation reads and writes on a register; none if it is not an operation on a register. O(1).
    pub fn effect(&self, id: OpId) -> Option<Effect> {
        self.operation(id).effect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reads, writes and [`TookEffect`] of each operation, as texts.
    fn effects(drawing: &str) -> Vec<(Option<String>, Option<String>, TookEffect)> {
        let history = crate::notation::parse(drawing).expect("a drawing");
        let text = |value: Option<ValueId>| value.map(|value| history.value_text(value).to_owned());
        let effects = history.ids().map(|id| history.effect(id).expect("an operation of a register"));
        effects.map(|effect| (text(effect.reads), text(effect.writes), effect.took_effect)).collect()
    }

    #[test]
    fn a_read_that_did_not_complete_reads_nothing() {
        let one = || Some("1".to_owned());
        // The result column of an `info` read is `null`, which is a value like any other. Taken for the result, it
        // would make a read of the initial value that never happened.
        assert_eq!(effects("a: [r1]"), [(one(), None, TookEffect::Yes)]);
        assert_eq!(effects("a: [r1 ?"), [(None, None, TookEffect::Unknown)]);
        assert_eq!(effects("a: [r1 !"), [(None, None, TookEffect::No)]);
        assert_eq!(effects("a: [r_]"), [(Some("null".to_owned()), None, TookEffect::Yes)]);
    }

    #[test]
    fn writes_and_compare_and_sets_say_what_they_would_do_and_whether_they_did() {
        let value = |n: u32| Some(n.to_string());
        for (end, took) in [("]", TookEffect::Yes), ("!", TookEffect::No), ("?", TookEffect::Unknown)] {
            assert_eq!(effects(&format!("a: [w1 {end}")), [(None, value(1), took)]);
            assert_eq!(effects(&format!("a: [c1>2 {end}")), [(value(1), value(2), took)]);
        }
        let history = crate::notation::parse("a: [c1>1]\nb: [c1>2 !").expect("a drawing");
        let [same, failed] = history.ids().map(|id| history.effect(id).unwrap()).collect::<Vec<_>>()[..]
        else {
            panic!("two operations")
        };
        assert_eq!((same.changes_to(), same.written()), (None, same.writes));
        assert_eq!((failed.may_write(), failed.written(), failed.observed()), (None, None, None));
        assert_eq!(failed.changes_to(), failed.writes);
    }

    #[test]
    fn operations_of_other_models_have_no_effect_on_a_register() {
        let text = r#"{"process":0,"type":"invoke","f":"add","value":1}
{"process":0,"type":"ok","f":"add","value":1}
{"process":0,"type":"invoke","f":"delete","value":null}
{"process":1,"type":"invoke","f":"txn","value":[["w",1,2]]}"#;
        let history = crate::format::from_text(crate::format::Format::Native, text).expect("a history");
        assert!(history.ids().all(|id| history.effect(id).is_none()));
    }
}
