//! Values of one object that differ in type only: `83` and `"83"`.
//!
//! A client that writes numbers and reads texts, or the other way round, makes every read the read of a value that
//! nobody wrote. The values are two, and the verdict stands; but whoever reads it should be told of the mistake that is
//! more likely than a store that invents values.

use crate::{Argument, History, KeyId, MicroKind, OpId, ValueId};
use rustc_hash::FxHashMap;

/// Two values of one object that differ in type only, and an operation of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LookAlikes {
    /// The object.
    pub key: KeyId,
    /// The value that was met first, and the first operation that names it.
    pub first: (ValueId, OpId),
    /// The other value, and the first operation that names it.
    pub second: (ValueId, OpId),
}

impl History {
    /// Values that were written to or read from one object and differ in type only: a number and its text, `1` and
    /// `1.0`, a keyword and a string. At most `max` pairs, in the order in which they were met. O(n) time, and
    /// memory for each value of each object.
    pub fn find_look_alikes(&self, max: usize) -> Vec<LookAlikes> {
        let mut found = Vec::new();
        // Only values that have a look-alike anywhere in the history need be looked at by object.
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

    /// The values that share their text with another one, and the number of that text.
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

/// The text of a value without what tells its type: quotes, the colon of a keyword, the fraction of a whole float.
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
