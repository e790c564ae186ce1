//! The monitor of causal levels against the check of each prefix.
//!
//! What went wrong elsewhere: an operation was forgotten through which causal order led, so that a stale read seemed legal; and the
//! order that one read had demanded of two writes was forgotten, so that a second read could demand the opposite.

use super::{assert_evidence, assert_online_is_offline, compare_on_the_corpus, long_history, small_history};
use checker::{Level, Model, Monitor, MonitorLimits, MonitorVerdict, Property, Question, StreamEvent};
use histories::format::{Format, from_text};
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload, ValueId,
};
use testkit::monitoring::{Prefixes, answers, forgets_at_once, keeps_all};
use testkit::{TestRandom, draw_history};

const CAUSAL_LEVELS: [Level; 3] = [Level::Causal, Level::RealTimeCausal, Level::CausalConvergence];

pub(super) fn ask_causal() -> Question {
    let asked = CAUSAL_LEVELS.map(Property::Level).to_vec();
    Question { asked: Some(asked), ..Question::about(Model::Register) }
}

/// How conflicting writes are resolved at a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Conflicts {
    /// The write that began last wins: replicas agree.
    Newest,
    /// The write that arrives last wins: replicas may disagree.
    Arrival,
}

/// A store of some replicas, for histories with causal order across objects.
#[derive(Debug)]
struct ReplicaShape {
    replicas: usize,
    keys: usize,
    clients: usize,
    operations: usize,
    conflicts: Conflicts,
    /// Whether writes arrive in causal order: each replica takes them in one order that contains it.
    in_order: bool,
    move_percent: usize,
    new_session_percent: usize,
    info_percent: usize,
    write_percent: usize,
    /// The chance that a replica takes a write that waits, at each step.
    arrival_percent: usize,
}

impl ReplicaShape {
    fn new(random: &mut TestRandom) -> Self {
        Self {
            replicas: 1 + random.below(3),
            keys: 1 + random.below(4),
            clients: 2 + random.below(4),
            operations: 25 + random.below(50),
            conflicts: if random.chance(70) { Conflicts::Newest } else { Conflicts::Arrival },
            in_order: random.chance(75),
            move_percent: [0, 0, 2, 10][random.below(4)],
            new_session_percent: [0, 0, 5, 20][random.below(4)],
            info_percent: [0, 0, 4][random.below(3)],
            write_percent: 30 + random.below(40),
            arrival_percent: [20, 50, 90][random.below(3)],
        }
    }
}

/// A write that a replica took, or will take: its number, key and value.
type ReplicatedWrite = (usize, usize, ValueId);

struct ReplicaRun {
    shape: ReplicaShape,
    random: TestRandom,
    builder: HistoryBuilder,
    /// For each replica and key the number and the value of the write that it shows.
    shown: Vec<Vec<(usize, ValueId)>>,
    /// For each replica the writes that have not arrived.
    waiting: Vec<Vec<ReplicatedWrite>>,
    next_write: usize,
    next_session: usize,
    next_process: i64,
}

/// A client between invocation and completion: its process, its key, what it writes, what it returned.
type ReplicaClient = (i64, usize, Option<ValueId>, Option<ValueId>);

impl ReplicaRun {
    fn new(shape: ReplicaShape, random: TestRandom) -> Self {
        let shown = vec![vec![(0, ValueId::NULL); shape.keys]; shape.replicas];
        let waiting = vec![Vec::new(); shape.replicas];
        let builder = HistoryBuilder::new();
        Self { shape, random, builder, shown, waiting, next_write: 1, next_session: 0, next_process: 0 }
    }

    fn into_history(mut self) -> History {
        let clients = self.shape.clients;
        let mut open: Vec<Option<ReplicaClient>> = vec![None; clients];
        let mut session: Vec<usize> = (0..clients).map(|_| self.begin_session()).collect();
        let mut replica: Vec<usize> = (0..clients).map(|client| client % self.shape.replicas).collect();
        let mut left = self.shape.operations;
        while left > 0 || open.iter().any(Option::is_some) {
            self.deliver();
            let client = self.random.below(clients);
            open[client] = match open[client].take() {
                None if left == 0 => None,
                None => {
                    left -= 1;
                    if self.random.chance(self.shape.new_session_percent) {
                        session[client] = self.begin_session();
                    }
                    if self.random.chance(self.shape.move_percent) {
                        replica[client] = self.random.below(self.shape.replicas);
                    }
                    Some(self.invoke(session[client]))
                }
                Some((process, key, written, None)) => {
                    let seen = self.take_effect(replica[client], key, written);
                    Some((process, key, written, Some(seen)))
                }
                Some((process, key, _, Some(seen))) => {
                    self.complete(process, key, seen);
                    None
                }
            };
        }
        self.builder.finish()
    }

