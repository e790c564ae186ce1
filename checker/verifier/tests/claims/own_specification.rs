//! Claims about a specification of the user's own, beside the definition. The specification is a register, so that the definition is a
//! few lines: an order has every operation that took effect once, keeps real time, and each read returns the last write before it.

use checker::{AnomalyName, Core, Evidence, Limits, Linearization, Verdict, Violation, Witness};
use claims::specification::Register;
use histories::{Argument, Function, History, KeyId, NEVER, OpId, Operation, Outcome, ValueId};
use std::collections::{BTreeMap, BTreeSet};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, draw_history};
use verifier::{Standing, verify_specification};

const REGISTER: Register = Register { initial: ValueId::NULL };

/// What the register holds after an operation; none if it would not have answered like this.
fn after(op: &Operation, held: ValueId) -> Option<ValueId> {
    match (op.function, &op.argument, op.outcome) {
        (Function::READ, _, Outcome::Ok) => (op.result == held).then_some(held),
        (Function::READ, ..) => Some(held),
        (Function::WRITE, Argument::Value(value), _) => Some(*value),
        (Function::CAS, Argument::Pair(old, new), _) => (*old == held).then_some(*new),
        other => panic!("no operation on a register: {other:?}"),
    }
}

fn is_order_right(history: &History, operations: &[OpId]) -> bool {
    let operations: Vec<Operation> = operations.iter().map(|&id| history.operation(id)).collect();
    let is_late = |(at, op): (usize, &Operation)| operations[at + 1..].iter().any(|later| later.precedes(op));
    let is_legal = operations.iter().try_fold(ValueId::NULL, |held, op| after(op, held)).is_some();
    is_legal && !operations.iter().enumerate().any(is_late)
}

fn are_orders_right(history: &History, orders: &[Linearization]) -> bool {
    let keys: BTreeSet<KeyId> = orders.iter().map(|order| order.key).collect();
    let ordered: Vec<OpId> = orders.iter().flat_map(|order| order.operations.iter().copied()).collect();
    let distinct: BTreeSet<OpId> = ordered.iter().copied().collect();
    let is_there = |op: Operation| match op.outcome {
        Outcome::Ok => distinct.contains(&op.id),
        Outcome::Info => true,
        Outcome::Fail => !distinct.contains(&op.id),
    };
    let is_right = |order: &Linearization| {
        order.operations.iter().all(|&id| history.key(id) == order.key)
            && is_order_right(history, &order.operations)
    };
    keys.len() == orders.len()
        && distinct.len() == ordered.len()
        && history.operations().all(is_there)
        && orders.iter().all(is_right)
}

/// Whether operations have a legal order that has all those with an end and any of the others.
fn has_order(left: &[(Operation, u32)], held: ValueId) -> bool {
    let first_end = left.iter().map(|(_, end)| *end).min().unwrap_or(NEVER);
    first_end == NEVER
        || (0..left.len()).filter(|&at| left[at].0.invoked < first_end).any(|at| {
            let rest: Vec<(Operation, u32)> = left
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .map(|(_, one)| one.clone())
                .collect();
            after(&left[at].0, held).is_some_and(|held| has_order(&rest, held))
        })
}

fn is_core_right(history: &History, core: &Core) -> bool {
    let named: BTreeSet<OpId> = core.operations.iter().copied().collect();
    let belongs = |op: &Operation| op.key == core.key && op.outcome != Outcome::Fail;
    let may_go = |op: &Operation| !belongs(op) || op.invoked > core.until || op.function == Function::READ;
    let end = |op: &Operation| match op.outcome {
        Outcome::Ok if op.completed <= core.until => op.completed,
        _ => NEVER,
    };
    let members: Vec<(Operation, u32)> = named
        .iter()
        .map(|&id| history.operation(id))
        .map(|op| {
            let end = end(&op);
            (op, end)
        })
        .collect();
    named.len() == core.operations.len()
        && core.writes_only.is_empty()
        && core.from.is_none()
        && members.iter().all(|(op, _)| belongs(op))
        && history.operations().filter(|op| !named.contains(&op.id)).all(|op| may_go(&op))
        && !has_order(&members, ValueId::NULL)
}

