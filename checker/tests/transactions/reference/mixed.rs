//! Transactions that each declare a level, one after another in one order of commits.

use super::{Execution, Placed};
use histories::{DeclaredIsolation, Id};
use std::collections::HashSet;

/// Whether the placed transactions can be continued to an execution of all.
pub fn extend(execution: &mut Execution<'_, '_>) -> bool {
    let orders = execution.orders;
    let is_placed =
        |execution: &Execution<'_, '_>, at: usize| execution.placed.iter().any(|each| each.at == at);
    if (0..orders.ids.len()).all(|at| is_placed(execution, at) || !orders.must(at))
        && execution.explains_lists()
    {
        return true;
    }
    for at in 0..orders.ids.len() {
        let may_follow = orders.may_follow(at, execution.placed.iter().map(|placed| placed.at));
        if is_placed(execution, at) || !may_follow || !execution.lists_in_order(at) || !permits(execution, at)
        {
            continue;
        }
        execution.versions[at] = orders.commits(at, &execution.newest());
        execution.placed.push(Placed { at, sees: HashSet::new() });
        if extend(execution) {
            return true;
        }
        execution.placed.pop();
    }
    false
}

/// Whether a transaction that commits now may have read what it did, at the level that it declares.
fn permits(execution: &Execution<'_, '_>, at: usize) -> bool {
    let orders = execution.orders;
    let declared = orders.history.declared_isolation_levels()[orders.ids[at].index()];
    match declared.unwrap_or(DeclaredIsolation::Serializable) {
        DeclaredIsolation::ReadUncommitted => true,
        // Each read returned what some transaction had committed.
        DeclaredIsolation::ReadCommitted => (0..orders.micros(at).len()).all(|place| {
            let sources = execution.possible(at, place);
            sources.is_some_and(|sources| sources.is_none_or(|sources| !sources.is_empty()))
        }),
        // All reads returned the newest state.
        DeclaredIsolation::RepeatableRead | DeclaredIsolation::Serializable => {
            orders.runs(at, &execution.newest()).is_some()
        }
        // All reads returned one state: that after some commit. It is not older than the last commit that wrote one of the same keys.
        DeclaredIsolation::SnapshotIsolation => {
            let writes = orders.writes(at);
            let conflicts = |place: usize| {
                orders.writes(execution.placed[place].at).iter().any(|key| writes.contains(key))
            };
            let count = execution.placed.len();
            let oldest = (0..count).rfind(|&place| conflicts(place)).map_or(0, |place| place + 1);
            (oldest..=count).any(|snapshot| {
                let state = match snapshot {
                    0 => orders.empty(),
                    _ => execution.versions[execution.placed[snapshot - 1].at].clone(),
                };
                orders.runs(at, &state).is_some()
            })
        }
    }
}
