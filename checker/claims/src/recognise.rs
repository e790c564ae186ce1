//! Recognises the model of a history from its operations.

use crate::{Model, QuestionError, SessionRules};
use histories::{Function, History, MicroKind, OpId, Outcome, ValueId};

/// Recognises the model of a history.
///
/// The operation names in `f` decide. If two models share a name (`add`: counters and sets; `txn`: lists, registers and
/// multi-registers), the results decide. If they do not decide either, the error lists the possible models, because a
/// guess would give a verdict about a different object.
///
/// # Errors
/// Returns the possible models, or the operation that no model has.
pub(crate) fn recognise_model(history: &History) -> Result<Model, QuestionError> {
    let mut present = [false; Function::WELL_KNOWN.len()];
    for id in history.ids() {
        if let Some(present) = present.get_mut(history.function(id).index()) {
            *present = true;
        }
    }
    let does = |functions: &[Function]| functions.iter().any(|wanted| present[wanted.index()]);
    if let Some(strange) = history.ids().map(|id| history.function(id)).find(|f| !is_well_known(*f)) {
        let name = history.function_name(strange);
        return Err(unrecognised_error(format!(
            "no model has an operation {name:?}; say --model NAME (`steadfast models` lists them)"
        )));
    }
    if let Some(model) = recognise_invariant_model(history) {
        return Ok(model);
    }
    let families: &[(&[Function], OperationFamily)] = &[
        (&[Function::TXN], OperationFamily::Transactions),
        (&[Function::WRITE, Function::CAS], OperationFamily::Register),
        (&[Function::GET, Function::PUT, Function::APPEND, Function::DELETE], OperationFamily::Kv),
        (&[Function::ADD, Function::INC, Function::REMOVE, Function::CONTAINS], OperationFamily::Elements),
        (&[Function::ENQUEUE, Function::DEQUEUE], OperationFamily::Queue),
        (&[Function::PUSH, Function::POP], OperationFamily::Stack),
        (&[Function::INSERT, Function::DELETE_MIN], OperationFamily::PriorityQueue),
        (&[Function::ACQUIRE, Function::RELEASE], OperationFamily::Mutex),
        (SESSION, OperationFamily::Session),
        (&[Function::TRANSFER, Function::GENERATE, Function::DRAIN], OperationFamily::Invariant),
    ];
    let found: Vec<OperationFamily> =
        families.iter().filter(|(functions, _)| does(functions)).map(|&(_, family)| family).collect();
    match found.as_slice() {
        [] | [OperationFamily::Register] if does(&[Function::CAS]) => Ok(Model::CasRegister),
        [] | [OperationFamily::Register] if SessionRules::are_in_header(history) => Ok(Model::Session),
        [] | [OperationFamily::Register] => Ok(Model::Register),
        [OperationFamily::Kv] => Ok(Model::Kv),
        [OperationFamily::Elements] => {
            let has_elements = does(&[Function::REMOVE, Function::CONTAINS]);
            recognise_counter_or_set(history, does(&[Function::INC]), has_elements)
        }
        [OperationFamily::Queue] => Ok(Model::Queue),
        [OperationFamily::Stack] => Ok(Model::Stack),
        [OperationFamily::PriorityQueue] if does(&[Function::READ]) => Err(unrecognised_error(
            "insert and read are of no model that is recognised; say --model causal-reverse if reads return all elements",
        )),
        [OperationFamily::PriorityQueue] => Ok(Model::PriorityQueue),
        [OperationFamily::Mutex] => Ok(Model::Mutex),
        [OperationFamily::Transactions] => Ok(recognise_transaction_model(history)),
        families
            if families.contains(&OperationFamily::Session)
                && families
                    .iter()
                    .all(|family| matches!(family, OperationFamily::Session | OperationFamily::Register)) =>
        {
            Ok(Model::Session)
        }
        _ => Err(unrecognised_error("it mixes the operations of several models; say --model NAME")),
    }
}

