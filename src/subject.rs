//! What a history can be about, and what can be asked of it: objects with a sequential specification, transactions,
//! session stores, or an invariant of the answers.
//!
//! These are decided by different parts of the checker and share no types there, because they share no
//! questions. Users type all in one place, so here they are brought under one name each.

use crate::models;
use checker::Level;
use checker::check::Model;
use checker::continuity::Kind;
use checker::invariants::Check;
use checker::transactions::Isolation;
use histories::{Function, History, MicroKind};

/// What the operations of a history are about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// Objects with a sequential specification.
    Objects(Model),
    /// Transactions over lists or registers.
    Transactions(Items),
    /// Sessions in a session store.
    Sessions,
    /// What must be true of the answers whatever their order; the check that gives it its name.
    Invariant(Check),
}

/// The models that have an invariant and no sequential specification, with their lines.
const INVARIANTS: &[(Check, &str)] = &[
    (Check::Bank, "transfer {from, to, amount}, read of all accounts: money is neither made nor lost"),
    (Check::SetFull, "add, read of all: each element's life, read by read"),
    (Check::TotalQueue, "enqueue, dequeue, drain: what goes in comes out, in whatever order"),
    (Check::UniqueIds, "generate: each id once"),
    (Check::LongFork, "write, read of [[r, key, value], ...]: writes are seen in one order"),
    (Check::Monotonic, "inc, read: registers that only grow"),
    (Check::CausalReverse, "write or insert, read of all: no write is seen without those before it"),
];

/// What transactions read and write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Items {
    /// Lists, which show in which order they were written.
    Lists,
    /// Registers, which do not.
    Registers,
}

/// The models of transactions, with their names and their lines.
const ITEMS: &[(Items, &str, &str)] = &[
    (
        Items::Lists,
        "list-append",
        "txn of append and r: transactions over lists; each element is appended once",
    ),
    (
        Items::Registers,
        "rw-register",
        "txn of w and r: transactions over registers; each value is written once",
    ),
];

impl Subject {
    /// Every model with its name and its line.
    pub(crate) fn all() -> impl Iterator<Item = (Subject, &'static str, &'static str)> + Clone {
        let objects = models::BUILT.iter().map(|&(model, name, line)| (Subject::Objects(model), name, line));
        let items = ITEMS.iter().map(|&(items, name, line)| (Subject::Transactions(items), name, line));
        let sessions =
            "create, read, write, patch, touch, renew, destroy; act, actions: a session with a time to live";
        let invariants =
            INVARIANTS.iter().map(|&(check, line)| (Subject::Invariant(check), check.name(), line));
        objects.chain(items).chain([(Subject::Sessions, "session", sessions)]).chain(invariants)
    }

    /// The name that users type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            // Counters and sets are models of objects; of these, their invariant.
            Subject::Invariant(check) => check.name(),
            _ => Subject::all().find(|known| known.0 == self).map_or("?", |known| known.1),
        }
    }

    /// The subject of the levels that are asked for: objects have invariants too, and those are another question.
    pub(crate) fn asked(self, levels: Option<&[Promise]>) -> Subject {
        let invariant = match self {
            Subject::Objects(Model::Counter) => Check::Counter,
            Subject::Objects(Model::Set) => Check::Set,
            Subject::Objects(Model::Queue) => Check::TotalQueue,
            _ => return self,
        };
        let fits = |level: &Promise| matches!(level, Promise::Invariant(_));
        match levels.is_some_and(|levels| levels.iter().all(fits)) {
            true => Subject::Invariant(invariant),
            false => self,
        }
    }

    /// The invariants that it has, the one that is checked by default first.
    pub(crate) fn invariants(self) -> &'static [Check] {
        match self {
            Subject::Invariant(Check::Set) => &[Check::Set, Check::SetFull, Check::SetFullLinearizable],
            Subject::Invariant(Check::SetFull) => &[Check::SetFull, Check::SetFullLinearizable],
            Subject::Invariant(Check::TotalQueue) => &[Check::TotalQueue, Check::AtMostOnce],
            Subject::Invariant(check) => {
                let at = Check::ALL.iter().position(|&known| known == check).expect("all are listed");
                &Check::ALL[at..=at]
            }
            _ => &[],
        }
    }

    /// Why it cannot be what a history is about, although the user says so.
    ///
    /// What is no transaction would be passed over, and a history with nothing left in it holds: that must
    /// not come from a wrong name.
    pub(crate) fn mistaken(self, history: &History) -> Option<String> {
        let items = match self {
            Subject::Transactions(items) => items,
            Subject::Invariant(check) => return check.mistaken(history),
            Subject::Objects(_) | Subject::Sessions => return None,
        };
        let name = self.name();
        if let Some(other) = history.ids().find(|&id| history.function(id) != Function::TXN) {
            let function = history.function_name(history.function(other));
            let index = history.index(other);
            return Some(format!("operation {index} is {function:?}: {name} is about txn operations only"));
        }
        let has = |kinds: [MicroKind; 2]| history.micros().iter().any(|micro| kinds.contains(&micro.kind));
        let lists = has([MicroKind::Append, MicroKind::ReadList]);
        match items {
            Items::Registers if lists => Some(format!("{name} is about w and r; this history has lists")),
            Items::Lists if !lists && has([MicroKind::Write; 2]) => {
                Some(format!("{name} is about append and r; this history has w"))
            }
            _ => None,
        }
    }
}

