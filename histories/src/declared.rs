//! The level that an operation declares for itself: a transaction an isolation level, as SQL sessions do (`SET TRANSACTION
//! ISOLATION LEVEL`), and an operation on an object whether it is to be linearizable.
//!
//! The level is a further field, `"isolation"` or `"consistency"`, of the invocation. It is stored with the other further fields, so
//! that every format which keeps those keeps it too.

use crate::{Function, History, Id, NEVER, OpId};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The name of the field.
pub(crate) const ISOLATION_FIELD: &str = "isolation";

/// The name of the field of an operation on an object.
const CONSISTENCY_FIELD: &str = "consistency";

/// What an operation on an object may declare. Stores have other names in this field, so readers refuse none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DeclaredConsistency {
    /// `linearizable`: it takes effect in real time.
    Linearizable,
    /// `sequential`: it takes effect in the order of its session.
    Sequential,
    /// Another name.
    Other,
}

/// An isolation level that a transaction may declare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeclaredIsolation {
    /// `read-uncommitted`, Adya's PL-1.
    ReadUncommitted,
    /// `read-committed`, PL-2.
    ReadCommitted,
    /// `repeatable-read`, PL-2.99.
    RepeatableRead,
    /// `snapshot-isolation`, PL-SI.
    SnapshotIsolation,
    /// `serializable`, PL-3.
    Serializable,
}

impl DeclaredIsolation {
    /// All levels, the weakest first.
    pub const ALL: [DeclaredIsolation; 5] = [
        DeclaredIsolation::ReadUncommitted,
        DeclaredIsolation::ReadCommitted,
        DeclaredIsolation::RepeatableRead,
        DeclaredIsolation::SnapshotIsolation,
        DeclaredIsolation::Serializable,
    ];

    /// The name in histories.
    pub fn name(self) -> &'static str {
        match self {
            DeclaredIsolation::ReadUncommitted => "read-uncommitted",
            DeclaredIsolation::ReadCommitted => "read-committed",
            DeclaredIsolation::RepeatableRead => "repeatable-read",
            DeclaredIsolation::SnapshotIsolation => "snapshot-isolation",
            DeclaredIsolation::Serializable => "serializable",
        }
    }

    /// Finds the level with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// The names of all levels, for messages: `read-uncommitted, read-committed, …`.
    pub(crate) fn all_names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl History {
    /// Whether a transaction declares an isolation level.
    pub fn declares_isolation_levels(&self) -> bool {
        self.declared_isolation_levels().iter().any(Option::is_some)
    }

    /// For each operation, the isolation level that its invocation declares; `None` for operations that declare none. In a history
    /// without invocations, the completion may declare it. O(n), and each distinct text of further fields is parsed once.
    pub fn declared_isolation_levels(&self) -> Vec<Option<DeclaredIsolation>> {
        self.collect_declarations(find_isolation, |function| function == Function::TXN)
    }

    /// For each operation, what its invocation declares in the field `consistency`; `None` for transactions and for operations that
    /// declare nothing. O(n), and each distinct text of further fields is parsed once.
    pub fn declared_consistency(&self) -> Vec<Option<DeclaredConsistency>> {
        self.collect_declarations(find_consistency, |function| function != Function::TXN)
    }

    fn collect_declarations<T: Copy>(
        &self,
        find: fn(&str) -> Option<T>,
        may_declare: impl Fn(Function) -> bool,
    ) -> Vec<Option<T>> {
        let declared: Vec<Option<T>> = self.note_patterns().map(|pattern| find(&pattern)).collect();
        let mut levels = vec![None; self.len()];
        if declared.iter().all(Option::is_none) {
            return levels;
        }
        let at = |position: u32| declared[self.note_pattern_of(position)? as usize];
        let completed = |id: OpId| Some(self.operation(id).completed).filter(|&position| position != NEVER);
        for id in self.ids().filter(|&id| may_declare(self.function(id))) {
            levels[id.index()] = at(self.operation(id).invoked).or_else(|| completed(id).and_then(at));
        }
        levels
    }
}

/// The isolation level that the further fields of an event declare. Readers refuse unknown names.
fn find_isolation(fields: &str) -> Option<DeclaredIsolation> {
    find_name(fields, ISOLATION_FIELD).and_then(|name| DeclaredIsolation::by_name(&name))
}

fn find_consistency(fields: &str) -> Option<DeclaredConsistency> {
    find_name(fields, CONSISTENCY_FIELD).map(|name| match name.as_str() {
        "linearizable" => DeclaredConsistency::Linearizable,
        "sequential" => DeclaredConsistency::Sequential,
        _ => DeclaredConsistency::Other,
    })
}

/// The text of a field, without the colon of a keyword.
fn find_name(fields: &str, field: &str) -> Option<String> {
    if !fields.contains(field) {
        return None;
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(fields).ok()?;
    let name: String = serde_json::from_str(fields.get(field)?.get()).ok()?;
    Some(name.trim_start_matches(':').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::parse;

    #[test]
    fn each_transaction_has_the_level_that_it_declares() {
        let history = parse("a: [t:read-committed wx1] [t wx2] [t:serializable rx2]").expect("a drawing");
        let levels = history.declared_isolation_levels();
        let (weak, strong) = (DeclaredIsolation::ReadCommitted, DeclaredIsolation::Serializable);
        assert_eq!(levels, [Some(weak), None, Some(strong)]);
        assert!(parse("a: [t:chaos wx1]").is_err(), "an unknown level");
    }

    #[test]
    fn each_operation_has_the_consistency_that_it_declares() {
        let history = parse("a: [w1] [x.r1~linearizable] [r2~sequential] [r1~quorum]").expect("a drawing");
        let declared = history.declared_consistency();
        let [strong, weak, other] =
            [DeclaredConsistency::Linearizable, DeclaredConsistency::Sequential, DeclaredConsistency::Other];
        assert_eq!(declared, [None, Some(strong), Some(weak), Some(other)]);
    }

    #[test]
    fn names_are_found_again() {
        for level in DeclaredIsolation::ALL {
            assert_eq!(DeclaredIsolation::by_name(level.name()), Some(level));
        }
        assert_eq!(DeclaredIsolation::by_name("READ COMMITTED"), None);
    }
}
