//! Refutes what a relaxation accepts only because it lets an indeterminate operation happen several times.
//!
//! A relaxation need not remember which indeterminate operations were used, and that makes it fast. But a value that only one
//! indeterminate write can have left, and that was read early and again much later, needs just that. So the order that a relaxation finds is
//! looked at: the operations that it used repeatedly are *tracked* from then on, which means that they happen at most once, and the
//! relaxation is tried again (counterexample-guided refinement: Clarke et al., JACM 2003). Those whose values the fewest operations write
//! come first, because little else can take their place.
//!
//! Each tracked operation can double the frontier, so few are tracked.

use super::{FrontierResult, FrontierWidth, search_frontier};
use crate::linearizability::register::{Access, RegisterStep};
use claims::Limits;
use histories::ValueId;
use rustc_hash::FxHashMap;

/// How many operations are tracked at most.
const TRACKED_MAX: usize = 24;
/// How many more are tracked after one attempt.
const TRACKED_EACH: usize = 4;
/// How many steps an attempt with tracked operations may take.
const REFINED_STEPS: u64 = 20_000_000;

/// What came of the refinement.
pub(crate) enum Refinement {
    /// An order of the steps, by index.
    Order(Vec<u32>),
    /// No order explains the steps up to the response at this position. The values that tracked operations write.
    Dead(u32, Vec<ValueId>),
    Undecided,
}

/// Tries relaxations with ever more tracked operations. Also returns the number of search steps.
pub(crate) fn decide_by_refinement(
    steps: &[RegisterStep],
    initials: &[ValueId],
    limits: &Limits<'_>,
) -> (Refinement, u64) {
    let loosens = steps.iter().any(|step| step.is_certain() && matches!(step.access, Access::Cas(..)));
    let relaxes = steps.iter().any(|step| !step.is_certain());
    let mut writers: FxHashMap<ValueId, u32> = FxHashMap::default();
    for value in steps.iter().filter_map(RegisterStep::written_value) {
        *writers.entry(value).or_default() += 1;
    }
    let mut tracked = vec![false; steps.len()];
    let (mut count, mut spent) = (0, 0);
    loop {
        let mut repeated = Vec::new();
        let widths = [(FrontierWidth::Loose, loosens), (FrontierWidth::Relaxed, relaxes)];
        for (width, _) in widths.into_iter().filter(|(_, applies)| *applies) {
            let allowed = if count == 0 { limits.steps } else { limits.steps.min(REFINED_STEPS) };
            let limits = Limits { steps: allowed, ..*limits };
            let (found, took) = search_frontier(steps, initials, width, tracked.clone(), &limits);
            spent += took;
            match found {
                FrontierResult::Dead(position) => {
                    let once = (0..steps.len()).filter(|&at| tracked[at]);
                    let values = once.filter_map(|at| steps[at].written_value()).collect();
                    return (Refinement::Dead(position, values), spent);
                }
                FrontierResult::Unknown(_) => return (Refinement::Undecided, spent),
                FrontierResult::Order(order) => {
                    repeated = repeated_steps(&order, steps);
                    // Unlike the looser one, this relaxation lets nothing else happen that may not.
                    if repeated.is_empty() && width == FrontierWidth::Relaxed {
                        return (Refinement::Order(order), spent);
                    }
                }
            }
            // The first attempt is with both: what the stricter one refutes without any tracked operation is refuted fastest.
            if !repeated.is_empty() && count > 0 {
                break;
            }
        }
        if repeated.is_empty() || count + TRACKED_EACH > TRACKED_MAX {
            return (Refinement::Undecided, spent);
        }
        repeated.sort_by_key(|&step| steps[step as usize].written_value().map(|value| writers[&value]));
        for step in repeated.into_iter().take(TRACKED_EACH) {
            tracked[step as usize] = true;
            count += 1;
        }
    }
}

/// The indeterminate steps that an order has several times.
fn repeated_steps(order: &[u32], steps: &[RegisterStep]) -> Vec<u32> {
    let mut times = vec![0_u32; steps.len()];
    order.iter().for_each(|&step| times[step as usize] += 1);
    (0..steps.len() as u32)
        .filter(|&step| times[step as usize] > 1 && !steps[step as usize].is_certain())
        .collect()
}