    fn begin_session(&mut self) -> usize {
        self.next_session += 1;
        self.next_session
    }

    fn key(&mut self, key: usize) -> KeyId {
        self.builder.history().keys.intern(&format!("\"k{key}\""))
    }

    fn invoke(&mut self, session: usize) -> ReplicaClient {
        let key = self.random.below(self.shape.keys);
        let writes = self.random.chance(self.shape.write_percent);
        let number = self.next_process + 1;
        let value = writes.then(|| self.builder.history().values.intern(&number.to_string()));
        let session = Some(self.builder.history().sessions.intern(&format!("\"s{session}\"")));
        let function = if writes { Function::WRITE } else { Function::READ };
        let (process, name) = (self.next_process, self.key(key));
        self.next_process += 1;
        let payload = Payload::Value(value.unwrap_or(ValueId::NULL));
        self.builder
            .invoke(Invocation { process, session, function, key: name, payload })
            .expect("a new process");
        (process, key, value, None)
    }

    fn take_effect(&mut self, replica: usize, key: usize, written: Option<ValueId>) -> ValueId {
        let Some(value) = written else { return self.shown[replica][key].1 };
        let write = (self.next_write, key, value);
        self.next_write += 1;
        self.shown[replica][key] = (write.0, value);
        let others = (0..self.shape.replicas).filter(|other| *other != replica);
        others.for_each(|other| self.waiting[other].push(write));
        value
    }

    /// Writes arrive at other replicas.
    fn deliver(&mut self) {
        for replica in 0..self.shape.replicas {
            if self.waiting[replica].is_empty() || !self.random.chance(self.shape.arrival_percent) {
                continue;
            }
            let at = if self.shape.in_order { 0 } else { self.random.below(self.waiting[replica].len()) };
            let (number, key, value) = self.waiting[replica].remove(at);
            let shown = &mut self.shown[replica][key];
            if self.shape.conflicts == Conflicts::Arrival || number > shown.0 {
                *shown = (number, value);
            }
        }
    }

    fn complete(&mut self, process: i64, key: usize, seen: ValueId) {
        let outcome = if self.random.chance(self.shape.info_percent) { Outcome::Info } else { Outcome::Ok };
        let key = Some(self.key(key));
        let completion = Completion { process, outcome, function: None, key, payload: Payload::Value(seen) };
        self.builder.complete(completion).expect("it was invoked");
    }
}

pub(super) fn replicated_history(seed: u64) -> History {
    let mut random = TestRandom::new(seed);
    let shape = ReplicaShape::new(&mut random);
    ReplicaRun::new(shape, random).into_history()
}

#[test]
fn online_is_offline_on_the_corpus_at_every_cut() {
    compare_on_the_corpus(&ask_causal());
}

#[test]
fn online_is_offline_on_random_histories_at_every_cut() {
    for seed in 0..2_500 {
        for (what, history) in [("small", small_history(seed)), ("replicas", replicated_history(seed))] {
            let events = history.event_count() as usize;
            let cuts: Vec<usize> = (1..=events)
                .filter(|cut| what == "small" || (cut + seed as usize).is_multiple_of(7))
                .collect();
            assert_online_is_offline(&history, &ask_causal(), &cuts, &format!("{what}, seed {seed}"));
        }
    }
}

/// What a monitor said of each level in the end, and how much it had forgotten.
#[derive(Default, Debug)]
struct CausalTally {
    violated: [usize; CAUSAL_LEVELS.len()],
    holds: [usize; CAUSAL_LEVELS.len()],
    unknown: [usize; CAUSAL_LEVELS.len()],
    /// Violations of the whole where the monitor says *unknown*.
    left_unknown: [usize; CAUSAL_LEVELS.len()],
    forgotten: usize,
}

