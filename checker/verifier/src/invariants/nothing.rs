//! Verifies claims that an invariant holds.
//!
//! A few operations suffice to show a breach, but only the whole history shows that there is none. This code examines
//! the whole history and shares nothing with the search. It asks the opposite question: not which operation is wrong,
//! but whether the sorted answers leave room for a breach. For example, it decides once for each element whether a set
//! has lost it: no read may have begun after the element was known and last seen. O(n log n) plus the size of the
//! results, like the search. It computes no names, operations or counts.

use crate::watch::{StepCost, Watch};
use claims::{BankRules, Invariant};
use histories::{Argument, Function, History, MicroKind, NEVER, OpId, Operation, Outcome, ValueId};
use rayon::prelude::*;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};

/// Checks that an invariant holds. The error states the counter-evidence.
pub(super) fn verify_absence_of_breaches(
    history: &History,
    check: Invariant,
    options: &BankRules,
    watch: &Watch<'_>,
) -> Result<(), String> {
    let mut objects: BTreeMap<u32, Vec<Operation>> = BTreeMap::new();
    let operations = watch.take_while_in_time(StepCost::Follow, history.operations());
    for op in operations.filter(|op| op.outcome != Outcome::Fail) {
        objects.entry(op.key.raw()).or_default().push(op);
    }
    objects.values().try_for_each(|ops| {
        let object = InvariantObject { history, ops, watch };
        match check {
            Invariant::Bank => object.check_bank(options),
            Invariant::Set => object.check_set(),
            Invariant::SetFull => object.check_set_full(false),
            Invariant::SetFullLinearizable => object.check_set_full(true),
            Invariant::Counter => object.check_counter(),
            Invariant::TotalQueue => object.check_queue(false),
            Invariant::AtMostOnce => object.check_queue(true),
            Invariant::UniqueIds => object.check_unique_ids(),
            Invariant::LongFork => object.check_long_fork(),
            Invariant::Monotonic => object.check_monotonic(),
            Invariant::CausalReverse => object.check_causal_reverse(),
        }
    })
}

/// The operations on one object that did not fail.
struct InvariantObject<'a> {
    history: &'a History,
    ops: &'a [Operation],
    watch: &'a Watch<'a>,
}

type HoldsResult = Result<(), String>;

