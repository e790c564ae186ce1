//! Linearizability straight from the definition: some order of all completed operations, and any of the
//! indeterminate ones, extends real time and is legal. Every order is tried; the objects' rules are written here a
//! second time, on plain JSON values.

use checker::{FailedCas, Model};
use histories::{Argument, Function, History, Operation, Outcome};
use serde_json::{Value, json};

struct Call {
    function: String,
    key: String,
    input: Vec<Value>,
    /// (write?, key, value)
    micros: Vec<(bool, String, Value)>,
    output: Option<Value>,
    failed: bool,
    invoked: u32,
    returned: Option<u32>,
}

pub(crate) fn is_linearizable(history: &History, model: Model, failed_cas: FailedCas) -> bool {
    let counts = |op: &Operation| {
        op.outcome != Outcome::Fail || (op.function == Function::CAS && failed_cas == FailedCas::Observes)
    };
    let calls: Vec<Call> = history.operations().filter(counts).map(|op| call(history, &op)).collect();
    extend(model, &calls, 0, &json!({}))
}

fn call(history: &History, op: &Operation) -> Call {
    let value = |id| serde_json::from_str::<Value>(history.value_text(id)).expect("values are JSON");
    let micros = history.micros_of(op.id).iter().map(|micro| {
        let write = micro.kind == histories::MicroKind::Write;
        (write, history.key_text(micro.key).to_owned(), value(micro.value()))
    });
    Call {
        function: history.function_name(op.function).to_owned(),
        key: history.key_text(op.key).to_owned(),
        input: match op.argument {
            Argument::Value(one) => vec![value(one)],
            Argument::Pair(old, new) => vec![value(old), value(new)],
            Argument::Micros(_) => vec![],
        },
        micros: micros.collect(),
        output: (op.outcome == Outcome::Ok).then(|| value(op.result)),
        failed: op.outcome == Outcome::Fail,
        invoked: op.invoked,
        returned: (op.outcome != Outcome::Info).then_some(op.completed),
    }
}

fn extend(model: Model, calls: &[Call], taken: u32, state: &Value) -> bool {
    let left = |at: &usize| taken >> at & 1 == 0;
    if (0..calls.len()).filter(left).all(|at| calls[at].returned.is_none()) {
        return true;
    }
    (0..calls.len()).filter(left).any(|next| {
        let earlier = |other: usize| calls[other].returned.is_some_and(|at| at < calls[next].invoked);
        !(0..calls.len()).filter(left).any(earlier)
            && possible_states(model, state, &calls[next])
                .iter()
                .any(|state| extend(model, calls, taken | 1 << next, state))
    })
}

/// All states in which the object may be after the call. There are several if a removal without an answer took one of
/// several elements of the least priority.
fn possible_states(model: Model, all: &Value, call: &Call) -> Vec<Value> {
    if model != Model::PriorityQueue {
        return apply(model, all, call).into_iter().collect();
    }
    // Before the first insertion the object has no state.
    let elements = all[&call.key].as_array().cloned().unwrap_or_default();
    let with = |elements: Vec<Value>| {
        let mut next = all.clone();
        next[&call.key] = json!(elements);
        next
    };
    match call.function.as_str() {
        "insert" => vec![with(elements.iter().chain(&call.input).cloned().collect())],
        "delete-min" if elements.is_empty() => {
            let found_empty = call.output.as_ref().is_none_or(Value::is_null);
            if found_empty { vec![all.clone()] } else { vec![] }
        }
        "delete-min" => {
            let priority = |element: &Value| element.as_array().map_or(element, |pair| &pair[0]).as_i64();
            let least = elements.iter().map(priority).min().expect("an element");
            (0..elements.len())
                .filter(|&at| priority(&elements[at]) == least)
                .filter(|&at| call.output.as_ref().is_none_or(|found| *found == elements[at]))
                .map(|at| {
                    let mut rest = elements.clone();
                    rest.remove(at);
                    with(rest)
                })
                .collect()
        }
        other => panic!("a priority queue has no {other}"),
    }
}

/// The objects by key, in one JSON object; the state after the call, or nothing if it is not legal.
fn apply(model: Model, all: &Value, call: &Call) -> Option<Value> {
    let mut all = all.clone();
    let answers = |value: &Value| call.output.as_ref().is_none_or(|found| found == value);
    if model == Model::MultiRegister {
        for (write, key, value) in &call.micros {
            match write {
                true => all[key] = value.clone(),
                false if call.output.is_none() || all[key] == *value => {}
                false => return None,
            }
        }
        return Some(all);
    }
    let state = all[&call.key].clone();
    let list: Vec<Value> = state.as_array().cloned().unwrap_or_default();
    let one = call.input.first().cloned().unwrap_or(Value::Null);
    let next = match (model, call.function.as_str()) {
        (Model::Register | Model::CasRegister, "read") => answers(&state).then_some(state)?,
        (Model::Register | Model::CasRegister, "write") => one,
        (_, "cas") => match (state == one, call.failed) {
            (true, false) => call.input[1].clone(),
            (false, true) => state,
            _ => return None,
        },
        (Model::Kv, "get") => {
            let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
            (call.output.is_none() || text(call.output.as_ref()?) == text(&state)).then_some(state)?
        }
        (Model::Kv, "put") => one,
        (Model::Kv, "append") => json!(format!("{}{}", state.as_str().unwrap_or(""), one.as_str()?)),
        (Model::Kv, "delete") => Value::Null,
        (Model::Counter, "add") => json!(state.as_i64().unwrap_or(0) + one.as_i64()?),
        (Model::Counter, "read") => answers(&json!(state.as_i64().unwrap_or(0))).then_some(state)?,
        (Model::Set, "read") => {
            let sorted = |list: &Value| {
                let mut list: Vec<String> =
                    list.as_array().into_iter().flatten().map(Value::to_string).collect();
                list.sort();
                list
            };
            (call.output.is_none() || sorted(call.output.as_ref()?) == sorted(&state)).then_some(state)?
        }
        (Model::Set, function) => {
            let has = list.contains(&one);
            let truth = if function == "add" { !has } else { has };
            if call.output.as_ref().is_some_and(|found| found.is_boolean() && *found != json!(truth)) {
                return None;
            }
            let rest = list.into_iter().filter(|element| *element != one);
            match function {
                "add" => rest.chain([one.clone()]).collect(),
                "remove" => rest.collect(),
                _ => state,
            }
        }
        (_, "enqueue" | "push") => list.into_iter().chain([one]).collect(),
        (_, "dequeue") => {
            answers(list.first().unwrap_or(&Value::Null)).then_some(())?;
            list.into_iter().skip(1).collect()
        }
        (_, "pop") => {
            answers(list.last().unwrap_or(&Value::Null)).then_some(())?;
            let rest = list.len().saturating_sub(1);
            list.into_iter().take(rest).collect()
        }
        (Model::Mutex, "acquire") => state.is_null().then_some(json!("held"))?,
        (Model::Mutex, "release") => (!state.is_null()).then_some(Value::Null)?,
        (model, function) => panic!("{model:?} has no {function}"),
    };
    all[&call.key] = next;
    Some(all)
}
