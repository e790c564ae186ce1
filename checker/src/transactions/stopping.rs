//! Tests that every phase checks the stop flag, and that no wrong verdict is given when it is set. The n-th check
//! sets the flag, and not a clock: see [`claims::looks`].

use claims::looks::stopping_after;
use claims::{IsolationLevel, Limits, Question, Report, Verdict};
use histories::{Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Payload, ValueId};
use std::sync::atomic::AtomicBool;
use testkit::{
    assert_confirmed, isolation_properties, model_of_transactions, question_about, record_operation,
};
use verifier::UNCHECKED;

const TRANSACTIONS: usize = 20_000;
const KEYS: usize = 50;
const SESSIONS: usize = 4;

/// The behaviour of the store in a test.
#[derive(Clone, Copy, PartialEq)]
enum SampleStore {
    Registers,
    Lists,
    /// Registers. The last transaction sees half of what another one wrote.
    Torn,
    /// Lists. One read of a list returns an element that was never appended.
    Garbage,
}

/// Transactions one after another; each reads one key and writes another. Lists are read while they are short.
fn history(store: SampleStore) -> History {
    let lists = matches!(store, SampleStore::Lists | SampleStore::Garbage);
    let mut builder = HistoryBuilder::new();
    let names = builder.history();
    let keys: Vec<KeyId> = (0..KEYS * 10).map(|key| names.keys.intern(&key.to_string())).collect();
    let values: Vec<ValueId> =
        (0..=TRANSACTIONS).map(|value| names.values.intern(&value.to_string())).collect();
    let mut held: Vec<Vec<ValueId>> = vec![Vec::new(); keys.len()];
    for (at, &value) in values[..TRANSACTIONS].iter().enumerate() {
        // Each key is used for a while only, so that lists stay short.
        let first = at * 10 / TRANSACTIONS * KEYS;
        let (read, write) = (first + at * 7 % KEYS, first + at % KEYS);
        let mut seen = held[read].clone();
        if store == SampleStore::Garbage && at == TRANSACTIONS / 2 {
            seen.push(values[TRANSACTIONS]);
        }
        let last = |held: &[ValueId]| held.last().copied().unwrap_or(ValueId::NULL);
        let mut micros = match lists {
            true => vec![MicroInput::ReadList(keys[read], &seen), MicroInput::Append(keys[write], value)],
            false => vec![MicroInput::Read(keys[read], last(&seen)), MicroInput::Write(keys[write], value)],
        };
        if read == write {
            micros.remove(0);
        }
        held[write].push(value);
        if store == SampleStore::Torn && at + 2 == TRANSACTIONS {
            micros.push(MicroInput::Write(keys[first], values[TRANSACTIONS]));
        }
        if store == SampleStore::Torn && at + 1 == TRANSACTIONS {
            let before = (at - 1) % KEYS + first;
            let older = held[before][held[before].len() - 2];
            micros = vec![
                MicroInput::Read(keys[first], values[TRANSACTIONS]),
                MicroInput::Read(keys[before], older),
            ];
        }
        let (process, function, key) = ((at % SESSIONS) as i64, Function::TXN, KeyId::NONE);
        let payload = Payload::Micros(&[]);
        let invocation = Invocation { process, session: None, function, key, payload };
        record_operation(&mut builder, invocation, Payload::Micros(&micros));
    }
    builder.finish()
}

/// The report of a check whose evidence was checked again.
fn shown(history: &History, question: &Question, stop: &AtomicBool) -> Report {
    crate::check(history, question, &Limits { steps: u64::MAX, bytes: 1 << 30, stop }).expect("a report")
}

