//! The dead ends of cores, beside all orders tried one by one.

use checker::{Core, Evidence, FailedCas, Level, Model, Property, Question, Verdict};
use histories::{Argument, Function, History, NEVER, OpId, Outcome, ValueId};
use std::collections::BTreeSet;
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, check_confirmed, draw_history, level_properties, question_about, test_limits};
use verifier::dead_ends;

/// What a dead end says, however its order is told: the operations done, what the register holds, and what cannot come next.
type PlainEnd = (BTreeSet<OpId>, Option<ValueId>, BTreeSet<OpId>);

/// The orders of a core, tried without remembering anything.
struct AllOrders<'h> {
    history: &'h History,
    core: &'h Core,
    ends: BTreeSet<PlainEnd>,
}

impl AllOrders<'_> {
    /// What the register holds after an operation; none if the operation cannot come here.
    fn after(&self, id: OpId, held: ValueId) -> Option<ValueId> {
        let op = self.history.operation(id);
        match (op.function, op.argument, op.outcome) {
            (Function::READ, _, Outcome::Ok) => (op.result == held).then_some(held),
            (Function::READ, ..) => Some(held),
            (Function::WRITE, Argument::Value(value), _) => Some(value),
            (Function::CAS, Argument::Pair(_, new), _) if self.core.writes_only.contains(&id) => Some(new),
            (Function::CAS, Argument::Pair(old, _), Outcome::Fail) => (old != held).then_some(held),
            (Function::CAS, Argument::Pair(old, new), _) => (old == held).then_some(new),
            other => panic!("no operation on a register: {other:?}"),
        }
    }

    fn end_of(&self, id: OpId) -> u32 {
        let op = self.history.operation(id);
        let is_open = op.outcome == Outcome::Info || op.completed > self.core.until;
        if is_open { NEVER } else { op.completed }
    }

    fn is_write(&self, id: OpId) -> bool {
        let is_failed = self.history.outcome(id) == Outcome::Fail && !self.core.writes_only.contains(&id);
        self.history.function(id) != Function::READ && !is_failed
    }

    fn try_from(&mut self, order: &mut Vec<OpId>, initial: ValueId) {
        let held = order.iter().try_fold(initial, |held, &id| self.after(id, held)).expect("a legal order");
        let left: Vec<OpId> = self.core.operations.iter().copied().filter(|id| !order.contains(id)).collect();
        let first_end = left.iter().map(|&id| self.end_of(id)).min().unwrap_or(NEVER);
        let next = left.into_iter().filter(|&id| self.history.operation(id).invoked < first_end);
        let (possible, refused): (Vec<OpId>, Vec<OpId>) =
            next.partition(|&id| self.after(id, held).is_some());
        if possible.is_empty() {
            let wrote = order.iter().any(|&id| self.is_write(id));
            let done = order.iter().copied().collect();
            self.ends.insert((done, wrote.then_some(held), refused.into_iter().collect()));
        }
        for id in possible {
            order.push(id);
            self.try_from(order, initial);
            order.pop();
        }
    }
}

fn compare(history: &History, question: &Question, core: &Core) -> usize {
    let about = question.about_objects(history);
    let initial = about.initial.value_of_key(core.key);
    let mut all = AllOrders { history, core, ends: BTreeSet::new() };
    all.try_from(&mut Vec::new(), initial);
    let told = || format!("{core:?}\n{}", draw_history(history));
    let count = all.ends.len();
    let found =
        dead_ends(history, &about, core, count).unwrap_or_else(|| panic!("none of {count}\n{}", told()));
    let mut plain = BTreeSet::new();
    for end in &found {
        let legal = end.order.iter().try_fold(initial, |held, &id| all.after(id, held));
        assert!(legal.is_some(), "an order that is not legal: {end:?}\n{}", told());
        let refused = end.refused.iter().map(|(id, _)| *id).collect();
        plain.insert((end.order.iter().copied().collect(), end.holds, refused));
    }
    assert_eq!(plain, all.ends, "{}", told());
    assert_eq!(found.len(), count, "a dead end is told twice: {found:?}\n{}", told());
    assert_eq!(dead_ends(history, &about, core, count - 1), None, "{}", told());
    let later = Core { from: Some(0), ..core.clone() };
    assert_eq!(dead_ends(history, &about, &later, count), None, "{}", told());
    count
}

#[test]
fn dead_ends_are_those_of_all_orders() {
    let (mut cores, mut with_several, mut with_parts) = (0, 0, 0);
    for seed in 0..6_000 {
        let mut random = TestRandom::new(seed);
        let shape = match seed % 2 {
            0 => RegisterShape::new(&mut random),
            _ => RegisterShape { keys: 1, ..RegisterShape::tangled(&mut random) },
        };
        let initial = if random.chance(80) { "null" } else { "0" };
        let history = RegisterRun::new(random.fork(1), shape, initial).into_history();
        let mut question = question_about(Model::CasRegister, &level_properties(&[Level::Linearizable]));
        question.initial.set_default(initial).expect("it is JSON");
        question.failed_cas = if random.chance(50) { FailedCas::SaysNothing } else { FailedCas::Observes };
        let report = check_confirmed(&history, &question, &test_limits(300_000, 1 << 28));
        let Verdict::Violated(violations) = &report.answers[0].verdict else { continue };
        assert_eq!(report.answers[0].property, Property::Level(Level::Linearizable));
        for violation in violations {
            let Evidence::Core(core) = &violation.evidence else { panic!("a core is expected") };
            if core.from.is_some() || core.operations.len() > 8 {
                continue;
            }
            cores += 1;
            with_several += usize::from(compare(&history, &question, core) > 1);
            with_parts += usize::from(!core.writes_only.is_empty() || core.until != NEVER);
        }
    }
    assert!(cores > 2_000 && with_several > 60 && with_parts > 400, "{cores}, {with_several}, {with_parts}");
}
