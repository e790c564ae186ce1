//! The levels of causality by brute force, written from the page of definitions and from nothing else.
//!
//! An execution is: which indeterminate writes took effect, and which write each read returned. For each of them causal
//! order is closed by its definition, and orders are tried one after the other, each operation in turn.

use checker::ObjectQuestion;
use histories::{
    Argument, DeclaredConsistency, Function, History, Id, KeyId, OpId, Operation, Outcome, ValueId,
};

/// What an execution says of the levels, in this order: sequential, causal-convergence, causal-memory, causal, pram,
/// ordered-sequential, per-object-sequential, slow-memory, real-time-causal, database-writes-follow-reads.
pub(crate) type Holds = [bool; 10];

pub(crate) fn written(op: &Operation) -> Option<ValueId> {
    match &op.argument {
        Argument::Value(value) if op.function == Function::WRITE => Some(*value),
        Argument::Pair(_, new) => Some(*new),
        _ => None,
    }
}

pub(crate) fn seen(op: &Operation) -> Option<ValueId> {
    match &op.argument {
        Argument::Pair(old, _) => Some(*old),
        _ if op.function == Function::READ && op.outcome == Outcome::Ok => Some(op.result),
        _ => None,
    }
}

/// Whether each level holds.
pub(crate) fn holds(history: &History, question: &ObjectQuestion) -> Holds {
    let operations: Vec<Operation> = history.operations().filter(|op| op.outcome != Outcome::Fail).collect();
    let sure: Vec<usize> =
        (0..operations.len()).filter(|&at| operations[at].outcome == Outcome::Ok).collect();
    let doubtful: Vec<usize> = possible(&operations, question);
    let mut found = [false; 10];
    let ordered = ordered_operations(history);
    for chosen in 0u32..1 << doubtful.len() {
        let took_effect = (0..doubtful.len()).filter(|bit| chosen >> bit & 1 == 1).map(|bit| doubtful[bit]);
        let mut all: Vec<usize> = sure.iter().copied().chain(took_effect).collect();
        all.sort_unstable();
        let ops: Vec<&Operation> = all.iter().map(|&at| &operations[at]).collect();
        sources(&ops, question, &ordered, &mut found);
    }
    found
}

/// By operation: whether it keeps real time at `ordered-sequential`.
fn ordered_operations(history: &History) -> Vec<bool> {
    let declared = history.declared_consistency();
    let one = |op: Operation| match declared[op.id.index()] {
        Some(declared) => declared == DeclaredConsistency::Linearizable,
        None => written(&op).is_some(),
    };
    history.operations().map(one).collect()
}

/// Indeterminate writes that can have happened: what a compare-and-set expects must have been written by somebody.
pub(crate) fn possible(operations: &[Operation], question: &ObjectQuestion) -> Vec<usize> {
    let blind = |op: &Operation| op.outcome == Outcome::Ok || op.function == Function::WRITE;
    let mut possible: Vec<bool> = operations.iter().map(|op| written(op).is_some() && blind(op)).collect();
    loop {
        let vouched = |op: &Operation, possible: &[bool]| {
            seen(op).is_some_and(|old| {
                old == question.initial.value_of_key(KeyId::NONE)
                    || operations.iter().zip(possible).any(|(other, &possible)| {
                        possible && other.id != op.id && other.key == op.key && written(other) == Some(old)
                    })
            })
        };
        let new = (0..operations.len()).find(|&at| {
            !possible[at] && written(&operations[at]).is_some() && vouched(&operations[at], &possible)
        });
        match new {
            Some(at) => possible[at] = true,
            None => break,
        }
    }
    (0..operations.len()).filter(|&at| possible[at] && operations[at].outcome == Outcome::Info).collect()
}

/// Tries all ways to answer the reads.
fn sources(ops: &[&Operation], question: &ObjectQuestion, ordered: &[bool], found: &mut Holds) {
    let candidates: Vec<Vec<Option<usize>>> = ops
        .iter()
        .map(|op| {
            let Some(value) = seen(op) else { return vec![None] };
            let initial = (value == question.initial.value_of_key(KeyId::NONE)).then_some(None);
            let wrote =
                |&at: &usize| ops[at].id != op.id && ops[at].key == op.key && written(ops[at]) == Some(value);
            initial.into_iter().chain((0..ops.len()).filter(wrote).map(Some)).collect()
        })
        .collect();
    let ways: usize = candidates.iter().map(Vec::len).product();
    for mut way in 0..ways {
        if found.iter().all(|&found| found) {
            return;
        }
        let mut source = Vec::new();
        for candidates in &candidates {
            source.push(candidates[way % candidates.len()]);
            way /= candidates.len();
        }
        execution(ops, &source, ordered, found);
    }
}

pub(crate) type Matrix = Vec<Vec<bool>>;

fn closed(mut before: Matrix) -> Matrix {
    let n = before.len();
    for middle in 0..n {
        for from in 0..n {
            for to in 0..n {
                before[from][to] |= before[from][middle] && before[middle][to];
            }
        }
    }
    before
}

