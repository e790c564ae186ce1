//! Whether `safe` demands anything of a history: a read that overlaps no write.

use histories::{History, NEVER, Outcome};
use rustc_hash::FxHashMap;

/// Whether some completed read or compare-and-set overlaps no write of its object. Compare-and-sets that ended `info` do not count as
/// writes, because it is open whether they can have happened. O(n log n).
pub(crate) fn has_read_without_overlap(history: &History) -> bool {
    // For each object, the invocations and completions of its writes.
    let mut writes: FxHashMap<_, (Vec<u32>, Vec<u32>)> = FxHashMap::default();
    let effects = || history.operations().filter_map(|op| op.effect().map(|effect| (op, effect)));
    for (op, effect) in effects() {
        let is_certain = op.outcome == Outcome::Ok || effect.reads.is_none();
        if effect.writes.is_some() && is_certain && op.outcome != Outcome::Fail {
            let (invoked, completed) = writes.entry(op.key).or_default();
            invoked.push(op.invoked);
            completed.push(if op.outcome == Outcome::Ok { op.completed } else { NEVER });
        }
    }
    for (invoked, completed) in writes.values_mut() {
        invoked.sort_unstable();
        completed.sort_unstable();
    }
    let mut reads = effects().filter(|(op, effect)| op.outcome == Outcome::Ok && effect.reads.is_some());
    reads.any(|(op, effect)| {
        let Some((invoked, completed)) = writes.get(&op.key) else { return true };
        let began = invoked.partition_point(|&position| position < op.completed);
        let ended = completed.partition_point(|&position| position < op.invoked);
        began - ended == usize::from(effect.writes.is_some())
    })
}

#[cfg(test)]
mod tests {
    use claims::{Level, Limits, Model, Property, Question};
    use histories::format::{Format, from_text};

    /// The store gave versions to its writes, and every read overlapped a write. The engine said that nothing could have contradicted
    /// `safe`; the second check took the version of a write for an answer that could, and the check ended with an internal error.
    #[test]
    fn the_version_of_a_write_does_not_contradict_a_level_of_single_reads() {
        let lines = r#"{"process":1,"type":"invoke","f":"write","key":"x","value":1}
{"process":2,"type":"invoke","f":"read","key":"x"}
{"process":1,"type":"ok","f":"write","key":"x","value":1,"version":7}
{"process":2,"type":"ok","f":"read","key":"x","value":1}
"#;
        let history = from_text(Format::Native, lines).expect("a history");
        let asked = Some(vec![Property::Level(Level::Safe)]);
        let question = Question { asked, ..Question::about(Model::Register) };
        let report =
            crate::check(&history, &question, &Limits::unbounded()).expect("the second check agrees");
        assert_eq!(report.answers[0].verdict.name(), "untested");
    }
}
