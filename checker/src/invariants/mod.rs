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
//! Each answer comes with [`Breach`]es: the operations, and as [`Evidence`] the few numbers that show it. [`recheck`]
//! looks them up in the history again and shares no code with the checks, and looks a second time where nothing was found
//! ([`again`]); [`explain`] puts breaches into words.
//!
//! **Cost.** O(n log n) and the size of what was read, unless a file says more.

pub mod again;
mod bank;
mod breach;
mod causal_reverse;
mod counter;
pub mod explain;
mod long_fork;
mod monotonic;
pub mod recheck;
mod set;
mod set_full;
mod total_queue;
mod unique_ids;
mod values;

pub use breach::{Breach, Evidence};

use crate::{Unknown, Verdict};
use breach::Found;
use histories::{Function, History, KeyId, OpId, Outcome};

macro_rules! checks {
    ($($variant:ident $name:literal $line:literal,)*) => {
        /// A check, by the name that users type.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Check {
            $(#[doc = $line] $variant,)*
        }

        impl Check {
            /// Every check.
            pub const ALL: &'static [Check] = &[$(Check::$variant),*];

            /// The name that users type and reports print.
            pub fn name(self) -> &'static str {
                match self { $(Check::$variant => $name,)* }
            }

            /// What it asks for, in one line.
            pub fn line(self) -> &'static str {
                match self { $(Check::$variant => $line,)* }
            }
        }
    };
}

checks! {
    Bank "bank"
        "every read of all accounts shows the same total, and none below zero",
    Set "set"
        "what was added and acknowledged is in the last read, and nothing else that nobody added",
    SetFull "set-full"
        "no element that was there is gone for good, is there twice, or was never added",
    SetFullLinearizable "set-full-linearizable"
        "set-full, and no read misses an element that was there before it began",
    Counter "counter"
        "every read lies between what must and what may have been counted by then",
    TotalQueue "total-queue"
        "what was enqueued and acknowledged comes out, and nothing that was not put in",
    AtMostOnce "at-most-once"
        "total-queue, and nothing comes out more often than it was put in",
    UniqueIds "unique-ids"
        "no id is generated twice",
    LongFork "long-fork"
        "of two reads of the same keys, one saw all that the other saw",
    Monotonic "monotonic"
        "no session sees a value below one that it saw before",
    CausalReverse "causal-reverse"
        "who sees a write sees every write that was acknowledged before that one began",
}

/// What else is known.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// What all accounts of a bank hold together; not told: what the first read shows.
    pub total: Option<i64>,
    /// Whether accounts may be overdrawn.
    pub negative_balances: bool,
}

/// The answer to one check.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked.
    pub check: Check,
    /// What was found. *Holds* tells how many answers were looked at.
    pub verdict: Verdict<u64, Vec<Breach>>,
    /// How many breaches of each kind there are, where only the first are told.
    pub counts: Vec<(&'static str, u64)>,
    /// What is worth knowing and no breach: how long reads missed elements, what was delivered twice.
    pub remarks: Vec<String>,
}

/// Decides one check.
pub fn check(history: &History, check: Check, options: &Options) -> Answer {
    let mut found = Found::default();
    if check.needs_real_time() && !history.has_real_time() {
        found.unclear(crate::check::NO_REAL_TIME.to_owned());
    } else {
        for operations in objects(history) {
            let object = Object { history, operations: &operations };
            match check {
                Check::Bank => bank::check(&object, options, &mut found),
                Check::Set => set::check(&object, &mut found),
                Check::SetFull => set_full::check(&object, false, &mut found),
                Check::SetFullLinearizable => set_full::check(&object, true, &mut found),
                Check::Counter => counter::check(&object, &mut found),
                Check::TotalQueue => total_queue::check(&object, false, &mut found),
                Check::AtMostOnce => total_queue::check(&object, true, &mut found),
                Check::UniqueIds => unique_ids::check(&object, &mut found),
                Check::LongFork => long_fork::check(&object, &mut found),
                Check::Monotonic => monotonic::check(&object, &mut found),
                Check::CausalReverse => causal_reverse::check(&object, &mut found),
            }
        }
    }
    found.answer(check)
}

impl Check {
    /// Whether it leans on what came first between sessions.
    fn needs_real_time(self) -> bool {
        !matches!(self, Check::Bank | Check::UniqueIds | Check::LongFork | Check::Monotonic)
    }

    /// The operations that it knows.
    pub fn functions(self) -> &'static [&'static str] {
        match self {
            Check::Bank => &["read", "transfer"],
            Check::Set | Check::SetFull | Check::SetFullLinearizable => &["add", "read"],
            Check::Counter => &["add", "inc", "read"],
            Check::TotalQueue | Check::AtMostOnce => &["enqueue", "dequeue", "drain"],
            Check::UniqueIds => &["generate"],
            Check::LongFork => &["read", "write", "txn"],
            Check::Monotonic => &["read", "inc", "add"],
            Check::CausalReverse => &["read", "write", "add", "insert"],
        }
    }

    /// Why a history cannot be about this: an operation that it does not know would be passed over, and nothing must
    /// hold for that. One that failed did nothing.
    pub fn mistaken(self, history: &History) -> Option<String> {
        let strange = history.ids().find(|&id| {
            let name = history.function_name(history.function(id));
            history.outcome(id) != Outcome::Fail && !self.functions().contains(&name)
        })?;
        let function = history.function_name(history.function(strange));
        let known = self.functions().join(", ");
        Some(format!("operation {} is {function:?}: {} knows {known}", history.index(strange), self.name()))
    }
}

/// The operations on one object.
pub(crate) struct Object<'a> {
    pub(crate) history: &'a History,
    /// In order of invocation.
    pub(crate) operations: &'a [OpId],
}

impl Object<'_> {
    /// The object.
    fn key(&self) -> KeyId {
        self.history.key(self.operations[0])
    }

    /// What ended `ok` of one function, in order of invocation.
    fn done(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.of(function).filter(|&id| self.history.outcome(id) == Outcome::Ok)
    }

    /// What may have taken effect of one function, in order of invocation.
    fn possible(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.of(function).filter(|&id| self.history.outcome(id) != Outcome::Fail)
    }

    fn of(&self, function: Function) -> impl Iterator<Item = OpId> + '_ {
        self.operations.iter().copied().filter(move |&id| self.history.function(id) == function)
    }
}

/// The operations of each object, objects in order of first appearance.
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
    fn answer(self, check: Check) -> Answer {
        let verdict = match (self.breaches.is_empty(), self.unclear) {
            (false, _) => Verdict::Violated(self.breaches),
            (true, Some(reason)) => Verdict::Unknown(Unknown { reason }),
            (true, None) => Verdict::Holds(self.looked),
        };
        Answer { check, verdict, counts: self.counts, remarks: self.remarks }
    }
}
