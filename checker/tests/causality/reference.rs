//! CC, CCv, CM and PRAM by brute force, written from the definitions and from nothing else.
//!
//! An execution is: which indeterminate operations took effect, and orders of what did. Reads-from is told by the
//! values, so that a history in which it is open is not for this. Everything else is tried: for CC all orders of each
//! causal past, for CCv all orders of all operations, for CM and PRAM all orders of the writes and one session's reads.

use checker::Level;
use checker::check::Question;
use histories::{Argument, Function, History, Operation, Outcome, ValueId};

/// The levels, in the order of the answers of [`holds`].
pub(crate) const LEVELS: [Level; 4] =
    [Level::Causal, Level::CausalConvergence, Level::CausalMemory, Level::Pram];

fn written(op: &Operation) -> Option<ValueId> {
    match &op.argument {
        Argument::Value(value) if op.function == Function::WRITE => Some(*value),
        Argument::Pair(_, new) => Some(*new),
        _ => None,
    }
}

/// What an operation that took effect found.
fn found(op: &Operation) -> Option<ValueId> {
    match &op.argument {
        Argument::Pair(old, _) => Some(*old),
        _ if op.function == Function::READ => Some(op.result),
        _ => None,
    }
}

/// Whether some read may have returned any of several writes, or a write or the initial value.
pub(crate) fn is_open(history: &History, question: &Question) -> bool {
    let all: Vec<Operation> = history.operations().filter(|op| op.outcome != Outcome::Fail).collect();
    all.iter().filter(|op| op.outcome == Outcome::Ok || written(op).is_some()).any(|reader| {
        let Some(value) = found(reader) else { return false };
        let writes =
            |op: &&Operation| op.id != reader.id && op.key == reader.key && written(op) == Some(value);
        all.iter().filter(writes).count() + usize::from(value == question.initial) > 1
    })
}

/// Whether each of the levels holds.
pub(crate) fn holds(history: &History, question: &Question) -> [bool; 4] {
    let all: Vec<Operation> = history.operations().collect();
    let sure: Vec<&Operation> = all.iter().filter(|op| op.outcome == Outcome::Ok).collect();
    let info = |op: &&Operation| op.outcome == Outcome::Info && written(op).is_some();
    let doubtful: Vec<&Operation> = all.iter().filter(info).collect();
    let mut holds = [false; 4];
    for chosen in 0u32..1 << doubtful.len() {
        let took = (0..doubtful.len()).filter(|bit| chosen >> bit & 1 == 1).map(|bit| doubtful[bit]);
        let ops: Vec<&Operation> = sure.iter().copied().chain(took).collect();
        let execution = Execution::new(&ops, question);
        let each = [execution.cc(), execution.ccv(), execution.cm(), execution.pram()];
        (0..4).for_each(|level| holds[level] |= each[level]);
    }
    holds
}

type Relation = Vec<Vec<bool>>;

struct Execution<'a> {
    ops: &'a [&'a Operation],
    initial: ValueId,
    session: Relation,
    /// Nothing if somebody read what nobody wrote.
    causal: Option<Relation>,
}

impl<'a> Execution<'a> {
    fn new(ops: &'a [&'a Operation], question: &Question) -> Self {
        let n = ops.len();
        let mut session = vec![vec![false; n]; n];
        for a in 0..n {
            for b in 0..n {
                session[a][b] = ops[a].session == ops[b].session
                    && ops[a].outcome == Outcome::Ok
                    && ops[a].completed < ops[b].invoked;
            }
        }
        let mut causal = Some(session.clone());
        for reader in 0..n {
            let Some(value) = found(ops[reader]) else { continue };
            let writes = |&at: &usize| {
                at != reader && ops[at].key == ops[reader].key && written(ops[at]) == Some(value)
            };
            match ((0..n).find(writes), causal.as_mut()) {
                (Some(writer), Some(causal)) => causal[writer][reader] = true,
                (None, _) if value != question.initial => causal = None,
                _ => {}
            }
        }
        if let Some(causal) = causal.as_mut() {
            close(causal);
        }
        Self { ops, initial: question.initial, session, causal }
    }

    /// Causal order, if it is one.
    fn order(&self) -> Option<&Relation> {
        self.causal.as_ref().filter(|causal| (0..self.ops.len()).all(|at| !causal[at][at]))
    }

    /// Some order of the causal past of each operation explains it.
    fn cc(&self) -> bool {
        let Some(causal) = self.order() else { return false };
        (0..self.ops.len()).all(|op| {
            let past: Vec<usize> =
                (0..self.ops.len()).filter(|&other| other == op || causal[other][op]).collect();
            some_order(causal, &past, &mut |order| self.explains(order, |at| at == op))
        })
    }

    /// One order of all operations explains each from its causal past.
    fn ccv(&self) -> bool {
        let Some(causal) = self.order() else { return false };
        let all: Vec<usize> = (0..self.ops.len()).collect();
        some_order(causal, &all, &mut |order| {
            all.iter().all(|&op| {
                let past = order.iter().copied().filter(|&other| other == op || causal[other][op]);
                self.explains(&past.collect::<Vec<_>>(), |at| at == op)
            })
        })
    }

    fn cm(&self) -> bool {
        self.order().is_some_and(|causal| self.views(causal))
    }

    fn pram(&self) -> bool {
        self.views(&self.session)
    }

    /// For each session some order of all writes and its own reads explains these.
    fn views(&self, relation: &Relation) -> bool {
        self.ops.iter().all(|one| {
            let own = |at: usize| self.ops[at].session == one.session;
            let part: Vec<usize> =
                (0..self.ops.len()).filter(|&at| own(at) || written(self.ops[at]).is_some()).collect();
            some_order(relation, &part, &mut |order| self.explains(order, own))
        })
    }

    /// Whether those of an order whose answers count found what was written last.
    fn explains(&self, order: &[usize], counts: impl Fn(usize) -> bool) -> bool {
        let mut held: Vec<(histories::KeyId, ValueId)> = Vec::new();
        order.iter().all(|&at| {
            let op = self.ops[at];
            let now = held.iter().rfind(|known| known.0 == op.key).map_or(self.initial, |known| known.1);
            held.extend(written(op).map(|value| (op.key, value)));
            !counts(at) || found(op).is_none_or(|value| value == now)
        })
    }
}

fn close(relation: &mut Relation) {
    for via in 0..relation.len() {
        for a in 0..relation.len() {
            for b in 0..relation.len() {
                relation[a][b] |= relation[a][via] && relation[via][b];
            }
        }
    }
}

/// Whether some order of these that extends the relation is accepted.
fn some_order(relation: &Relation, these: &[usize], accept: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    fn extend(
        relation: &Relation,
        these: &[usize],
        order: &mut Vec<usize>,
        accept: &mut dyn FnMut(&[usize]) -> bool,
    ) -> bool {
        if order.len() == these.len() {
            return accept(order);
        }
        for &next in these {
            let waits = |&other: &usize| relation[other][next] && !order.contains(&other);
            if order.contains(&next) || these.iter().any(waits) {
                continue;
            }
            order.push(next);
            if extend(relation, these, order, accept) {
                return true;
            }
            order.pop();
        }
        false
    }
    extend(relation, these, &mut Vec::new(), accept)
}
