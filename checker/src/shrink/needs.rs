//! Which operations depend on which: what must stay so that another operation keeps its meaning.
//!
//! Leaving out an operation is sound if the rest can be explained whenever the whole could. For a read, this always
//! holds. For a write, it holds if no remaining operation wants its value. For an element of a queue or a stack, it
//! holds if all operations on the element are left out together. For objects that accumulate (counters, strings,
//! locks), it holds only if all operations are left out.
//!
//! Each operation *provides* tokens and *needs* tokens: a value of an object, or all of an object. An operation may
//! stay only if every provider of what it needs stays. Failed writes provide too: a read of their value is an
//! `aborted-read` only beside them.

use claims::{FailedCas, FindingKind, Model, Property, Question, SessionRules, UntilStopped};
use histories::{
    Argument, Function, History, Id, KeyId, MicroKind, OpId, Operation, Outcome, SessionId, ValueId,
};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

/// What one operation provides and another needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum NeedToken {
    /// A value of an object.
    Value(KeyId, ValueId),
    /// All changes of an object.
    Object(KeyId),
    /// All operations of one user of a session store.
    User(SessionId),
    /// Bytes that were written, under any key.
    Written(ValueId),
}

/// The number of a token. Tokens are numbered in order of their first occurrence.
type TokenNumber = u32;

/// For each token, the operations that provide it and the operations that need it.
#[derive(Default)]
pub(super) struct OperationNeeds {
    provides: Vec<Vec<TokenNumber>>,
    needs: Vec<Vec<TokenNumber>>,
    providers: Vec<Vec<OpId>>,
    needers: Vec<Vec<OpId>>,
}

/// How often each token is needed by the operations that are kept.
pub(super) struct NeedCounts(Vec<u32>);

impl OperationNeeds {
    /// Derives the tokens of all operations of a history. O(n + elements of lists that were read). If `stop` is set meanwhile, some
    /// operations have no tokens, and the caller uses none of it.
    /// Unless sessions stay whole, the operations on a session need not stay together.
    pub(super) fn from_history(
        history: &History,
        question: &Question,
        whole_sessions: bool,
        stop: &AtomicBool,
    ) -> OperationNeeds {
        let mut all = OperationNeeds {
            provides: vec![Vec::new(); history.len()],
            needs: vec![Vec::new(); history.len()],
            ..OperationNeeds::default()
        };
        let mut known: FxHashMap<NeedToken, TokenNumber> = FxHashMap::default();
        for op in history.operations().until_stopped(stop) {
            let mut tokens = Tokens::default();
            match question.model {
                Model::ListAppend | Model::RwRegister => add_transaction_tokens(history, &op, &mut tokens),
                Model::Session => {
                    add_session_tokens(history, &question.sessions, &op, whole_sessions, &mut tokens);
                }
                _ => add_object_tokens(history, question, &op, &mut tokens),
            }
            let mut numbered = |tokens: Vec<NeedToken>| -> Vec<TokenNumber> {
                let number = |token| {
                    let next = known.len() as TokenNumber;
                    *known.entry(token).or_insert(next)
                };
                tokens.into_iter().map(number).collect()
            };
            let (provides, needs) = (numbered(tokens.provides), numbered(tokens.needs));
            all.providers.resize(known.len(), Vec::new());
            all.needers.resize(known.len(), Vec::new());
            provides.iter().for_each(|&token| all.providers[token as usize].push(op.id));
            needs.iter().for_each(|&token| all.needers[token as usize].push(op.id));
            all.provides[op.id.index()] = provides;
            all.needs[op.id.index()] = needs;
        }
        all
    }

    /// The given operations with all that they need, directly or indirectly. O(all tokens).
    pub(super) fn close_over_needs(&self, some: BTreeSet<OpId>, stop: &AtomicBool) -> BTreeSet<OpId> {
        self.follow_tokens(some, &self.needs, &self.providers, |_| true, stop)
    }

    /// An operation and all kept operations that depend on it, directly or indirectly. O(all tokens).
    pub(super) fn find_dependents(
        &self,
        kept: &BTreeSet<OpId>,
        one: OpId,
        stop: &AtomicBool,
    ) -> BTreeSet<OpId> {
        self.follow_tokens(
            BTreeSet::from([one]),
            &self.provides,
            &self.needers,
            |id| kept.contains(&id),
            stop,
        )
    }

