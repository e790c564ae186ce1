//! Looks for lost updates: pairs of saves of a whole session, each without the other's change.
//!
//! The search groups saves by the version that they were based on. This code tests every pair of saves of a session
//! instead. That is quadratic in the saves of one session, and it needs no table of bases.

use super::Examination;
use ::claims::FindingKind;
use histories::{Function, Id, KeyId, Operation, Outcome, ValueId};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::collections::BTreeMap;

/// The maximum number of pairs that are tested in one history.
const PAIRS_MAX: usize = 20_000_000;

/// An acknowledged save: the version that it was based on, and the read that returned this version, if there was one.
struct BasedSave {
    write: Operation,
    read: Option<Operation>,
    base: String,
}

impl Examination<'_> {
    /// Reports counter-evidence to the claim that there are no lost updates, or the reason why that cannot be decided.
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

    /// Whether each of two saves lacks the change of the other.
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
        let value = self.survey.history.values.get(base);
        value.is_some_and(|value| self.survey.writers.of(value.index()).len() == 1)
    }

    /// The acknowledged saves of each id in the order of invocation; `None` if the history does not state what saves
    /// were based on.
    fn collect_saves(&self) -> Option<BTreeMap<KeyId, Vec<BasedSave>>> {
        let mut saves: BTreeMap<KeyId, Vec<BasedSave>> = BTreeMap::new();
        let mut before: FxHashMap<(u32, KeyId), Operation> = FxHashMap::default();
        let told = self.survey.history.header().is_some();
        let mut any = false;
        for op in self.survey.history.operations() {
            // The base is what the history states, or else what the process read before.
            let last = (!told).then(|| before.insert((op.process.raw(), op.key), op.clone())).flatten();
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
                let base = self.survey.history.value_text(read.result).to_owned();
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

    /// The version that a save states as its base.
    fn stated_base(&self, save: &Operation) -> Option<String> {
        let note = self.survey.history.note(save.invoked)?;
        let notes: Value =
            note.fields.contains("based_on").then(|| serde_json::from_str(&note.fields).ok())??;
        let base = notes.get("based_on")?.to_string();
        self.survey.history.values.get(&base).map(|_| base)
    }
}
