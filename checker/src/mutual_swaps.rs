//! Indeterminate compare-and-sets that can only have happened together: each expects what another of them wrote.
//!
//! The engines assume that an indeterminate compare-and-set happened only if its expected value goes back to the initial value or to a
//! write. If two of them each expect what the other wrote, the engines assume that neither happened. At the causal levels this is right, because
//! such a circle violates them in any case. The levels that judge each read by itself, and `pram` and `slow-memory`, permit the circle.

use claims::{Level, Limits, ObjectQuestion, UntilStopped, Verdict};
use histories::{Function, History, KeyId, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

/// The verdict, or *unknown* if it is a violation that such compare-and-sets might explain. O(n) for a violation, and otherwise O(1).
pub(crate) fn doubt_mutual_swaps(
    verdict: Verdict,
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> Verdict {
    let permits_circles = level.judges_single_reads() || matches!(level, Level::Pram | Level::SlowMemory);
    if !permits_circles || !matches!(verdict, Verdict::Violated(_)) {
        return verdict;
    }
    match find_mutual_swap(history, question, limits) {
        Some(op) => Verdict::unknown(format!(
            "indeterminate compare-and-sets expect what the others of them wrote, such as operation {}. Whether they took effect together \
             is not decided for this level",
            history.operation_index(op)
        )),
        None => verdict,
    }
}

/// One of the compare-and-sets that justify one another, if an answer shows what one of them wrote. Without such an answer, nothing is
/// easier to explain if they happened. O(n).
fn find_mutual_swap(history: &History, question: &ObjectQuestion, limits: &Limits<'_>) -> Option<OpId> {
    let is_doubtful =
        |op: OpId| history.function(op) == Function::CAS && history.outcome(op) == Outcome::Info;
    // What waits for its expected value to be written, by that value.
    let mut waiting: FxHashMap<(KeyId, ValueId), Vec<(OpId, ValueId)>> = FxHashMap::default();
    for op in history.ids().until_stopped(limits.stop).filter(|&op| is_doubtful(op)) {
        let effect = history.effect(op)?;
        if let (Some(old), Some(new)) = (effect.reads, effect.writes) {
            waiting.entry((history.key(op), old)).or_default().push((op, new));
        }
    }
    if waiting.is_empty() {
        return None;
    }
    // Everything that goes back to a write or to the initial value is explained.
    let mut present: Vec<(KeyId, ValueId)> =
        waiting.keys().copied().filter(|&(key, old)| old == question.initial.value_of_key(key)).collect();
    for op in history.ids().until_stopped(limits.stop) {
        if history.outcome(op) != Outcome::Fail && !is_doubtful(op) {
            let written = history.effect(op).and_then(|effect| effect.writes);
            present.extend(written.map(|value| (history.key(op), value)));
        }
    }
    while let Some((key, value)) = present.pop() {
        let explained = waiting.remove(&(key, value)).unwrap_or_default();
        present.extend(explained.into_iter().map(|(_, new)| (key, new)));
    }
    take_unfounded_away(&mut waiting);
    let written: FxHashMap<(KeyId, ValueId), OpId> = (waiting.iter())
        .flat_map(|(&(key, _), swaps)| swaps.iter().map(move |&(op, new)| ((key, new), op)))
        .collect();
    let answers = history.ids().until_stopped(limits.stop).filter(|&op| history.outcome(op) == Outcome::Ok);
    let mut shown = answers.filter_map(|op| {
        let read = history.effect(op).and_then(|effect| effect.reads)?;
        written.get(&(history.key(op), read)).copied()
    });
    if written.is_empty() { None } else { shown.next() }
}

/// Takes away the operations whose expected value no *other* one writes, again and again. O(n).
fn take_unfounded_away(waiting: &mut FxHashMap<(KeyId, ValueId), Vec<(OpId, ValueId)>>) {
    let mut writers: FxHashMap<(KeyId, ValueId), usize> = FxHashMap::default();
    for ((key, _), swaps) in &*waiting {
        swaps.iter().for_each(|&(_, new)| *writers.entry((*key, new)).or_default() += 1);
    }
    let mut suspects: Vec<(KeyId, ValueId)> = waiting.keys().copied().collect();
    while let Some((key, old)) = suspects.pop() {
        let others = |new: ValueId, all: usize| all - usize::from(new == old && all > 0);
        let all = writers.get(&(key, old)).copied().unwrap_or(0);
        let Some(swaps) = waiting.get_mut(&(key, old)).filter(|_| all <= 1) else { continue };
        for (_, new) in swaps.extract_if(.., |&mut (_, new)| others(new, all) == 0) {
            let left = writers.get_mut(&(key, new)).expect("it was counted");
            *left -= 1;
            // With two writers left, each operation has another one than itself.
            suspects.extend((*left <= 1).then_some((key, new)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> History {
        histories::notation::parse(text).expect("a drawing")
    }

    #[test]
    fn only_a_circle_counts() {
        let about =
            |history: &History| claims::Question::about(claims::Model::CasRegister).about_objects(history);
        let found = |text: &str| {
            let history = drawn(text);
            let op = find_mutual_swap(&history, &about(&history), &Limits::unbounded());
            op.map(|op| history.operation_index(op))
        };
        assert_eq!(found("a: [c3>2 ?\nb: [c2>3 ?\nc: [r2]"), Some(0));
        assert_eq!(found("a: [c3>2 ?\nb: [c2>3 ?\nc: [r7]"), None, "no answer shows 2 or 3");
        assert_eq!(found("a: [c4>2 ?\nb: [c2>3 ?\nc: [r2]"), None, "4 is written by nobody");
        assert_eq!(found("a: [c3>2 ?\nb: [c2>3 ?\nc: [w3]"), None, "3 was written");
        assert_eq!(found("a: [c2>2 ?\nc: [r2]"), None, "an operation does not find its own value");
        assert!(found("a: [c2>2 ?\nb: [c2>2 ?\nc: [r2]").is_some());
        assert_eq!(found("a: [c3>2 ?\nb: [c2>4 ?\nc: [c4>3 ?\nd: [c5>9 ?\ne: [r2]"), Some(0));
    }

    /// The same with outcomes that are known holds, so the other is no violation.
    #[test]
    fn what_a_circle_might_explain_is_unknown() {
        for level in [
            Level::Pram,
            Level::SlowMemory,
            Level::Regular,
            Level::RegularWriteOrder,
            Level::ConsistentPrefix,
        ] {
            let verdict = |text: &str| {
                let question = claims::Question::about(claims::Model::CasRegister);
                let question =
                    claims::Question { asked: Some(vec![claims::Property::Level(level)]), ..question };
                let report = crate::check(&drawn(text), &question, &Limits::unbounded()).expect("a report");
                report.answers[0].verdict.name()
            };
            assert_eq!(verdict("a: [c3>2]\nb: [c2>3]\nc:      [r2]"), "holds", "{level:?}");
            assert_eq!(verdict("a: [c3>2 ?\nb: [c2>3 ?\nc:      [r2]"), "unknown", "{level:?}");
            assert_eq!(verdict("a: [c4>2 ?\nb: [c2>3 ?\nc:      [r2]"), "violated", "{level:?}");
        }
    }
}