    /// The given operations, and all operations that are reached from them by way of tokens. Each token is followed once. If `stop`
    /// is set meanwhile, some are missing, and the caller uses none of it.
    fn follow_tokens(
        &self,
        some: BTreeSet<OpId>,
        tokens: &[Vec<TokenNumber>],
        reached: &[Vec<OpId>],
        counts: impl Fn(OpId) -> bool,
        stop: &AtomicBool,
    ) -> BTreeSet<OpId> {
        let mut todo: Vec<OpId> = some.iter().copied().collect();
        let (mut all, mut followed) = (some, vec![false; reached.len()]);
        let mut looks = std::iter::repeat(()).until_stopped(stop);
        while let (Some(id), Some(())) = (todo.pop(), looks.next()) {
            for &token in &tokens[id.index()] {
                if !std::mem::replace(&mut followed[token as usize], true) {
                    let next = reached[token as usize].iter().copied();
                    todo.extend(next.filter(|&other| counts(other) && all.insert(other)));
                }
            }
        }
        all
    }

    /// Counts the needs of the kept operations. O(their tokens).
    pub(super) fn count_needs(&self, kept: &BTreeSet<OpId>) -> NeedCounts {
        let mut counts = NeedCounts(vec![0; self.providers.len()]);
        self.put_back(kept.iter().copied(), &mut counts);
        counts
    }

    /// Of some kept operations, those that the other kept operations do not need, directly or indirectly. The needs of these leave
    /// the counts.
    ///
    /// The naive way closes the other operations over their needs: O(all tokens) for each piece, and the square of that for all pieces. This way
    /// looks only at the piece. A piece has no more tokens of its own than it has needs, so that a history that is tried in pieces
    /// costs O(all tokens) in total.
    pub(super) fn take_unneeded(&self, piece: &[OpId], kept: &mut NeedCounts) -> BTreeSet<OpId> {
        let counts = &mut kept.0;
        for &id in piece {
            self.needs[id.index()].iter().for_each(|&token| counts[token as usize] -= 1);
        }
        let mut unneeded: BTreeSet<OpId> = piece.iter().copied().collect();
        let is_needed = |id: &OpId| self.provides[id.index()].iter().any(|&token| counts[token as usize] > 0);
        let mut todo: Vec<OpId> = piece.iter().copied().filter(is_needed).collect();
        while let Some(id) = todo.pop() {
            if !unneeded.remove(&id) {
                continue;
            }
            for &token in &self.needs[id.index()] {
                counts[token as usize] += 1;
                // Nothing needed the token before, so its providers in the piece were not looked at.
                if counts[token as usize] == 1 {
                    let providers = self.providers[token as usize].iter();
                    todo.extend(providers.filter(|&other| unneeded.contains(other)));
                }
            }
        }
        unneeded
    }

    /// Returns the needs of operations that stay after all to the counts.
    pub(super) fn put_back(&self, some: impl IntoIterator<Item = OpId>, kept: &mut NeedCounts) {
        for id in some {
            self.needs[id.index()].iter().for_each(|&token| kept.0[token as usize] += 1);
        }
    }
}

/// The tokens of one operation.
#[derive(Default)]
struct Tokens {
    provides: Vec<NeedToken>,
    needs: Vec<NeedToken>,
}

impl Tokens {
    fn provide_value(&mut self, key: KeyId, value: ValueId) {
        self.provides.push(NeedToken::Value(key, value));
    }

    fn need_value(&mut self, key: KeyId, value: ValueId) {
        self.needs.push(NeedToken::Value(key, value));
    }

    fn provide_and_need(&mut self, token: NeedToken) {
        self.provides.push(token);
        self.needs.push(token);
    }

    /// The operation changes the object in a way that cannot be told from the changes of others.
    fn change_object(&mut self, key: KeyId) {
        self.provide_and_need(NeedToken::Object(key));
    }
}

/// A transaction provides the values that it writes, and needs the values that it read.
fn add_transaction_tokens(history: &History, op: &Operation, tokens: &mut Tokens) {
    let known = op.outcome == Outcome::Ok;
    for micro in history.micros_of(op.id) {
        match micro.kind {
            MicroKind::Write | MicroKind::Append => tokens.provide_value(micro.key, micro.value()),
            MicroKind::Read if known => tokens.need_value(micro.key, micro.value()),
            MicroKind::ReadList if known => {
                history.list(micro.list()).iter().for_each(|&value| tokens.need_value(micro.key, value));
            }
            MicroKind::Read | MicroKind::ReadList => {}
        }
    }
}

