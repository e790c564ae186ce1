//! `--memory` bounds what a check takes beyond the history, and no check refuses a history that it has room for.
//!
//! An estimate that was too high refused 30 million operations that would have fitted six times over. An estimate that is
//! too low is worse: the process is killed in the middle of the night. So each engine is run with the least memory with
//! which it decides, and the bytes that it really holds at its peak are counted, the second check included.

#![allow(unsafe_code, reason = "only a global allocator sees every allocation")]

use benches::registers::Registers;
use checker::{FindingKind, Invariant, IsolationLevel, Level, Limits, Model, Property, Question, check};
use histories::History;
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use workloads::databases::{Isolation, Shape, SimulationPlan, simulate_history};

/// Counts the bytes that are allocated now, and the most since the count was reset.
struct CountingAllocator;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count_more(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_more(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_more(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment; large blocks are remapped by the system, and only the difference is new.
        count_more(size.saturating_sub(layout.size()));
        HELD.fetch_sub(layout.size().saturating_sub(size), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The bytes that a check held at its peak beyond what was held before, and whether it decided.
fn check_within(history: &History, question: &Question, bytes: usize) -> (usize, bool) {
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes, stop: &stop };
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let report = check(history, question, &limits).expect("a question that fits");
    let peak = PEAK.load(Ordering::Relaxed) - before;
    let decided = report.answers.iter().all(|answer| matches!(answer.verdict.name(), "holds" | "violated"));
    (peak, decided)
}

fn registers(operations: usize, keys: usize, stale: bool) -> History {
    let registers = Registers {
        operations,
        processes: 20,
        keys,
        values: 0,
        cas: false,
        indeterminate: 0,
        stale,
        seed: 1,
    };
    registers.history()
}

fn transactions(transactions: usize, shape: Shape, isolation: Isolation) -> History {
    simulate_history(&SimulationPlan {
        seed: 1,
        transactions,
        clients: 10,
        keys: 10,
        writes_per_key: 256,
        length_max: 4,
        indeterminate_percent: 0,
        shape,
        isolation,
        defect: None,
    })
}

/// One client's operations, one after the other: function, key, value at the invocation and at the completion, as JSON.
fn history_of(operations: impl Iterator<Item = (&'static str, String, String, String)>) -> History {
    let mut text = String::new();
    for (at, (function, key, asked, answered)) in operations.enumerate() {
        for (index, kind, value) in [(2 * at, "invoke", asked), (2 * at + 1, "ok", answered)] {
            writeln!(
                text,
                "{{\"index\":{index},\"time\":{},\"process\":{},\"session\":{key},\"type\":\"{kind}\",\
                 \"f\":\"{function}\",\"key\":{key},\"value\":{value}}}",
                index * 1000,
                at % 20
            )
            .expect("a text");
        }
    }
    let file = std::env::temp_dir().join(format!("steadfast-memory-{}.jsonl", std::process::id()));
    std::fs::write(&file, text).expect("a file that can be written");
    let history = histories::read(&file);
    std::fs::remove_file(&file).expect("a file that can be removed");
    history.expect("a history")
}

/// Sessions that are created, written and read in turn.
fn session_store(stale: bool) -> History {
    history_of((0..50_000).map(|at| {
        let (session, step) = (at / 10, at % 10);
        let key = format!("\"s-{session}\"");
        let payload = |version| format!("{{\"session\":{key},\"version\":{version},\"bytes\":64}}");
        let (function, asked, answered) = match step {
            0 => ("create", payload(1), payload(1)),
            step if step % 3 == 0 => ("write", payload(step / 3 + 1), payload(step / 3 + 1)),
            _ if stale && at == 49_998 => ("read", "null".to_owned(), payload(1)),
            step => ("read", "null".to_owned(), payload(step / 3 + 1)),
        };
        (function, key.clone(), asked, answered)
    }))
}

/// Twelve elements are added, and then one is added and one taken in turn, from the front or from the back.
fn elements(added: &'static str, taken: &'static str, from_the_back: bool) -> History {
    let mut held = VecDeque::new();
    history_of((0..100_000usize).map(|at| {
        if at < 12 || at.is_multiple_of(2) {
            held.push_back(at);
            return (added, "null".to_owned(), at.to_string(), at.to_string());
        }
        let element = if from_the_back { held.pop_back() } else { held.pop_front() };
        (taken, "null".to_owned(), "null".to_owned(), element.expect("twelve are left").to_string())
    }))
}

/// The least power of 1.1 with which the check decides.
fn least_memory(history: &History, question: &Question) -> usize {
    let steps = |step: i32| (1.1f64.powi(step) * 1024.0) as usize;
    let (mut low, mut high) = (0, 200);
    while low < high {
        let middle = (low + high) / 2;
        if check_within(history, question, steps(middle)).1 { high = middle } else { low = middle + 1 }
    }
    steps(high)
}

#[test]
fn the_limit_of_memory_is_what_is_taken() {
    let (one_key, many_keys) = (registers(200_000, 1, false), registers(200_000, 5_000, false));
    let (one_key_stale, many_keys_stale) = (registers(200_000, 1, true), registers(200_000, 5_000, true));
    let (lists, pairs) = (
        transactions(50_000, Shape::Lists, Isolation::StrictSerializable),
        transactions(20_000, Shape::Registers, Isolation::StrictSerializable),
    );
    let (skewed_lists, skewed_pairs) = (
        transactions(50_000, Shape::Lists, Isolation::SnapshotIsolation),
        transactions(20_000, Shape::Registers, Isolation::SnapshotIsolation),
    );
    let level = |level| vec![Property::Level(level)];
    let isolation = |level| vec![Property::Isolation(level)];
    let session: Vec<Property> =
        [Level::ReadYourWrites, Level::MonotonicReads, Level::MonotonicWrites, Level::WritesFollowReads]
            .map(Property::Level)
            .to_vec();
    let mut cases: Vec<(&str, &History, Model, Vec<Property>)> = Vec::new();
    for (shape, history) in [
        ("one key", &one_key),
        ("5,000 keys", &many_keys),
        ("one, stale", &one_key_stale),
        ("5,000, stale", &many_keys_stale),
    ] {
        for asked in [
            Level::Linearizable,
            Level::ReadYourWrites,
            Level::Sequential,
            Level::Causal,
            Level::CausalConvergence,
            Level::OrderedSequential,
            Level::Regular,
        ] {
            cases.push((shape, history, Model::Register, level(asked)));
        }
        cases.push((shape, history, Model::Register, session.clone()));
    }
    for asked in
        [IsolationLevel::StrictSerializable, IsolationLevel::SnapshotIsolation, IsolationLevel::Causal]
    {
        cases.push(("lists", &lists, Model::ListAppend, isolation(asked)));
        cases.push(("registers", &pairs, Model::RwRegister, isolation(asked)));
    }
    let strict = || isolation(IsolationLevel::StrictSerializable);
    cases.push(("lists, skewed", &skewed_lists, Model::ListAppend, strict()));
    cases.push(("registers, skewed", &skewed_pairs, Model::RwRegister, strict()));
    let (store, stale_store) = (session_store(false), session_store(true));
    cases.push(("store", &store, Model::Session, vec![Property::Finding(FindingKind::StaleSession)]));
    let findings = [
        FindingKind::StaleSession,
        FindingKind::LostSession,
        FindingKind::SessionLeak,
        FindingKind::TornSession,
    ];
    cases.push(("store", &store, Model::Session, findings.map(Property::Finding).to_vec()));
    let stale_session = vec![Property::Finding(FindingKind::StaleSession)];
    cases.push(("store, stale", &stale_store, Model::Session, stale_session));
    let (queue, stack) = (elements("enqueue", "dequeue", false), elements("push", "pop", true));
    cases.push(("queue", &queue, Model::Queue, level(Level::Linearizable)));
    cases.push(("stack", &stack, Model::Stack, level(Level::Linearizable)));
    let priority_queue = elements("insert", "delete-min", false);
    cases.push(("priority queue", &priority_queue, Model::PriorityQueue, level(Level::Linearizable)));
    cases.push(("queue", &queue, Model::TotalQueue, vec![Property::Invariant(Invariant::TotalQueue)]));
    let (mut table, mut wrong) = (String::new(), 0);
    for (shape, history, model, asked) in cases {
        let question = Question { asked: Some(asked.clone()), ..Question::about(model) };
        let least = least_memory(history, &question);
        let (peak, _) = check_within(history, &question, least);
        let ratio = peak as f64 / least as f64;
        // The least is a power of 1.1, so the ratio is known within a tenth. A violation may be found before most of the
        // work is done.
        let may_end_early = shape.ends_with("stale") || shape.ends_with("skewed");
        let fits = ratio <= 1.2 && (ratio >= 0.5 || may_end_early);
        wrong += usize::from(!fits);
        let names: Vec<&str> = asked.iter().map(|property| property.name()).collect();
        writeln!(
            table,
            "{:4} {shape:18} {:60} needs {:>6} kB, takes {:>6} kB: {:.0} bytes an operation, {ratio:.2} of the limit",
            if fits { "" } else { "BAD" },
            names.join(", "),
            least / 1024,
            peak / 1024,
            peak as f64 / history.len() as f64,
        )
        .expect("a text");
    }
    assert_eq!(wrong, 0, "memory that was promised and memory that was taken:\n{table}");
}
