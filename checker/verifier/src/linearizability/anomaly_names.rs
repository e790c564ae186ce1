//! Decides from the definitions whether a core shows the anomaly that it is told as.
//!
//! A core of a register has no order. `phantom-read`, `aborted-read` and `future-read` are decided by the writes of the value that was read.
//! A `lost-update` is two updates that found one version: more updates that expected a value had returned than versions had been written. `stale-read` is what is left: the core must have no order even without the operations that the other names tell of.
//! Cores of other objects have one name.
//!
//! Where values repeat, it may be open whether two updates found one version. Then the name is not checked, and the verifier says so.
//!
//! Cost: O(n) for n operations on the object. A stale read with updates of equal values costs a few more searches of all orders.

use super::register_effects::{required_value, written_value};
use super::{ConfirmationResult, OperationsByObject};
use crate::Confirmation;
use claims::specification::CallValues;
use claims::{Core, Model};
use histories::{Argument, Function, History, KeyId, OpId, Outcome, ValueId};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// What was not checked where the history leaves open what updates found.
const OPEN: &str = "the name of the anomaly was not checked, because values repeat";

/// Of updates that found equal values, so many are looked at one by one.
const UPDATES_MAX: usize = 8;

/// Checks the name of a core of linearizability. `has_no_order` says whether a smaller core of the object has no order, if that is known.
pub(super) fn check_name(
    objects: &OperationsByObject<'_>,
    name: &str,
    core: &Core,
    has_no_order: &dyn Fn(&Core) -> Option<bool>,
) -> ConfirmationResult {
    if !is_register(objects, core.key) {
        return require(name == "non-linearizable", name);
    }
    let values = CoreValues::new(objects, core);
    match name {
        "phantom-read" | "aborted-read" => {
            require(values.shows_unwritten_value(name == "aborted-read"), name)
        }
        "future-read" => require(core.operations.iter().any(|&op| values.is_future(op)), name),
        "lost-update" => {
            let shown =
                values.updates_of_one_value().into_iter().map(|updates| values.found_one_version(&updates));
            match shown.max() {
                Some(Shown::Yes) => Ok(Confirmation::Confirmed),
                Some(Shown::Open) => Ok(Confirmation::DetailUnchecked(OPEN)),
                Some(Shown::No) | None => require(false, name),
            }
        }
        "stale-read" => values.check_stale_read(has_no_order),
        _ => require(false, name),
    }
}

/// Checks the name of a core of a level that has a name of its own, besides those of reads that nothing wrote.
pub(super) fn check_name_of_level(
    objects: &OperationsByObject<'_>,
    name: &str,
    own: &str,
    core: &Core,
) -> Result<(), String> {
    let is_shown = match name {
        "phantom-read" | "aborted-read" => {
            CoreValues::new(objects, core).shows_unwritten_value(name == "aborted-read")
        }
        _ => name == own,
    };
    require(is_shown, name).map(|_| ())
}

fn require(is_shown: bool, name: &str) -> ConfirmationResult {
    match is_shown {
        true => Ok(Confirmation::Confirmed),
        false => Err(format!("the core shows no {name}")),
    }
}

/// Whether an object is a register, or a string to which nothing was appended.
fn is_register(objects: &OperationsByObject<'_>, key: KeyId) -> bool {
    match objects.question.model {
        Model::Register | Model::CasRegister => true,
        Model::Kv => {
            let mut all = objects.operations_of(key).iter();
            !all.any(|&id| objects.history.function(id) == Function::APPEND)
        }
        _ => false,
    }
}

/// Whether the history shows something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Shown {
    No,
    Open,
    Yes,
}

/// The writes of the values that the operations of a core found.
struct CoreValues<'a> {
    history: &'a History,
    core: &'a Core,
    equal: EqualValues<'a>,
    initial: ValueId,
    /// By value: the writes that may have taken effect.
    writes: HashMap<ValueId, Vec<OpId>>,
    /// The values of writes that failed.
    failed: HashSet<ValueId>,
}

