//! Compares the engines for registers with the definition, by trying every order.

use super::frontier::{self, FrontierResult, FrontierWidth, Refinement};
use super::register::{Access, RegisterStep};
use super::zones::{self, ZonesResult};
use claims::Limits;
use histories::{Id, NEVER, OpId, ValueId};
use std::sync::atomic::AtomicBool;
use testkit::TestRandom;

/// Herlihy & Wing's definition, literally: some order of all certain steps and some of the others is legal and extends
/// real time. Every subset and every order is tried.
fn is_linearizable(steps: &[RegisterStep], value: ValueId) -> bool {
    fn extend(steps: &[RegisterStep], taken: u32, value: ValueId) -> bool {
        if (0..steps.len()).all(|at| taken >> at & 1 == 1 || !steps[at].is_certain()) {
            return true;
        }
        let left = |at: &usize| taken >> at & 1 == 0;
        (0..steps.len()).filter(left).any(|next| {
            let may_be_first =
                (0..steps.len()).filter(left).all(|other| steps[other].returned > steps[next].invoked);
            may_be_first
                && legal(value, steps[next].access)
                    .is_some_and(|value| extend(steps, taken | 1 << next, value))
        })
    }
    extend(steps, 0, value)
}

fn legal(value: ValueId, access: Access) -> Option<ValueId> {
    match access {
        Access::Read(found) => (found == value).then_some(value),
        Access::Write(put) => Some(put),
        Access::Cas(old, new) => (old == value).then_some(new),
        Access::Differs(other) => (other != value).then_some(value),
    }
}

/// TestRandom steps of up to `processes` clients, each open for a while. The values are few, or each is written once.
pub(crate) fn random_steps(
    random: &mut TestRandom,
    most: usize,
    values: usize,
    unique: bool,
    observes: bool,
) -> Vec<RegisterStep> {
    let (len, processes) = (1 + random.below(most), 1 + random.below(4));
    let mut steps: Vec<RegisterStep> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut position = 0;
    let mut fresh = 1;
    while steps.len() < len || !open.is_empty() {
        if steps.len() < len && (open.is_empty() || (open.len() < processes && random.below(2) == 0)) {
            let any = |random: &mut TestRandom| ValueId::new(random.below(values));
            let written = |random: &mut TestRandom, fresh: &mut usize| {
                if !unique {
                    return any(random);
                }
                *fresh += 1;
                ValueId::new(*fresh - 1)
            };
            let access = match random.below(if observes { 8 } else { 7 }) {
                0..3 => Access::Read(any(random)),
                3..5 => Access::Write(written(random, &mut fresh)),
                5 | 6 => Access::Cas(any(random), written(random, &mut fresh)),
                _ => Access::Differs(any(random)),
            };
            let access = match access {
                Access::Cas(old, new) if old == new => Access::Read(old),
                other => other,
            };
            open.push(steps.len());
            steps.push(RegisterStep {
                id: OpId::new(steps.len()),
                access,
                invoked: position,
                returned: NEVER,
            });
        } else {
            let at = open.swap_remove(random.below(open.len()));
            let must_return = matches!(steps[at].access, Access::Read(_) | Access::Differs(_));
            if must_return || random.below(6) > 0 {
                steps[at].returned = position;
            }
        }
        position += 1;
    }
    steps
}

/// Whether an order meets the definition.
fn explains(order: &[u32], steps: &[RegisterStep], initial: ValueId) -> bool {
    let mut seen = vec![false; steps.len()];
    let (mut value, mut latest_invocation) = (initial, 0);
    for &place in order {
        let step = &steps[place as usize];
        let fits = !std::mem::replace(&mut seen[place as usize], true) && step.returned >= latest_invocation;
        latest_invocation = latest_invocation.max(step.invoked);
        match legal(value, step.access) {
            Some(next) if fits => value = next,
            _ => return false,
        }
    }
    (0..steps.len()).all(|at| seen[at] || !steps[at].is_certain())
}

