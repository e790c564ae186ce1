//! Saves of whole sessions, looked at a second time: whether some pair of requests each left out the other's change.
//!
//! The search groups saves by what they were made from. Here every pair of saves of a session is asked, which is quadratic in
//! the saves of one session and needs no table of bases.

use super::Examination;
use ::claims::FindingKind;
use histories::{Function, KeyId, Operation, Outcome, ValueId};
use serde_json::Value;
use std::collections::BTreeMap;

/// Pairs that are asked of one history.
const PAIRS_MAX: usize = 20_000_000;

/// An acknowledged save: what it was made from, and the read that returned that, where it was one.
struct BasedSave {
    write: Operation,
    read: Option<Operation>,
    base: String,
}

impl Examination<'_> {
    /// Says what speaks against it that no change was lost, or why that cannot be told.
    pub(super) fn examine_updates(&self) {
        const KIND: &[FindingKind] = &[FindingKind::LostUpdate];
        let Some(saves) = self.collect_saves() else {
            return self.report_undecided(KIND, "no whole write says which version it was made from");
        };
        let mut pairs = 0;
        for saves in saves.values() {
            pairs += saves.len() * saves.len();
            if pairs > PAIRS_MAX {
                return self.report_undecided(
                    KIND,
                    "too many saves of one session to look at every two of them again",
                );
            }
            for (at, later) in saves.iter().enumerate() {
                if saves[..at].iter().any(|earlier| self.miss_each_other(earlier, later)) {
                    self.report_contradiction(
                        KIND,
                        Some(later.write.id),
                        "saved a session without what another request had saved",
                    );
                }
            }
        }
    }

    /// Whether neither of two saves contains the other.
    fn miss_each_other(&self, earlier: &BasedSave, later: &BasedSave) -> bool {
        let began = |save: &BasedSave| save.read.as_ref().map_or(0, |read| read.invoked);
        let at_once = began(earlier) < later.write.completed && began(later) < earlier.write.completed;
        let same = earlier.base == later.base && at_once && self.is_written_once(&later.base);
        let between = later.read.as_ref().is_some_and(|read| {
            let own = earlier.read.as_ref().is_some_and(|other| other.id == read.id);
            !own && read.completed < earlier.write.invoked && earlier.write.completed < later.write.invoked
        });
        same || between
    }

    fn is_written_once(&self, base: &str) -> bool {
        let value = self.history.values.get(base);
        value.and_then(|value| self.writers.get(&value)).is_some_and(|writers| writers.len() == 1)
    }

    /// The acknowledged saves of each id in order of invocation; none if nothing tells what a save was made from.
    fn collect_saves(&self) -> Option<BTreeMap<KeyId, Vec<BasedSave>>> {
        let mut saves: BTreeMap<KeyId, Vec<BasedSave>> = BTreeMap::new();
        let mut before: BTreeMap<(u32, KeyId), Operation> = BTreeMap::new();
        let told = self.history.header().is_some();
        let mut any = false;
        for op in self.history.operations() {
            let last = before.insert((op.process.raw(), op.key), op.clone());
            if op.function != Function::WRITE {
                continue;
            }
            let save = if told {
                let Some(base) = self.stated_base(&op) else { continue };
                BasedSave { base, read: None, write: op.clone() }
            } else {
                let read = last.filter(|read| {
                    let returned = read.outcome == Outcome::Ok && read.result != ValueId::NULL;
                    read.function == Function::READ && returned
                })?;
                let base = self.history.value_text(read.result).to_owned();
                BasedSave { base, read: Some(read), write: op.clone() }
            };
            any = true;
            let right = save.read.as_ref().is_none_or(|read| !self.is_wrong(read));
            if op.outcome == Outcome::Ok && right {
                saves.entry(op.key).or_default().push(save);
            }
        }
        any.then_some(saves)
    }

    /// What a save says that it was made from.
    fn stated_base(&self, save: &Operation) -> Option<String> {
        let notes: Value = serde_json::from_str(self.history.note(save.invoked)?.fields).ok()?;
        let base = notes.get("based_on")?.to_string();
        self.history.values.get(&base).map(|_| base)
    }
}
