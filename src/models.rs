//! Which sequential specification a history is about: told by the user, or recognised from what it does.

use crate::subject::{Items, Subject};
use checker::Level;
use checker::check::Model;
use checker::invariants::Check;
use histories::{Function, History, MicroKind, OpId, Outcome, ValueId};

/// Every model that this program decides, with its name and its line.
pub(crate) const BUILT: &[(Model, &str, &str)] = &[
    (Model::Register, "register", "read, write: a read returns what was written last"),
    (Model::CasRegister, "cas-register", "read, write, cas [old, new]: a register with compare-and-set"),
    (
        Model::MultiRegister,
        "multi-register",
        "txn of reads and writes that take effect at once on several registers",
    ),
    (Model::Kv, "kv", "get, put, append, delete: strings by key"),
    (Model::Counter, "counter", "add or inc, read: a sum"),
    (Model::Set, "set", "add, remove, contains, read: distinct elements"),
    (Model::Queue, "queue", "enqueue, dequeue: first in, first out; a dequeue of null found it empty"),
    (Model::Stack, "stack", "push, pop: last in, first out; a pop of null found it empty"),
    (Model::Mutex, "mutex", "acquire, release: held by at most one"),
];

/// The name that users type, of a model of objects.
pub(crate) fn name(model: Model) -> &'static str {
    BUILT.iter().find(|built| built.0 == model).map_or("?", |built| built.1)
}

/// The model of a name that is known to be built.
pub(crate) fn by_name(name: &str) -> Option<Model> {
    BUILT.iter().find(|built| built.1 == name).map(|built| built.0)
}

/// The levels that are checked when none is asked for.
pub(crate) fn default_levels(model: Model) -> &'static [Level] {
    match model {
        Model::Register | Model::CasRegister => &[
            Level::Linearizable,
            Level::ReadYourWrites,
            Level::MonotonicReads,
            Level::MonotonicWrites,
            Level::WritesFollowReads,
        ],
        _ => &[Level::Linearizable],
    }
}

/// What the operations of a history are about.
///
/// The names in `f` decide. Where one name is used by two models (`add` by counters and sets; `txn` by lists,
/// registers and multi-registers), what came back decides; where that does not either, the error says which
/// models it could be, because a guess would be a verdict about another object.
pub(crate) fn recognise(history: &History) -> Result<Subject, String> {
    let does = |functions: &[Function]| {
        functions.iter().any(|&wanted| history.ids().any(|id| history.function(id) == wanted))
    };
    if let Some(strange) = history.ids().map(|id| history.function(id)).find(|f| !is_known(*f)) {
        let name = history.function_name(strange);
        return Err(format!(
            "no model has an operation {name:?}; say --model NAME (`steadfast models` lists them)"
        ));
    }
    if let Some(check) = invariant(history) {
        return Ok(Subject::Invariant(check));
    }
    let families: &[(&[Function], Family)] = &[
        (&[Function::TXN], Family::Transactions),
        (&[Function::WRITE, Function::CAS], Family::Register),
        (&[Function::GET, Function::PUT, Function::APPEND, Function::DELETE], Family::Kv),
        (&[Function::ADD, Function::INC, Function::REMOVE, Function::CONTAINS], Family::Elements),
        (&[Function::ENQUEUE, Function::DEQUEUE], Family::Queue),
        (&[Function::PUSH, Function::POP], Family::Stack),
        (&[Function::ACQUIRE, Function::RELEASE], Family::Mutex),
        (SESSION, Family::Session),
        (&[Function::TRANSFER, Function::GENERATE, Function::DRAIN], Family::Invariant),
    ];
    let found: Vec<Family> =
        families.iter().filter(|(functions, _)| does(functions)).map(|&(_, family)| family).collect();
    match found.as_slice() {
        [] | [Family::Register] if does(&[Function::CAS]) => Ok(Subject::Objects(Model::CasRegister)),
        [] | [Family::Register] => Ok(Subject::Objects(Model::Register)),
        [Family::Kv] => Ok(Subject::Objects(Model::Kv)),
        [Family::Elements] => {
            let has_elements = does(&[Function::REMOVE, Function::CONTAINS]);
            counter_or_set(history, does(&[Function::INC]), has_elements).map(Subject::Objects)
        }
        [Family::Queue] => Ok(Subject::Objects(Model::Queue)),
        [Family::Stack] => Ok(Subject::Objects(Model::Stack)),
        [Family::Mutex] => Ok(Subject::Objects(Model::Mutex)),
        [Family::Transactions] => Ok(Subject::Transactions(items(history))),
        families
            if families.contains(&Family::Session)
                && families.iter().all(|family| matches!(family, Family::Session | Family::Register)) =>
        {
            Ok(Subject::Sessions)
        }
        _ => Err("it mixes the operations of several models; say --model NAME".to_owned()),
    }
}

/// What only session stores do.
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
enum Family {
    Transactions,
    Register,
    Kv,
    Elements,
    Queue,
    Stack,
    Mutex,
    Session,
    /// What only an invariant is about; with anything else beside it, nothing is.
    Invariant,
}

fn is_known(function: Function) -> bool {
    function.index() < Function::WELL_KNOWN.len()
}

