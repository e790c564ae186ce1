//! The table of levels: what each level demands, where the definition comes from, what decides it, and what separates
//! it from each level that it implies.
//!
//! There is one table so that the program, its documentation and its lattice cannot disagree. `steadfast levels` prints
//! it, and `docs/levels.md` is its Markdown form. Only the words live here; the verifier has the conditions as code, and
//! a brute-force reference of the tests is written from the formulas.
//!
//! # Choices
//!
//! *Formulas are text.* A formula that a program evaluates would be a third implementation, next to the engines and the
//! verifier. It could only be as slow as the brute force of the tests, which exists already.

mod objects;
mod transactions;

use crate::names::named;
use crate::{IMPLICATIONS, IsolationLevel, Level, Property, Proviso};

named! {
    /// A family of levels: those whose definitions speak about the same kind of order.
    LevelFamily, "family of levels";
    SingleOrder "single-order"
        "one legal order of the operations",
    CausalOrder "causal-order"
        "reads agree with causal order, or with session order",
    SingleReads "single-reads"
        "each read by itself agrees with the writes in real time",
    SessionGuarantee "session-guarantee"
        "what one session observes of the versions of one object",
    Serializability "serializability"
        "one serial order of the transactions",
    SnapshotReads "snapshot-reads"
        "each transaction reads from a snapshot",
    AtomicVisibility "atomic-visibility"
        "a transaction that sees a part of another one sees all of it",
    ReadPhenomena "read-phenomena"
        "no dirty writes, no dirty reads, and rules for the reads of one transaction",
}

/// The definition of one level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LevelDefinition {
    /// The level.
    pub property: Property,
    /// Its family.
    pub family: LevelFamily,
    /// The condition, in the symbols of [`FORMULA_SYMBOLS`].
    pub formula: &'static str,
    /// The publication that defines it, with the section where there is one.
    pub source: &'static str,
    /// The engines that decide it.
    pub decided_by: &'static str,
    /// Whether the condition mentions real time.
    pub mentions_real_time: bool,
}

/// The symbols of the formulas, each with its meaning.
pub const FORMULA_SYMBOLS: &[(&str, &str)] = &[
    (
        "so",
        "session order: the first operation completed before the second one of the same session was invoked",
    ),
    ("rt", "real-time order: the first operation completed before the second one was invoked"),
    ("rf", "reads-from, for objects: from a write to each read that returned it"),
    ("co", "causal order: the transitive closure of so ∪ rf"),
    ("ar", "arbitration: a total order of operations"),
    ("≪", "version order: a total order of the versions of each object, with the initial version first"),
    ("W, R, R(s), x", "all writes; all reads; the reads of session s; an object"),
    ("legal(o)", "in the order o, each operation returns what the specification of its object demands"),
    ("legal(o, R)", "in the order o, each read in R returns the last write of its object"),
    ("ww", "for transactions: from a writer of a key to the writer of the next version"),
    ("wr", "for transactions: from a writer to a transaction that read its version"),
    ("rw", "for transactions: from a reader to the transaction that overwrote the version that it read"),
    ("vis", "visibility: the transactions that lead to a transaction as the formula says"),
    ("sees(vis)", "no read of a transaction T misses a write of a transaction that vis leads to T"),
    ("G1a, G1b", "a read of an aborted write; a read of a write that its own transaction overwrote"),
    (
        "Int",
        "a transaction that wrote a key reads its own last write of it. Every level that asks anything of reads demands it, also where its formula does not say so",
    ),
    ("B, C", "the begin and the commit of a transaction; B is before C"),
];

/// An implication between two levels of the same kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LevelImplication {
    /// The level that implies the other.
    pub stronger: Property,
    /// The level that is implied.
    pub weaker: Property,
    /// The condition under which the implication holds.
    pub proviso: Proviso,
    /// The reason.
    pub reason: &'static str,
}

impl LevelImplication {
    /// Whether both levels are promises about transactions.
    pub fn is_about_transactions(&self) -> bool {
        matches!(self.stronger, Property::Isolation(_))
    }
}

/// The definitions of all levels: those of objects, then those of transactions, in the order of `ALL`.
pub fn level_definitions() -> impl Iterator<Item = &'static LevelDefinition> {
    objects::OBJECT_LEVELS.iter().chain(transactions::TRANSACTION_LEVELS)
}

/// The definition of a level; `None` for findings and invariants.
pub fn define_level(property: Property) -> Option<&'static LevelDefinition> {
    level_definitions().find(|known| known.property == property)
}

/// All implications: those between levels of objects, then those between levels of transactions.
pub fn level_implications() -> impl Iterator<Item = LevelImplication> {
    let transactions = IMPLICATIONS.iter().map(|edge| LevelImplication {
        stronger: Property::Isolation(edge.stronger),
        weaker: Property::Isolation(edge.weaker),
        proviso: edge.proviso,
        reason: edge.reason,
    });
    objects::OBJECT_IMPLICATIONS.iter().map(objects::as_implication).chain(transactions)
}

impl Proviso {
    /// The condition in words; `None` if the implication always holds.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Proviso::None => None,
            Proviso::SessionsAside => Some("sessions aside"),
            Proviso::OwnAppendsAside => Some("own appends aside"),
            Proviso::TokensAside => Some("version tokens aside"),
        }
    }
}

const fn of_objects(level: Level) -> Property {
    Property::Level(level)
}

const fn of_transactions(level: IsolationLevel) -> Property {
    Property::Isolation(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_defined_once_and_in_order() {
        let levels = Property::all().filter(|one| matches!(one, Property::Level(_) | Property::Isolation(_)));
        let defined: Vec<Property> = level_definitions().map(|one| one.property).collect();
        assert_eq!(defined, levels.collect::<Vec<_>>());
    }

    /// A level whose formula mentions real time must be unknown of a history without it, and the other way round. The
    /// flag of the table and the list of [`Level::needs_real_time`] once could differ.
    #[test]
    fn formulas_with_real_time_are_marked() {
        for one in level_definitions() {
            let name = one.property.name();
            assert_eq!(one.formula.contains("rt"), one.mentions_real_time, "{name}");
            assert!(one.formula.len() > 4 && one.source.len() > 4 && one.decided_by.len() > 4, "{name}");
            if let Property::Level(level) = one.property {
                assert_eq!(level.needs_real_time(), one.mentions_real_time, "{name}");
            }
        }
    }

    #[test]
    fn implications_join_levels_of_one_kind_and_never_go_up() {
        let edges: Vec<LevelImplication> = level_implications().collect();
        for edge in &edges {
            let kinds = [edge.stronger, edge.weaker].map(|one| matches!(one, Property::Isolation(_)));
            assert_eq!(kinds[0], kinds[1]);
            assert!(!edge.reason.is_empty());
            let back =
                edges.iter().any(|other| (other.stronger, other.weaker) == (edge.weaker, edge.stronger));
            assert!(!back, "{} and {}", edge.stronger.name(), edge.weaker.name());
        }
    }
}