impl<'a> CoreValues<'a> {
    fn new(objects: &OperationsByObject<'a>, core: &'a Core) -> Self {
        let history = objects.history;
        let equal = EqualValues::new(history, objects.question.model);
        let found = core.operations.iter().filter_map(|&id| required_value(history, id));
        let found: HashSet<ValueId> = found.map(|value| equal.first_equal_value(value)).collect();
        let (mut writes, mut failed): (HashMap<ValueId, Vec<OpId>>, _) = (HashMap::new(), HashSet::new());
        for &id in objects.operations_of(core.key) {
            let written = match history.argument(id) {
                // One that failed would have written its value, whatever it expected.
                Argument::Pair(_, new) if history.outcome(id) == Outcome::Fail => Some(new),
                _ => written_value(history, id),
            };
            let Some(value) = written.map(|value| equal.first_equal_value(value)) else { continue };
            if !found.contains(&value) {
                continue;
            }
            match history.outcome(id) {
                Outcome::Fail => _ = failed.insert(value),
                Outcome::Ok | Outcome::Info => writes.entry(value).or_default().push(id),
            }
        }
        let initial = equal.first_equal_value(objects.question.initial.value_of_key(core.key));
        Self { history, core, equal, initial, writes, failed }
    }

    /// The value that an operation of the core found, if its answer counts.
    fn value_found(&self, id: OpId) -> Option<ValueId> {
        let counts = !self.core.writes_only.contains(&id);
        required_value(self.history, id).filter(|_| counts).map(|value| self.equal.first_equal_value(value))
    }

    /// The value that a completed operation of the core found, with the writes of it by other operations. `None` for the initial value.
    fn writes_of_value_found(&self, id: OpId) -> Option<(ValueId, Vec<OpId>)> {
        let value = self.value_found(id).filter(|&value| value != self.initial)?;
        let others = self.writes.get(&value).into_iter().flatten().copied().filter(|&write| write != id);
        (self.history.outcome(id) == Outcome::Ok).then(|| (value, others.collect()))
    }

    /// Whether an operation found a value that nothing wrote, and that a failed write would have written or not.
    fn shows_unwritten_value(&self, by_failed_write: bool) -> bool {
        self.core.operations.iter().any(|&id| {
            self.writes_of_value_found(id).is_some_and(|(value, writes)| {
                writes.is_empty() && self.failed.contains(&value) == by_failed_write
            })
        })
    }

    /// Whether an operation found a value that nothing wrote.
    fn is_unwritten(&self, id: OpId) -> bool {
        self.writes_of_value_found(id).is_some_and(|(_, writes)| writes.is_empty())
    }

    /// Whether an operation found a value before each write of it began.
    fn is_future(&self, id: OpId) -> bool {
        let read = self.history.operation(id);
        self.writes_of_value_found(id).is_some_and(|(_, writes)| {
            !writes.is_empty() && writes.iter().all(|&write| read.precedes(&self.history.operation(write)))
        })
    }

    /// The updates whose answers count, where several found equal values.
    fn updates_of_one_value(&self) -> Vec<Vec<OpId>> {
        let mut by_value: HashMap<ValueId, Vec<OpId>> = HashMap::new();
        let is_update = |id: &&OpId| {
            self.history.function(**id) == Function::CAS && written_value(self.history, **id).is_some()
        };
        for &id in self.core.operations.iter().filter(is_update) {
            if let Some(value) = self.value_found(id) {
                by_value.entry(value).or_default().push(id);
            }
        }
        by_value.into_values().filter(|updates| updates.len() > 1).collect()
    }

    /// Whether two of the updates, which expected equal values, took effect on one version: if more of them returned by some moment than
    /// there were versions.
    fn found_one_version(&self, updates: &[OpId]) -> Shown {
        let end = |id: OpId| super::returned_position(self.history, id);
        let may_have_found = |id: &OpId| self.versions_until(*id, end(*id)) > 0;
        let mut possible: Vec<OpId> = updates.iter().copied().filter(may_have_found).collect();
        if possible.len() < 2 {
            return Shown::No;
        }
        possible.retain(|&id| self.took_effect(id));
        possible.sort_unstable_by_key(|&id| end(id));
        let is_crowded = |(before, &id): (usize, &OpId)| self.versions_until(id, end(id)) <= before;
        if possible.iter().enumerate().any(is_crowded) { Shown::Yes } else { Shown::Open }
    }

