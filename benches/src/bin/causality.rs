//! Times the causal levels and PRAM on a simulated store whose replicas lag.
//!
//! `causality OPERATIONS SESSIONS KEYS STALE SEED`: every write gets the next place in one log; a session reads from a
//! replica of its own, which has applied a prefix of the log that never shrinks and holds what the session wrote. So all
//! four levels hold. With `STALE` 1 the last read returns what was written to its object first.

use checker::check::{Assume, FailedCas, Model, Question, check};
use checker::{Level, Limits, Verdict, causality};
use histories::{Completion, Function, History, HistoryBuilder, Invocation, Outcome, Payload, ValueId};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

fn main() {
    let given: Vec<usize> =
        std::env::args().skip(1).map(|given| given.parse().expect("five numbers")).collect();
    let &[operations, sessions, keys, stale, seed] = given.as_slice() else {
        panic!("causality OPERATIONS SESSIONS KEYS STALE SEED");
    };
    let history = simulated(operations, sessions, keys, stale == 1, &mut Random(seed as u64));
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes: 16 << 30, stop: &stop };
    let question = Question {
        model: Model::Register,
        initial: ValueId::NULL,
        failed_cas: FailedCas::SaysNothing,
        assume: Assume::default(),
    };
    for level in [Level::Causal, Level::CausalConvergence, Level::CausalMemory, Level::Pram] {
        let began = Instant::now();
        let answer = check(&history, level, &question, &limits);
        let seconds = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let second = causality::recheck::verdict(&history, level, &question, &answer.verdict);
        let again = began.elapsed().as_secs_f64();
        let why = match &answer.verdict {
            Verdict::Unknown(unknown) => unknown.reason.as_str(),
            _ => "",
        };
        println!(
            "{} {} {why} in {seconds:.2} s, checked again in {again:.2} s: {second:?}",
            level.name(),
            answer.verdict.name()
        );
    }
}

fn simulated(operations: usize, sessions: usize, keys: usize, stale: bool, random: &mut Random) -> History {
    let mut builder = HistoryBuilder::new();
    let keys: Vec<_> = (0..keys).map(|key| builder.history().keys.intern(&format!("\"k{key}\""))).collect();
    // Of each object its values, by place in the log.
    let mut log = 0usize;
    let mut written: Vec<Vec<(usize, ValueId)>> = vec![Vec::new(); keys.len()];
    let mut applied = vec![0usize; sessions];
    for at in 0..operations {
        let (session, key) = (random.below(sessions), random.below(keys.len()));
        let last = stale && at + 1 == operations;
        let writes = !last && random.below(2) == 0;
        let function = if writes { Function::WRITE } else { Function::READ };
        let value = if writes {
            log += 1;
            applied[session] = log;
            let value = builder.history().values.intern(&log.to_string());
            written[key].push((log, value));
            value
        } else {
            applied[session] += random.below(log - applied[session] + 1);
            let end = written[key].partition_point(|version| version.0 <= applied[session]);
            let end = if last { end.min(1) } else { end };
            end.checked_sub(1).map_or(ValueId::NULL, |at| written[key][at].1)
        };
        let name = builder.history().sessions.intern(&format!("\"s{session}\""));
        let argument = Payload::Value(if writes { value } else { ValueId::NULL });
        let (process, key) = (session as i64, keys[key]);
        let invocation = Invocation { process, session: Some(name), function, key, payload: argument };
        builder.invoke(invocation).expect("a process does one thing");
        let completion = Completion {
            process,
            outcome: Outcome::Ok,
            function: Some(function),
            key: Some(key),
            payload: Payload::Value(value),
        };
        builder.complete(completion).expect("it was invoked");
    }
    builder.finish()
}