/// An order of each object near that of the events.
fn forge_orders(history: &History, random: &mut TestRandom) -> Vec<Linearization> {
    let mut orders: BTreeMap<KeyId, Vec<OpId>> = BTreeMap::new();
    for op in history.operations() {
        let stays = match op.outcome {
            Outcome::Ok => !random.chance(3),
            Outcome::Info => random.chance(50),
            Outcome::Fail => random.chance(5),
        };
        if stays {
            orders.entry(op.key).or_default().push(op.id);
        }
    }
    let mut orders: Vec<Linearization> =
        orders.into_iter().map(|(key, operations)| Linearization { key, operations }).collect();
    for order in &mut orders {
        if random.chance(50) {
            order.operations.sort_by_key(|&id| history.operation(id).completed);
        }
        for _ in 0..random.below(4) {
            let (one, other) = (random.below(order.operations.len()), random.below(order.operations.len()));
            order.operations.swap(one, other);
        }
        if random.chance(3) {
            order.operations.push(order.operations[0]);
        }
    }
    if random.chance(10) && !orders.is_empty() {
        let at = random.below(orders[0].operations.len());
        let rest = orders[0].operations.split_off(at);
        let key = if random.chance(80) { orders[0].key } else { KeyId::from_raw(random.below(2) as u32) };
        orders.push(Linearization { key, operations: rest });
    }
    orders
}

fn forge_core(history: &History, random: &mut TestRandom) -> Core {
    let all: Vec<Operation> = history.operations().collect();
    let key = random.one_of(&all.iter().map(|op| op.key).collect::<Vec<_>>());
    let share = random.one_of(&[60, 90, 100]);
    let stays = |op: &&Operation, random: &mut TestRandom| {
        let belongs = op.key == key && op.outcome != Outcome::Fail;
        let is_write = op.function != Function::READ;
        if belongs { random.chance(if is_write { 95 } else { share }) } else { random.chance(1) }
    };
    let mut operations: Vec<OpId> = Vec::new();
    for op in &all {
        if stays(&op, random) {
            operations.push(op.id);
        }
    }
    if random.chance(3) && !operations.is_empty() {
        operations.push(operations[0]);
    }
    let mut core = Core { minimal: false, ..Core::minimal_core(key, operations) };
    if random.chance(40) {
        core.until = random.below(2 * all.len()) as u32;
        if random.chance(80) {
            core.operations.retain(|&id| history.operation(id).invoked <= core.until);
        }
    }
    core.from = random.chance(3).then_some(0);
    core.writes_only = core.operations.iter().copied().filter(|_| random.chance(1)).collect();
    core
}

#[test]
fn claims_about_an_own_specification_stand_as_the_definition_says() {
    let mut counts: BTreeMap<(bool, bool), u64> = BTreeMap::new();
    for seed in 0..6_000 {
        let mut random = TestRandom::new(seed);
        let shape = RegisterShape { operations: 2 + random.below(6), ..RegisterShape::new(&mut random) };
        let history = RegisterRun::new(random.fork(1), shape, "null").into_history();
        if history.is_empty() {
            continue;
        }
        for _ in 0..20 {
            let (verdict, is_right) = match random.chance(50) {
                true => {
                    let orders = forge_orders(&history, &mut random);
                    let is_right = are_orders_right(&history, &orders);
                    (Verdict::Holds(Witness::Orders(orders)), is_right)
                }
                false => {
                    let cores: Vec<Core> =
                        (0..1 + random.below(2)).map(|_| forge_core(&history, &mut random)).collect();
                    let is_right = cores.iter().all(|core| is_core_right(&history, core));
                    let violation = |core: Core| {
                        let (key, operations) = (core.key, core.operations.clone());
                        let kind = AnomalyName::new("non-linearizable");
                        Violation { kind, key, operations, evidence: Evidence::Core(core) }
                    };
                    (Verdict::Violated(cores.into_iter().map(violation).collect()), is_right)
                }
            };
            *counts.entry((verdict.name() == "holds", is_right)).or_default() += 1;
            let standing = verify_specification(&history, &REGISTER, &verdict, &Limits::unbounded());
            let told = || format!("seed {seed}: {verdict:?}: {standing:?}\n{}", draw_history(&history));
            match is_right {
                true => assert_eq!(standing, Standing::Confirmed, "{}", told()),
                false => assert!(matches!(standing, Standing::Refuted(_)), "{}", told()),
            }
        }
    }
    assert!(counts.len() == 4 && counts.values().all(|&count| count > 1_000), "{counts:?}");
}

#[test]
fn a_claim_without_evidence_is_refuted() {
    let history = histories::notation::parse("a: [w1] [r1]").expect("a drawing");
    let standing = |verdict| verify_specification(&history, &REGISTER, &verdict, &Limits::unbounded());
    for nothing in [Verdict::Violated(Vec::new()), Verdict::Holds(Witness::NothingFound)] {
        assert!(matches!(standing(nothing), Standing::Refuted(_)));
    }
    // An answer of one operation could have been wrong. Where none was answered, nothing could.
    assert!(matches!(standing(Verdict::untested("nobody read")), Standing::Refuted(_)));
    let unanswered = histories::notation::parse("a: [w1 ?").expect("a drawing");
    let untested = Verdict::untested("nothing succeeded");
    let standing = verify_specification(&unanswered, &REGISTER, &untested, &Limits::unbounded());
    assert_eq!(standing, Standing::Confirmed);
}
