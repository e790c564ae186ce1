//! CC, CCv, CM and PRAM: against brute force on random small histories, and on the examples of the literature.

#[path = "../sessions/generator.rs"]
mod generator;
mod reference;

use checker::check::{Answer, Assume, Evidence, FailedCas, Model, Question, Witness, check};
use checker::{Level, Limits, Verdict, causality};
use generator::{Random, Run, Shape};
use histories::{Argument, History, OpId, ValueId, notation};
use reference::LEVELS;
use std::sync::atomic::AtomicBool;

static NEVER_STOP: AtomicBool = AtomicBool::new(false);

fn limits() -> Limits<'static> {
    Limits { steps: 1_000_000, bytes: 1 << 26, stop: &NEVER_STOP }
}

fn question(initial: ValueId) -> Question {
    Question {
        model: Model::CasRegister,
        initial,
        failed_cas: FailedCas::SaysNothing,
        assume: Assume::default(),
    }
}

/// The history of a seed, and a question of it: values mostly differ.
fn random(seed: u64) -> (History, Question) {
    let mut random = Random(seed);
    let often = |random: &mut Random, percent| if random.chance(50) { 0 } else { percent };
    let shape = Shape {
        operations: 4 + random.below(4),
        sessions: 2 + random.below(2),
        keys: 1 + random.below(2),
        tabs: if random.chance(75) { 1 } else { 2 },
        repeats: 0,
        cas: often(&mut random, 30),
        info: often(&mut random, 30),
        fail: often(&mut random, 10),
        mad: often(&mut random, 5),
        stale: 20 + random.below(70),
        tokens: false,
        hangs: 5,
        writes: 4,
    };
    let initial = if random.chance(80) { "null" } else { "0" };
    let history = Run::new(random, shape, initial).history();
    let initial = history.values.get(initial).expect("it was interned first");
    (history, question(initial))
}

/// A history as a person reads it, for the message of a failure.
fn drawn(history: &History) -> String {
    let line = |op: OpId| {
        let row = history.operation(op);
        let argument = match row.argument {
            Argument::Pair(old, new) => format!("{} > {}", history.value_text(old), history.value_text(new)),
            _ => history.value_text(row.value()).to_owned(),
        };
        format!(
            "{}: {} {} {} {argument} -> {} [{}, {}] {:?}\n",
            history.index(op),
            history.session_text(row.session),
            history.key_text(row.key),
            history.function_name(row.function),
            history.value_text(row.result),
            row.invoked,
            row.completed,
            row.outcome,
        )
    };
    history.ids().map(line).collect()
}

/// Whether some session has operations in flight together: then CM and PRAM may be unknown.
fn overlaps(history: &History) -> bool {
    let all: Vec<_> = history.operations().collect();
    all.iter()
        .any(|a| all.iter().any(|b| a.id < b.id && a.session == b.session && !(a.completed < b.invoked)))
}

/// The answer for one level, its evidence checked.
fn answer(history: &History, level: Level, question: &Question) -> Answer {
    let answer = check(history, level, question, &limits());
    let told = || format!("{} {question:?}\n{}{:?}", level.name(), drawn(history), answer.verdict);
    if let Err(why) = causality::recheck::verdict(history, level, question, &answer.verdict) {
        panic!("the evidence does not hold: {why}\n{}", told());
    }
    if let Verdict::Violated(anomalies) = &answer.verdict {
        for anomaly in anomalies {
            assert!(!anomaly.operations.is_empty(), "{}", told());
            if let Evidence::Causality(found) = &anomaly.evidence {
                assert!(!causality::explain::sentence(history, found).is_empty());
            }
        }
    }
    answer
}

