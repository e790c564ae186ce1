//! Which levels a witness proves, and which serial order would prove a level.

use claims::{IsolationLevel, IsolationSet, Proviso, TransactionWitness};

/// The levels that a witness proves.
pub(super) fn levels_covered_by(witness: &TransactionWitness, own_appends_read: bool) -> IsolationSet {
    use IsolationLevel::*;
    let strongest: &[IsolationLevel] = match witness {
        TransactionWitness::Serial(extent, _) => {
            &[[Serializable, SessionSerializable, StrictSerializable][*extent as usize]]
        }
        TransactionWitness::Snapshots(extent, _) => {
            &[[SnapshotIsolation, StrongSessionSnapshotIsolation, StrongSnapshotIsolation][*extent as usize]]
        }
        TransactionWitness::Prefixes(_) => &[Prefix],
        TransactionWitness::Mixed(_) => &[Mixed],
        TransactionWitness::Actions(_) => &[MonotonicSnapshotRead],
        TransactionWitness::Execution(ParallelSnapshotIsolation, _) => {
            &[ParallelSnapshotIsolation, ForwardConsistentView]
        }
        TransactionWitness::Execution(level, _) => &[*level],
        // The faster engines have already used these witnesses for all levels that they prove.
        TransactionWitness::Versions(..) | TransactionWitness::CommitOrder(..) => &[],
    };
    let covers = strongest.iter().copied().collect::<IsolationSet>().and_weaker(Proviso::None);
    match own_appends_read && strongest.iter().any(|level| level.is_defined_by_visibility()) {
        true => covers.iter().filter(|level| level.is_defined_by_visibility()).collect(),
        false => covers,
    }
}

/// The level of serial orders that proves a level of snapshots. Serial orders have half as many moments.
pub(super) fn serial_level_above(level: IsolationLevel) -> Option<IsolationLevel> {
    use IsolationLevel as L;
    match level {
        L::SnapshotIsolation | L::Prefix => Some(L::Serializable),
        L::StrongSessionSnapshotIsolation => Some(L::StrongSessionSerializable),
        L::StrongSnapshotIsolation => Some(L::StrictSerializable),
        _ => None,
    }
}
