//! The operations of one register, in the form that the register engines read.
//!
//! There are four kinds of access. This module leaves out, once for every engine, the operations that never matter:
//! failed operations, reads that did not complete, and indeterminate writes of a value that no later operation wants.
//! An execution without such a write explains as much as one with it.

use claims::FailedCas;
use claims::specification::CallValues;
use histories::{Argument, Function, History, NEVER, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// What an operation does to a register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Access {
    /// The operation returned this value.
    Read(ValueId),
    /// The operation wrote this value.
    Write(ValueId),
    /// The operation found the first value and wrote the second.
    Cas(ValueId, ValueId),
    /// The operation found a value other than this one.
    Differs(ValueId),
}

/// One operation on a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RegisterStep {
    pub(crate) id: OpId,
    pub(crate) access: Access,
    /// Position of the invocation.
    pub(crate) invoked: u32,
    /// Position of the response. [`NEVER`] if the step is indeterminate; it may then not have happened at all.
    pub(crate) returned: u32,
}

impl RegisterStep {
    /// Whether the step must be part of every execution.
    pub(crate) fn is_certain(&self) -> bool {
        self.returned != NEVER
    }

    /// The value that the step leaves behind, if it changes the register.
    pub(crate) fn written_value(&self) -> Option<ValueId> {
        match self.access {
            Access::Write(value) => Some(value),
            Access::Cas(old, new) if old != new => Some(new),
            Access::Cas(..) | Access::Read(_) | Access::Differs(_) => None,
        }
    }

    /// The value that the step must find.
    pub(crate) fn wanted_value(&self) -> Option<ValueId> {
        match self.access {
            Access::Read(value) | Access::Cas(value, _) => Some(value),
            Access::Write(_) | Access::Differs(_) => None,
        }
    }
}

/// The steps of one register in order of invocation. [`drop_unwanted`] then leaves out more. O(n).
pub(crate) fn collect_register_steps(
    history: &History,
    operations: &[OpId],
    failed_cas: FailedCas,
) -> Vec<RegisterStep> {
    operations.iter().filter_map(|&id| register_step(history, id, failed_cas)).collect()
}

/// The values of a lock, seen as a register.
pub(crate) const FREE: ValueId = ValueId::NULL;
pub(crate) const HELD: ValueId = ValueId::from_raw(u32::MAX - 2);

/// The steps of one lock. To acquire it is a compare-and-set from free to held; to release it is one from held to free.
pub(crate) fn collect_lock_steps(history: &History, operations: &[OpId]) -> Vec<RegisterStep> {
    let step = |&id: &OpId| {
        let operation = history.operation(id);
        let access = match operation.function {
            Function::ACQUIRE => Access::Cas(FREE, HELD),
            Function::RELEASE => Access::Cas(HELD, FREE),
            _ => return None,
        };
        let returned = match operation.outcome {
            Outcome::Ok => operation.completed,
            Outcome::Info => NEVER,
            Outcome::Fail => return None,
        };
        Some(RegisterStep { id, access, invoked: operation.invoked, returned })
    };
    operations.iter().filter_map(step).collect()
}

fn register_step(history: &History, id: OpId, failed_cas: FailedCas) -> Option<RegisterStep> {
    let operation = history.operation(id);
    let access = match (operation.function, operation.outcome) {
        (Function::READ | Function::GET, Outcome::Ok) => Access::Read(operation.result),
        (Function::WRITE | Function::PUT, Outcome::Ok | Outcome::Info) => Access::Write(operation.value()),
        (Function::DELETE, Outcome::Ok | Outcome::Info) => Access::Write(ValueId::NULL),
        (Function::CAS, outcome) => {
            let Argument::Pair(old, new) = operation.argument else { return None };
            match outcome {
                // Such a step neither changes the register nor shows what it held.
                Outcome::Info if old == new => return None,
                Outcome::Ok if old == new => Access::Read(old),
                Outcome::Ok | Outcome::Info => Access::Cas(old, new),
                Outcome::Fail if failed_cas == FailedCas::Observes => Access::Differs(old),
                Outcome::Fail => return None,
            }
        }
        _ => return None,
    };
    let returned = if operation.outcome == Outcome::Info { NEVER } else { operation.completed };
    Some(RegisterStep { id, access, invoked: operation.invoked, returned })
}

/// Leaves out indeterminate steps whose value no other step wants. A step stays if a certain step, or another that
/// stays, may have found its value. If a failed compare-and-set must find a *different* value, any step may serve, so
/// all stay.
pub(crate) fn drop_unwanted_steps(steps: &mut Vec<RegisterStep>) {
    if steps.iter().all(RegisterStep::is_certain)
        || steps.iter().any(|step| matches!(step.access, Access::Differs(_)))
    {
        return;
    }
    let certain = steps.iter().filter(|step| step.is_certain());
    let mut wanted: FxHashSet<ValueId> = certain.filter_map(RegisterStep::wanted_value).collect();
    loop {
        let before = wanted.len();
        for step in steps.iter() {
            if step.written_value().is_some_and(|value| wanted.contains(&value)) {
                wanted.extend(step.wanted_value());
            }
        }
        if wanted.len() == before {
            break;
        }
    }
    steps.retain(|step| {
        step.is_certain() || step.written_value().is_some_and(|value| wanted.contains(&value))
    });
}

/// Replaces values that are the same string by one value, as a store of strings treats them. Absent is the empty
/// string.
pub(crate) fn unify_equal_strings(steps: &mut [RegisterStep], values: &CallValues<'_>) {
    let mut first: FxHashMap<String, ValueId> = FxHashMap::default();
    first.insert(String::new(), ValueId::NULL);
    let mut same = |value: ValueId| *first.entry(values.decode_string(value)).or_insert(value);
    for step in steps {
        step.access = match step.access {
            Access::Read(value) => Access::Read(same(value)),
            Access::Write(value) => Access::Write(same(value)),
            Access::Cas(old, new) => Access::Cas(same(old), same(new)),
            Access::Differs(value) => Access::Differs(same(value)),
        };
    }
}

/// The value that an operation would have written if it had not failed.
pub(crate) fn value_of_failed_write(history: &History, id: OpId) -> Option<ValueId> {
    match history.function(id) {
        Function::DELETE => Some(ValueId::NULL),
        _ => history.effect(id)?.writes,
    }
}
