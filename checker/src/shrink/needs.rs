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

use claims::{FailedCas, FindingKind, Model, Property, Question, SessionRules};
use histories::{
    Argument, Function, History, Id, KeyId, MicroKind, OpId, Operation, Outcome, SessionId, ValueId,
};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

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

/// For each token, the operations that provide it and the operations that need it.
pub(super) struct OperationNeeds {
    provides: Vec<Vec<NeedToken>>,
    needs: Vec<Vec<NeedToken>>,
    providers: FxHashMap<NeedToken, Vec<OpId>>,
    needers: FxHashMap<NeedToken, Vec<OpId>>,
}

impl OperationNeeds {
    /// Derives the tokens of all operations of a history. O(n + elements of lists that were read).
    /// Unless sessions stay whole, the operations on a session need not stay together.
    pub(super) fn from_history(
        history: &History,
        question: &Question,
        whole_sessions: bool,
    ) -> OperationNeeds {
        let mut all = OperationNeeds {
            provides: Vec::with_capacity(history.len()),
            needs: Vec::with_capacity(history.len()),
            providers: FxHashMap::default(),
            needers: FxHashMap::default(),
        };
        for op in history.operations() {
            let mut tokens = Tokens::default();
            match question.model {
                Model::ListAppend | Model::RwRegister => add_transaction_tokens(history, &op, &mut tokens),
                Model::Session => {
                    add_session_tokens(history, &question.sessions, &op, whole_sessions, &mut tokens);
                }
                _ => add_object_tokens(history, question, &op, &mut tokens),
            }
            for &token in &tokens.provides {
                all.providers.entry(token).or_default().push(op.id);
            }
            for &token in &tokens.needs {
                all.needers.entry(token).or_default().push(op.id);
            }
            all.provides.push(tokens.provides);
            all.needs.push(tokens.needs);
        }
        all
    }

    /// The given operations with all that they need, directly or indirectly.
    pub(super) fn close_over_needs(&self, some: BTreeSet<OpId>) -> BTreeSet<OpId> {
        follow_tokens(some, |id| &self.needs[id.index()], &self.providers, |_| true)
    }

    /// The kept operations without some operations and all that depend on those.
    pub(super) fn remove_with_dependents(
        &self,
        kept: &BTreeSet<OpId>,
        some: &BTreeSet<OpId>,
    ) -> BTreeSet<OpId> {
        let gone = follow_tokens(
            some.clone(),
            |id| &self.provides[id.index()],
            &self.needers,
            |id| kept.contains(&id),
        );
        kept.difference(&gone).copied().collect()
    }
}

/// The given operations, and all operations that are reached from them by way of tokens. Each token is followed once.
fn follow_tokens<'a>(
    some: BTreeSet<OpId>,
    tokens: impl Fn(OpId) -> &'a Vec<NeedToken>,
    reached: &FxHashMap<NeedToken, Vec<OpId>>,
    counts: impl Fn(OpId) -> bool,
) -> BTreeSet<OpId> {
    let mut todo: Vec<OpId> = some.iter().copied().collect();
    let (mut all, mut followed) = (some, BTreeSet::new());
    while let Some(id) = todo.pop() {
        for token in tokens(id).iter().filter(|&&token| followed.insert(token)) {
            let next = reached.get(token).into_iter().flatten().copied();
            todo.extend(next.filter(|&other| counts(other) && all.insert(other)));
        }
    }
    all
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

    fn needed(model: Model, drawing: &str, some: usize) -> Vec<usize> {
        let history = parse(drawing).expect("a drawing");
        let needs = OperationNeeds::from_history(&history, &Question::about(model), true);
        let some = BTreeSet::from([OpId::new(some)]);
        needs.close_over_needs(some).into_iter().map(Id::index).collect()
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
        let needs = OperationNeeds::from_history(&history, &Question::about(Model::Session), true);
        let tied = needs.close_over_needs(BTreeSet::from([OpId::new(0)]));
        assert_eq!(tied.into_iter().map(Id::index).collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn a_write_needs_nothing_and_a_sum_needs_everything() {
        assert_eq!(needed(Model::Register, "a: [w0] [w1]", 0), [0]);
        assert_eq!(needed(Model::Counter, "a: [inc:1] [inc:2] [r3]", 2), [0, 1, 2]);
        assert_eq!(needed(Model::Set, "a: [add:1] [add:2] [contains:true]", 0), [0]);
    }
}
