//! What a history is about: objects with a sequential specification, transactions, sessions, or answers with an
//! invariant.

use crate::names::named;
use crate::priority;
use crate::{FindingKind, Invariant, IsolationLevel, Level, Property};
use histories::{Function, History, MicroKind, OpId, Outcome};

named! {
    /// What the operations of a history are about.
    Model, "model";
    Register "register" "read, write: a read returns the last written value",
    CasRegister "cas-register" "read, write, cas [old, new]: a register with compare-and-set",
    MultiRegister "multi-register" "txn of reads and writes that take effect at once on several registers",
    Kv "kv" "get, put, append, delete: strings by key",
    Counter "counter" "add or inc, read: a sum",
    Set "set" "add, remove, contains, read: distinct elements",
    Queue "queue" "enqueue, dequeue: first in, first out; a dequeue of null found the queue empty",
    Stack "stack" "push, pop: last in, first out; a pop of null found the stack empty",
    PriorityQueue "priority-queue"
        "insert, delete-min: least priority first; elements are integers or [priority, value]",
    Mutex "mutex" "acquire, release: a lock with at most one holder",
    ListAppend "list-append" "txn of append and r: transactions over lists; each element is appended once",
    RwRegister "rw-register" "txn of w and r: transactions over registers; each value is written once",
    Session "session"
        "create, read, write, patch, touch, renew, destroy; act, actions: a session with a time to live",
    Bank "bank" "transfer {from, to, amount}, read of all accounts: the total is constant",
    SetFull "set-full" "add, read of all: the fate of each element over all reads",
    TotalQueue "total-queue" "enqueue, dequeue, drain: every element comes out once, in any order",
    UniqueIds "unique-ids" "generate: every id is distinct",
    LongFork "long-fork" "write, read of [[r, key, value], ...]: all reads see the writes in one order",
    Monotonic "monotonic" "inc, read: registers whose values only grow",
    CausalReverse "causal-reverse" "write or insert, read of all: no read sees a write without earlier ones",
}

impl Default for Model {
    /// A history without operations is taken to be about registers.
    fn default() -> Self {
        Model::Register
    }
}

impl Model {
    /// Whether the model has a sequential specification: one object, or one object for each key.
    pub fn has_specification(self) -> bool {
        (self as u8) <= Model::Mutex as u8
    }

    /// Whether the model is about transactions.
    pub fn has_transactions(self) -> bool {
        matches!(self, Model::ListAppend | Model::RwRegister)
    }

    /// Whether the objects are registers. The session guarantees and the causal levels are defined for registers only.
    pub fn has_registers(self) -> bool {
        matches!(self, Model::Register | Model::CasRegister)
    }

    /// Whether the user may set the initial values of the objects.
    pub fn has_initial_values(self) -> bool {
        matches!(
            self,
            Model::Register | Model::CasRegister | Model::MultiRegister | Model::Counter | Model::RwRegister
        )
    }