impl<'a> InvariantObject<'a> {
    /// The items, for as long as there is time. Then nothing that follows from them counts.
    fn in_time<I: Iterator>(&self, items: I) -> impl Iterator<Item = I::Item> + use<'a, I> {
        self.watch.take_while_in_time(StepCost::Follow, items)
    }

    /// The operations with this function that ended `ok`.
    fn acknowledged_operations(&self, function: Function) -> impl Iterator<Item = &'a Operation> + use<'a> {
        self.in_time(self.ops.iter()).filter(move |op| op.function == function && op.outcome == Outcome::Ok)
    }

    fn value_text(&self, value: ValueId) -> &'a str {
        self.history.value_text(value)
    }

    /// The elements that an operation returned.
    fn returned_elements(&self, op: &Operation) -> Result<Vec<&'a str>, String> {
        let list: Result<Option<Vec<&RawValue>>, _> = serde_json::from_str(self.value_text(op.result));
        let list = list.map_err(|_| self.describe_contradiction(op, "returned no list"))?;
        Ok(list.unwrap_or_default().into_iter().map(RawValue::get).collect())
    }

    fn parse_integer(&self, op: &Operation, value: ValueId) -> Result<i64, String> {
        self.value_text(value).parse().map_err(|_| self.describe_contradiction(op, "tells no integer"))
    }

    fn describe_contradiction(&self, op: &Operation, what: &str) -> String {
        format!("operation {} {what}", self.history.operation_index(op.id))
    }

    /// By element: the earliest invocation that adds it, and the earliest acknowledgement. From the first on it may be
    /// in the set, and from the second on it must be known.
    fn addition_times(&self, functions: &[Function]) -> HashMap<&'a str, (u32, u32)> {
        let mut added: HashMap<&str, (u32, u32)> = HashMap::new();
        for op in self.in_time(self.ops.iter()).filter(|op| functions.contains(&op.function)) {
            let (may, known) = added.entry(self.value_text(op.value())).or_insert((NEVER, NEVER));
            *may = (*may).min(op.invoked);
            *known = (*known).min(took_effect_by(op));
        }
        added
    }

    fn check_bank(&self, options: &BankRules) -> HoldsResult {
        let mut totals = Vec::new();
        for read in self.acknowledged_operations(Function::READ) {
            let text = self.value_text(read.result);
            let listed: Result<Vec<Option<i64>>, _> = serde_json::from_str(text);
            let named = || {
                serde_json::from_str::<BTreeMap<String, Option<i64>>>(text)
                    .map(|map| map.into_values().collect())
            };
            let balances: Vec<Option<i64>> = listed
                .or_else(|_| named())
                .map_err(|_| self.describe_contradiction(read, "tells no balances"))?;
            let whole: Option<Vec<i64>> = balances.into_iter().collect();
            let whole = whole
                .ok_or_else(|| self.describe_contradiction(read, "shows an account without a balance"))?;
            let least = whole.iter().copied().min().unwrap_or(0);
            if least < 0 && !options.negative_balances {
                return Err(self.describe_contradiction(read, "shows an account that is overdrawn"));
            }
            totals.push(whole.into_iter().map(i128::from).sum::<i128>());
        }
        totals.extend(options.total.map(i128::from));
        match totals.iter().min() == totals.iter().max() {
            true => Ok(()),
            false => Err("not all reads show one total".to_owned()),
        }
    }

    fn check_set(&self) -> HoldsResult {
        let Some(last) = self.acknowledged_operations(Function::READ).max_by_key(|op| op.completed) else {
            return Ok(());
        };
        let there = self.returned_elements(last)?;
        let added = self.addition_times(&[Function::ADD]);
        let unwritten =
            there.iter().any(|element| added.get(element).is_none_or(|(may, _)| *may > last.completed));
        // Reads that were under way with it show elements too. A read without a list shows none.
        let mut shown = there.clone();
        for other in self.acknowledged_operations(Function::READ).filter(|op| op.completed > last.invoked) {
            shown.extend(self.returned_elements(other).unwrap_or_default());
        }
        shown.sort_unstable();
        let missing = added
            .iter()
            .any(|(element, (_, known))| *known < last.invoked && shown.binary_search(element).is_err());
        match (unwritten, missing) {
            (false, false) => Ok(()),
            (true, _) => Err(self.describe_contradiction(last, "has an element that nobody can have added")),
            (_, true) => {
                Err(self.describe_contradiction(last, "lacks an element that was acknowledged before it"))
            }
        }
    }

    /// Examines each element separately (known since, last seen) and each read separately (the number of elements that
    /// it must have).
    fn check_set_full(&self, linearizable: bool) -> HoldsResult {
        let mut lives: HashMap<&str, (u32, u32, Option<u32>)> = self
            .addition_times(&[Function::ADD])
            .into_iter()
            .map(|(element, (may, known))| (element, (may, known, None)))
            .collect();
        let (mut reads, mut last_began) = (Vec::new(), 0);
        for read in self.acknowledged_operations(Function::READ) {
            let mut elements = self.returned_elements(read)?;
            let count = elements.len();
            elements.sort_unstable();
            elements.dedup();
            if elements.len() < count {
                return Err(self.describe_contradiction(read, "has an element twice"));
            }
            for element in &elements {
                let (_, known, seen) =
                    lives.get_mut(element).filter(|(may, ..)| *may < read.completed).ok_or_else(|| {
                        self.describe_contradiction(read, "has an element that nobody can have added")
                    })?;
                *known = (*known).min(read.completed);
                *seen = (*seen).max(Some(read.completed));
            }
            last_began = last_began.max(read.invoked);
            reads.push((read, elements));
        }
        let mut known: Vec<u32> = lives.values().map(|life| life.1).filter(|&at| at != NEVER).collect();
        if lives.values().any(|&(_, known, seen)| known.max(seen.unwrap_or(0)) < last_began) {
            return Err("an element was known, and is not in what was read in the end".to_owned());
        }
        known.sort_unstable();
        for (read, elements) in reads.iter().filter(|_| linearizable) {
            let there = elements.iter().filter(|element| lives[*element].1 < read.invoked).count();
            if there < known.partition_point(|&at| at < read.invoked) {
                return Err(self.describe_contradiction(read, "lacks an element that was known before it"));
            }
        }
        Ok(())
    }

    /// The events in order: the position, whether it is a completion, and the operation.
    fn events_in_order(&self) -> Vec<(u32, bool, &'a Operation)> {
        let mut events: Vec<(u32, bool, &Operation)> = Vec::with_capacity(2 * self.ops.len());
        for op in self.in_time(self.ops.iter()) {
            events.push((op.invoked, false, op));
            events.extend((op.outcome == Outcome::Ok).then_some((op.completed, true, op)));
        }
        events.sort_unstable_by_key(|event| event.0);
        events
    }

    /// A sweep over the events with four sums: acknowledged and requested, each of increments and of decrements.
    fn check_counter(&self) -> HoldsResult {
        let (mut sure, mut may) = ([0_i128; 2], [0_i128; 2]);
        let mut begun: HashMap<OpId, [i128; 2]> = HashMap::new();
        for (_, completes, op) in self.in_time(self.events_in_order().into_iter()) {
            if op.function == Function::READ {
                if !completes {
                    begun.insert(op.id, sure);
                } else if let Some([up, down]) = begun.remove(&op.id) {
                    let value = match op.result {
                        ValueId::NULL => 0,
                        result => i128::from(self.parse_integer(op, result)?),
                    };
                    if value < up + may[1] || value > may[0] + down {
                        return Err(
                            self.describe_contradiction(op, "is outside of what can have been counted")
                        );
                    }
                }
                continue;
            }
            let by = match op.value() {
                ValueId::NULL => 1,
                value => i128::from(self.parse_integer(op, value)?),
            };
            let sums = if completes { &mut sure } else { &mut may };
            sums[usize::from(by < 0)] += by;
        }
        Ok(())
    }

    /// Every element that came out must have been put in. The elements that did not come out, sorted by when they were
    /// due, are matched with the indeterminate dequeues, sorted by invocation.
    fn check_queue(&self, once: bool) -> HoldsResult {
        // For each element: when enqueues of it began and when they were acknowledged, and when it had come out.
        let mut rows: Vec<(ValueId, QueueEvent, u32)> = Vec::with_capacity(self.ops.len() * 3 / 2);
        let (mut empty, mut unanswered, mut drained) = (Vec::new(), Vec::new(), NEVER);
        for op in self.in_time(self.ops.iter()) {
            match (op.function, op.outcome) {
                (Function::ENQUEUE, outcome) => {
                    rows.push((op.value(), QueueEvent::Began, op.invoked));
                    if outcome == Outcome::Ok {
                        rows.push((op.value(), QueueEvent::Acknowledged, op.completed));
                    }
                }
                (Function::DEQUEUE, Outcome::Ok) if op.result != ValueId::NULL => {
                    rows.push((op.result, QueueEvent::CameOut, op.completed));
                }
                (Function::DEQUEUE | Function::DRAIN, Outcome::Ok) => {
                    empty.push((op.invoked, op.completed));
                    for element in self.returned_elements(op)? {
                        // The history does not have this value at all, so no operation enqueued it.
                        let value =
                            self.history.values.get(element).ok_or_else(|| came_out_too_often(element))?;
                        rows.push((value, QueueEvent::CameOut, op.completed));
                    }
                }
                (Function::DEQUEUE, _) => unanswered.push(op.invoked),
                (Function::DRAIN, _) => drained = drained.min(op.invoked),
                _ => {}
            }
        }
        if !self.watch.has_time_for(rows.len() as u64) {
            return Ok(());
        }
        rows.par_sort_unstable();
        // By when each was asked, the earliest answer among this one and those that were asked later.
        empty.sort_unstable();
        let mut earliest = NEVER;
        for (_, answered) in empty.iter_mut().rev() {
            earliest = earliest.min(*answered);
            *answered = earliest;
        }
        let mut due = Vec::new();
        for element in self.in_time(rows.chunk_by(|one, other| one.0 == other.0)) {
            let times = |event: QueueEvent| {
                let from = element.partition_point(|row| row.1 < event);
                &element[from..element.partition_point(|row| row.1 <= event)]
            };
            let [began, acknowledged, out] =
                [QueueEvent::Began, QueueEvent::Acknowledged, QueueEvent::CameOut].map(times);
            for (before, &(value, _, at)) in out.iter().enumerate() {
                let needed = if once { before } else { 0 };
                if began.get(needed).is_none_or(|&(_, _, put)| put >= at) {
                    return Err(came_out_too_often(self.value_text(value)));
                }
            }
            let left = acknowledged.iter().skip(out.len()).map(|row| row.2);
            let shown = |at: u32| empty.get(empty.partition_point(|empty| empty.0 < at)).map(|empty| empty.1);
            due.extend(left.filter_map(shown));
        }
        due.sort_unstable();
        unanswered.sort_unstable();
        let excused =
            |(at, &due): (usize, &u32)| drained < due || unanswered.get(at).is_some_and(|&asked| asked < due);
        match due.iter().enumerate().all(excused) {
            true => Ok(()),
            false => Err("more is gone than dequeues without an answer can have taken".to_owned()),
        }
    }

    fn check_unique_ids(&self) -> HoldsResult {
        let mut ids: Vec<u32> =
            self.acknowledged_operations(Function::GENERATE).map(|op| op.result.raw()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() == count { Ok(()) } else { Err("an id was generated twice".to_owned()) }
    }

    /// For each pair of keys of which a read saw exactly one, every such read must have seen the same one.
    fn check_long_fork(&self) -> HoldsResult {
        let mut names: BTreeMap<String, u32> = BTreeMap::new();
        let mut rows: Vec<(u32, u32, bool)> = Vec::new();
        for op in
            self.acknowledged_operations(Function::READ).chain(self.acknowledged_operations(Function::TXN))
        {
            let mut seen: Vec<(u32, bool)> = Vec::new();
            for (name, there) in self.keys_seen_by(op)? {
                let next = names.len() as u32;
                seen.push((*names.entry(name).or_insert(next), there));
            }
            let (there, not): (Vec<_>, Vec<_>) = seen.into_iter().partition(|(_, there)| *there);
            let pairs = there.iter().flat_map(|(x, _)| not.iter().map(move |(y, _)| (*x, *y)));
            rows.extend(pairs.filter(|(x, y)| x != y).map(|(x, y)| (x.min(y), x.max(y), x < y)));
        }
        rows.sort_unstable();
        rows.dedup();
        match rows.windows(2).any(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
            true => Err("two reads saw two writes in opposite orders".to_owned()),
            false => Ok(()),
        }
    }

    /// The keys that a transaction read and had not written itself, each with whether it had been written.
    fn keys_seen_by(&self, op: &Operation) -> Result<Vec<(String, bool)>, String> {
        let Argument::Micros(range) = op.argument.clone() else {
            return match self.value_text(op.result) {
                "[]" => Ok(Vec::new()),
                _ => Err(self.describe_contradiction(op, "is no read of keys")),
            };
        };
        let (mut own, mut seen) = (Vec::new(), Vec::new());
        for micro in &self.history.micros()[range] {
            let there = match micro.kind {
                MicroKind::Read => micro.value() != ValueId::NULL,
                MicroKind::ReadList => !self.history.list(micro.list()).is_empty(),
                MicroKind::Write | MicroKind::Append => {
                    own.push(micro.key);
                    continue;
                }
            };
            if !own.contains(&micro.key) {
                seen.push((self.history.keys.text(micro.key).to_owned(), there));
            }
        }
        Ok(seen)
    }

    /// A sweep over the events with the greatest value that each session has seen of each register.
    fn check_monotonic(&self) -> HoldsResult {
        let mut greatest: HashMap<(u32, String), i64> = HashMap::new();
        let mut begun: HashMap<OpId, Vec<(String, i64, i64)>> = HashMap::new();
        for (_, completes, op) in self
            .in_time(self.events_in_order().into_iter())
            .filter(|event| event.2.function == Function::READ)
        {
            let key = |name: &String| (op.session.raw(), name.clone());
            if !completes {
                if op.outcome == Outcome::Ok && op.result != ValueId::NULL {
                    let floor = |name: &String| greatest.get(&key(name)).copied().unwrap_or(i64::MIN);
                    let seen = self.parse_registers(op)?.into_iter();
                    begun.insert(op.id, seen.map(|(name, to)| (name.clone(), to, floor(&name))).collect());
                }
                continue;
            }
            for (name, to, floor) in begun.remove(&op.id).into_iter().flatten() {
                if to < floor {
                    return Err(self.describe_contradiction(op, "shows less than its session had seen"));
                }
                let known = greatest.entry(key(&name)).or_insert(to);
                *known = (*known).max(to);
            }
        }
        Ok(())
    }

    fn parse_registers(&self, op: &Operation) -> Result<Vec<(String, i64)>, String> {
        let text = self.value_text(op.result);
        if let Ok(number) = text.parse() {
            return Ok(vec![(String::new(), number)]);
        }
        let map: Result<BTreeMap<String, Option<i64>>, _> = serde_json::from_str(text);
        let map = map.map_err(|_| self.describe_contradiction(op, "tells no integer"))?;
        Ok(map.into_iter().filter_map(|(name, number)| Some((format!(".{name}"), number?))).collect())
    }

    /// For each read: the writes that it lacks must not have been acknowledged before a write that it shows began. It
    /// suffices to compare the first acknowledgement of the former with the last invocation of the latter.
    fn check_causal_reverse(&self) -> HoldsResult {
        let writes = |op: &&Operation| {
            matches!(op.function, Function::WRITE | Function::ADD)
                || self.history.function_name(op.function) == "insert"
        };
        let all_writes = || self.in_time(self.ops.iter()).filter(writes);
        let began: HashMap<&str, u32> =
            all_writes().map(|op| (self.value_text(op.value()), op.invoked)).collect();
        let mut acknowledged: Vec<(u32, &str)> = all_writes()
            .filter(|op| op.outcome == Outcome::Ok)
            .map(|op| (op.completed, self.value_text(op.value())))
            .collect();
        acknowledged.sort_unstable();
        for read in self.acknowledged_operations(Function::READ) {
            let mut shown = self.returned_elements(read)?;
            shown.sort_unstable();
            let last = shown.iter().filter_map(|element| began.get(element)).max();
            let first_missing =
                self.in_time(acknowledged.iter()).find(|(_, element)| shown.binary_search(element).is_err());
            if let (Some(&last), Some(&(first, _))) = (last, first_missing)
                && first < last
            {
                return Err(self.describe_contradiction(
                    read,
                    "shows a write, and not one that had been acknowledged before",
                ));
            }
        }
        Ok(())
    }
}

/// What happens to an element of a queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum QueueEvent {
    /// An enqueue of it began.
    Began,
    Acknowledged,
    CameOut,
}

fn came_out_too_often(element: &str) -> String {
    format!("{element} came out more often than it can have been put in")
}

/// The position by which an operation had certainly taken effect.
fn took_effect_by(op: &Operation) -> u32 {
    if op.outcome == Outcome::Ok { op.completed } else { NEVER }
}