fn add_object_tokens(history: &History, question: &Question, op: &Operation, tokens: &mut Tokens) {
    let (key, known) = (op.key, op.outcome == Outcome::Ok);
    match question.model {
        Model::Register | Model::CasRegister => add_register_tokens(question, op, tokens),
        Model::MultiRegister => add_transaction_tokens(history, op, tokens),
        Model::Queue | Model::Stack | Model::PriorityQueue => add_element_tokens(op, tokens),
        Model::Set => match op.function {
            Function::CONTAINS => tokens.need_value(key, op.value()),
            Function::READ if known => tokens.needs.push(NeedToken::Object(key)),
            Function::READ => {}
            _ => {
                tokens.provide_value(key, op.value());
                tokens.provides.push(NeedToken::Object(key));
                tokens.need_value(key, op.value());
            }
        },
        _ => match op.function {
            Function::GET | Function::READ if known => tokens.needs.push(NeedToken::Object(key)),
            Function::GET | Function::READ => {}
            _ => tokens.change_object(key),
        },
    }
}

fn add_register_tokens(question: &Question, op: &Operation, tokens: &mut Tokens) {
    let key = op.key;
    match (op.function, &op.argument, op.outcome) {
        (Function::READ | Function::GET, _, Outcome::Ok) => tokens.need_value(key, op.result),
        (Function::READ | Function::GET, ..) => {}
        (Function::CAS, &Argument::Pair(old, new), outcome) => {
            if outcome != Outcome::Fail {
                tokens.need_value(key, old);
            } else if question.failed_cas == FailedCas::Observes {
                // It observed a value other than `old`, and any write may have written that value.
                tokens.needs.push(NeedToken::Object(key));
            }
            tokens.provide_value(key, new);
            tokens.provides.push(NeedToken::Object(key));
        }
        _ => {
            tokens.provide_value(key, op.value());
            tokens.provides.push(NeedToken::Object(key));
        }
    }
}

/// The operations on one element of a queue, stack or priority queue belong together. It is not known which element an indeterminate
/// removal took, so it stays as long as any element does.
fn add_element_tokens(op: &Operation, tokens: &mut Tokens) {
    let key = op.key;
    let takes = matches!(op.function, Function::DEQUEUE | Function::POP | Function::DELETE_MIN);
    match (takes, op.outcome) {
        (true, Outcome::Ok) if op.result == ValueId::NULL => {}
        (true, Outcome::Ok) => {
            tokens.provide_value(key, op.result);
            tokens.need_value(key, op.result);
        }
        (true, Outcome::Info) => tokens.provides.push(NeedToken::Object(key)),
        (true, Outcome::Fail) => {}
        (false, _) => {
            tokens.provide_value(key, op.value());
            tokens.need_value(key, op.value());
            tokens.needs.push(NeedToken::Object(key));
        }
    }
}

/// Whether a property depends on all operations on a session, so that these stay together.
pub(super) fn concerns_whole_sessions(property: Property) -> bool {
    !matches!(property, Property::Finding(kind) if kind != FindingKind::Unexplained)
}

/// In a session store, all operations on an id belong together, and so do all operations of one user. A renewal joins
/// two ids. A read that renews nothing only observes. A failed operation only observes too: it shows that there was no
/// such session. If sessions need not stay whole, only reads and the writes of their values belong together.
fn add_session_tokens(
    history: &History,
    question: &SessionRules,
    op: &Operation,
    whole_sessions: bool,
    tokens: &mut Tokens,
) {
    let read = matches!(op.function, Function::READ | Function::ACTIONS);
    let looks = op.outcome == Outcome::Fail || (read && !question.renewed_by.includes_function(op.function));
    let mut tied = vec![NeedToken::Object(op.key), NeedToken::User(op.session)];
    // The key of `actions` is the user; the value of `renew` is an id.
    let texts = [history.keys.text(op.key), history.value_text(op.value())];
    tied.extend(history.sessions.get(texts[0]).map(NeedToken::User));
    if op.function == Function::RENEW {
        tied.extend(history.keys.get(texts[1]).map(NeedToken::Object));
    }
    if !whole_sessions {
        tied.clear();
    }
    if looks {
        tokens.needs.extend(tied);
        tokens.needs.extend(written_token(op.result));
        // A read may have returned the value, whether the operation failed or not.
        tokens.provides.extend(written_token(op.value()));
    } else {
        tied.into_iter().for_each(|token| tokens.provide_and_need(token));
        tokens.provides.extend(written_token(op.value()));
    }
}

