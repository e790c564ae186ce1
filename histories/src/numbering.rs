//! The indexes of events, where they do not simply count from zero.
//!
//! Most histories number their lines 0, 1, 2, …. Some start at 1, and some have gaps where a filter removed events. A
//! column of numbers would cost 8 bytes per event and nearly always repeat "one more than the last". So only the
//! exceptions are stored: a *run* is a position and the index of the event there; the positions after it count on. A
//! history with random indexes costs 16 bytes per event; a history that counts from zero costs nothing.

/// The indexes of events, by position.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Numbering {
    /// Positions at which counting restarts, each with its index; in order of position. Before the first run, the index
    /// is the position.
    runs: Vec<(u32, u64)>,
    /// Whether the indexes may not grow from event to event.
    is_disordered: bool,
}

impl Numbering {
    /// The index of the event at `position`. O(log runs).
    pub(crate) fn index_at(&self, position: u32) -> u64 {
        let after = self.runs.partition_point(|&(start, _)| start <= position);
        match after.checked_sub(1) {
            Some(run) => self.runs[run].1 + u64::from(position - self.runs[run].0),
            None => u64::from(position),
        }
    }

    /// The first position with this index. It may lie beyond the last event. O(log runs) if indexes grow, else O(runs).
    pub(crate) fn position_of(&self, index: u64) -> Option<u32> {
        if !self.is_disordered {
            let (from, (start, first)) = match self.runs.partition_point(|&(_, first)| first <= index) {
                0 => (0, (0, 0)),
                after => (after, self.runs[after - 1]),
            };
            let position = u64::from(start) + (index - first);
            let end = self.runs.get(from).map_or(u32::MAX, |&(next, _)| next);
            return u32::try_from(position).ok().filter(|&position| position < end);
        }
        let first_run = self.runs.first().map_or(u64::from(u32::MAX), |&(start, _)| u64::from(start));
        if index < first_run {
            return Some(index as u32);
        }
        self.runs.iter().enumerate().find_map(|(at, &(start, first))| {
            let len = self.runs.get(at + 1).map_or(u32::MAX, |&(next, _)| next) - start;
            let steps = index.checked_sub(first).filter(|&steps| steps < u64::from(len))?;
            Some(start + steps as u32)
        })
    }

    /// Sets the index of the event at `position`, where the history has `count` events so far. The events after it keep
    /// their indexes; later events count on from the last one. O(1) for the last event, else O(runs).
    pub(crate) fn set_index(&mut self, position: u32, index: u64, count: u32) {
        // Before the first run, the index is the position.
        let (start, first) = self.runs.last().copied().unwrap_or((0, 0));
        if position > start && position + 1 == count {
            // The last event: no search is needed.
            let counted = first + u64::from(position - start);
            if counted != index {
                self.is_disordered |= index < counted;
                self.runs.push((position, index));
            }
            return;
        }
        if self.index_at(position) == index {
            return;
        }
        self.is_disordered |= position > 0 || position + 1 < count;
        if position + 1 < count {
            self.start_run(position + 1, self.index_at(position + 1));
        }
        self.start_run(position, index);
    }

    fn start_run(&mut self, position: u32, index: u64) {
        let at = self.runs.partition_point(|&(start, _)| start < position);
        match self.runs.get_mut(at) {
            Some(run) if run.0 == position => run.1 = index,
            _ => self.runs.insert(at, (position, index)),
        }
    }

    /// The memory of the runs in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.runs.len() * size_of::<(u32, u64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_zero_until_told_otherwise() {
        let mut numbering = Numbering::default();
        numbering.set_index(0, 0, 1);
        assert_eq!((numbering.index_at(7), numbering.memory_bytes()), (7, 0));
        numbering.set_index(2, 10, 3);
        numbering.set_index(3, 11, 4);
        numbering.set_index(4, 20, 5);
        assert_eq!([0, 1, 2, 3, 4, 5].map(|at| numbering.index_at(at)), [0, 1, 10, 11, 20, 21]);
        assert_eq!([1, 10, 11, 20].map(|index| numbering.position_of(index)), [1, 2, 3, 4].map(Some));
        assert_eq!(numbering.position_of(5), None);
        assert_eq!(numbering.runs.len(), 2);
    }

    #[test]
    fn an_event_renumbered_later_leaves_the_others_alone() {
        let mut numbering = Numbering::default();
        numbering.set_index(1, 50, 4);
        assert_eq!([0, 1, 2, 3].map(|at| numbering.index_at(at)), [0, 50, 2, 3]);
        numbering.set_index(0, 49, 4);
        assert_eq!([0, 1, 2, 3].map(|at| numbering.index_at(at)), [49, 50, 2, 3]);
    }

    #[test]
    fn growing_indexes_are_found_by_bisection() {
        for first in [0, 5] {
            let mut numbering = Numbering::default();
            let mut column: Vec<u64> = (0..200).map(|at| first + at + at / 3 * (at % 7)).collect();
            column.sort_unstable();
            column.dedup();
            for (position, &index) in (0..).zip(&column) {
                numbering.set_index(position, index, position + 1);
            }
            assert!(!numbering.is_disordered);
            for index in 0..column[column.len() - 1] {
                let expected = column.iter().position(|&other| other == index).map(|at| at as u32);
                assert_eq!(numbering.position_of(index), expected, "{index}");
            }
        }
    }

    /// Compares with a plain column of numbers.
    #[test]
    fn agrees_with_a_column() {
        let mut state = 7_u64;
        for _ in 0..300 {
            let (mut numbering, mut column) = (Numbering::default(), Vec::new());
            for position in 0..12_u32 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let counted = column.last().map_or(0, |last| last + 1);
                column.push(counted);
                let target = if state >> 63 == 1 { position } else { (state >> 40) as u32 % (position + 1) };
                let index = if state >> 60 & 1 == 1 { counted } else { 1000 + (state >> 33) % 50 };
                column[target as usize] = index;
                numbering.set_index(target, index, position + 1);
                for (at, &index) in column.iter().enumerate() {
                    assert_eq!(numbering.index_at(at as u32), index, "{column:?} {numbering:?}");
                    let first = column.iter().position(|&other| other == index).map(|at| at as u32);
                    assert_eq!(numbering.position_of(index), first, "{column:?} {numbering:?}");
                }
            }
        }
    }
}
