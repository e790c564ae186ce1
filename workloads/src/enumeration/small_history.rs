//! One history of an enumeration, and its images under renaming.

use super::shape::{HistoryShape, SmallObjects, SmallStep};
use histories::History;
use std::fmt::Write as _;

/// The bits of one value in a result. Values are 1, 2, …, up to [`super::STEPS_MAX`].
const VALUE_BITS: u32 = 4;

/// A small history. Every operation ended `ok`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmallHistory {
    objects: SmallObjects,
    /// The number of operations of each session.
    sessions: Vec<usize>,
    /// The reads and writes of each operation, session by session.
    operations: Vec<Vec<SmallStep>>,
    /// The first and the last point in time of each operation. Several may share a point.
    pub(super) spans: Vec<(u8, u8)>,
}

/// A renaming of sessions and keys.
pub(super) struct Symmetry {
    /// The operations in their new order, by their old positions.
    pub(super) operations: Vec<usize>,
    /// The new name of each key.
    pub(super) keys: Vec<u8>,
}

/// All permutations of keys, combined with all permutations of sessions with equally many operations. The identity is
/// left out.
pub(super) fn list_symmetries(shape: &HistoryShape) -> Vec<Symmetry> {
    let mut all = Vec::new();
    for sessions in list_permutations(shape.sessions.len()) {
        if sessions.iter().enumerate().any(|(new, &old)| shape.sessions[new] != shape.sessions[old]) {
            continue;
        }
        let first = |session: usize| shape.sessions[..session].iter().sum::<usize>();
        let moved = sessions.iter().flat_map(|&old| first(old)..first(old) + shape.sessions[old]);
        let operations: Vec<usize> = moved.collect();
        for keys in list_permutations(shape.keys) {
            let keys = keys.into_iter().map(|key| key as u8).collect();
            all.push(Symmetry { operations: operations.clone(), keys });
        }
    }
    // The identity comes first.
    all.remove(0);
    all
}