/// The operations that only session stores have.
const SESSION: &[Function] = &[
    Function::CREATE,
    Function::PATCH,
    Function::TOUCH,
    Function::RENEW,
    Function::DESTROY,
    Function::ACT,
    Function::ACTIONS,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OperationFamily {
    Transactions,
    Register,
    Kv,
    Elements,
    Queue,
    Stack,
    PriorityQueue,
    Mutex,
    Session,
    /// Operations that only models with an invariant have. Combined with operations of any other family, no model fits.
    Invariant,
}

fn unrecognised_error(why: impl Into<String>) -> QuestionError {
    QuestionError::Unrecognised(why.into())
}

fn is_well_known(function: Function) -> bool {
    function.index() < Function::WELL_KNOWN.len()
}

/// Recognises models that only have an invariant by operations that no other model has. Transfers belong to banks, and
/// only queues are drained. A read that returns micro-operations reads several keys.
fn recognise_invariant_model(history: &History) -> Option<Model> {
    let does = |function| history.ids().any(|id| history.function(id) == function);
    let reads_keys = || {
        let read = |id: &OpId| history.function(*id) == Function::READ && history.outcome(*id) == Outcome::Ok;
        let result = |id| history.value_text(history.operation(id).result);
        let micro = |text: &str| {
            ["[[\"r\",", "[[\":r\",", "[[\"read\",", "[[\":read\","]
                .iter()
                .any(|start| text.starts_with(start))
        };
        history.ids().find(read).map(result).is_some_and(micro)
    };
    let told = [
        (Model::Bank, does(Function::TRANSFER)),
        (Model::UniqueIds, does(Function::GENERATE)),
        (Model::TotalQueue, does(Function::DRAIN)),
        (Model::LongFork, reads_keys()),
    ];
    let model = told.into_iter().find(|(_, does)| *does).map(|(model, _)| model)?;
    model.explain_mismatch(history).is_none().then_some(model)
}

fn recognise_counter_or_set(
    history: &History,
    counts: bool,
    has_elements: bool,
) -> Result<Model, QuestionError> {
    match (counts, has_elements) {
        (true, false) => return Ok(Model::Counter),
        (false, true) => return Ok(Model::Set),
        (true, true) => {
            return Err(unrecognised_error(
                "it mixes the operations of a counter and a set; say --model NAME",
            ));
        }
        (false, false) => {}
    }
    let results =
        history.operations().filter(|op| op.function == Function::READ && op.outcome == Outcome::Ok);
    let told = results.map(|op| op.result).find(|&value| value != ValueId::NULL);
    match told.map(|value| history.value_text(value).as_bytes()[0]) {
        Some(b'[') => Ok(Model::Set),
        Some(b'-' | b'0'..=b'9') => Ok(Model::Counter),
        _ => Err(unrecognised_error(
            "add could be of a counter or of a set, and no read tells which; say --model counter or --model set",
        )),
    }
}

/// Distinguishes transactions over lists from transactions over registers. The multi-register model must be asked for:
/// strict serializability is the same promise and is decided without a search.
fn recognise_transaction_model(history: &History) -> Model {
    let lists = |kind| matches!(kind, MicroKind::Append | MicroKind::ReadList);
    if history.micros().iter().any(|micro| lists(micro.kind)) { Model::ListAppend } else { Model::RwRegister }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    fn recognised(drawing: &str) -> Result<Model, String> {
        recognise_model(&parse(drawing).expect("a drawing")).map_err(|why| why.to_string())
    }

    #[test]
    fn the_names_of_operations_decide() {
        assert_eq!(recognised("a: [w1] [r1]"), Ok(Model::Register));
        assert_eq!(recognised("a: [w1] [c1>2]"), Ok(Model::CasRegister));
        assert_eq!(recognised("a: [put:1] [get:1]"), Ok(Model::Kv));
        assert_eq!(recognised("a: [enqueue:1] [dequeue:1]"), Ok(Model::Queue));
        assert_eq!(recognised("a: [push:1] [pop:1]"), Ok(Model::Stack));
        assert_eq!(recognised("a: [insert:1] [delete-min:1]"), Ok(Model::PriorityQueue));
        assert_eq!(recognised("a: [acquire] [release]"), Ok(Model::Mutex));
    }

    /// A small part of a recording may have writes alone. It was taken for a register, and its findings could not be asked for.
    #[test]
    fn rules_of_sessions_in_the_header_make_it_a_session_store() {
        let write = r#"{"process":0,"type":"invoke","f":"write","key":"s","value":1}"#;
        let model = |header: &str| {
            let text = format!("{header}\n{write}");
            let history = histories::format::from_text(histories::format::Format::Native, &text);
            recognise_model(&history.expect("a history")).expect("it is recognised")
        };
        assert_eq!(model(r#"{"steadfast":1,"time_to_live_ms":4000}"#), Model::Session);
        assert_eq!(model(r#"{"steadfast":1}"#), Model::Register);
    }

    #[test]
    fn a_history_without_operations_or_with_reads_alone_is_a_register() {
        assert_eq!(recognised(""), Ok(Model::Register));
        assert_eq!(recognised("a: [r_]"), Ok(Model::Register));
    }

    #[test]
    fn what_came_back_tells_a_counter_from_a_set() {
        assert_eq!(recognised("a: [inc:1]"), Ok(Model::Counter));
        assert_eq!(recognised("a: [add:1] [r1]"), Ok(Model::Counter));
        assert_eq!(recognised("a: [add:1] [contains:1]"), Ok(Model::Set));
        assert!(recognised("a: [add:1]").unwrap_err().contains("--model counter or --model set"));
    }

    #[test]
    fn what_transactions_do_tells_lists_from_registers() {
        assert_eq!(recognised("a: [t ax1]"), Ok(Model::ListAppend));
        assert_eq!(recognised("a: [t rx(1)]"), Ok(Model::ListAppend));
        assert_eq!(recognised("a: [t wx1 rx1]"), Ok(Model::RwRegister));
    }

    #[test]
    fn what_sessions_do_tells_a_session_store() {
        assert_eq!(recognised("a: [create:1] [w1] [r1]"), Ok(Model::Session));
        assert_eq!(recognised("a: [r_] [destroy]"), Ok(Model::Session));
    }

    #[test]
    fn what_only_one_invariant_is_about_tells_it() {
        assert_eq!(recognised("a: [transfer:1] [r1]"), Ok(Model::Bank));
        assert_eq!(recognised("a: [generate:1]"), Ok(Model::UniqueIds));
        assert_eq!(recognised("a: [enqueue:1] [drain:_]"), Ok(Model::TotalQueue));
        assert!(recognised("a: [transfer:1] [enqueue:1]").unwrap_err().contains("mixes"));
    }

    #[test]
    fn what_is_no_model_is_said() {
        assert!(recognised("a: [frobnicate:1]").unwrap_err().contains("frobnicate"));
        assert!(recognised("a: [push:1] [enqueue:1]").unwrap_err().contains("mixes"));
        assert!(recognised("a: [insert:1] [r1]").unwrap_err().contains("--model causal-reverse"));
    }
}