fn execution(ops: &[&Operation], source: &[Option<usize>], ordered: &[bool], found: &mut Holds) {
    let n = ops.len();
    let mut session = vec![vec![false; n]; n];
    for (a, b) in (0..n * n).map(|pair| (pair / n, pair % n)) {
        session[a][b] = ops[a].outcome == Outcome::Ok
            && ops[a].session == ops[b].session
            && ops[a].completed < ops[b].invoked;
    }
    let mut causal = session.clone();
    (0..n).filter_map(|read| source[read].map(|write| (write, read))).for_each(|(w, r)| causal[w][r] = true);
    let (session, causal) = (closed(session), closed(causal));
    let acyclic = (0..n).all(|at| !causal[at][at]);
    let writes = |at: usize, like: usize| written(ops[at]).is_some() && ops[at].key == ops[like].key;
    let legal = |own: &dyn Fn(usize) -> bool, placed: &[usize], next: usize| {
        let last = placed.iter().rev().copied().find(|&at| writes(at, next));
        !own(next) || seen(ops[next]).is_none() || last == source[next]
    };
    let everything: Vec<usize> = (0..n).collect();
    let sessions: Vec<_> = ops.iter().map(|op| op.session).collect();
    let each_session = |before: &Matrix| {
        sessions.iter().all(|&session| {
            let own = |at: usize| ops[at].session == session;
            let part: Vec<usize> = (0..n).filter(|&at| written(ops[at]).is_some() || own(at)).collect();
            some_order(&part, before, &|placed, next| legal(&own, placed, next))
        })
    };
    found[0] = found[0] || some_order(&everything, &session, &|placed, next| legal(&|_| true, placed, next));
    found[1] = found[1]
        || acyclic
            && some_order(&everything, &causal, &|placed, next| {
                let last = placed.iter().rev().copied().find(|&at| writes(at, next) && causal[at][next]);
                seen(ops[next]).is_none() || last == source[next]
            });
    found[2] = found[2] || acyclic && each_session(&causal);
    let is_causal = acyclic
        && (0..n).filter(|&read| seen(ops[read]).is_some()).all(|read| {
            !(0..n).any(|other| {
                writes(other, read)
                    && causal[other][read]
                    && source[read].is_none_or(|write| causal[write][other])
            })
        });
    let goes_back =
        (0..n * n).any(|pair| causal[pair / n][pair % n] && ops[pair % n].precedes(ops[pair / n]));
    found[3] = found[3] || is_causal;
    found[8] = found[8] || is_causal && !goes_back;
    let mut causes = vec![vec![false; n]; n];
    for (read, write) in (0..n).filter_map(|read| Some((read, source[read]?))) {
        (0..n).for_each(|next| causes[write][next] |= session[read][next] || read == next);
    }
    let all_writes: Vec<usize> = (0..n).filter(|&at| written(ops[at]).is_some()).collect();
    found[9] = found[9] || some_order(&all_writes, &causes, &|_, _| true);
    found[4] = found[4] || each_session(&session);
    let mut timed = session.clone();
    for (a, b) in (0..n * n).map(|pair| (pair / n, pair % n)) {
        timed[a][b] |= ops[a].precedes(ops[b]) && ordered[ops[b].id.index()];
    }
    let timed = closed(timed);
    found[5] = found[5] || some_order(&everything, &timed, &|placed, next| legal(&|_| true, placed, next));
    let mut keys: Vec<_> = ops.iter().map(|op| op.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let each_object = |own: &dyn Fn(usize) -> bool| {
        keys.iter().all(|&key| {
            let part = |at: &usize| ops[*at].key == key && (written(ops[*at]).is_some() || own(*at));
            let part: Vec<usize> = (0..n).filter(part).collect();
            some_order(&part, &session, &|placed, next| legal(own, placed, next))
        })
    };
    found[6] = found[6] || each_object(&|_| true);
    found[7] =
        found[7] || sessions.iter().all(|&session| each_object(&|at: usize| ops[at].session == session));
}

/// Whether some order of these extends a given one and lets each in turn be placed.
pub(crate) fn some_order(part: &[usize], before: &Matrix, may: &dyn Fn(&[usize], usize) -> bool) -> bool {
    fn go(
        placed: &mut Vec<usize>,
        part: &[usize],
        before: &Matrix,
        may: &dyn Fn(&[usize], usize) -> bool,
    ) -> bool {
        if placed.len() == part.len() {
            return true;
        }
        for &next in part {
            let free = !placed.contains(&next)
                && part.iter().all(|&other| placed.contains(&other) || !before[other][next]);
            if free && may(placed, next) {
                placed.push(next);
                if go(placed, part, before, may) {
                    return true;
                }
                placed.pop();
            }
        }
        false
    }
    go(&mut Vec::new(), part, before, may)
}

/// The ids of operations, for messages.
pub(crate) fn ids(history: &History) -> Vec<OpId> {
    (0..history.len()).map(OpId::new).collect()
}
