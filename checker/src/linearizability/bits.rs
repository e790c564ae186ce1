//! Sets of open operations: one bit each, used again after the operation returned.

/// A set of slots.
pub(super) type Bits<const W: usize> = [u64; W];

pub(super) fn has_bit<const W: usize>(bits: &Bits<W>, slot: u32) -> bool {
    bits[slot as usize / 64] >> (slot % 64) & 1 == 1
}

pub(super) fn set_bit<const W: usize>(bits: &mut Bits<W>, slot: u32) {
    bits[slot as usize / 64] |= 1 << (slot % 64);
}

pub(super) fn clear_bit<const W: usize>(bits: &mut Bits<W>, slot: u32) {
    bits[slot as usize / 64] &= !(1 << (slot % 64));
}

/// (position, place of the interval, whether it is the response) of every interval, in order of position. An interval
/// without a response has only its invocation.
pub(super) fn sort_interval_events(intervals: impl Iterator<Item = (u32, u32)>) -> Vec<(u32, u32, bool)> {
    let mut events = Vec::with_capacity(intervals.size_hint().0 * 2);
    for (place, (invoked, returned)) in (0u32..).zip(intervals) {
        events.push((invoked, place, false));
        if returned != histories::NEVER {
            events.push((returned, place, true));
        }
    }
    events.sort_unstable();
    events
}

/// How many slots are in use at once, at most.
pub(super) fn count_slots_needed(events: &[(u32, u32, bool)]) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for &(_, _, returns) in events {
        if returns {
            open -= 1;
        } else {
            open += 1;
            most = most.max(open);
        }
    }
    most
}
