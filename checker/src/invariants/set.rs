//! A set, by its last read: what was added and acknowledged is there, and nothing else but what was asked for.
//!
//! Jepsen's `set` compares the last read with all adds. What was acknowledged only after that read had begun may have
//! been added after it, and is let off here; so is what another read still shows that had not completed by then. Elements that are there although their add was indeterminate are
//! *recovered*, and told as a remark. That an add failed means that it took no effect: its element in the read is an
//! `aborted-read` (Jepsen takes it for an attempt like any other).
//!
//! Where no read ended `ok`, nothing is known of what was kept.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, History, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

pub(super) fn check_set(object: &ObjectOperations<'_>, found: &mut BreachCollector) {
    let history = object.history;
    let adds = Adds::from_object(object, &[Function::ADD]);
    let last =
        object.acknowledged_operations(Function::READ).max_by_key(|&id| history.operation(id).completed);
    let Some(read) = last else {
        if !adds.by_element.is_empty() {
            found.note_unclear("the set was never read".to_owned());
        }
        return;
    };
    let Some(elements) = values::parse_elements(history, history.operation(read).result) else {
        return found.note_unclear(format!(
            "operation {} returned no list of elements",
            history.operation_index(read)
        ));
    };
    found.looked += 1;
    let began = history.operation(read).invoked;
    let others = object
        .acknowledged_operations(Function::READ)
        .filter(|&other| history.operation(other).completed > began);
    let others = others.filter_map(|other| values::parse_elements(history, history.operation(other).result));
    let there: FxHashSet<&str> = others.flatten().collect();
    let mut recovered = 0;
    for &element in &adds.in_order {
        let add = &adds.by_element[element];
        match add.acknowledged.filter(|&id| history.operation(id).precedes(&history.operation(read))) {
            Some(known) if !there.contains(element) => found.add_breach("lost", object.key(), || {
                BreachEvidence::Missing { element: element.to_owned(), known, read, again: None }
            }),
            Some(_) => {}
            None => recovered += u64::from(there.contains(element) && add.acknowledged.is_none()),
        }
    }
    adds.report_unwritten(object, read, &elements, found);
    if recovered > 0 {
        found
            .remarks
            .push(format!("{recovered} elements are there although their adds were not acknowledged"));
    }
}

/// Who added an element.
#[derive(Default)]
pub(super) struct Add {
    /// The add that was acknowledged first.
    pub(super) acknowledged: Option<OpId>,
    /// The first that may have taken effect.
    pub(super) possible: Option<OpId>,
    /// One that failed.
    failed: Option<OpId>,
}

/// All adds, by element.
pub(super) struct Adds<'a> {
    pub(super) by_element: FxHashMap<&'a str, Add>,
    /// Elements in order of their first add.
    pub(super) in_order: Vec<&'a str>,
}

impl<'a> Adds<'a> {
    pub(super) fn from_object(object: &ObjectOperations<'a>, functions: &[Function]) -> Self {
        let history: &'a History = object.history;
        let mut adds = Adds { by_element: FxHashMap::default(), in_order: Vec::new() };
        let operations = object.operations.iter().copied();
        for id in operations.filter(|&id| functions.contains(&history.function(id))) {
            let value: ValueId = history.operation(id).value();
            let element = history.value_text(value);
            let add = adds.by_element.entry(element).or_insert_with(|| {
                adds.in_order.push(element);
                Add::default()
            });
            let completed = |id| history.operation(id).completed;
            match history.outcome(id) {
                Outcome::Fail => _ = add.failed.get_or_insert(id),
                outcome => {
                    add.possible.get_or_insert(id);
                    if outcome == Outcome::Ok
                        && add.acknowledged.is_none_or(|known| completed(id) < completed(known))
                    {
                        add.acknowledged = Some(id);
                    }
                }
            }
        }
        adds
    }

    /// Reports the elements of a read that nobody can have added by its end.
    pub(super) fn report_unwritten(
        &self,
        object: &ObjectOperations<'_>,
        read: OpId,
        elements: &[&str],
        found: &mut BreachCollector,
    ) {
        let history = object.history;
        let completed = history.operation(read).completed;
        for &element in elements {
            let add = self.by_element.get(element);
            let possible = add.and_then(|add| add.possible);
            if possible.is_some_and(|id| history.operation(id).invoked < completed) {
                continue;
            }
            let failed = add.and_then(|add| add.failed);
            let (kind, writer) = match (possible, failed) {
                (None, None) => ("unexpected", None),
                (None, failed) => ("aborted-read", failed),
                (later, _) => ("unexpected", later),
            };
            let evidence = || BreachEvidence::Unwritten { element: element.to_owned(), read, writer };
            found.add_breach(kind, object.key(), evidence);
        }
    }
}