#[test]
fn agrees_with_brute_force_on_random_histories() {
    // By level: violated, holds, unknown; and how often a level holds and another does not.
    let mut counts = [[0u32; 3]; 4];
    let mut differ = [[0u32; 4]; 4];
    for seed in 0..30_000 {
        let (history, question) = random(seed);
        if reference::is_open(&history, &question) {
            continue;
        }
        let expected = reference::holds(&history, &question);
        for (at, level) in LEVELS.into_iter().enumerate() {
            let answer = answer(&history, level, &question);
            let told = || format!("seed {seed}, {}\n{}{:?}", level.name(), drawn(&history), answer.verdict);
            let place = match answer.verdict {
                Verdict::Violated(_) => {
                    assert!(!expected[at], "violated, but an execution fits\n{}", told());
                    0
                }
                Verdict::Holds(_) => {
                    assert!(expected[at], "holds, but no execution fits\n{}", told());
                    1
                }
                Verdict::Unknown(_) => {
                    let may = at >= 2 && overlaps(&history);
                    assert!(may, "unknown\n{}", told());
                    2
                }
            };
            counts[at][place] += 1;
        }
        let [cc, ccv, cm, pram] = expected;
        assert!((!ccv || cc) && (!cm || cc && pram), "seed {seed}: {expected:?}\n{}", drawn(&history));
        let linearizable = check(&history, Level::Linearizable, &question, &limits());
        if matches!(linearizable.verdict, Verdict::Holds(_)) {
            assert_eq!(expected, [true; 4], "seed {seed}\n{}", drawn(&history));
        }
        if ccv {
            // One order of the writes that all agree on is one version order for all four guarantees.
            let session = check(&history, Level::Session, &question, &limits());
            assert_eq!(session.verdict.name(), "holds", "seed {seed}\n{}", drawn(&history));
        }
        for (one, &holds) in expected.iter().enumerate() {
            (0..4).for_each(|other| differ[one][other] += u32::from(holds && !expected[other]));
        }
    }
    // What was tested must be worth it.
    assert!(counts.iter().all(|one| one[0] > 1_000 && one[1] > 1_000), "{counts:?}");
    assert!(counts.iter().map(|one| one[2]).sum::<u32>() < 300, "{counts:?}");
    // CC without CCv, without CM, CCv without CM, CM without CCv, PRAM without CC.
    let apart = [differ[0][1], differ[0][2], differ[1][2], differ[2][1], differ[3][0]];
    assert!(apart.iter().all(|&count| count > 3), "{apart:?}");
}

/// The verdicts of the four levels on a drawing: CC, CCv, CM, PRAM.
fn verdicts(drawing: &str) -> [&'static str; 4] {
    let history = notation::parse(drawing).expect("a drawing");
    LEVELS.map(|level| answer(&history, level, &question(ValueId::NULL)).verdict.name())
}

const H: &str = "holds";
const V: &str = "violated";

/// The histories of figure 3 of Bouajjani et al. 2017, and what tells PRAM apart.
#[test]
fn the_levels_differ_where_the_literature_says_so() {
    // Each session sees the other's write after its own: no one order of the two, but an order for each.
    assert_eq!(verdicts("a: [w1] [r2]\nb: [w2] [r1]"), [H, V, H, H]);
    // With x=1 before x=2 everybody agrees. But b wrote x=2, missed z=1, and then saw y=1, which came after x=1: in its
    // own order x=1 comes after x=2, and it cannot read x=2 again.
    let seen_back = "a: [z.w1] [x.w1] [y.w1]\nb: [x.w2] [z.r_] [y.r1] [x.r2]";
    assert_eq!(verdicts(seen_back), [H, H, V, V]);
    // 1 and 2 know nothing of each other, so neither overwrites the other; but b sees 1 after 2, and then 2 after 1.
    assert_eq!(verdicts("a: [w1]\nb: [w2] [r1] [r2]"), [H, V, V, V]);
    // b answers what it saw of a, so x=1 is older than x=2, and c goes back. To PRAM it does not matter what b saw.
    let answered = "a: [x.w1] [y.w1]\nb: [y.r1] [x.w2]\nc: [x.r2] [x.r1]";
    assert_eq!(verdicts(answered), [V, V, V, H]);
    // Nor that c misses the cause of what it sees.
    assert_eq!(verdicts("a: [x.w1]\nb: [x.r1] [y.w1]\nc: [y.r1] [x.r_]"), [V, V, V, H]);
    // Others' writes must arrive in the order of their session.
    assert_eq!(verdicts("a: [x.w1] [y.w1]\nb: [y.r1] [x.r_]"), [V; 4]);
    // Stale, but in order: all hold, and it is not linearizable.
    assert_eq!(verdicts("a: [w1] [w2]\nb:               [r1] [r2]"), [H; 4]);
    // Two sessions that each read what the other is about to write: a circle, which PRAM cannot see.
    assert_eq!(verdicts("a: [x.r1] [y.w1]\nb: [y.r1] [x.w1]"), [V, V, V, H]);
}

#[test]
fn what_took_effect_is_told_by_who_read_it() {
    // An indeterminate write that somebody read is part of the order of its session; one that nobody read is nothing.
    assert_eq!(verdicts("a: [w1] [w2 ?\nb: [r2] [r1]"), [V; 4]);
    assert_eq!(verdicts("a: [w1] [w2 ?\nb: [r1] [r_]"), [V; 4]);
    assert_eq!(verdicts("a: [w1 ?\nb: [r_] [r_]"), [H; 4]);
    // A compare-and-set reads and writes at one moment.
    assert_eq!(verdicts("a: [w1] [c1>2]\nb: [r2] [r1]"), [V; 4]);
    // Two that replaced the same version: each session may see its own. One order for all cannot have both, but each of
    // the two had only its own past to answer for.
    assert_eq!(verdicts("a: [w1] [c1>2]\nb: [c1>3]"), [H; 4]);
    // What failed or was never written is no execution's.
    assert_eq!(verdicts("a: [w1 !\nb: [r1]"), [V; 4]);
    assert_eq!(verdicts("a: [r9]"), [V; 4]);
}

