//! Checks every breach separately against the history alone, without the tables of the search: O(n) for each. A claim
//! that there is no breach is checked in [`nothing`].

mod nothing;

use crate::watch::{StepCost, Watch};
use crate::{Confirmation, Mismatch};
use claims::{BankRules, Breach, BreachEvidence, Evidence, Invariant, Verdict, Violation, Witness};
use histories::{Argument, Function, History, MicroKind, OpId, Operation, Outcome, ValueId};
use serde_json::Value;

/// Checks all breaches of an answer, or that there are none. The error names the part that is not supported.
pub(crate) fn verify_invariant(
    history: &History,
    options: &BankRules,
    check: Invariant,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    let violations = match verdict {
        Verdict::Violated(violations) => violations,
        Verdict::Holds(_) if check.needs_real_time() && !history.has_real_time() => {
            return Err(Mismatch(claims::NO_REAL_TIME.to_owned()));
        }
        Verdict::Holds(Witness::Looked(_)) => {
            nothing::verify_absence_of_breaches(history, check, options, watch)?;
            return Ok(Confirmation::Confirmed);
        }
        Verdict::Holds(_) => return Err(Mismatch("an invariant has no such witness".to_owned())),
        Verdict::Unknown(_) | Verdict::Untested(_) => return Ok(Confirmation::Confirmed),
    };
    if violations.is_empty() {
        return Err(Mismatch(format!("{} violated without a breach", check.name())));
    }
    watch.take_while_in_time(StepCost::Follow, violations.iter()).try_for_each(|violation| {
        let breach = &breach_of_violation(violation)?;
        let case = BreachCase { history, options, breach };
        let named = evidence_fits_invariant(&case, check, breach.kind.as_str());
        match named.then(|| evidence_is_supported(&case)).flatten() {
            Some(true) => Ok(()),
            _ => Err(Mismatch(format!("the evidence does not bear out the verdict: {breach:?}"))),
        }
    })?;
    Ok(Confirmation::Confirmed)
}

fn breach_of_violation(violation: &Violation) -> Result<Breach, Mismatch> {
    let Evidence::Breach(evidence) = &violation.evidence else {
        return Err(Mismatch("evidence of another kind of property".to_owned()));
    };
    if violation.operations != evidence.involved_operations() {
        return Err(Mismatch("it is told of other operations than it names".to_owned()));
    }
    Ok(Breach { kind: violation.kind, key: violation.key, evidence: evidence.clone() })
}

/// Whether the evidence can break this invariant under this name.
fn evidence_fits_invariant(case: &BreachCase<'_>, check: Invariant, kind: &str) -> bool {
    use Invariant::{AtMostOnce, Bank, Set, SetFull, SetFullLinearizable, TotalQueue};
    if check == Set && !is_about_last_read(case) {
        return false;
    }
    let of = |checks: &[Invariant], name: &str| checks.contains(&check) && kind == name;
    match &case.breach.evidence {
        BreachEvidence::Total { .. } => of(&[Bank], "wrong-total"),
        BreachEvidence::Balance { balance: None, .. } => of(&[Bank], "nil-balance"),
        BreachEvidence::Balance { .. } => of(&[Bank], "negative-balance"),
        BreachEvidence::Missing { again: None, .. } => of(&[Set, SetFull, SetFullLinearizable], "lost"),
        BreachEvidence::Missing { .. } => of(&[SetFullLinearizable], "stale"),
        BreachEvidence::Doubled { .. } => of(&[SetFull, SetFullLinearizable], "duplicated"),
        BreachEvidence::Unwritten { element, .. } => {
            // A certificate may contain arbitrary text here.
            let Ok(element) = serde_json::from_str::<Value>(element) else { return false };
            let aborted = case.writers_of_element(&element).next().is_some()
                && case.writers_of_element(&element).all(|op| op.outcome == Outcome::Fail);
            let name = if aborted { "aborted-read" } else { "unexpected" };
            of(&[Set, SetFull, SetFullLinearizable, TotalQueue, AtMostOnce], name)
        }
        BreachEvidence::Bounds { .. } => of(&[Invariant::Counter], "out-of-bounds"),
        BreachEvidence::Undelivered { .. } => of(&[TotalQueue, AtMostOnce], "lost"),
        BreachEvidence::Repeated { .. } => of(&[AtMostOnce], "duplicated"),
        BreachEvidence::SameId { .. } => of(&[Invariant::UniqueIds], "duplicated"),
        BreachEvidence::Fork { .. } => of(&[Invariant::LongFork], "long-fork"),
        BreachEvidence::Backwards { .. } => of(&[Invariant::Monotonic], "non-monotonic"),
        BreachEvidence::Reversed { .. } => of(&[Invariant::CausalReverse], "causal-reverse"),
    }
}

