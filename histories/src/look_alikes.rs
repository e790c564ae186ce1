//! Values of one object that differ only in type: `83` and `"83"`.
//!
//! If a client writes numbers and reads strings, or the reverse, every read returns a value that nobody wrote. The two
//! values are different, so the verdict *violated* is correct. But a mistake in the recording is more likely than a
//! store that invents values, so the user is told about such pairs.

use crate::{Argument, History, KeyId, MicroKind, OpId, ValueId};
use rustc_hash::FxHashMap;

/// Two values of one object that differ only in type, with an operation for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LookAlikes {
    /// The object.
    pub key: KeyId,
    /// The value that occurs first, and the first operation that names it.
    pub first: (ValueId, OpId),
    /// The other value, and the first operation that names it.
    pub second: (ValueId, OpId),
}

impl History {
    /// Finds values that were written to or read from one object and differ only in type: a number and its string, `1`
    /// and `1.0`, a keyword and a string. Returns at most `max` pairs, in order of occurrence. O(n) time; memory for
    /// each value of each object.
    pub fn find_look_alikes(&self, max: usize) -> Vec<LookAlikes> {
        let mut found = Vec::new();
        // Only values with a look-alike anywhere in the history are examined per object.
        let suspects = self.group_look_alikes();
        if suspects.is_empty() {
            return found;
        }
        let mut first: FxHashMap<(KeyId, u32), (ValueId, OpId)> = FxHashMap::default();
        let mut told: FxHashMap<(KeyId, ValueId), ()> = FxHashMap::default();
        for id in self.ids() {
            for (key, value) in self.named_values(id) {
                let Some(&group) = suspects.get(&value) else { continue };
                let known = *first.entry((key, group)).or_insert((value, id));
                if known.0 != value && told.insert((key, value), ()).is_none() {
                    if found.len() == max {
                        return found;
                    }
                    found.push(LookAlikes { key, first: known, second: (value, id) });
                }
            }
        }
        found
    }

    /// The values that have the same text as another value once type marks are removed, each with the number of that
    /// text.
    fn group_look_alikes(&self) -> FxHashMap<ValueId, u32> {
        let ids = || (0..self.values.len() as u32).map(ValueId::from_raw);
        let mut groups: FxHashMap<&str, (u32, u32)> = FxHashMap::default();
        for value in ids() {
            let next = groups.len() as u32;
            groups.entry(strip_type_marks(self.value_text(value))).or_insert((next, 0)).1 += 1;
        }
        ids()
            .filter_map(|value| {
                let (group, count) = groups[strip_type_marks(self.value_text(value))];
                (count > 1).then_some((value, group))
            })
            .collect()
    }

    /// The objects and values that an operation names.
    fn named_values(&self, id: OpId) -> Vec<(KeyId, ValueId)> {
        let operation = self.operation(id);
        match operation.argument {
            Argument::Value(value) => vec![(operation.key, value), (operation.key, operation.result)],
            Argument::Pair(old, new) => vec![(operation.key, old), (operation.key, new)],
            Argument::Micros(range) => {
                let mut named = Vec::new();
                for micro in &self.micros()[range] {
                    match micro.kind {
                        MicroKind::ReadList => {
                            named.extend(self.list(micro.list()).iter().map(|&value| (micro.key, value)));
                        }
                        _ => named.push((micro.key, micro.value())),
                    }
                }
                named
            }
        }
    }
}

/// The text of a value without the marks of its type: the quotes of a string, the colon of a keyword, the `.0` of a
/// whole float.
fn strip_type_marks(json: &str) -> &str {
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(text) => text.strip_prefix(':').unwrap_or(text),
        None => json.strip_suffix(".0").unwrap_or(json),
    }
}

#[cfg(test)]
mod tests {
    use crate::format::{Format, from_text};

    fn told(values: &[(&str, &str)]) -> Vec<String> {
        let line = |(at, (key, value)): (usize, &(&str, &str))| {
            format!(r#"{{"process":{at},"type":"invoke","f":"write","key":"{key}","value":{value}}}"#)
        };
        let lines: Vec<String> = values.iter().enumerate().map(line).collect();
        let history = from_text(Format::Native, &lines.join("\n")).expect("a history");
        let text = |value| history.value_text(value).to_owned();
        let line = |pair: &super::LookAlikes| {
            let (one, other) = (pair.first, pair.second);
            let ids = (history.operation_index(one.1), history.operation_index(other.1));
            format!("{} {}@{} {}@{}", history.key_text(pair.key), text(one.0), ids.0, text(other.0), ids.1)
        };
        history.find_look_alikes(9).iter().map(line).collect()
    }

    #[test]
    fn a_number_and_its_text_are_told_once_for_each_object() {
        let values = [
            ("x", "83"),
            ("x", "\"83\""),
            ("x", "\"83\""),
            ("y", "\"83\""),
            ("x", "83.0"),
            ("x", "\":a\""),
            ("x", "\"a\""),
        ];
        assert_eq!(told(&values), ["x 83@0 \"83\"@1", "x 83@0 83.0@4", "x \":a\"@5 \"a\"@6"]);
    }

    #[test]
    fn values_of_different_objects_and_lists_are_no_look_alikes() {
        assert!(
            told(&[("x", "1"), ("y", "\"1\""), ("x", "[1]"), ("x", "10"), ("x", "null"), ("y", "\"nil\"")])
                .is_empty()
        );
    }
}