/// A monitor that forgets never says *violated* or *holds* where the check of the prefix does not.
fn compare_while_forgetting(history: &History, limits: MonitorLimits, what: &str, tally: &mut CausalTally) {
    let prefixes = Prefixes::new(history);
    let question = ask_causal();
    let mut monitor = Monitor::new(question.clone(), limits).expect("a question about registers");
    let mut ever_violated = [false; CAUSAL_LEVELS.len()];
    let events = history.event_count() as usize;
    let mut before = Vec::new();
    for (event, number) in StreamEvent::all(history).zip(1..) {
        monitor.push(event).expect("a history");
        monitor.judge().expect("no internal error");
        assert_evidence(&mut monitor);
        let now = answers(&monitor);
        let changed = now != before;
        before.clone_from(&now);
        if !changed && number % 5 != 0 && number != events {
            continue;
        }
        let offline = prefixes.verdicts(number, &question);
        for (at, (online, why)) in now.into_iter().enumerate() {
            ever_violated[at] |= offline[at] == "violated";
            let told = || {
                let drawn = draw_history(&prefixes.prefix(number));
                format!("{what}, {number} events, {}: {online} ({why})\n{drawn}", CAUSAL_LEVELS[at].name())
            };
            match online {
                "violated" => assert!(ever_violated[at], "{}", told()),
                "unknown" => {}
                _ => assert_eq!((online, ever_violated[at]), (offline[at], false), "{}", told()),
            }
        }
    }
    tally.forgotten += history.len().saturating_sub(monitor.kept_operations());
    for (at, (online, _)) in answers(&monitor).into_iter().enumerate() {
        match online {
            "violated" => tally.violated[at] += 1,
            "unknown" => tally.unknown[at] += 1,
            _ => tally.holds[at] += 1,
        }
        tally.left_unknown[at] += usize::from(online != "violated" && ever_violated[at]);
    }
}

#[test]
fn a_monitor_that_forgets_is_not_wrong() {
    let mut tally = CausalTally::default();
    for seed in 0..2_000 {
        let limits = forgets_at_once();
        compare_while_forgetting(&small_history(seed), limits, &format!("small, seed {seed}"), &mut tally);
    }
    for seed in 0..3_000 {
        let limits = MonitorLimits { horizon: [0, 0, 10, 40][seed as usize % 4], ..keeps_all() };
        compare_while_forgetting(
            &replicated_history(seed),
            limits,
            &format!("replicas, seed {seed}"),
            &mut tally,
        );
    }
    for seed in 0..100 {
        let limits = forgets_at_once();
        compare_while_forgetting(
            &long_history(seed, [0, 1, 3, 20][seed as usize % 4]),
            limits,
            &format!("long, seed {seed}"),
            &mut tally,
        );
    }
    assert!(tally.violated.iter().chain(&tally.holds).all(|&count| count > 300), "{tally:?}");
    assert!(tally.forgotten > 10_000, "{tally:?}");
    // Reads of values that every session had seen replaced, which this monitor has forgotten at once.
    let answered = |at: usize| tally.violated[at] + tally.holds[at];
    assert!((0..CAUSAL_LEVELS.len()).all(|at| tally.unknown[at] < answered(at)), "{tally:?}");
}

/// With room for 64 operations, sessions and versions are forgotten that still matter.
#[test]
fn a_monitor_without_memory_is_not_wrong() {
    let mut tally = CausalTally::default();
    for seed in 0..1_000 {
        let horizon = [0, 8, 30][seed as usize % 3];
        let limits = MonitorLimits { bytes: MonitorLimits::BYTES_MIN, horizon, ..keeps_all() };
        let mut random = TestRandom::new(seed);
        let shape = ReplicaShape { operations: 120, ..ReplicaShape::new(&mut random) };
        let history = ReplicaRun::new(shape, random).into_history();
        compare_while_forgetting(&history, limits, &format!("seed {seed}"), &mut tally);
    }
    assert!(tally.unknown[0] > 100 && tally.holds.iter().all(|&count| count > 100), "{tally:?}");
    assert!(tally.violated.iter().all(|&count| count >= 10), "{tally:?}");
}