/// Tabs of one session are not in order with each other, and still see one order together.
#[test]
fn a_session_with_two_tabs_has_one_order() {
    assert_eq!(verdicts("a: [w1]   [r2]\nb: [w2]\na:     [r1       ]"), [H; 4]);
    assert_eq!(verdicts("a: [w1][w2]\nb: [r2    ]\nb:  [r1 ]"), [H; 4]);
    assert_eq!(verdicts("a: [w1][w2]\nb: [r2]\nb:     [r1]"), [V; 4]);
}

#[test]
fn a_value_that_was_written_twice_and_read_is_named() {
    let history = notation::parse("a: [w1] [w1]\nb: [r1]").expect("a drawing");
    for level in LEVELS {
        let Verdict::Unknown(unknown) = answer(&history, level, &question(ValueId::NULL)).verdict else {
            panic!("{}", level.name())
        };
        assert!(unknown.reason.starts_with("1 was written more than once"), "{}", unknown.reason);
    }
    assert_eq!(verdicts("a: [w1] [w1]\nb: [r_] [w2] [r2]"), [H; 4]);
}

#[test]
fn limits_make_it_unknown() {
    let (history, question) = random(7);
    let stop = AtomicBool::new(true);
    for level in LEVELS {
        let limits = Limits { bytes: 100, ..limits() };
        assert_eq!(check(&history, level, &question, &limits).verdict.name(), "unknown");
    }
    let history = notation::parse("a: [w1] [r1]").expect("a drawing");
    for level in LEVELS {
        let limits = Limits { stop: &stop, ..limits() };
        assert_eq!(check(&history, level, &question, &limits).verdict.name(), "unknown", "{}", level.name());
    }
}

/// The second check must refuse what does not follow.
#[test]
fn evidence_that_was_tampered_with_is_refused() {
    let refused =
        |history: &History, level: Level, verdict: &Verdict<Witness, Vec<checker::check::Anomaly>>| {
            causality::recheck::verdict(history, level, &question(ValueId::NULL), verdict).is_err()
        };
    let history = notation::parse("a: [w1] [w2]\nb: [r1] [r2]").expect("a drawing");
    for level in LEVELS {
        let found = answer(&history, level, &question(ValueId::NULL)).verdict;
        let changed = |change: &dyn Fn(&mut Vec<causality::View>)| {
            let Verdict::Holds(Witness::Views(mut views)) = found.clone() else { panic!("it holds") };
            change(&mut views);
            refused(&history, level, &Verdict::Holds(Witness::Views(views)))
        };
        assert!(!changed(&|_| ()));
        assert!(changed(&|views| views[0].operations.reverse()));
        assert!(changed(&|views| {
            let _ = views[0].operations.pop();
        }));
        assert!(changed(&Vec::clear));
    }
    let drawing = "a: [z.w1] [x.w1] [y.w1]\nb: [x.w2] [z.r_] [y.r1] [x.r2]";
    let history = notation::parse(drawing).expect("a drawing");
    let found = answer(&history, Level::CausalMemory, &question(ValueId::NULL)).verdict;
    let changed = |level, change: &dyn Fn(&mut causality::Contradiction)| {
        let Verdict::Violated(mut anomalies) = found.clone() else { panic!("it is violated") };
        let Evidence::Causality(found) = &mut anomalies[0].evidence else { panic!("by a contradiction") };
        change(found);
        refused(&history, level, &Verdict::Violated(anomalies))
    };
    assert!(!changed(Level::CausalMemory, &|_| ()));
    assert!(changed(Level::CausalMemory, &|found| found.session = None));
    assert!(changed(Level::CausalMemory, &|found| found.inferred.clear()));
    assert!(changed(Level::CausalMemory, &|found| {
        let _ = found.links.pop();
    }));
    assert!(changed(Level::CausalMemory, &|found| found
        .inferred
        .iter_mut()
        .for_each(|it| it.path.truncate(1))));
    // What a session's own view forbids says nothing of the levels that ask for less of it.
    assert!(changed(Level::CausalConvergence, &|_| ()) && changed(Level::Causal, &|_| ()));
}
