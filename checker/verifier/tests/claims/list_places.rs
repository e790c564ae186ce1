//! Claims about whose appends stand where in a list: each rests on one condition that does not hold.
//!
//! Levels are argued by an order of the transactions that explains the drawing, or by the cycle that forbids one.

use claims::{
    CaseChoice, CaseEdge, CaseReason, CaseStep, IsolationLevel, ListPlace, Phenomenon, ReadChoice, Report,
    TransactionAnomaly, TransactionEvidence,
};
use histories::{History, MicroKind, OpId, ValueId, notation};
use testkit::{isolation_properties, model_of_transactions, question_about, verdict_of};
use verifier::{Standing, verify};

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).expect("a drawing")
}

fn op(number: u32) -> OpId {
    OpId::from_raw(number)
}

/// The standing of a proof that a level permits no execution.
fn standing_of_proof(history: &History, level: IsolationLevel, steps: &[CaseStep]) -> Standing {
    let question = question_about(model_of_transactions(history), &[]);
    let examples = vec![TransactionEvidence::Cases(steps.to_vec())];
    let anomaly = TransactionAnomaly { phenomenon: Phenomenon::Impossible(level), count: 1, examples };
    let report = Report { model: question.model, phenomena: vec![anomaly], ..Report::default() };
    verify(history, &question, &report, &claims::Limits::unbounded()).phenomena[0].clone()
}

fn verdict_on(history: &History, level: IsolationLevel) -> &'static str {
    let property = isolation_properties(&[level])[0];
    let report = testkit::check_all(history, model_of_transactions(history), &[property]);
    verdict_of(&report, property).name()
}

fn refuted_choices(assumed: Vec<CaseChoice>) -> CaseStep {
    CaseStep { assumed, cycle: Vec::new(), unexplained: Vec::new() }
}

/// Builds choices about one list.
struct ListChoices<'h> {
    history: &'h History,
    reader: OpId,
}

impl ListChoices<'_> {
    fn place(&self, writer: u32, start: Option<usize>) -> ListPlace {
        ListPlace { key: self.history.micros_of(op(writer))[0].key, writer: op(writer), start }
    }

    fn is_at(&self, writer: u32, start: usize) -> CaseChoice {
        CaseChoice::Placed(self.place(writer, Some(start)))
    }

    fn is_not_at(&self, writer: u32, start: usize) -> CaseChoice {
        CaseChoice::NotPlaced(self.place(writer, Some(start)))
    }

    fn reads_from(&self, writer: u32) -> CaseChoice {
        CaseChoice::ReadFrom(ReadChoice { reader: self.reader, place: 0, writer: Some(op(writer)) })
    }

    /// The reader began before this writer, from which it is said to have read.
    fn read_of_the_future(&self, writer: u32) -> CaseStep {
        let back = CaseEdge { from: op(writer), to: self.reader, why: CaseReason::Read(0) };
        let ahead = CaseEdge { from: self.reader, to: op(writer), why: CaseReason::RealTime };
        CaseStep { assumed: vec![self.reads_from(writer)], cycle: vec![back, ahead], unexplained: Vec::new() }
    }

    /// That the reader read from `early` is refuted if `late` must stand at 1, where `early` has its second element.
    fn proof(&self, early: u32, late: u32) -> Vec<CaseStep> {
        vec![
            refuted_choices(vec![self.is_not_at(late, 1)]),
            refuted_choices(vec![self.is_at(early, 0), self.is_at(late, 1)]),
            refuted_choices(vec![self.reads_from(early), self.is_not_at(early, 0)]),
            self.read_of_the_future(late),
            refuted_choices(Vec::new()),
        ]
    }
}

/// The list is what transaction 0 appended, and it was read before the others began: 0, 1, 2, 3 is a serial order in real time. The
/// appends of 2 and 3 would be the same list, but the part of 3 begins within that of 0, so that nothing says that it stands there.
#[test]
fn a_part_that_begins_within_another_need_not_stand_there() {
    let history =
        drawn("a: [t ax1 ax2]\nb:              [t rx(1,2)]\nc:                          [t ax1] [t ax2]");
    let level = IsolationLevel::StrictSerializable;
    assert_eq!(verdict_on(&history, level), "holds");
    let choices = ListChoices { history: &history, reader: op(1) };
    let found = standing_of_proof(&history, level, &choices.proof(0, 3));
    assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
}