/// Of a store that is linearizable, the levels hold to the end, and little is kept. Convergence is unknown now and then: a session that
/// begins with a write is not caught up, and another one that begins then reads that write.
#[test]
fn a_store_without_stale_reads_holds_to_the_end_and_little_is_kept() {
    let (mut kept, mut operations, mut unknown) = (0, 0, 0);
    for seed in 0..200 {
        let history = long_history(seed, 0);
        let mut monitor = Monitor::new(ask_causal(), forgets_at_once()).expect("a question about registers");
        for event in StreamEvent::all(&history) {
            monitor.push(event).expect("a history");
            monitor.judge().expect("no internal error");
        }
        let names = answers(&monitor);
        let drawn = || draw_history(&history);
        assert!(names[..2].iter().all(|(name, _)| *name == "holds"), "seed {seed}: {names:?}\n{}", drawn());
        assert_ne!(names[2].0, "violated", "seed {seed}: {names:?}\n{}", drawn());
        unknown += usize::from(names[2].0 == "unknown");
        kept += monitor.kept_operations();
        operations += history.len();
    }
    assert!(unknown < 10, "convergence is unknown of {unknown} histories of 200");
    assert!(kept * 3 < operations, "{kept} of {operations} operations are kept");
}

fn follow(text: &str, limits: MonitorLimits) -> Vec<(&'static str, String)> {
    let history = from_text(Format::Native, text).expect("a history");
    let mut monitor = Monitor::new(ask_causal(), limits).expect("a question about registers");
    for event in StreamEvent::all(&history) {
        monitor.push(event).expect("a history");
        monitor.judge().expect("no internal error");
    }
    answers(&monitor)
}