/// The invariant that only such operations have: transfers are of banks, only queues are drained, and a read that
/// returns micro-operations is one of several keys.
fn invariant(history: &History) -> Option<Check> {
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
        (Check::Bank, does(Function::TRANSFER)),
        (Check::UniqueIds, does(Function::GENERATE)),
        (Check::TotalQueue, does(Function::DRAIN)),
        (Check::LongFork, reads_keys()),
    ];
    let check = told.into_iter().find(|(_, does)| *does).map(|(check, _)| check)?;
    check.mistaken(history).is_none().then_some(check)
}

fn counter_or_set(history: &History, counts: bool, has_elements: bool) -> Result<Model, String> {
    match (counts, has_elements) {
        (true, false) => return Ok(Model::Counter),
        (false, true) => return Ok(Model::Set),
        (true, true) => {
            return Err("it mixes the operations of a counter and a set; say --model NAME".to_owned());
        }
        (false, false) => {}
    }
    let results =
        history.operations().filter(|op| op.function == Function::READ && op.outcome == Outcome::Ok);
    let told = results.map(|op| op.result).find(|&value| value != ValueId::NULL);
    match told.map(|value| history.value_text(value).as_bytes()[0]) {
        Some(b'[') => Ok(Model::Set),
        Some(b'-' | b'0'..=b'9') => Ok(Model::Counter),
        _ => Err("add could be of a counter or of a set, and no read tells which; say --model counter or --model set"
            .to_owned()),
    }
}

/// What transactions are over. Registers that take effect at one moment are a model of their own, for those
/// who ask for it: strict serializability is the same promise, and is decided without a search.
fn items(history: &History) -> Items {
    let lists = |kind| matches!(kind, MicroKind::Append | MicroKind::ReadList);
    if history.micros().iter().any(|micro| lists(micro.kind)) { Items::Lists } else { Items::Registers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    fn recognised(drawing: &str) -> Result<Subject, String> {
        recognise(&parse(drawing).expect("a drawing"))
    }

    #[test]
    fn the_names_of_operations_decide() {
        assert_eq!(recognised("a: [w1] [r1]"), Ok(Subject::Objects(Model::Register)));
        assert_eq!(recognised("a: [w1] [c1>2]"), Ok(Subject::Objects(Model::CasRegister)));
        assert_eq!(recognised("a: [put:1] [get:1]"), Ok(Subject::Objects(Model::Kv)));
        assert_eq!(recognised("a: [enqueue:1] [dequeue:1]"), Ok(Subject::Objects(Model::Queue)));
        assert_eq!(recognised("a: [push:1] [pop:1]"), Ok(Subject::Objects(Model::Stack)));
        assert_eq!(recognised("a: [acquire] [release]"), Ok(Subject::Objects(Model::Mutex)));
    }

    #[test]
    fn a_history_without_operations_or_with_reads_alone_is_a_register() {
        assert_eq!(recognised(""), Ok(Subject::Objects(Model::Register)));
        assert_eq!(recognised("a: [r_]"), Ok(Subject::Objects(Model::Register)));
    }

    #[test]
    fn what_came_back_tells_a_counter_from_a_set() {
        assert_eq!(recognised("a: [inc:1]"), Ok(Subject::Objects(Model::Counter)));
        assert_eq!(recognised("a: [add:1] [r1]"), Ok(Subject::Objects(Model::Counter)));
        assert_eq!(recognised("a: [add:1] [contains:1]"), Ok(Subject::Objects(Model::Set)));
        assert!(recognised("a: [add:1]").unwrap_err().contains("--model counter or --model set"));
    }

    #[test]
    fn what_transactions_do_tells_lists_from_registers() {
        let of = |items| Ok(Subject::Transactions(items));
        assert_eq!(recognised("a: [t ax1]"), of(Items::Lists));
        assert_eq!(recognised("a: [t rx(1)]"), of(Items::Lists));
        assert_eq!(recognised("a: [t wx1 rx1]"), of(Items::Registers));
    }

    #[test]
    fn what_sessions_do_tells_a_session_store() {
        assert_eq!(recognised("a: [create:1] [w1] [r1]"), Ok(Subject::Sessions));
        assert_eq!(recognised("a: [r_] [destroy]"), Ok(Subject::Sessions));
    }

    #[test]
    fn what_only_one_invariant_is_about_tells_it() {
        assert_eq!(recognised("a: [transfer:1] [r1]"), Ok(Subject::Invariant(Check::Bank)));
        assert_eq!(recognised("a: [generate:1]"), Ok(Subject::Invariant(Check::UniqueIds)));
        assert_eq!(recognised("a: [enqueue:1] [drain:_]"), Ok(Subject::Invariant(Check::TotalQueue)));
        assert!(recognised("a: [transfer:1] [enqueue:1]").unwrap_err().contains("mixes"));
    }

    #[test]
    fn what_is_no_model_is_said() {
        assert!(recognised("a: [frobnicate:1]").unwrap_err().contains("frobnicate"));
        assert!(recognised("a: [push:1] [enqueue:1]").unwrap_err().contains("mixes"));
    }
}
