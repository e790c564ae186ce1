//! Names the anomaly that a minimal core shows.

use super::register::{Access, RegisterStep};
use claims::Core;
use histories::{OpId, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// The name that the definitions give to a core of a register.
///
/// `future-read`: a read completed before every write of its value was invoked. `lost-update`: two compare-and-sets
/// found the same version, because more of them had returned than versions had been written. In any other core without
/// an order, some operation found a value that other operations show to have been overwritten: `stale-read`.
///
/// `steps` are all wanted steps of the object: the core may leave out what began after its end.
pub(super) fn name_core(steps: &[RegisterStep], core: &Core, initial: ValueId) -> &'static str {
    let members: FxHashSet<OpId> = core.operations.iter().copied().collect();
    let weak: FxHashSet<OpId> = core.writes_only.iter().copied().collect();
    // The operations whose answers count.
    let finders = || steps.iter().filter(|step| members.contains(&step.id) && !weak.contains(&step.id));
    let mut writers: FxHashMap<ValueId, Vec<&RegisterStep>> = FxHashMap::default();
    for step in steps {
        if let Some(value) = step.written_value() {
            writers.entry(value).or_default().push(step);
        }
    }
    let writers_of = |value: ValueId| writers.get(&value).map_or(&[][..], Vec::as_slice);
    let is_written_later = |read: &RegisterStep| {
        let value = read.wanted_value().filter(|&value| value != initial);
        let all = value.map_or(&[][..], writers_of);
        !all.is_empty() && all.iter().all(|write| read.returned < write.invoked)
    };
    if core.from.is_none() && finders().any(|step| step.is_certain() && is_written_later(step)) {
        return "future-read";
    }
    // What a core that begins later held at its beginning is one version.
    let versions_before = |value: ValueId, end: u32| {
        let is_inside =
            |step: &&&RegisterStep| step.invoked < end && core.from.is_none_or(|from| step.returned >= from);
        writers_of(value).iter().filter(is_inside).count()
            + usize::from(core.from.is_some() || value == initial)
    };
    let mut updates: FxHashMap<ValueId, Vec<u32>> = FxHashMap::default();
    for step in finders() {
        if let Access::Cas(old, _) = step.access {
            updates.entry(old).or_default().push(step.returned);
        }
    }
    let is_crowded = |(&value, ends): (&ValueId, &mut Vec<u32>)| {
        ends.retain(|&end| versions_before(value, end) > 0);
        ends.sort_unstable();
        (0..).zip(ends.iter()).any(|(before, &end)| versions_before(value, end) <= before)
    };
    if updates.iter_mut().any(is_crowded) { "lost-update" } else { "stale-read" }
}
