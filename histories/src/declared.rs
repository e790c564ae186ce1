//! The isolation level that a transaction declares for itself, as SQL sessions do (`SET TRANSACTION ISOLATION LEVEL`).
//!
//! The level is a further field, `"isolation"`, of the transaction's invocation. It is stored with the other further fields, so
//! that every format which keeps those keeps it too.

use crate::{Function, History, Id, NEVER, OpId};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The name of the field.
pub(crate) const ISOLATION_FIELD: &str = "isolation";

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
        let declared: Vec<Option<DeclaredIsolation>> = self.note_texts().map(find_declaration).collect();
        let mut levels = vec![None; self.len()];
        if declared.iter().all(Option::is_none) {
            return levels;
        }
        let at = |position: u32| {
            let row = self.note_rows().binary_search_by_key(&position, |row| row.0).ok()?;
            declared[self.note_rows()[row].1 as usize]
        };
        let completed = |id: OpId| Some(self.operation(id).completed).filter(|&position| position != NEVER);
        for id in self.ids().filter(|&id| self.function(id) == Function::TXN) {
            levels[id.index()] = at(self.operation(id).invoked).or_else(|| completed(id).and_then(at));
        }
        levels
    }
}

/// The level that the further fields of an event declare. Readers refuse unknown names.
fn find_declaration(fields: &str) -> Option<DeclaredIsolation> {
    if !fields.contains("\"isolation\"") {
        return None;
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(fields).ok()?;
    let name: String = serde_json::from_str(fields.get(ISOLATION_FIELD)?.get()).ok()?;
    DeclaredIsolation::by_name(name.trim_start_matches(':'))
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
    fn names_are_found_again() {
        for level in DeclaredIsolation::ALL {
            assert_eq!(DeclaredIsolation::by_name(level.name()), Some(level));
        }
        assert_eq!(DeclaredIsolation::by_name("READ COMMITTED"), None);
    }
}