/// All permutations of 0..n, the identity first. For the few sessions and keys of a shape.
fn list_permutations(n: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..n {
        let longer = |part: &Vec<usize>| -> Vec<Vec<usize>> {
            let free = (0..n).filter(|next| !part.contains(next));
            free.map(|next| [part.as_slice(), &[next]].concat()).collect()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

impl SmallHistory {
    /// A history whose writes are numbered and whose reads have no result yet.
    pub(super) fn from_skeleton(shape: &HistoryShape, chosen: &[&[SmallStep]]) -> SmallHistory {
        let mut written = vec![0; shape.keys];
        let mut operations: Vec<Vec<SmallStep>> = chosen.iter().map(|steps| steps.to_vec()).collect();
        for step in operations.iter_mut().flatten().filter(|step| step.is_write) {
            written[usize::from(step.key)] += 1;
            step.result = written[usize::from(step.key)];
        }
        let spans = vec![(0, 0); operations.len()];
        SmallHistory { objects: shape.objects, sessions: shape.sessions.clone(), operations, spans }
    }

    /// The possible results of each read.
    pub(super) fn list_read_options(&self) -> Vec<Vec<u64>> {
        let reads = self.operations.iter().flatten().filter(|step| !step.is_write);
        reads.map(|read| self.list_results(self.write_count(read.key))).collect()
    }

    fn write_count(&self, key: u8) -> u64 {
        self.operations.iter().flatten().filter(|step| step.is_write && step.key == key).count() as u64
    }

    fn list_results(&self, writes: u64) -> Vec<u64> {
        if self.objects != SmallObjects::TransactionsOverLists {
            return (0..=writes).collect();
        }
        let mut lists = vec![0];
        let mut from = 0;
        while from < lists.len() {
            let list = lists[from];
            let longer = (1..=writes).filter(|&value| values_of(list).all(|known| known != value));
            lists.extend(longer.map(|value| list << VALUE_BITS | value).collect::<Vec<_>>());
            from += 1;
        }
        lists
    }

    /// Sets the result of each read to one of its options.
    pub(super) fn set_read_results(&mut self, options: &[Vec<u64>], results: &[usize]) {
        let reads = self.operations.iter_mut().flatten().filter(|step| !step.is_write);
        for ((read, options), &result) in reads.zip(options).zip(results) {
            read.result = options[result];
        }
    }

    pub(super) fn set_spans(&mut self, spans: &[(u8, u8)]) {
        self.spans.copy_from_slice(spans);
    }

    /// Whether no renaming leads to a smaller encoding.
    pub(super) fn is_least_of_class(&self, symmetries: &[Symmetry]) -> bool {
        if symmetries.is_empty() {
            return true;
        }
        let same: Vec<usize> = (0..self.operations.len()).collect();
        let own = self.encode(&Symmetry { operations: same, keys: (0..super::KEYS_MAX as u8).collect() });
        symmetries.iter().all(|symmetry| own <= self.encode(symmetry))
    }

    /// The renamed history as numbers. Two histories have the same encoding only if they are the same.
    pub(super) fn encode(&self, symmetry: &Symmetry) -> Vec<u64> {
        // By new key: the new name of each value. Values are named in the order of their writes.
        let mut names = [[0u64; 1 << VALUE_BITS]; super::KEYS_MAX];
        let mut written = [0u64; super::KEYS_MAX];
        let moved = || symmetry.operations.iter().map(|&old| (&self.operations[old], self.spans[old]));
        for step in moved().flat_map(|(steps, _)| steps).filter(|step| step.is_write) {
            let key = usize::from(symmetry.keys[usize::from(step.key)]);
            written[key] += 1;
            names[key][step.result as usize] = written[key];
        }
        let mut code = Vec::with_capacity(3 * self.operations.len());
        for (steps, span) in moved() {
            code.push((steps.len() as u64) << 16 | u64::from(span.0) << 8 | u64::from(span.1));
            for step in steps {
                let key = symmetry.keys[usize::from(step.key)];
                let values = values_of(step.result);
                let renamed =
                    values.fold(0, |sum, value| sum << VALUE_BITS | names[usize::from(key)][value as usize]);
                code.push(u64::from(!step.is_write) << 60 | u64::from(key) << 56 | renamed);
            }
        }
        code
    }

    /// The number of reads and writes.
    pub fn step_count(&self) -> usize {
        self.operations.iter().map(Vec::len).sum()
    }

    /// The number of operations.
    pub fn operation_count(&self) -> usize {
        self.operations.len()
    }

    /// The history in the notation of [`histories::notation`]: one line for each session.
    pub fn draw(&self) -> String {
        let texts: Vec<String> = self.operations.iter().map(|steps| self.draw_operation(steps)).collect();
        let points = self.spans.iter().map(|span| usize::from(span.1) + 1).max().unwrap_or(0);
        // The columns of `[` and `]` at each point.
        let (mut opening, mut closing) = (vec![0; points], vec![0; points]);
        for point in 0..points {
            opening[point] = if point == 0 { 3 } else { closing[point - 1] + 2 };
            let ending = (0..texts.len()).filter(|&at| usize::from(self.spans[at].1) == point);
            let needed = ending.map(|at| opening[usize::from(self.spans[at].0)] + texts[at].len() + 1);
            closing[point] = needed.max().unwrap_or(0).max(opening[point] + 1);
        }
        let mut drawing = String::new();
        let mut at = 0;
        for (session, &count) in self.sessions.iter().enumerate() {
            let mut line = format!("{}:", (b'a' + session as u8) as char);
            for (text, span) in texts[at..at + count].iter().zip(&self.spans[at..at + count]) {
                let (from, to) = (opening[usize::from(span.0)], closing[usize::from(span.1)]);
                let _ = write!(
                    line,
                    "{:pad$}[{text:<width$}]",
                    "",
                    pad = from - line.len(),
                    width = to - from - 1
                );
            }
            at += count;
            let _ = writeln!(drawing, "{line}");
        }
        drawing
    }

    fn draw_operation(&self, steps: &[SmallStep]) -> String {
        let is_list = self.objects == SmallObjects::TransactionsOverLists;
        let write = if is_list { 'a' } else { 'w' };
        let text = |step: &SmallStep| {
            let key = (b'x' + step.key) as char;
            let values: Vec<String> = values_of(step.result).map(|value| value.to_string()).collect();
            match (step.is_write, self.objects) {
                (true, SmallObjects::Registers) => format!("{key}.w{}", step.result),
                (true, _) => format!("{write}{key}{}", step.result),
                (false, SmallObjects::TransactionsOverLists) => format!("r{key}({})", values.join(",")),
                (false, objects) => {
                    let value = values.first().map_or("_", String::as_str);
                    if objects == SmallObjects::Registers {
                        format!("{key}.r{value}")
                    } else {
                        format!("r{key}{value}")
                    }
                }
            }
        };
        let texts: Vec<String> = steps.iter().map(text).collect();
        if self.objects == SmallObjects::Registers {
            texts.concat()
        } else {
            format!("t {}", texts.join(" "))
        }
    }

    /// The history that the drawing shows.
    ///
    /// # Panics
    /// Never: every drawing that [`SmallHistory::draw`] makes can be parsed.
    pub fn to_history(&self) -> History {
        histories::notation::parse(&self.draw()).expect("a drawing")
    }
}

/// The values of a result, in their order.
fn values_of(result: u64) -> impl Iterator<Item = u64> {
    let digits = u64::BITS / VALUE_BITS;
    (0..digits).rev().map(move |at| result >> (at * VALUE_BITS) & 0xf).filter(|&value| value != 0)
}