    /// How many versions of the value that an update expected there may have been until a moment. What a core that begins later held at
    /// its beginning is one version.
    fn versions_until(&self, update: OpId, end: u32) -> usize {
        let Some(value) = self.value_found(update) else { return 0 };
        let mut writes: Vec<OpId> = self.writes.get(&value).cloned().unwrap_or_default();
        writes.retain(|&id| id != update && self.history.operation(id).invoked < end);
        match self.core.from {
            None => writes.len() + usize::from(value == self.initial),
            Some(from) => {
                let is_inside = |id: &&OpId| super::returned_position(self.history, **id) >= from;
                1 + writes.iter().filter(is_inside).count()
            }
        }
    }

    /// Whether an update certainly took effect within the core: it completed, or a completed operation found what it alone wrote.
    fn took_effect(&self, id: OpId) -> bool {
        let began = self.history.operation(id).invoked;
        if self.core.from.is_some_and(|from| began < from) {
            return false;
        }
        let is_shown = || {
            let written = written_value(self.history, id).map(|value| self.equal.first_equal_value(value));
            let is_of_it = |(value, writes): (ValueId, Vec<OpId>)| Some(value) == written && writes == [id];
            let mut others = self.core.operations.iter().filter(|&&other| other != id);
            others.any(|&other| self.writes_of_value_found(other).is_some_and(is_of_it))
        };
        self.history.outcome(id) == Outcome::Ok || is_shown()
    }

    /// Checks that a read of the core is stale: what other names tell of is not needed to show that there is no order.
    fn check_stale_read(&self, has_no_order: &dyn Fn(&Core) -> Option<bool>) -> ConfirmationResult {
        let mut without = self.core.clone();
        without.minimal = false;
        if self.core.from.is_none() {
            let other = |id: &OpId| self.is_unwritten(*id) || self.is_future(*id);
            let strange: Vec<OpId> = self.core.operations.iter().copied().filter(other).collect();
            strange.into_iter().for_each(|id| self.ignore_answer(&mut without, id));
        }
        let updates = self.updates_of_one_value();
        if without.operations == self.core.operations
            && without.writes_only == self.core.writes_only
            && updates.is_empty()
        {
            return Ok(Confirmation::Confirmed);
        }
        let mut known = true;
        let mut attempts: Vec<Core> = Vec::new();
        // An update of a version that another one had overwritten before is a stale read too.
        for &kept in updates.iter().flatten().take(UPDATES_MAX) {
            let mut attempt = without.clone();
            let others = updates.iter().flatten().filter(|&&id| id != kept);
            others.for_each(|&id| self.ignore_answer(&mut attempt, id));
            attempts.push(attempt);
        }
        if updates.is_empty() {
            attempts.push(without);
        }
        for attempt in &attempts {
            match has_no_order(attempt) {
                Some(true) => return Ok(Confirmation::Confirmed),
                Some(false) => {}
                None => known = false,
            }
        }
        let is_open = |updates: &Vec<OpId>| self.found_one_version(updates) != Shown::Yes;
        match known && updates.iter().flatten().count() <= UPDATES_MAX && !updates.iter().any(is_open) {
            true => require(false, "stale-read"),
            false => Ok(Confirmation::DetailUnchecked(OPEN)),
        }
    }

    /// Takes what an operation found out of a core.
    fn ignore_answer(&self, core: &mut Core, id: OpId) {
        match self.history.function(id) == Function::CAS && written_value(self.history, id).is_some() {
            true => core.writes_only.push(id),
            false => core.operations.retain(|&other| other != id),
        }
    }
}

/// Which values count as one. A store of strings does not tell apart values that are the same string.
struct EqualValues<'a> {
    strings: Option<CallValues<'a>>,
    first: RefCell<HashMap<String, ValueId>>,
}

impl<'a> EqualValues<'a> {
    fn new(history: &'a History, model: Model) -> Self {
        let strings = (model == Model::Kv).then(|| CallValues::new(history));
        Self { strings, first: RefCell::default() }
    }

    /// The same value for all values that count as one.
    fn first_equal_value(&self, value: ValueId) -> ValueId {
        match &self.strings {
            Some(strings) => *self.first.borrow_mut().entry(strings.decode_string(value)).or_insert(value),
            None => value,
        }
    }
}
