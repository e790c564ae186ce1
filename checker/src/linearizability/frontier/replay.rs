//! Reconstructs a full order from a path: places reads and absorbed writes between the observed writes.
//!
//! After g moves the register holds one value for an interval called gap g. A read stands in the first gap that holds
//! its value, from the gap in which the read was invoked. An unobserved write stands there too, or else right before
//! the first blind write that was observed after its invocation. Within a gap, steps are in order of invocation.

use super::MovePath;
use crate::linearizability::register::{Access, RegisterStep};
use histories::ValueId;
use rustc_hash::FxHashMap;

/// Orders all certain steps, and the indeterminate steps that were observed, by index. O(n log n).
pub(super) fn reconstruct_order(steps: &[RegisterStep], initials: &[ValueId], path: &MovePath) -> Vec<u32> {
    let mut held = vec![initials[path.start as usize]];
    let mut gaps: FxHashMap<ValueId, Vec<usize>> = FxHashMap::default();
    gaps.entry(held[0]).or_default().push(0);
    let mut blind: Vec<(u32, usize)> = Vec::new();
    let mut places: Vec<((usize, u8, u32), u32)> = Vec::with_capacity(steps.len());
    let mut is_seen = vec![false; steps.len()];
    for (gap, &(step, position)) in (1..).zip(&path.seen) {
        let access = steps[step as usize].access;
        if let Access::Write(_) = access {
            blind.push((position, gap));
        }
        let (Access::Write(value) | Access::Cas(_, value)) = access else {
            unreachable!("a read is not a move")
        };
        held.push(value);
        gaps.entry(value).or_default().push(gap);
        is_seen[step as usize] = true;
        places.push(((gap, 1, 0), step));
    }
    for (place, step) in
        (0u32..).zip(steps).filter(|&(place, step)| step.is_certain() && !is_seen[place as usize])
    {
        let now = path.seen.partition_point(|&(_, position)| position < step.invoked);
        let holding = |value: ValueId| {
            let of_value = gaps.get(&value).map_or(&[][..], Vec::as_slice);
            of_value.get(of_value.partition_point(|&gap| gap < now)).copied().unwrap_or(usize::MAX)
        };
        let key = match step.access {
            Access::Read(value) => (holding(value), 2, step.invoked),
            Access::Differs(value) => {
                let gap = (now..held.len()).find(|&gap| held[gap] != value);
                (gap.unwrap_or(now), 2, step.invoked)
            }
            Access::Write(value) | Access::Cas(_, value) => {
                let by = blind.get(blind.partition_point(|&(position, _)| position < step.invoked));
                let by = by.map_or(usize::MAX, |&(_, gap)| gap);
                if holding(value) < by { (holding(value), 2, step.invoked) } else { (by, 0, step.invoked) }
            }
        };
        places.push((key, place));
    }
    places.sort_unstable();
    places.into_iter().map(|(_, place)| place).collect()
}
