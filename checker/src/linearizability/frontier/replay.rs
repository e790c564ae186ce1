//! From what was seen to a full order: reads and absorbed writes take their places between the seen writes.
//!
//! After g moves the register holds one value, for a while that is called gap g. A read stands in the first gap,
//! from the one in which it was invoked, that holds its value. So does a write that was not seen, or else it stands
//! right before the first blind write seen after its invocation. Within a gap the order is that of invocations.

use super::MovePath;
use crate::linearizability::register::{Access, RegisterStep};
use histories::ValueId;
use rustc_hash::FxHashMap;

/// All certain steps and the indeterminate ones that were seen, by place. O(n log n).
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