/// The token of a written value. `null` joins no operations.
fn written_token(value: ValueId) -> Option<NeedToken> {
    (value != ValueId::NULL).then_some(NeedToken::Written(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    static NEVER_STOPPED: AtomicBool = AtomicBool::new(false);

    fn needed(model: Model, drawing: &str, some: usize) -> Vec<usize> {
        let history = parse(drawing).expect("a drawing");
        let needs = OperationNeeds::from_history(&history, &Question::about(model), true, &NEVER_STOPPED);
        let some = BTreeSet::from([OpId::new(some)]);
        needs.close_over_needs(some, &NEVER_STOPPED).into_iter().map(Id::index).collect()
    }

    #[test]
    fn a_read_needs_every_write_that_it_may_have_returned_and_what_those_need() {
        assert_eq!(needed(Model::CasRegister, "a: [w0] [w1] [c1>2] [w2] [r2]", 4), [1, 2, 3, 4]);
    }

    #[test]
    fn in_a_session_store_whoever_shares_an_id_hangs_together_and_nobody_else() {
        let lines = [
            r#"{"process":0,"session":"u","type":"invoke","f":"create","key":"a","value":1}"#,
            r#"{"process":0,"session":"u","type":"ok","f":"create","key":"a","value":1}"#,
            r#"{"process":1,"session":"v","type":"invoke","f":"touch","key":"b","value":null}"#,
            r#"{"process":1,"session":"v","type":"ok","f":"touch","key":"b","value":null}"#,
            r#"{"process":0,"session":"u","type":"invoke","f":"renew","key":"a","value":"c"}"#,
            r#"{"process":0,"session":"u","type":"ok","f":"renew","key":"a","value":"c"}"#,
            r#"{"process":2,"session":"w","type":"invoke","f":"destroy","key":"c","value":null}"#,
            r#"{"process":2,"session":"w","type":"ok","f":"destroy","key":"c","value":null}"#,
        ];
        let history = histories::format::from_text(histories::format::Format::Native, &lines.join("\n"))
            .expect("a history");
        let question = Question::about(Model::Session);
        let needs = OperationNeeds::from_history(&history, &question, true, &NEVER_STOPPED);
        let tied = needs.close_over_needs(BTreeSet::from([OpId::new(0)]), &NEVER_STOPPED);
        assert_eq!(tied.into_iter().map(Id::index).collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn a_write_needs_nothing_and_a_sum_needs_everything() {
        assert_eq!(needed(Model::Register, "a: [w0] [w1]", 0), [0]);
        assert_eq!(needed(Model::Counter, "a: [inc:1] [inc:2] [r3]", 2), [0, 1, 2]);
        assert_eq!(needed(Model::Set, "a: [add:1] [add:2] [contains:true]", 0), [0]);
    }

    /// `take_unneeded` looks at a piece only. By the definition, an operation of the piece stays if it is among all that the rest needs.
    #[test]
    fn what_the_rest_needs_of_a_piece_is_found_without_looking_at_the_rest() {
        let drawings = [
            (Model::CasRegister, "a: [w0] [c0>1] [r1] [c1>2] [w3] [c3>4] [r4] [c2>5] [r5] [w6]"),
            (Model::Queue, "a: [enqueue:1] [enqueue:2] [dequeue:1] [enqueue:3] [dequeue:2] [dequeue:3]"),
            (Model::Set, "a: [add:1] [add:2] [contains:true] [add:1] [add:3]"),
            (Model::RwRegister, "a: [t wx1] [t rx1 wy2] [t ry2 wz3] [t rz3] [t wx4] [t rx4 wy5] [t rx1]"),
        ];
        for (model, drawing) in drawings {
            let history = parse(drawing).expect("a drawing");
            let needs = OperationNeeds::from_history(&history, &Question::about(model), true, &NEVER_STOPPED);
            let all: BTreeSet<OpId> = history.ids().collect();
            let mut counts = needs.count_needs(&all);
            let mut gone_somewhere = 0;
            for bits in 0..1u32 << history.len() {
                let piece: Vec<OpId> = all.iter().copied().filter(|id| bits >> id.index() & 1 == 1).collect();
                let unneeded = needs.take_unneeded(&piece, &mut counts);
                needs.put_back(unneeded.iter().copied(), &mut counts);
                let rest = all.iter().copied().filter(|id| !piece.contains(id)).collect();
                let stays = needs.close_over_needs(rest, &NEVER_STOPPED);
                assert_eq!(unneeded, all.difference(&stays).copied().collect(), "{drawing} {piece:?}");
                gone_somewhere += usize::from(!unneeded.is_empty() && unneeded.len() < piece.len());
            }
            assert!(gone_somewhere > 0, "{drawing}: some pieces are needed in part");
        }
    }
}