/// Nothing but 2 and 3 explains the list, and both began after it was read.
#[test]
fn a_part_must_stand_where_nothing_else_can() {
    let history = drawn("b: [t rx(1,2)]\nc:             [t ax1] [t ax2]");
    let level = IsolationLevel::StrictSerializable;
    assert_eq!(verdict_on(&history, level), "violated");
    let choices = ListChoices { history: &history, reader: op(0) };
    let steps = vec![CaseStep {
        assumed: Vec::new(),
        cycle: choices.read_of_the_future(2).cycle,
        unexplained: Vec::new(),
    }];
    assert_eq!(standing_of_proof(&history, level, &steps), Standing::Confirmed);
}

/// Two transactions appended 1, and the list has two of them. One stands at each position, in either order.
#[test]
fn as_many_places_as_appends_contradict_nothing() {
    let history = drawn("a: [t ax1]\nb: [t ax1]\nc:         [t rx(1,1)]");
    let choices = ListChoices { history: &history, reader: op(2) };
    for level in [IsolationLevel::ReadUncommitted, IsolationLevel::StrongReadUncommitted] {
        assert_eq!(verdict_on(&history, level), "holds");
        let either = vec![
            refuted_choices(vec![choices.is_at(0, 0)]),
            refuted_choices(vec![choices.is_not_at(0, 0)]),
            refuted_choices(Vec::new()),
        ];
        let found = standing_of_proof(&history, level, &either);
        assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
    }
}

fn as_shown(choice: CaseChoice) -> CaseChoice {
    match choice {
        CaseChoice::Placed(place) => CaseChoice::Shown(place),
        CaseChoice::NotPlaced(place) => CaseChoice::NotShown(place),
        other => other,
    }
}

/// One transaction stands at one of two positions, and the other one at the other. Each step that says so stands by itself. They leave
/// open which, so that they prove nothing together.
#[test]
fn each_rule_about_places_is_a_step_and_no_proof() {
    let history = drawn("a: [t ax1]\nb: [t ax1]\nc:         [t rx(1,1)]");
    let choices = ListChoices { history: &history, reader: op(2) };
    let rules: [Vec<CaseChoice>; 3] = [
        // Two at one position.
        vec![choices.is_at(0, 0), choices.is_at(1, 0)],
        // One append at two positions.
        vec![choices.is_at(0, 0), choices.is_at(0, 1)],
        // Nobody at a position.
        vec![choices.is_not_at(0, 0), choices.is_not_at(1, 0)],
    ];
    // At read-uncommitted, the choice is whose element a list shows.
    for rule in rules.map(|rule| rule.into_iter().map(as_shown).collect::<Vec<_>>()) {
        let steps = [refuted_choices(rule.clone()), refuted_choices(Vec::new())];
        let found = standing_of_proof(&history, IsolationLevel::ReadUncommitted, &steps);
        let Standing::Refuted(why) = found else { panic!("{found:?}") };
        // The first step was accepted: the reason is about the last one.
        assert!(why.contains("assumed: []"), "{rule:?}: {why}");
        let halves = rule.iter().map(|choice| [refuted_choices(vec![*choice]), refuted_choices(Vec::new())]);
        for steps in halves {
            let found = standing_of_proof(&history, IsolationLevel::ReadUncommitted, &steps);
            let Standing::Refuted(why) = found else { panic!("{found:?}") };
            assert!(!why.contains("assumed: []"), "one choice alone: {why}");
        }
    }
}