/// Stops the check at many moments. Each verdict must then be the final one, or *unknown* because of the stop. Each
/// of `files` must have checked the flag at least as often as given.
fn stops_anywhere(store: SampleStore, levels: &[IsolationLevel], files: &[(&str, usize)]) {
    let history = history(store);
    let question = question_about(model_of_transactions(&history), &isolation_properties(levels));
    let (whole, seen) = stopping_after(usize::MAX, |stop| shown(&history, &question, stop));
    assert_ne!(whole.verdict(), "unknown", "{whole:?}");
    for &(file, least) in files {
        let looks =
            seen.iter().filter(|(name, _)| name.ends_with(file)).map(|(_, looks)| looks).sum::<usize>();
        assert!(looks >= least, "{file} looked {looks} times of {least}: {seen:?}");
    }
    let total: usize = seen.values().sum();
    let moments = (0..24).chain((24..total).step_by(total / 40 + 1)).chain([total.saturating_sub(1)]);
    let mut unknown = 0;
    for looks in moments {
        let (found, _) = stopping_after(looks, |stop| shown(&history, &question, stop));
        for (one, other) in found.answers.iter().zip(&whole.answers) {
            match (&one.verdict, &other.verdict) {
                (Verdict::Unknown(why), _) => {
                    assert!([Limits::STOPPED, UNCHECKED].contains(&why.reason.as_str()), "{looks}: {why:?}");
                    unknown += 1;
                }
                (Verdict::Holds(_), Verdict::Holds(_)) | (Verdict::Violated(_), Verdict::Violated(_)) => {}
                (found, expected) => panic!("after {looks} looks: {found:?}, not {expected:?}"),
            }
        }
        for anomaly in &found.phenomena {
            assert!(whole.phenomena.iter().any(|known| known.phenomenon == anomaly.phenomenon), "{looks}");
        }
        let ((not, also_not), (all_not, all_also_not)) = (found.ruled_out_levels(), whole.ruled_out_levels());
        for level in not.iter().chain(&also_not) {
            assert!(
                all_not.contains(level) || all_also_not.contains(level),
                "after {looks} looks: {level:?}"
            );
        }
        // Every reported claim was verified; it must also be confirmed without a limit.
        assert_confirmed(&history, &question, &found);
    }
    assert!(unknown > 0, "it was never stopped");
}

/// How often a loop over all transactions checks the flag.
const EACH: usize = TRANSACTIONS >> 12;

#[test]
fn levels_by_execution() {
    let verifier = ("verifier/src/watch.rs", 4);
    let plain = [("weak/facts.rs", 3 * EACH), ("weak/commit_order.rs", EACH), verifier];
    for (level, axiom) in [
        (IsolationLevel::MonotonicAtomicView, ("weak/visible.rs", 2)),
        (IsolationLevel::ReadAtomic, ("weak/visible.rs", 2 + SESSIONS)),
        (IsolationLevel::Causal, ("weak/causal.rs", 2 * EACH)),
    ] {
        stops_anywhere(SampleStore::Registers, &[level], &[&plain[..], &[axiom]].concat());
    }
}

#[test]
fn levels_by_execution_that_are_violated() {
    let files = [("transactions/index.rs", 1), ("weak/mod.rs", EACH), ("graph/components.rs", EACH)];
    stops_anywhere(SampleStore::Torn, &[IsolationLevel::ReadAtomic], &files);
    stops_anywhere(SampleStore::Torn, &[IsolationLevel::Causal], &files);
}

#[test]
fn serial_orders_of_registers() {
    let files = [
        ("transactions/dependencies.rs", KEYS),
        ("graph/components.rs", EACH),
        ("graph/mod.rs", 2),
        ("serial/problem.rs", KEYS),
        ("serial/schedule.rs", 2 * EACH),
        ("serial/deadlines.rs", EACH),
    ];
    stops_anywhere(SampleStore::Registers, &[IsolationLevel::StrictSerializable], &files);
    stops_anywhere(SampleStore::Registers, &[IsolationLevel::Serializable], &files);
}

#[test]
fn lists() {
    let files = [
        ("transactions/index.rs", KEYS),
        ("transactions/reads.rs", KEYS),
        ("transactions/internal.rs", EACH),
        ("transactions/dependencies.rs", KEYS),
        ("graph/components.rs", EACH),
        ("verifier/src/watch.rs", 4),
    ];
    stops_anywhere(SampleStore::Lists, &[IsolationLevel::StrictSerializable], &files);
    stops_anywhere(SampleStore::Lists, &[IsolationLevel::SnapshotIsolation, IsolationLevel::Causal], &files);
    stops_anywhere(
        SampleStore::Garbage,
        &[IsolationLevel::ReadCommitted, IsolationLevel::StrictSerializable],
        &files[..4],
    );
}
