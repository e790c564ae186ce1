//! Terry's four session guarantees for the whole database, by brute force from their paper, beside the levels of the table.
//!
//! A server has a set of writes, and one order of all writes is common to all servers. A read returns the last write of its object that
//! its server has. Terry et al. 1994, section 3, where `W` is a write, `R` a read, and each rule is about one session:
//!
//! - *read your writes*: if `R` follows `W`, the server of `R` has `W`;
//! - *monotonic reads*: if `R2` follows `R1`, the server of `R2` has the write that `R1` returned;
//! - *writes follow reads*: if `W2` follows `R1`, each server that has `W2` has the write that `R1` returned, before `W2`;
//! - *monotonic writes*: if `W2` follows `W1`, each server that has `W2` has `W1`, before `W2`.

use super::reference::{Matrix, seen, some_order, written};
use super::{LEVELS, limits, tabs};
use checker::{Level, Model, Verdict};
use histories::{History, Operation, Outcome};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, check_confirmed, draw_history};

/// The guarantees that are asked together.
#[derive(Clone, Copy)]
struct Rules {
    read_your_writes: bool,
    monotonic_reads: bool,
    writes_follow_reads: bool,
    monotonic_writes: bool,
}

const NOTHING: Rules = Rules {
    read_your_writes: false,
    monotonic_reads: false,
    writes_follow_reads: false,
    monotonic_writes: false,
};

/// Whether some servers and some order of the writes explain the reads. `source` has the write that each read returned.
fn holds(ops: &[Operation], source: &[Option<usize>], rules: Rules) -> bool {
    let n = ops.len();
    let is_write = |at: usize| written(&ops[at]).is_some();
    let is_read = |at: usize| seen(&ops[at]).is_some();
    let follows = |a: usize, b: usize| {
        ops[a].outcome == Outcome::Ok && ops[a].session == ops[b].session && ops[a].completed < ops[b].invoked
    };
    // By write: the writes that come before it wherever it is.
    let mut needs: Matrix = vec![vec![false; n]; n];
    for (a, b) in (0..n * n).map(|pair| (pair / n, pair % n)).filter(|&(a, b)| is_write(b) && follows(a, b)) {
        if is_write(a) && rules.monotonic_writes {
            needs[a][b] = true;
        }
        if let Some(write) = source[a].filter(|_| is_read(a) && rules.writes_follow_reads) {
            needs[write][b] = true;
        }
    }
    // What the server of each read has at least.
    let mut has: Matrix = vec![vec![false; n]; n];
    for read in (0..n).filter(|&at| is_read(at)) {
        source[read].into_iter().for_each(|write| has[read][write] = true);
        for before in (0..n).filter(|&before| follows(before, read)) {
            if is_write(before) && rules.read_your_writes {
                has[read][before] = true;
            }
            if let Some(write) = source[before].filter(|_| is_read(before) && rules.monotonic_reads) {
                has[read][write] = true;
            }
        }
        // What a write needs comes with it.
        for _ in 0..n {
            for (a, b) in (0..n * n).map(|pair| (pair / n, pair % n)) {
                has[read][a] |= needs[a][b] && has[read][b];
            }
        }
    }
    let writes: Vec<usize> = (0..n).filter(|&at| is_write(at)).collect();
    let last_of = |order: &[usize], read: usize| {
        order.iter().rev().copied().find(|&at| has[read][at] && ops[at].key == ops[read].key)
    };
    let all_read =
        |order: &[usize]| (0..n).filter(|&at| is_read(at)).all(|read| last_of(order, read) == source[read]);
    match writes.is_empty() {
        true => all_read(&[]),
        false => some_order(&writes, &needs, &|placed, next| {
            placed.len() + 1 < writes.len() || all_read(&[placed, &[next]].concat())
        }),
    }
}

/// Reads and writes that all succeed, each value written once. Some reads return what is written later.
fn plain(random: &mut TestRandom) -> RegisterShape {
    RegisterShape {
        operations: 5 + random.below(3),
        sessions: 2 + random.below(2),
        tabs: if random.chance(30) { 1 } else { 3 },
        cas: 0,
        info: 0,
        fail: 0,
        // A read of what is written later is what makes a cycle of writes and reads.
        mad: if random.chance(50) { 0 } else { 50 },
        ..tabs(random)
    }
}

/// The operations, and the write that each read returned. `None` if a read returned what nobody wrote.
fn sources(history: &History, initial: &str) -> Option<(Vec<Operation>, Vec<Option<usize>>)> {
    let ops: Vec<Operation> = history.operations().collect();
    let source = |op: &Operation| -> Option<Option<usize>> {
        let Some(value) = seen(op) else { return Some(None) };
        let write = ops.iter().position(|other| other.key == op.key && written(other) == Some(value));
        match write {
            Some(write) => Some(Some(write)),
            None => (history.value_text(value) == initial).then_some(None),
        }
    };
    let source: Option<Vec<Option<usize>>> = ops.iter().map(source).collect();
    source.map(|source| (ops, source))
}

#[test]
fn the_four_together_are_causal_convergence() {
    let levels = [
        LEVELS[1],
        Level::DatabaseWritesFollowReads,
        Level::ReadYourWrites,
        Level::MonotonicReads,
        Level::Causal,
    ];
    assert_eq!(levels[0], Level::CausalConvergence);
    let mut counts = [[0; 2]; 5];
    for seed in 0..60_000 {
        let mut random = TestRandom::new(seed);
        let shape = plain(&mut random);
        let history = RegisterRun::new(random, shape, "null").into_history();
        let Some((ops, source)) = sources(&history, "null") else { continue };
        let question = testkit::question_about(Model::Register, &testkit::level_properties(&levels));
        let report = check_confirmed(&history, &question, &limits());
        let all = Rules {
            read_your_writes: true,
            monotonic_reads: true,
            writes_follow_reads: true,
            monotonic_writes: true,
        };
        let expected = [
            all,
            Rules { writes_follow_reads: true, ..NOTHING },
            Rules { read_your_writes: true, ..NOTHING },
            Rules { monotonic_reads: true, ..NOTHING },
        ];
        for (at, rules) in expected.into_iter().enumerate() {
            let told = || format!("seed {seed}\n{}{:?}", draw_history(&history), report.answers[at]);
            let expected = holds(&ops, &source, rules);
            match report.answers[at].verdict {
                Verdict::Holds(_) => assert!(expected, "holds, and no servers explain it\n{}", told()),
                Verdict::Violated(_) => assert!(!expected, "violated, and servers explain it\n{}", told()),
                _ => panic!("not decided\n{}", told()),
            }
            counts[at][usize::from(expected)] += 1;
        }
        // Each read may come from a server of its own, so this one alone is never violated.
        assert!(
            holds(&ops, &source, Rules { monotonic_writes: true, ..NOTHING }),
            "{}",
            draw_history(&history)
        );
        // The two about writes together say that causal order has no cycle.
        let writes = Rules { writes_follow_reads: true, monotonic_writes: true, ..NOTHING };
        let writes = holds(&ops, &source, writes);
        let causal = matches!(report.answers[4].verdict, Verdict::Holds(_));
        assert!(writes || !causal, "{}", draw_history(&history));
        counts[4][usize::from(writes)] += 1;
    }
    assert!(counts.iter().flatten().all(|&count| count > 50), "{counts:?}");
    assert!(counts[0].iter().sum::<i32>() > 30_000, "{counts:?}");
}