/// Only two transactions that wrote the key and did not fail have an order on it that is open. No transaction precedes itself.
#[test]
fn an_order_is_open_between_two_writers_of_a_register() {
    let history = drawn("a: [t wx1] [t wx2] [t wy1] [t wx3 !");
    let key = history.micros_of(op(0))[0].key;
    let reason = |earlier: u32, later: u32| {
        let assumed = vec![CaseChoice::Before { key, earlier: op(earlier), later: op(later) }];
        let found = standing_of_proof(&history, IsolationLevel::Serializable, &[refuted_choices(assumed)]);
        let Standing::Refuted(why) = found else { panic!("{found:?}") };
        why
    };
    for (earlier, later) in [(0, 0), (0, 2), (2, 0), (0, 3), (3, 0)] {
        assert!(reason(earlier, later).contains("is no choice"), "{earlier} {later}");
    }
    assert!(reason(0, 1).contains("nothing shows"));
}

/// Whether a level forbids a cycle is what `check` says of a history that has it and no other anomaly.
#[test]
fn a_level_forbids_the_cycles_of_the_histories_that_violate_it() {
    let drawings = [
        // Each read what the other wrote.
        "a: [t wx1 ry1]\nb: [t wy1 rx1]",
        // Read skew, in both orders of the reads.
        "a: [t wx1 wy1]\nb: [t rx1 ry_]",
        "a: [t wx1 wy1]\nb: [t ry_ rx1]",
        // Write skew.
        "a: [t rx_ wy1]\nb: [t ry_ wx1]",
        // What was missed had been seen by another transaction.
        "a: [t wx1 wz1]\nb: [t rz1 wy1]\nc: [t ry1 rx_]",
        // Two readers see two writes in different orders.
        "a: [t wx1]\nb: [t wy1]\nc: [t rx1 ry_]\nd: [t ry1 rx_]",
    ];
    let mut counts = [0, 0];
    for drawing in drawings {
        let history = drawn(drawing);
        let cycles = closed_paths(&edges_of_reads(&history));
        for &level in IsolationLevel::ALL {
            let is_violated = verdict_on(&history, level) == "violated";
            let proof = |cycle: &Vec<CaseEdge>| CaseStep {
                assumed: Vec::new(),
                cycle: cycle.clone(),
                unexplained: Vec::new(),
            };
            let mut standings =
                cycles.iter().map(|cycle| standing_of_proof(&history, level, &[proof(cycle)]));
            let confirmed = standings.any(|standing| standing == Standing::Confirmed);
            assert_eq!(confirmed, is_violated, "{}: {drawing}", level.name());
            counts[usize::from(is_violated)] += 1;
        }
    }
    assert!(counts.iter().all(|&count| count > 40), "{counts:?}");
}

/// The transactions that read from one another, and that missed what others wrote, where each value was written once.
fn edges_of_reads(history: &History) -> Vec<CaseEdge> {
    let mut edges = Vec::new();
    for (reader, writer) in history.ids().flat_map(|one| history.ids().map(move |other| (one, other))) {
        for (place, read) in history.micros_of(reader).iter().enumerate() {
            let mut writes = history.micros_of(writer).iter();
            let is_write =
                |write: &&histories::Micro| write.kind == MicroKind::Write && write.key == read.key;
            let Some(write) = writes.find(is_write) else { continue };
            if reader == writer || read.kind != MicroKind::Read {
                continue;
            }
            if read.value() == write.value() {
                edges.push(CaseEdge { from: writer, to: reader, why: CaseReason::Read(place) });
            } else if read.value() == ValueId::NULL {
                let why = CaseReason::Missed { place, writer: None };
                edges.push(CaseEdge { from: reader, to: writer, why });
            }
        }
    }
    edges
}

/// The cycles of up to four edges.
fn closed_paths(edges: &[CaseEdge]) -> Vec<Vec<CaseEdge>> {
    let mut paths: Vec<Vec<CaseEdge>> = edges.iter().map(|edge| vec![edge.clone()]).collect();
    let mut closed = Vec::new();
    for _ in 1..4 {
        let mut longer = Vec::new();
        for path in &paths {
            let next = edges.iter().filter(|edge| path[path.len() - 1].to == edge.from);
            longer.extend(next.map(|edge| [&path[..], std::slice::from_ref(edge)].concat()));
        }
        closed.extend(longer.iter().filter(|path| path[path.len() - 1].to == path[0].from).cloned());
        paths = longer;
    }
    closed
}
