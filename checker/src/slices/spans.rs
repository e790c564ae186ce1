//! Intervals of places, and their union.

/// The places from the lower to the higher end of a backward edge, both included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    /// The lowest place.
    pub low: u64,
    /// The highest place.
    pub high: u64,
    /// The indeterminate transaction that must have taken effect for the edge to exist. `None` if the edge exists in any case.
    pub only_if: Option<u64>,
}

/// Merges spans that share a place, whatever they depend on. The result is sorted and disjoint. O(n log n).
pub fn merge_spans(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (low, high) in spans {
        match merged.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::merge_spans;

    #[test]
    fn spans_that_share_a_place_are_one() {
        assert_eq!(merge_spans(vec![(8, 9), (1, 4), (4, 6), (2, 3), (12, 12)]), [(1, 6), (8, 9), (12, 12)]);
        assert_eq!(merge_spans(Vec::new()), []);
    }
}