/// A level that users can ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Promise {
    /// Of objects.
    Object(Level),
    /// Of transactions.
    Isolation(Isolation),
    /// Of session stores: that nothing of the kind is found.
    Finding(Kind),
    /// Of the answers themselves.
    Invariant(Check),
}

impl Promise {
    /// Every level.
    pub(crate) fn all() -> impl Iterator<Item = Promise> + Clone {
        let objects = Level::ALL.iter().copied().map(Promise::Object);
        let isolation = Isolation::ALL.iter().copied().map(Promise::Isolation);
        let findings = Kind::ALL.iter().copied().map(Promise::Finding);
        let invariants = Check::ALL.iter().copied().map(Promise::Invariant);
        objects.chain(isolation).chain(findings).chain(invariants)
    }

    /// The name that reports print.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Promise::Object(level) => level.name(),
            Promise::Isolation(level) => level.name(),
            Promise::Finding(kind) => kind.name(),
            Promise::Invariant(check) => check.name(),
        }
    }

    /// Other names for it.
    pub(crate) fn aliases(self) -> &'static [&'static str] {
        match self {
            Promise::Object(_) | Promise::Finding(_) | Promise::Invariant(_) => &[],
            Promise::Isolation(level) => level.aliases(),
        }
    }

    /// What it promises, in one line.
    pub(crate) fn line(self) -> &'static str {
        match self {
            Promise::Object(level) => level.line(),
            Promise::Isolation(level) => level.line(),
            Promise::Finding(kind) => kind.line(),
            Promise::Invariant(check) => check.line(),
        }
    }

    /// The level of a name or an alias. Where objects and transactions share a name it is that of objects;
    /// [`Promise::of_transactions`] finds the other.
    pub(crate) fn by_name(name: &str) -> Option<Promise> {
        Promise::all().find(|level| level.name() == name || level.aliases().contains(&name))
    }

    /// The level of transactions that a name means to a history of them.
    pub(crate) fn of_transactions(self) -> Option<Isolation> {
        match self {
            Promise::Isolation(level) => Some(level),
            Promise::Object(level) => {
                Isolation::ALL.iter().copied().find(|known| known.name() == level.name())
            }
            Promise::Finding(_) | Promise::Invariant(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    #[test]
    fn no_name_means_two_levels_or_two_models() {
        let mut levels: Vec<&str> = Promise::all().map(Promise::name).collect();
        levels.extend(Promise::all().flat_map(Promise::aliases));
        let mut models: Vec<&str> = Subject::all().map(|known| known.1).collect();
        // The kind of history tells which is meant.
        let shared = levels.iter().position(|&name| name == "causal").expect("of registers");
        levels.swap_remove(shared);
        for names in [&mut levels, &mut models] {
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
        assert_eq!(Promise::by_name("PL-3"), Some(Promise::Isolation(Isolation::Serializable)));
    }

    #[test]
    fn a_model_that_would_pass_over_operations_is_refused() {
        let why =
            |items, drawing: &str| Subject::Transactions(items).mistaken(&parse(drawing).expect("a drawing"));
        assert!(why(Items::Lists, "a: [w1] [r2]").expect("a reason").contains("txn operations only"));
        assert!(why(Items::Lists, "a: [t wx1]").expect("a reason").contains("has w"));
        assert!(why(Items::Registers, "a: [t ax1]").expect("a reason").contains("has lists"));
        assert_eq!(why(Items::Lists, "a: [t ax1] [t rx(1)]"), None);
        assert_eq!(why(Items::Registers, "a: [t wx1 rx1]"), None);
    }
}