/// Whether the evidence is about the read of the object that completed last.
fn is_about_last_read(case: &BreachCase<'_>) -> bool {
    let (BreachEvidence::Missing { read, .. } | BreachEvidence::Unwritten { read, .. }) =
        &case.breach.evidence
    else {
        return false;
    };
    let own = case.history.operations().filter(|op| op.key == case.breach.key);
    let reads = own.filter(|op| op.function == Function::READ && op.outcome == Outcome::Ok);
    reads.max_by_key(|op| op.completed).is_some_and(|last| last.id == *read)
}

struct BreachCase<'a> {
    history: &'a History,
    options: &'a BankRules,
    breach: &'a Breach,
}

impl BreachCase<'_> {
    fn operation(&self, id: OpId) -> Operation {
        self.history.operation(id)
    }

    /// The result of an operation on this object, if it ended `ok`.
    fn returned_value(&self, id: OpId) -> Option<Value> {
        let op = self.operation(id);
        (op.outcome == Outcome::Ok && op.key == self.breach.key).then(|| self.parse_value(op.result))?
    }

    /// The result of a read of this object, if it ended `ok`. The answers of transfers and additions have numbers too.
    fn read_value(&self, id: OpId) -> Option<Value> {
        (self.operation(id).function == Function::READ).then(|| self.returned_value(id))?
    }

    fn parse_value(&self, value: ValueId) -> Option<Value> {
        serde_json::from_str(self.history.value_text(value)).ok()
    }

    /// The elements that an operation returned. A dequeue returns at most one.
    fn returned_elements(&self, id: OpId) -> Option<Vec<Value>> {
        match (self.operation(id).function, self.returned_value(id)?) {
            (Function::DEQUEUE, Value::Null) => Some(Vec::new()),
            (Function::DEQUEUE, value) => Some(vec![value]),
            (_, Value::Null) => Some(Vec::new()),
            (_, Value::Array(list)) => Some(list),
            _ => None,
        }
    }

    /// The operations on this object that add the element: all except those that read or remove.
    fn writers_of_element<'s>(&'s self, element: &'s Value) -> impl Iterator<Item = Operation> + 's {
        let reads = [Function::READ, Function::DEQUEUE, Function::DRAIN];
        let here = self
            .history
            .operations()
            .filter(move |op| op.key == self.breach.key && !reads.contains(&op.function));
        here.filter(move |op| self.parse_value(op.value()).as_ref() == Some(element))
    }

    fn account_balances(&self, read: OpId) -> Option<Vec<(String, Option<i64>)>> {
        let balance = |value: Value| if value.is_null() { Some(None) } else { value.as_i64().map(Some) };
        match self.read_value(read)? {
            Value::Object(map) => map.into_iter().map(|(name, held)| Some((name, balance(held)?))).collect(),
            Value::Array(list) => list
                .into_iter()
                .enumerate()
                .map(|(at, held)| Some((at.to_string(), balance(held)?)))
                .collect(),
            _ => None,
        }
    }

    fn total_balance(&self, read: OpId) -> Option<i128> {
        self.account_balances(read)?.into_iter().map(|(_, balance)| balance.map(i128::from)).sum()
    }
}