#[test]
fn the_frontier_agrees_with_the_definition() {
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes: usize::MAX, stop: &stop };
    let (mut legal, mut illegal, mut refuted, mut refined) = (0, 0, 0, (0, 0));
    for seed in 0..30_000 {
        let random = &mut TestRandom::new(seed);
        let (values, unique, observes) = (2 + random.below(3), random.below(5) == 0, random.below(3) == 0);
        let steps = random_steps(random, 9, values, unique, observes);
        let expected = is_linearizable(&steps, ValueId::NULL);
        for width in [FrontierWidth::Beam(2), FrontierWidth::Relaxed, FrontierWidth::Loose] {
            match frontier::decide_by_frontier(&steps, &[ValueId::NULL], width, &limits).0 {
                FrontierResult::Order(order) if width == FrontierWidth::Beam(2) => {
                    assert!(
                        explains(&order, &steps, ValueId::NULL),
                        "seed {seed}: a beam finds {order:?} of {steps:#?}"
                    );
                }
                FrontierResult::Dead(_) if width != FrontierWidth::Beam(2) => {
                    assert!(!expected, "seed {seed}: {width:?} rejects {steps:#?}");
                    refuted += 1;
                }
                _ => {}
            }
        }
        match frontier::decide_by_refinement(&steps, &[ValueId::NULL], &limits).0 {
            Refinement::Order(order) => {
                assert!(
                    explains(&order, &steps, ValueId::NULL),
                    "seed {seed}: a refinement finds {order:?} of {steps:#?}"
                );
                refined.0 += 1;
            }
            Refinement::Dead(..) => {
                assert!(!expected, "seed {seed}: a refinement rejects {steps:#?}");
                refined.1 += 1;
            }
            Refinement::Undecided => {}
        }
        match frontier::decide_by_frontier(&steps, &[ValueId::NULL], FrontierWidth::Whole, &limits).0 {
            FrontierResult::Order(order) => {
                assert!(expected, "seed {seed}: the frontier accepts {steps:#?}");
                assert!(
                    explains(&order, &steps, ValueId::NULL),
                    "seed {seed}: {order:?} does not explain {steps:#?}"
                );
                legal += 1;
            }
            FrontierResult::Dead(_) => {
                assert!(!expected, "seed {seed}: the frontier rejects {steps:#?}");
                illegal += 1;
            }
            FrontierResult::Unknown(why) => panic!("seed {seed}: {why:?}"),
        }
    }
    assert!(
        refuted > illegal,
        "the relaxations refute too little to be worth their time: {refuted} of {illegal}"
    );
    assert!(refined.0 > 1_000 && refined.1 > 10_000, "refinement decides too little: {refined:?}");
    assert!(
        legal > 5_000 && illegal > 5_000,
        "{legal} legal, {illegal} illegal: too one-sided to tell anything"
    );
}

#[test]
fn the_zones_agree_with_the_definition() {
    let (mut legal, mut illegal) = (0, 0);
    for seed in 0..30_000 {
        let random = &mut TestRandom::new(seed);
        let most = if seed < 15_000 { 4 } else { 8 };
        let steps = random_steps(random, most, 4, true, false);
        let mut kept = steps.clone();
        super::register::drop_unwanted_steps(&mut kept);
        let expected = is_linearizable(&steps, ValueId::NULL);
        match zones::decide_by_zones(&kept, ValueId::NULL) {
            ZonesResult::Order(order) => {
                assert!(expected, "seed {seed}: the zones accept {steps:#?}");
                assert!(
                    explains(&order, &kept, ValueId::NULL),
                    "seed {seed}: {order:?} does not explain {kept:#?}"
                );
                legal += 1;
            }
            ZonesResult::Conflict(values) => {
                assert!(!expected, "seed {seed}: the zones reject {steps:#?} because of {values:?}");
                illegal += 1;
            }
            ZonesResult::Ambiguous => panic!("seed {seed}: every value has one writer"),
        }
    }
    assert!(
        legal > 5_000 && illegal > 5_000,
        "{legal} legal, {illegal} illegal: too one-sided to tell anything"
    );
}
