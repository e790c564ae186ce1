//! Checks that need no search: conditions that all answers must meet, whatever the order of the operations.
//!
//! A bank's money adds up, a set's elements stay, a counter lies between the least and the most that can have been
//! counted. Each of these is a *necessary* condition of the stronger levels (linearizable, serializable, snapshot
//! isolation), and far from a sufficient one. They are useful because they ask for little: linear time, no model of the
//! store, and answers that a person can check with a pencil. Jepsen has had most of these checks for a decade. Each
//! file here says what Jepsen's checker of that name does, and where this check differs.
//!
//! All checks treat outcomes alike, as `docs/definitions.md` has it. An operation that ended `ok` took effect between
//! its two events. An operation that failed took no effect. An indeterminate operation took effect at some moment after
//! its invocation, or never, whichever explains more. A check is *violated* only if no choice explains the answers.
//!
//! Each answer comes with [`Breach`]es: the operations, and as [`BreachEvidence`] the few numbers that show the breach.
//! The crate `verifier`, which shares no code with the checks, looks the breaches up in the history again, and searches
//! the history a second time where nothing was found. [`explain`] puts breaches into words.
//!
//! **Cost.** O(n log n) and the size of what was read, unless a file says more.

mod bank;
mod causal_reverse;
mod counter;
pub mod explain;
mod found;
mod long_fork;
mod monotonic;
mod set;
mod set_full;
mod tested;
mod total_queue;
mod unique_ids;
mod values;

use claims::{BankRules, Invariant, Limits, Reason, Verdict};
pub use claims::{Breach, BreachEvidence};
use found::BreachCollector;
use histories::{Function, History, KeyId, OpId, Outcome};
pub(crate) use tested::explain_lack_of_answers;

/// The answer to one check.
#[derive(Clone, Debug)]
pub struct InvariantAnswer {
    /// The invariant that was asked for.
    pub check: Invariant,
    /// The verdict. *Holds* carries the number of answers that were examined.
    pub verdict: Verdict<u64, Vec<Breach>>,
    /// How many breaches of each kind there are. The verdict lists only the first of each kind.
    pub counts: Vec<(&'static str, u64)>,
    /// Observations that are no breaches: how long reads missed elements, how many were delivered twice.
    pub remarks: Vec<String>,
}

/// Decides one invariant.
///
/// When the stop flag of `limits` is set, the check ends within a fraction of a second, and the answer is *unknown*.
pub fn check_invariant(
    history: &History,
    check: Invariant,
    options: &BankRules,
    limits: &Limits<'_>,
) -> InvariantAnswer {
    let mut found = BreachCollector::default();
    if check.needs_real_time() && !history.has_real_time() {
        found.note_unclear(claims::NO_REAL_TIME.to_owned());
    } else {
        for operations in group_by_object(history) {
            let object = ObjectOperations { history, operations: &operations, limits };
            match check {
                Invariant::Bank => bank::check_bank(&object, options, &mut found),
                Invariant::Set => set::check_set(&object, &mut found),
                Invariant::SetFull => set_full::check_full_set(&object, false, &mut found),
                Invariant::SetFullLinearizable => set_full::check_full_set(&object, true, &mut found),
                Invariant::Counter => counter::check_counter(&object, &mut found),
                Invariant::TotalQueue => total_queue::check_total_queue(&object, false, &mut found),
                Invariant::AtMostOnce => total_queue::check_total_queue(&object, true, &mut found),
                Invariant::UniqueIds => unique_ids::check_unique_ids(&object, &mut found),
                Invariant::LongFork => long_fork::check_long_fork(&object, &mut found),
                Invariant::Monotonic => monotonic::check_monotonic(&object, &mut found),
                Invariant::CausalReverse => causal_reverse::check_causal_reverse(&object, &mut found),
            }
        }
    }
    if limits.stop_requested() {
        // A check that was interrupted has seen only part of the operations.
        found = BreachCollector::default();
        found.note_unclear(Limits::STOPPED.to_owned());
    }
    found.into_answer(check)
}

/// The operations on one object.
pub(crate) struct ObjectOperations<'a> {
    limits: &'a Limits<'a>,
    pub(crate) history: &'a History,
    /// In order of invocation.
    pub(crate) operations: &'a [OpId],
}

impl ObjectOperations<'_> {
    /// The key of the object.
    fn key(&self) -> KeyId {
        self.history.key(self.operations[0])
    }

    /// The operations of one function that ended `ok`, in order of invocation.
    fn acknowledged_operations(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.operations_of(function).filter(|&id| self.history.outcome(id) == Outcome::Ok)
    }

    /// The operations of one function that may have taken effect, in order of invocation.
    fn possible_operations(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.operations_of(function).filter(|&id| self.history.outcome(id) != Outcome::Fail)
    }

    /// The items, until the stop flag is set. The caller then discards everything that was computed from them.
    fn until_stopped<I: Iterator>(&self, items: I) -> impl Iterator<Item = I::Item> {
        items
            .enumerate()
            .take_while(|(at, _)| at & 0xff != 0 || !self.limits.stop_requested())
            .map(|(_, item)| item)
    }

    fn operations_of(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.until_stopped(self.operations.iter().copied())
            .filter(move |&id| self.history.function(id) == function)
    }
}

/// The operations of each object. Objects are in order of first appearance.
fn group_by_object(history: &History) -> Vec<Vec<OpId>> {
    let mut places = vec![usize::MAX; history.keys.len()];
    let mut objects: Vec<Vec<OpId>> = Vec::new();
    for id in history.ids() {
        let place = &mut places[history.key(id).raw() as usize];
        if *place == usize::MAX {
            *place = objects.len();
            objects.push(Vec::new());
        }
        objects[*place].push(id);
    }
    objects
}

impl BreachCollector {
    fn into_answer(self, check: Invariant) -> InvariantAnswer {
        let verdict = match (self.breaches.is_empty(), self.unclear) {
            (false, _) => Verdict::Violated(self.breaches),
            (true, Some(reason)) => Verdict::Unknown(Reason { reason }),
            (true, None) => Verdict::Holds(self.looked),
        };
        InvariantAnswer { check, verdict, counts: self.counts, remarks: self.remarks }
    }
}