/// Whether the history supports the evidence. `None` if the named operations do not fit this kind of evidence.
fn evidence_is_supported(case: &BreachCase<'_>) -> Option<bool> {
    match &case.breach.evidence {
        BreachEvidence::Total { read, total, expected, first } => {
            let known = match first {
                Some(first) => case.total_balance(*first)?,
                None => i128::from(case.options.total?),
            };
            Some(case.total_balance(*read)? == *total && known == *expected && total != expected)
        }
        BreachEvidence::Balance { read, account, balance } => {
            let allowed = balance.is_some_and(|balance| balance >= 0 || case.options.negative_balances);
            Some(case.account_balances(*read)?.contains(&(account.clone(), *balance)) && !allowed)
        }
        BreachEvidence::Missing { element, known, read, again } => {
            missing_is_supported(case, element, *known, *read, *again)
        }
        BreachEvidence::Doubled { element, read, times } => {
            let element: Value = serde_json::from_str(element).ok()?;
            let found = case.returned_elements(*read)?.iter().filter(|each| **each == element).count();
            Some(found == *times && found > 1)
        }
        BreachEvidence::Unwritten { element, read, .. } => {
            let element: Value = serde_json::from_str(element).ok()?;
            let end = case.operation(*read).completed;
            let could =
                case.writers_of_element(&element).any(|op| op.outcome != Outcome::Fail && op.invoked < end);
            Some(case.returned_elements(*read)?.contains(&element) && !could)
        }
        BreachEvidence::Bounds { read, value, least, most } => {
            bounds_are_supported(case, *read, *value, *least, *most)
        }
        BreachEvidence::Undelivered { enqueued, empty, swallowed } => {
            undelivered_is_supported(case, enqueued, *empty, *swallowed)
        }
        BreachEvidence::Repeated { element, returned, put_in } => {
            let element: Value = serde_json::from_str(element).ok()?;
            let end = returned.iter().map(|&id| case.operation(id).completed).max()?;
            let could = case
                .writers_of_element(&element)
                .filter(|op| op.outcome != Outcome::Fail && op.invoked < end)
                .count();
            let mut distinct = returned.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let times: usize = distinct
                .iter()
                .filter_map(|&id| case.returned_elements(id))
                .map(|list| list.iter().filter(|each| **each == element).count())
                .sum();
            Some(could == *put_in && times >= returned.len() && returned.len() > could)
        }
        BreachEvidence::SameId { id, one, other } => {
            let id: Value = serde_json::from_str(id).ok()?;
            Some(one != other && case.returned_value(*one)? == id && case.returned_value(*other)? == id)
        }
        BreachEvidence::Fork { one, other, x, y } => {
            let saw = |read, seen: &str, unseen: &str| {
                Some(saw_key_written(case, read, seen)? && !saw_key_written(case, read, unseen)?)
            };
            Some(saw(*one, x, y)? && saw(*other, y, x)?)
        }
        BreachEvidence::Backwards { earlier, later, register, from, to } => {
            let value = |id: OpId| match (case.read_value(id)?, register) {
                (Value::Object(map), Some(name)) => map.get(name)?.as_i64(),
                (value, None) => value.as_i64(),
                _ => None,
            };
            let (one, two) = (case.operation(*earlier), case.operation(*later));
            let ordered = one.session == two.session && one.precedes(&two);
            Some(ordered && value(*earlier)? == *from && value(*later)? == *to && from > to)
        }
        BreachEvidence::Reversed { first, second, read } => {
            let (one, two) = (case.operation(*first), case.operation(*second));
            let list = case.returned_elements(*read)?;
            let (gone, there) = (case.parse_value(one.value())?, case.parse_value(two.value())?);
            let possible = case.writers_of_element(&there).filter(|op| op.outcome != Outcome::Fail);
            let writers: Vec<OpId> = possible.map(|op| op.id).collect();
            let acknowledged = case.writers_of_element(&gone).filter(|op| op.outcome == Outcome::Ok);
            let is_insert = acknowledged.into_iter().any(|op| op.id == *first);
            Some(
                writers == [*second]
                    && is_insert
                    && one.precedes(&two)
                    && list.contains(&there)
                    && !list.contains(&gone),
            )
        }
    }
}

fn missing_is_supported(
    case: &BreachCase<'_>,
    element: &str,
    known: OpId,
    read: OpId,
    again: Option<OpId>,
) -> Option<bool> {
    let element: Value = serde_json::from_str(element).ok()?;
    let (one, two) = (case.operation(known), case.operation(read));
    let shows = |id: OpId| case.returned_elements(id).is_some_and(|list| list.contains(&element));
    let known = one.outcome == Outcome::Ok
        && one.key == case.breach.key
        && (if one.function == Function::READ {
            shows(known)
        } else {
            case.parse_value(one.value())? == element
        });
    let reads =
        case.history.operations().filter(|op| op.function == Function::READ && op.key == case.breach.key);
    let later = |op: &Operation| op.outcome == Outcome::Ok && op.completed > two.invoked;
    let comes_back = reads.filter(later).any(|op| shows(op.id));
    let rightly_told = match again {
        Some(again) => later(&case.operation(again)) && shows(again),
        None => !comes_back,
    };
    Some(
        known && one.precedes(&two) && case.returned_elements(read).is_some() && !shows(read) && rightly_told,
    )
}

