//! How many operations there were over time: of the whole history by outcome, and of each session, key, node and kind.
//!
//! The page cannot hold a million operations, but it can hold how many of them fall into each bucket of time. With a row of
//! counts per name, a reader who selects one session of a long run sees all of its operations as a density, and not only
//! those that the page happens to hold. Counts are written in base 36 and zeros are left out. O(n) time; at most
//! [`ROWS_MAX`] rows of [`ROW_BUCKETS`] counts for each of the four columns.

use histories::{History, OpId};
use std::collections::HashMap;

/// Buckets of a row of counts of one name.
pub(super) const ROW_BUCKETS: usize = 200;
/// The most names of a column that have a row of counts: those with the most operations.
const ROWS_MAX: usize = 60;

/// Buckets of equal length over the time of a history.
pub(super) struct TimeBuckets {
    from: i64,
    to: i64,
    count: usize,
}

impl TimeBuckets {
    pub(super) fn new(from: i64, to: i64, count: usize) -> Self {
        assert!(from < to && count > 0, "time has an extent");
        Self { from, to, count }
    }

    /// The bucket of an operation: that of its completion, or of its invocation if it never completed.
    fn bucket_of(&self, history: &History, id: OpId) -> Option<usize> {
        let at = history.completed_at(id).or(history.invoked_at(id))?;
        let span = i128::from(self.to) - i128::from(self.from);
        let place = (i128::from(at) - i128::from(self.from)).max(0) * self.count as i128 / span;
        Some(usize::try_from(place).unwrap_or(0).min(self.count - 1))
    }
}

/// The counts of ok, failed and indeterminate operations in each bucket: `ok,failed,indeterminate;` with zeros left out.
pub(super) fn count_outcomes(history: &History, buckets: &TimeBuckets) -> String {
    let mut counts = vec![[0_u32; 3]; buckets.count];
    for id in history.ids() {
        if let Some(bucket) = buckets.bucket_of(history, id) {
            counts[bucket][history.outcome(id) as usize] += 1;
        }
    }
    let mut text = String::new();
    for [ok, fail, info] in counts {
        push_counts(&[ok, fail, info], &mut text);
        text.push(';');
    }
    text
}

/// The rows of the names with the most operations: each name's number in the column, and its counts. `name_of` gives the
/// number of an operation's name, or nothing.
pub(super) fn count_names(
    history: &History,
    buckets: &TimeBuckets,
    mut name_of: impl FnMut(OpId) -> Option<u32>,
) -> Vec<(u32, Vec<u32>)> {
    let mut totals: HashMap<u32, u32> = HashMap::new();
    for id in history.ids() {
        if let Some(name) = name_of(id) {
            *totals.entry(name).or_default() += 1;
        }
    }
    let mut most: Vec<(u32, u32)> = totals.into_iter().collect();
    most.sort_unstable_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    most.truncate(ROWS_MAX);
    let mut rows: Vec<(u32, Vec<u32>)> =
        most.iter().map(|&(name, _)| (name, vec![0; buckets.count])).collect();
    let places: HashMap<u32, usize> = most.iter().zip(0..).map(|(&(name, _), place)| (name, place)).collect();
    for id in history.ids() {
        let Some(place) = name_of(id).and_then(|name| places.get(&name)) else { continue };
        if let Some(bucket) = buckets.bucket_of(history, id) {
            rows[*place].1[bucket] += 1;
        }
    }
    rows
}

/// Appends counts in base 36, separated by commas, with zeros and the commas at the end left out.
pub(super) fn push_counts(counts: &[u32], text: &mut String) {
    let end = counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
    for (place, &count) in counts[..end].iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        if count > 0 {
            push_base36(u64::from(count), text);
        }
    }
}

/// Appends a number in base 36, as `parseInt(text, 36)` reads it.
pub(super) fn push_base36(mut number: u64, text: &mut String) {
    let mut digits = [0_u8; 13];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize];
        number /= 36;
        if number == 0 {
            break;
        }
    }
    text.extend(digits[at..].iter().map(|&digit| char::from(digit)));
}

/// Finds the nodes of operations. Events share the patterns of their notes, so each pattern is parsed once.
pub(super) struct NodeFinder<'a> {
    history: &'a History,
    /// The node of each pattern of notes, by its number; `None` if it names none.
    nodes: Vec<Option<u32>>,
    /// The names of the nodes.
    pub(super) names: Vec<String>,
}

impl<'a> NodeFinder<'a> {
    pub(super) fn from_history(history: &'a History) -> Self {
        let mut names: Vec<String> = Vec::new();
        let mut known: HashMap<String, u32> = HashMap::new();
        let mut node_of = |text: &str| {
            // Most notes without a node need not be parsed.
            let fields: serde_json::Value =
                text.contains("\"node\"").then(|| serde_json::from_str(text).ok())??;
            let node = match fields.get("node")? {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let next = names.len() as u32;
            Some(*known.entry(node).or_insert_with_key(|node| {
                names.push(node.clone());
                next
            }))
        };
        let nodes = history.note_patterns().map(|pattern| node_of(&pattern)).collect();
        Self { history, nodes, names }
    }

    /// The number of the node that an operation names. O(1).
    pub(super) fn node_of(&self, id: OpId) -> Option<u32> {
        let op = self.history.operation(id);
        [op.completed, op.invoked]
            .into_iter()
            .find_map(|position| self.nodes[self.history.note_pattern_of(position)? as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short_and_can_be_read_back() {
        let mut text = String::new();
        push_counts(&[0, 35, 36, 0, 1_000_000, 0], &mut text);
        assert_eq!(text, ",z,10,,lfls");
        assert_eq!(u64::from_str_radix("lfls", 36), Ok(1_000_000));
        text.clear();
        push_counts(&[0, 0], &mut text);
        assert_eq!(text, "");
    }
}
