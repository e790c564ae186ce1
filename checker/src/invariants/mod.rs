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
mod total_queue;
mod unique_ids;
mod values;

use claims::{BankRules, Invariant, Limits, Reason, Verdict};
pub use claims::{Breach, BreachEvidence};
use found::Found;
use histories::{Function, History, KeyId, OpId, Outcome};

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
pub fn check(
    history: &History,
    check: Invariant,
    options: &BankRules,
    limits: &Limits<'_>,
) -> InvariantAnswer {
    let mut found = Found::default();
    if check.needs_real_time() && !history.has_real_time() {
        found.unclear(claims::NO_REAL_TIME.to_owned());
    } else {
        for operations in objects(history) {
            let object = Object { history, operations: &operations, limits };
            match check {
                Invariant::Bank => bank::check(&object, options, &mut found),
                Invariant::Set => set::check(&object, &mut found),
                Invariant::SetFull => set_full::check(&object, false, &mut found),
                Invariant::SetFullLinearizable => set_full::check(&object, true, &mut found),
                Invariant::Counter => counter::check(&object, &mut found),
                Invariant::TotalQueue => total_queue::check(&object, false, &mut found),
                Invariant::AtMostOnce => total_queue::check(&object, true, &mut found),
                Invariant::UniqueIds => unique_ids::check(&object, &mut found),
                Invariant::LongFork => long_fork::check(&object, &mut found),
                Invariant::Monotonic => monotonic::check(&object, &mut found),
                Invariant::CausalReverse => causal_reverse::check(&object, &mut found),
            }
        }
    }
    if limits.stopped() {
        // A check that was interrupted has seen only part of the operations.
        found = Found::default();
        found.unclear(Limits::STOPPED.to_owned());
    }
    found.answer(check)
}

/// The operations on one object.
pub(crate) struct Object<'a> {
    limits: &'a Limits<'a>,
    pub(crate) history: &'a History,
    /// In order of invocation.
    pub(crate) operations: &'a [OpId],
}

impl Object<'_> {
    /// The key of the object.
    fn key(&self) -> KeyId {
        self.history.key(self.operations[0])
    }

    /// The operations of one function that ended `ok`, in order of invocation.
    fn done(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.of(function).filter(|&id| self.history.outcome(id) == Outcome::Ok)
    }

    /// The operations of one function that may have taken effect, in order of invocation.
    fn possible(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.of(function).filter(|&id| self.history.outcome(id) != Outcome::Fail)
    }

    /// The items, until the stop flag is set. The caller then discards everything that was computed from them.
    fn watched<I: Iterator>(&self, items: I) -> impl Iterator<Item = I::Item> {
        items.enumerate().take_while(|(at, _)| at & 0xff != 0 || !self.limits.stopped()).map(|(_, item)| item)
    }

    fn of(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.watched(self.operations.iter().copied()).filter(move |&id| self.history.function(id) == function)
    }
}

/// The operations of each object. Objects are in order of first appearance.
fn objects(history: &History) -> Vec<Vec<OpId>> {
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

impl Found {
    fn answer(self, check: Invariant) -> InvariantAnswer {
        let verdict = match (self.breaches.is_empty(), self.unclear) {
            (false, _) => Verdict::Violated(self.breaches),
            (true, Some(reason)) => Verdict::Unknown(Reason { reason }),
            (true, None) => Verdict::Holds(self.looked),
        };
        InvariantAnswer { check, verdict, counts: self.counts, remarks: self.remarks }
    }
}
