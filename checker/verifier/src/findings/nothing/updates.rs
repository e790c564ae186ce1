//! Looks for lost updates: pairs of saves of a whole session, each without the other's change.
//!
//! The search groups saves by the version that they were based on. This code tests every pair of saves of a session
//! instead. That is quadratic in the saves of one session, and it needs no table of bases.

use super::super::updates::shows_base_of;
use super::Examination;
use crate::recorded_facts::{every_write_follows_a_read, stated_base};
use ::claims::FindingKind;
use histories::{Function, Id, KeyId, Operation, Outcome};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// The maximum number of pairs that are tested in one history.
const PAIRS_MAX: usize = 20_000_000;

/// The maximum number of reads that are looked at for the bases of saves.
const READS_MAX: usize = 20_000_000;

/// An acknowledged save: the version that it was based on, and the read that returned this version, if there was one.
struct BasedSave {
    write: Operation,
    read: Option<Operation>,
    base: String,
    is_stated: bool,
}

impl Examination<'_> {
    /// Reports counter-evidence to the claim that there are no lost updates, or the reason why that cannot be decided.
    pub(super) fn examine_updates(&self) {
        const KIND: &[FindingKind] = &[FindingKind::LostUpdate];
        let saves = match self.collect_saves() {
            Some(saves) if !saves.is_empty() => saves,
            Some(_) => {
                return self.report_undecided(KIND, "no whole write says which version it was made from");
            }
            None => return self.report_undecided(KIND, "too many reads to look for the bases of all saves"),
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
        let began = |save: &BasedSave| save.read.as_ref().map_or(save.write.invoked, |read| read.invoked);
        let at_once = began(earlier) < later.write.completed && began(later) < earlier.write.completed;
        let once = self.is_written_once(&later.base);
        let same = earlier.base == later.base && at_once && once;
        let between = later.read.as_ref().is_some_and(|read| {
            let own = earlier.read.as_ref().is_some_and(|other| other.id == read.id);
            !own && read.completed < earlier.write.invoked && earlier.write.completed < later.write.invoked
        });
        same || between && (once || !later.is_stated)
    }

    fn is_written_once(&self, base: &str) -> bool {
        let value = self.survey.history.values.get(base);
        value.is_some_and(|value| self.survey.writers.of(value.index()).len() == 1)
    }

    /// The acknowledged saves of each id whose base the history states, in the order of invocation. An id without acknowledged saves has an
    /// empty list. `None` if there are too many reads.
    fn collect_saves(&self) -> Option<BTreeMap<KeyId, Vec<BasedSave>>> {
        let history = self.survey.history;
        if !self.survey.facts.states_bases_of_saves() {
            return Some(BTreeMap::new());
        }
        let infers = history.header().is_none() && every_write_follows_a_read(history);
        let mut saves: BTreeMap<KeyId, Vec<BasedSave>> = BTreeMap::new();
        let mut before: FxHashMap<(u32, KeyId), Operation> = FxHashMap::default();
        let mut reads: FxHashMap<KeyId, Vec<Operation>> = FxHashMap::default();
        let mut looked = 0;
        for op in history.operations() {
            let last = before.insert((op.process.raw(), op.key), op.clone());
            if op.function == Function::READ && op.outcome == Outcome::Ok {
                reads.entry(op.key).or_default().push(op.clone());
            }
            if op.function != Function::WRITE {
                continue;
            }
            let save = match stated_base(history, &op).map(|base| base.to_string()) {
                Some(base) if history.values.get(&base).is_some() => {
                    // The last read of the base before this save. All of them were invoked before it.
                    let of_key = reads.get(&op.key).map_or(&[][..], Vec::as_slice);
                    let at = of_key.iter().rposition(|read| shows_base_of(history, read, &op, &base));
                    looked += of_key.len() - at.unwrap_or(0);
                    let read = at.map(|at| of_key[at].clone());
                    BasedSave { base, read, write: op.clone(), is_stated: true }
                }
                None if infers => {
                    let read = last.expect("every write follows a read");
                    let base = history.value_text(read.result).to_owned();
                    BasedSave { base, read: Some(read), write: op.clone(), is_stated: false }
                }
                _ => continue,
            };
            if looked > READS_MAX {
                return None;
            }
            let right = save.read.as_ref().is_none_or(|read| !self.is_wrong(read));
            let of_id = saves.entry(op.key).or_default();
            if op.outcome == Outcome::Ok && right {
                of_id.push(save);
            }
        }
        Some(saves)
    }
}
