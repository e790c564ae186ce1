//! All small histories of reads and writes against brute force from the formulas: every level of registers, and every implication between
//! two of them.
//!
//! Random histories may miss a case for ever. These are all histories of a shape, up to the names of sessions, keys and values.

use super::{limits, reference, session_reference, single_reads, two_versions};
use checker::{Level, LevelImplication, Model, Property, Question, Verdict, level_implications};
use histories::History;
use std::collections::HashMap;
use std::ops::ControlFlow;
use testkit::{check_confirmed, draw_history};
use workloads::enumeration::{HistoryShape, HistoryVisitor, SmallHistory, SmallObjects, visit_histories};

/// What the formulas say of each level.
fn expected(history: &History, question: &Question) -> HashMap<Level, bool> {
    let objects = question.about_objects(history);
    let mut all = HashMap::new();
    all.extend(super::LEVELS.into_iter().zip(reference::holds(history, &objects)));
    all.extend(
        single_reads::LEVELS.into_iter().zip(single_reads::holds(history, &objects, &|a, b| a.precedes(b))),
    );
    all.extend(session_reference::LEVELS.into_iter().zip(session_reference::holds(history, &objects)));
    for (level, versions) in [(Level::Linearizable, 1), (Level::TwoAtomic, 2)] {
        all.insert(level, two_versions::holds(history, &objects, versions, &|a, b| a.precedes(b)));
    }
    all
}

struct Comparison {
    question: Question,
    implications: Vec<LevelImplication>,
    /// Of how many histories one is compared.
    step: usize,
    seen: usize,
    /// For each level: violated, and holds.
    counts: HashMap<Level, [u32; 2]>,
}

impl Comparison {
    fn new(step: usize) -> Self {
        let mut levels = Model::Register.comparable_properties();
        levels.retain(|level| matches!(level, Property::Level(_)));
        let implications = level_implications().filter(|edge| !edge.is_about_transactions()).collect();
        let question = testkit::question_about(Model::Register, &levels);
        Self { question, implications, step, seen: 0, counts: HashMap::new() }
    }

    fn compare(&mut self, history: &History) {
        let expected = expected(history, &self.question);
        let report = check_confirmed(history, &self.question, &limits());
        for answer in &report.answers {
            let Property::Level(level) = answer.property else { panic!("a level of registers") };
            let holds = match answer.verdict {
                Verdict::Holds(_) => true,
                Verdict::Violated(_) => false,
                _ => panic!("{} is not decided\n{}", level.name(), draw_history(history)),
            };
            assert_eq!(holds, expected[&level], "{}\n{}{answer:?}", level.name(), draw_history(history));
            self.counts.entry(level).or_default()[usize::from(holds)] += 1;
        }
        for edge in &self.implications {
            let of = |property: Property| match property {
                Property::Level(level) => expected[&level],
                _ => unreachable!("it is about objects"),
            };
            let (stronger, weaker) = (edge.stronger, edge.weaker);
            let told = || format!("{} -> {}\n{}", stronger.name(), weaker.name(), draw_history(history));
            assert!(!of(stronger) || of(weaker), "{}", told());
        }
    }
}

impl HistoryVisitor for Comparison {
    fn visit(&mut self, history: &SmallHistory) -> ControlFlow<()> {
        if self.seen.is_multiple_of(self.step) {
            self.compare(&history.to_history());
        }
        self.seen += 1;
        ControlFlow::Continue(())
    }
}

fn compare_all(shapes: &[&str], real_time: bool, step: usize) -> Comparison {
    let mut comparison = Comparison::new(step);
    for text in shapes {
        let mut shape = HistoryShape::parse(text, 2, 2, SmallObjects::Registers).expect("a shape");
        shape.real_time = real_time;
        visit_histories(&shape, &mut comparison).expect("it is small enough");
    }
    comparison
}

const SHAPES: [&str; 11] = ["1", "2", "3", "1+1", "2+1", "3+1", "2+2", "1+1+1", "2+1+1", "3+2", "2+2+1"];

#[test]
fn all_shapes_up_to_five_operations_agree_with_brute_force() {
    let found = compare_all(&SHAPES, false, 1);
    assert!(found.seen > 2_000, "{}", found.seen);
    // Without further knowledge monotonic-writes is never violated.
    let is_varied = |(level, counts): (&Level, &[u32; 2])| {
        *level == Level::MonotonicWrites || counts.iter().all(|&count| count > 20)
    };
    assert!(found.counts.iter().all(is_varied), "{:?}", found.counts);
}

#[test]
fn all_shapes_up_to_four_operations_agree_with_brute_force_in_real_time() {
    let found = compare_all(&SHAPES[..9], true, 1);
    assert!(found.seen > 3_000, "{}", found.seen);
}

#[test]
fn a_sample_of_five_operations_in_real_time_agrees_with_brute_force() {
    let found = compare_all(&["3+2", "2+2+1"], true, 40);
    assert!(found.seen > 10_000, "{}", found.seen);
}

/// One of 97 of a million histories.
#[test]
fn a_sample_of_eight_operations_agrees_with_brute_force() {
    let found = compare_all(&["3+3+2"], false, 97);
    assert!(found.seen > 1_000_000, "{}", found.seen);
}

#[test]
#[ignore = "takes minutes: all 600,000 histories of five operations in real time"]
fn all_shapes_of_five_operations_agree_with_brute_force_in_real_time() {
    let found = compare_all(&["3+2", "2+2+1"], true, 1);
    assert!(found.seen > 500_000, "{}", found.seen);
}
