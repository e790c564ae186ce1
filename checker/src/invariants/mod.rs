//! Checks that need no search: what must be true of the answers themselves, whatever the order of the operations.
//!
//! A bank's money adds up, a set's elements stay, a counter stands between what it must and what it may have counted.
//! Each of these is a *necessary* condition of the stronger levels (linearizable, serializable, snapshot isolation), and
//! far from a sufficient one. They earn their place by what they ask for: nothing but linear time, no model of the
//! store, and an answer that a person can check with a pencil. Jepsen has had most of them for a decade; each
//! file here says what Jepsen's checker of that name does and what is decided instead, where that differs.
//!
//! What is the same in all of them, as `docs/definitions.md` has it: an operation that ended `ok` took effect between
//! its two events; one that failed took none; one that is indeterminate took effect at some moment after its invocation,
//! or never, whichever explains more. A check is *violated* only if no choice explains what was seen.
//!
//! Each answer comes with [`Breach`]es: the operations, and as [`BreachEvidence`] the few numbers that show it. The crate
//! `verifier` looks them up in the history again and shares no code with the checks, and looks a second time where nothing
//! was found; [`explain`] puts breaches into words.
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
use found::BreachCollector;
use histories::{Function, History, KeyId, OpId, Outcome};

/// The answer to one check.
#[derive(Clone, Debug)]
pub struct InvariantAnswer {
    /// What was asked.
    pub check: Invariant,
    /// What was found. *Holds* tells how many answers were looked at.
    pub verdict: Verdict<u64, Vec<Breach>>,
    /// How many breaches of each kind there are, where only the first are told.
    pub counts: Vec<(&'static str, u64)>,
    /// What is worth knowing and no breach: how long reads missed elements, what was delivered twice.
    pub remarks: Vec<String>,
}

/// Decides one check.
///
/// When the stop flag of `limits` is set it ends within a fraction of a second, and the answer is *unknown*.
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
        // What was broken off half way has seen some operations and not others.
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
    /// The object.
    fn key(&self) -> KeyId {
        self.history.key(self.operations[0])
    }

    /// What ended `ok` of one function, in order of invocation.
    fn acknowledged_operations(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.operations_of(function).filter(|&id| self.history.outcome(id) == Outcome::Ok)
    }

    /// What may have taken effect of one function, in order of invocation.
    fn possible_operations(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.operations_of(function).filter(|&id| self.history.outcome(id) != Outcome::Fail)
    }

    /// The items, until the caller asks to stop: then what is made of them is thrown away.
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

/// The operations of each object, objects in order of first appearance.
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