    /// The invariants that can be asked of the model. The one that the model is named for comes first.
    pub fn invariants(self) -> &'static [Invariant] {
        match self {
            Model::Counter => &[Invariant::Counter],
            Model::Set => &[Invariant::Set, Invariant::SetFull, Invariant::SetFullLinearizable],
            Model::SetFull => &[Invariant::SetFull, Invariant::SetFullLinearizable],
            Model::Queue | Model::TotalQueue => &[Invariant::TotalQueue, Invariant::AtMostOnce],
            Model::Bank => &[Invariant::Bank],
            Model::UniqueIds => &[Invariant::UniqueIds],
            Model::LongFork => &[Invariant::LongFork],
            Model::Monotonic => &[Invariant::Monotonic],
            Model::CausalReverse => &[Invariant::CausalReverse],
            _ => &[],
        }
    }

    /// All properties that can be asked of the model, stronger levels first.
    pub fn properties(self) -> Vec<Property> {
        let levels: &[Level] = match self {
            _ if self.has_registers() => Level::ALL,
            _ if self.has_specification() => &[Level::Linearizable],
            _ => &[],
        };
        let isolation: &[IsolationLevel] = if self.has_transactions() { IsolationLevel::ALL } else { &[] };
        let findings: &[FindingKind] = if self == Model::Session { FindingKind::ALL } else { &[] };
        let levels = levels.iter().copied().map(Property::Level);
        let levels = levels.chain(isolation.iter().copied().map(Property::Isolation));
        let levels = levels.chain(findings.iter().copied().map(Property::Finding));
        levels.chain(self.invariants().iter().copied().map(Property::Invariant)).collect()
    }

    /// The properties that a comparison of all levels covers. For objects these are the levels only, because invariants
    /// are a different question.
    pub fn comparable_properties(self) -> Vec<Property> {
        let of_objects = self.has_specification();
        let mut all = self.properties();
        // A level with a bound is no level until the bound is given.
        all.retain(|property| *property != Property::Level(Level::BoundedStaleness));
        all.retain(|property| !of_objects || matches!(property, Property::Level(_)));
        all
    }

    /// The properties that are checked if none is asked for.
    pub fn default_properties(self) -> Vec<Property> {
        match self {
            _ if self.has_registers() => [
                Level::Linearizable,
                Level::ReadYourWrites,
                Level::MonotonicReads,
                Level::MonotonicWrites,
                Level::WritesFollowReads,
                Level::Session,
            ]
            .map(Property::Level)
            .into(),
            _ if self.has_specification() => vec![Property::Level(Level::Linearizable)],
            _ if self.has_transactions() => vec![Property::Isolation(IsolationLevel::StrictSerializable)],
            Model::Session => FindingKind::ALL.iter().copied().map(Property::Finding).collect(),
            _ => self.invariants().iter().take(1).copied().map(Property::Invariant).collect(),
        }
    }

    /// Explains why a history cannot be about this model, or returns `None` if it can.
    ///
    /// The checker would ignore operations that the model does not know. A history with no other operations would then
    /// satisfy every property. A wrong model name must not have that result.
    pub fn explain_mismatch(self, history: &History) -> Option<String> {
        if !self.has_transactions() {
            return self.defining_invariant().and_then(|invariant| invariant.explain_mismatch(history));
        }
        let name = self.name();
        if let Some(other) = history.ids().find(|&id| history.function(id) != Function::TXN) {
            let function = history.function_name(history.function(other));
            let index = history.operation_index(other);
            return Some(format!("operation {index} is {function:?}: {name} is about txn operations only"));
        }
        let has = |kinds: [MicroKind; 2]| history.micros().iter().any(|micro| kinds.contains(&micro.kind));
        let lists = has([MicroKind::Append, MicroKind::ReadList]);
        match self {
            Model::RwRegister if lists => Some(format!("{name} is about w and r; this history has lists")),
            Model::ListAppend if !lists && has([MicroKind::Write; 2]) => {
                Some(format!("{name} is about append and r; this history has w"))
            }
            _ => None,
        }
    }

    /// The names of the operations of a model with a sequential specification; empty for other models.
    fn known_functions(self) -> &'static [&'static str] {
        match self {
            Model::Register | Model::CasRegister => &["read", "write", "cas"],
            Model::Kv => &["get", "put", "append", "delete"],
            Model::Counter => &["add", "inc", "read"],
            Model::Set => &["add", "remove", "contains", "read"],
            Model::Queue => &["enqueue", "dequeue"],
            Model::Stack => &["push", "pop"],
            Model::PriorityQueue => &["insert", "delete-min"],
            Model::Mutex => &["acquire", "release"],
            _ => &[],
        }
    }

    /// Names an operation that the sequential specification of the model does not have, or one whose values it cannot
    /// interpret. Failed operations are allowed, because they did nothing.
    pub(crate) fn explain_foreign_operation(self, history: &History) -> Option<String> {
        let is_list =
            |micro: &histories::Micro| matches!(micro.kind, MicroKind::Append | MicroKind::ReadList);
        if self == Model::MultiRegister && history.micros().iter().any(is_list) {
            return Some(format!("{} is about w and r; this history has lists", self.name()));
        }
        let known = self.known_functions();
        if known.is_empty() {
            return None;
        }
        let function = |id| history.function_name(history.function(id));
        let foreign = |id: &OpId| history.outcome(*id) != Outcome::Fail && !known.contains(&function(*id));
        let Some(id) = history.ids().find(foreign) else {
            return match self {
                Model::PriorityQueue => priority::explain_foreign_element(history),
                Model::Counter => explain_foreign_amount(history),
                _ => None,
            };
        };
        let (index, name) = (history.operation_index(id), self.name());
        let function = function(id);
        Some(format!("operation {index} is {function:?}: {name} has the operations {}", known.join(", ")))
    }

    /// The invariant that a model without a sequential specification is named for.
    fn defining_invariant(self) -> Option<Invariant> {
        if self.has_specification() { None } else { self.invariants().first().copied() }
    }

    /// The model that a report names if only invariants were asked for. For a queue it is `total-queue`, because the
    /// order does not matter then.
    pub(crate) fn model_for_invariants(self) -> Model {
        if self == Model::Queue { Model::TotalQueue } else { self }
    }
}

/// Names the first operation that adds something else than an integer of 64 bits to a counter.
fn explain_foreign_amount(history: &History) -> Option<String> {
    let adds = |id: &OpId| {
        matches!(history.function(*id), Function::ADD | Function::INC)
            && history.outcome(*id) != Outcome::Fail
    };
    let amount = |id: OpId| history.value_text(history.operation(id).value());
    let is_foreign = |text: &str| text != "null" && text.parse::<i64>().is_err();
    let id = history.ids().filter(adds).find(|&id| is_foreign(amount(id)))?;
    let (index, text) = (history.operation_index(id), amount(id));
    Some(format!("operation {index} adds {text}: a counter adds integers of 64 bits"))
}

impl Property {
    /// The property that has the same name and is defined for this model; `None` if there is none.
    pub fn resolve_for_model(self, model: Model) -> Option<Property> {
        let own = model.properties();
        let meant = |known: &&Property| known.name() == self.name();
        own.iter().find(|&&known| known == self).or_else(|| own.iter().find(meant)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    #[test]
    fn a_model_that_would_pass_over_operations_is_refused() {
        let why = |model: Model, drawing: &str| model.explain_mismatch(&parse(drawing).expect("a drawing"));
        let lists = Model::ListAppend;
        assert!(why(lists, "a: [w1] [r2]").expect("a reason").contains("txn operations only"));
        assert!(why(lists, "a: [t wx1]").expect("a reason").contains("has w"));
        assert!(why(Model::RwRegister, "a: [t ax1]").expect("a reason").contains("has lists"));
        assert_eq!(why(lists, "a: [t ax1] [t rx(1)]"), None);
        assert_eq!(why(Model::RwRegister, "a: [t wx1 rx1]"), None);
    }

    #[test]
    fn every_model_has_something_that_is_checked_by_default_and_can_be_asked() {
        for &model in Model::ALL {
            let properties = model.properties();
            assert!(!model.default_properties().is_empty(), "{}", model.name());
            assert!(model.default_properties().iter().all(|property| properties.contains(property)));
        }
    }
}
