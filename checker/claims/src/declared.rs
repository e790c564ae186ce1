//! The level at which [`IsolationLevel::Mixed`] judges each transaction.

use crate::IsolationLevel;
use histories::{DeclaredIsolation, Function, History, Id, OpId};

/// For each operation, the level at which [`IsolationLevel::Mixed`] judges it: the level that it declares, or `serializable` if it
/// declares none, as in the SQL standard (ISO/IEC 9075-2, *set transaction characteristics*).
pub fn declared_levels(history: &History) -> Vec<IsolationLevel> {
    let level = |declared: Option<DeclaredIsolation>| match declared {
        Some(DeclaredIsolation::ReadUncommitted) => IsolationLevel::ReadUncommitted,
        Some(DeclaredIsolation::ReadCommitted) => IsolationLevel::ReadCommitted,
        Some(DeclaredIsolation::RepeatableRead) => IsolationLevel::RepeatableRead,
        Some(DeclaredIsolation::SnapshotIsolation) => IsolationLevel::SnapshotIsolation,
        Some(DeclaredIsolation::Serializable) | None => IsolationLevel::Serializable,
    };
    history.declared_isolation_levels().into_iter().map(level).collect()
}

/// The number of operations that a description names for each level.
const NAMED_MAX: usize = 8;

/// Says which transactions asked for which level, in one line.
pub fn describe_declared_levels(history: &History) -> String {
    let declared = history.declared_isolation_levels();
    let transactions: Vec<OpId> = history.ids().filter(|&id| history.function(id) == Function::TXN).collect();
    let levels = DeclaredIsolation::ALL.into_iter().map(Some).chain([None]);
    let parts = levels.filter_map(|level| {
        let of_level: Vec<String> = transactions
            .iter()
            .filter(|id| declared[id.index()] == level)
            .map(|&id| history.operation_index(id).to_string())
            .collect();
        let name = level.map_or("no level, which counts as serializable", DeclaredIsolation::name);
        let more = match of_level.len() > NAMED_MAX {
            true => ", …",
            false => "",
        };
        let named = of_level[..of_level.len().min(NAMED_MAX)].join(", ");
        (!of_level.is_empty()).then(|| format!("{} of {name} (at {named}{more})", of_level.len()))
    });
    format!("transactions by the level that they declare: {}", parts.collect::<Vec<_>>().join("; "))
}