/// One operation of a session: the session, a write or a read, the key, the value, and the seconds.
fn operation((session, function, key, value, second): (&str, &str, &str, u32, u64)) -> String {
    let time = second * 1_000_000_000;
    let common = format!(r#""process":"{session}","session":"{session}","f":"{function}","key":"{key}""#);
    let argument = if function == "write" { format!(r#","value":{value}"#) } else { String::new() };
    format!(
        "{{{common},\"type\":\"invoke\"{argument},\"time\":{time}}}\n{{{common},\"type\":\"ok\",\"value\":{value},\"time\":{}}}\n",
        time + 1
    )
}

/// An idle session pins what it has not seen. With the assumption it is forgotten, and its return is noticed.
#[test]
fn an_idle_session_is_forgotten_by_assumption_and_its_return_is_noticed() {
    let mut text: String =
        [("idle", "read", "x", 0, 1)].map(operation).concat().replace("\"value\":0", "\"value\":null");
    for turn in 1..40 {
        text += &operation(("a", "write", "x", turn, 10 + u64::from(turn)));
        text += &operation(("a", "read", "x", turn, 10 + u64::from(turn)));
    }
    let idle = MonitorLimits { session_idle_ns: Some(5_000_000_000), ..forgets_at_once() };
    let kept = |limits| {
        let history = from_text(Format::Native, &text).expect("a history");
        let mut monitor = Monitor::new(ask_causal(), limits).expect("a question about registers");
        for event in StreamEvent::all(&history) {
            monitor.push(event).expect("a history");
            monitor.judge().expect("no internal error");
        }
        assert!(answers(&monitor).iter().all(|(name, _)| *name == "holds"), "{:?}", answers(&monitor));
        let assumes = monitor.assumption(Property::Level(Level::Causal)).expect("it assumes something");
        assert_eq!(assumes.contains("--session-idle"), limits.session_idle_ns.is_some(), "{assumes}");
        monitor.kept_operations()
    };
    assert!(kept(forgets_at_once()) > 35, "the session can still read each value");
    assert!(kept(idle) < 8, "{} operations are kept", kept(idle));
    let returned = text.clone() + &operation(("idle", "read", "x", 39, 100));
    assert!(follow(&returned, forgets_at_once()).iter().all(|(name, _)| *name == "holds"));
    for (name, why) in follow(&returned, idle) {
        assert!(name == "unknown" && why.contains("new or was forgotten"), "{name}: {why}");
    }
}

/// A stale read that causal order refutes through another object, long after the operations between were forgotten.
#[test]
fn causal_order_survives_the_operations_that_it_leads_through() {
    let mut text = String::new();
    // The writer of y has seen both values of x; the last reader sees y, and then the first value of x.
    text += &[("c", "read", "z", 0, 1)].map(operation).concat().replace("\"value\":0", "\"value\":null");
    text += &[
        ("a", "write", "x", 1, 1),
        ("a", "write", "x", 2, 2),
        ("b", "read", "x", 2, 3),
        ("b", "write", "y", 1, 4),
    ]
    .map(operation)
    .concat();
    for turn in 1..30 {
        text += &operation(("d", "write", "z", turn, 10));
        text += &operation(("d", "read", "z", turn, 10));
    }
    text += &[("c", "read", "y", 1, 20), ("c", "read", "x", 1, 21)].map(operation).concat();
    for (name, why) in follow(&text, forgets_at_once()) {
        assert_eq!(name, "violated", "{why}");
    }
}

/// Follows operations in this order while everything that may be forgotten is forgotten. Returns the verdict on convergence; the check of
/// the whole says *violated*, and *holds* of `causal`.
fn follow_conflict(operations: &[(&str, &str, &str, u32)]) -> &'static str {
    let timed = operations.iter().zip(1..).map(|(&(session, function, key, value), second)| {
        operation((session, function, key, value, second)).replace("\"value\":0", "\"value\":null")
    });
    let text: String = timed.collect();
    let history = from_text(Format::Native, &text).expect("a history");
    let whole = Prefixes::new(&history).verdicts(history.event_count() as usize, &ask_causal());
    assert_eq!(whole, ["holds", "holds", "violated"]);
    compare_while_forgetting(&history, forgets_at_once(), "a conflict", &mut CausalTally::default());
    follow(&text, forgets_at_once())[2].0
}

/// The second read of `e` brings no write into its past, but it demands that 2 came before 1. `d` demands the opposite. `g` has seen nothing
/// yet, so that both values are kept.
#[test]
fn what_a_read_had_demanded_is_kept_although_it_brought_nothing_new() {
    let verdict = follow_conflict(&[
        ("d", "read", "y", 0),
        ("g", "read", "y", 0),
        ("e", "write", "x", 1),
        ("e", "write", "u", 1),
        ("f", "write", "x", 2),
        ("f", "write", "z", 1),
        ("e", "read", "z", 1),
        ("e", "read", "x", 1),
        ("d", "read", "u", 1),
        ("d", "read", "x", 2),
    ]);
    assert_eq!(verdict, "violated");
}

/// `new1` sees the first value of `k` through `j`, after that value was forgotten, and reads a value that `new2` wrote blindly. This puts the
/// forgotten value, and `m` = 1 with it, before the new one. `new4` demands the opposite.
#[test]
fn a_new_session_that_demands_something_of_a_forgotten_write_is_noticed() {
    let verdict = follow_conflict(&[
        ("a", "write", "m", 1),
        ("a", "write", "k", 1),
        ("a", "write", "j", 1),
        ("a", "write", "k", 2),
        ("a", "read", "k", 2),
        ("new2", "write", "k", 3),
        ("new1", "read", "j", 1),
        ("new1", "read", "k", 3),
        ("new3", "read", "k", 3),
        ("new3", "write", "m", 2),
        ("new4", "read", "m", 2),
        ("new4", "read", "m", 1),
    ]);
    assert_eq!(verdict, "unknown");
}

#[test]
fn causal_levels_and_levels_of_each_object_are_judged_together() {
    let levels = [Level::CausalConvergence, Level::Linearizable, Level::Causal, Level::Session];
    let question =
        Question { asked: Some(levels.map(Property::Level).to_vec()), ..Question::about(Model::Register) };
    for seed in 0..150 {
        let history = replicated_history(seed);
        let cuts: Vec<usize> =
            (1..=history.event_count() as usize).filter(|cut| cut.is_multiple_of(11)).collect();
        assert_online_is_offline(&history, &question, &cuts, &format!("seed {seed}"));
    }
}

/// A compare-and-set makes everything after it unknown, and the monitor says so for both kinds of levels.
#[test]
fn a_foreign_operation_makes_everything_after_it_unknown() {
    let text = [("a", "write", "x", 1, 1), ("a", "read", "x", 1, 2)].map(operation).concat()
        + "{\"process\":9,\"type\":\"invoke\",\"f\":\"cas\",\"key\":\"x\",\"value\":[1,2]}\n";
    let history = from_text(Format::Native, &text).expect("a history");
    let mut monitor = Monitor::new(ask_causal(), keeps_all()).expect("a question about registers");
    let results: Vec<_> = StreamEvent::all(&history).map(|event| monitor.push(event)).collect();
    assert!(results[..4].iter().all(Result::is_ok) && results[4].is_err(), "{results:?}");
    monitor.judge().expect("no internal error");
    for answer in monitor.answers() {
        assert!(matches!(answer.verdict, MonitorVerdict::Unknown(from) if from.event == 4), "{answer:?}");
    }
}
