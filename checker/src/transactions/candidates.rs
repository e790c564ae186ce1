//! The orders that would prove an isolation level, the strongest first.

use claims::{CycleFamily, IsolationLevel, IsolationSet, OrderExtent, Proviso};

/// How far beyond the data a level looks: not at all, to session order, or to real time.
pub(super) fn extent_of_level(level: IsolationLevel) -> OrderExtent {
    use IsolationLevel::*;
    match level {
        StrictSerializable | StrongSnapshotIsolation | StrongReadCommitted | StrongReadUncommitted => {
            OrderExtent::RealTime
        }
        StrongSessionSerializable
        | SessionSerializable
        | StrongSessionSnapshotIsolation
        | StrongSessionReadCommitted
        | StrongSessionReadUncommitted => OrderExtent::Session,
        _ => OrderExtent::Data,
    }
}

/// The level with the same conditions, but for the order of sessions in place of real time. Other levels are returned as they are.
pub(super) fn without_real_time(level: IsolationLevel) -> IsolationLevel {
    use IsolationLevel::*;
    match level {
        StrictSerializable => StrongSessionSerializable,
        StrongSnapshotIsolation => StrongSessionSnapshotIsolation,
        StrongReadCommitted => StrongSessionReadCommitted,
        StrongReadUncommitted => StrongSessionReadUncommitted,
        other => other,
    }
}

/// The serial orders that would prove a level, the strongest first.
pub(super) fn serial_candidates(
    level: IsolationLevel,
    extent: OrderExtent,
    deepest: CycleFamily,
) -> impl Iterator<Item = (CycleFamily, OrderExtent, IsolationLevel)> {
    witness_candidates(level, extent, deepest).into_iter().filter(|(family, _, _)| *family == CycleFamily::G2)
}

/// The orders that would prove a level, strongest first. Each is given by the family of cycles that must be absent,
/// the extent of the order, and the strongest level that it proves.
pub(super) fn witness_candidates(
    level: IsolationLevel,
    extent: OrderExtent,
    deepest: CycleFamily,
) -> Vec<(CycleFamily, OrderExtent, IsolationLevel)> {
    use IsolationLevel::*;
    let all = [
        (CycleFamily::G2, OrderExtent::RealTime, StrictSerializable),
        (CycleFamily::G2, OrderExtent::Session, SessionSerializable),
        (CycleFamily::G2, OrderExtent::Data, Serializable),
        (CycleFamily::GNonadjacent, OrderExtent::RealTime, StrongSnapshotIsolation),
        (CycleFamily::GNonadjacent, OrderExtent::Session, StrongSessionSnapshotIsolation),
        (CycleFamily::GNonadjacent, OrderExtent::Data, SnapshotIsolation),
        (CycleFamily::G1c, OrderExtent::RealTime, StrongReadCommitted),
        (CycleFamily::G1c, OrderExtent::Session, StrongSessionReadCommitted),
        (CycleFamily::G1c, OrderExtent::Data, ReadCommitted),
        (CycleFamily::G0, OrderExtent::RealTime, StrongReadUncommitted),
        (CycleFamily::G0, OrderExtent::Session, StrongSessionReadUncommitted),
        (CycleFamily::G0, OrderExtent::Data, ReadUncommitted),
    ];
    let proves = |strongest: IsolationLevel| {
        IsolationSet::default().with(strongest).and_weaker(Proviso::None).contains(level)
    };
    let within = |(family, needs, _): &(CycleFamily, OrderExtent, IsolationLevel)| {
        *family <= deepest && *needs <= extent
    };
    all.into_iter().filter(|each| within(each) && proves(each.2)).collect()
}

/// The requested levels, and two more whose witnesses also prove weaker levels. The two are added only if a requested level is
/// decided through other levels.
pub(super) fn with_witnessing_levels(asked: &[IsolationLevel]) -> Vec<IsolationLevel> {
    let mut levels = asked.to_vec();
    if asked.iter().any(|&level| super::is_decided_through_others(level)) {
        let witnessing = [IsolationLevel::Serializable, IsolationLevel::SnapshotIsolation];
        levels.extend(witnessing.into_iter().filter(|level| !asked.contains(level)));
    }
    levels
}