fn bounds_are_supported(
    case: &BreachCase<'_>,
    read: OpId,
    value: i128,
    least: i128,
    most: i128,
) -> Option<bool> {
    let found = case.operation(read);
    let (mut low, mut high) = (0, 0);
    for op in case.history.operations().filter(|op| op.key == case.breach.key) {
        if !matches!(op.function, Function::ADD | Function::INC) || op.outcome == Outcome::Fail {
            continue;
        }
        let by = match case.parse_value(op.value())? {
            Value::Null => 1,
            value => i128::from(value.as_i64()?),
        };
        if op.precedes(&found) {
            low += by;
            high += by;
        } else if op.invoked < found.completed {
            low += by.min(0);
            high += by.max(0);
        }
    }
    let returned = match case.read_value(read)? {
        Value::Null => 0,
        shown => i128::from(shown.as_i64()?),
    };
    Some(returned == value && (low, high) == (least, most) && (value < low || value > high))
}

fn undelivered_is_supported(
    case: &BreachCase<'_>,
    enqueued: &[OpId],
    empty: OpId,
    swallowed: usize,
) -> Option<bool> {
    let last = case.operation(empty);
    let shows_empty = match last.function {
        Function::DRAIN => case.returned_elements(empty).is_some(),
        Function::DEQUEUE => case.returned_value(empty)?.is_null(),
        _ => false,
    };
    let here = |op: &Operation| op.key == case.breach.key;
    let unanswered = |function| {
        let unanswered = case.history.operations().filter(here).filter(move |op| op.function == function);
        unanswered.filter(|op| op.outcome == Outcome::Info && op.invoked < last.completed).count()
    };
    let mut distinct = enqueued.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let enough = distinct.len() == enqueued.len() && enqueued.len() > swallowed;
    let in_time = enqueued.iter().all(|&id| {
        let op = case.operation(id);
        here(&op) && op.function == Function::ENQUEUE && op.precedes(&last)
    });
    // For each value, no more enqueues may be listed than were acknowledged and did not come out.
    let scarce = |&id: &OpId| {
        let value = case.operation(id).value();
        let Some(element) = case.parse_value(value) else { return false };
        let acknowledged = case.writers_of_element(&element).filter(|op| op.outcome == Outcome::Ok).count();
        let out: usize = case
            .history
            .ids()
            .filter_map(|id| {
                let out = matches!(case.operation(id).function, Function::DEQUEUE | Function::DRAIN);
                out.then(|| case.returned_elements(id)).flatten()
            })
            .map(|list| list.iter().filter(|each| **each == element).count())
            .sum();
        let missing = enqueued.iter().filter(|&&other| case.operation(other).value() == value).count();
        missing + out <= acknowledged
    };
    let right = shows_empty && enough && in_time && unanswered(Function::DRAIN) == 0;
    Some(right && unanswered(Function::DEQUEUE) == swallowed && enqueued.iter().take(EACH_MAX).all(scarce))
}

/// The maximum number of values of one breach that are counted again. Each takes a pass over the history.
const EACH_MAX: usize = 1000;

/// Whether a read saw that another operation had written a key.
fn saw_key_written(case: &BreachCase<'_>, read: OpId, key: &str) -> Option<bool> {
    let op = case.operation(read);
    if op.outcome != Outcome::Ok {
        return None;
    }
    let Argument::Micros(range) = op.argument else { return None };
    let mut micros = case.history.micros()[range].iter();
    let micro = micros.find(|micro| case.history.keys.text(micro.key) == key)?;
    match micro.kind {
        MicroKind::Read => Some(micro.value() != ValueId::NULL),
        MicroKind::ReadList => Some(!case.history.list(micro.list()).is_empty()),
        MicroKind::Write | MicroKind::Append => None,
    }
}
