//! Chooses the engine for the steps of one register: zones if each value is written once, else passes of the frontier search.

use super::frontier::{self, FrontierResult, FrontierWidth};
use super::register::{Access, RegisterStep};
use super::zones::{self, ZonesResult};
use claims::{Limits, Reason};
use histories::ValueId;

/// How many configurations the two beam passes of the frontier search keep: a quick pass, and a thorough one.
const BEAM: usize = 64;
const WIDE_BEAM: usize = 2048;
/// Whether the steps of a register have a legal order.
pub(super) enum RegisterDecision {
    /// An order of the steps, by index.
    Order(Vec<u32>),
    /// No order explains the steps: those on these values, or those up to the response at this position.
    Impossible {
        values: Option<Vec<ValueId>>,
        dead: Option<u32>,
    },
    Unknown(Reason),
}

/// Decides the steps of one register. Also returns the name of the engine that decided.
pub(super) fn decide_register_steps(
    steps: &[RegisterStep],
    initial: ValueId,
    limits: &Limits<'_>,
) -> (&'static str, RegisterDecision) {
    match zones::decide_by_zones(steps, initial) {
        ZonesResult::Order(places) => return ("unique-writes", RegisterDecision::Order(places)),
        ZonesResult::Conflict(values) => {
            return ("unique-writes", RegisterDecision::Impossible { values: Some(values), dead: None });
        }
        ZonesResult::Ambiguous => {}
    }
    let mut decision = RegisterDecision::Unknown(Reason { reason: "no pass decided".to_owned() });
    for width in choose_passes(steps) {
        decision = match (frontier::decide_by_frontier(steps, &[initial], width, limits).0, width) {
            (FrontierResult::Order(places), FrontierWidth::Beam(_) | FrontierWidth::Whole) => {
                RegisterDecision::Order(places)
            }
            (
                FrontierResult::Dead(position),
                FrontierWidth::Relaxed | FrontierWidth::Loose | FrontierWidth::Whole,
            ) => RegisterDecision::Impossible { values: None, dead: Some(position) },
            (FrontierResult::Unknown(why), FrontierWidth::Whole) => RegisterDecision::Unknown(why),
            _ => continue,
        };
        break;
    }
    ("frontier", decision)
}

/// The passes of the frontier search that can decide these steps, cheapest first.
fn choose_passes(steps: &[RegisterStep]) -> Vec<FrontierWidth> {
    let relaxes = steps.iter().any(|step| !step.is_certain());
    let loosens = steps.iter().any(|step| step.is_certain() && matches!(step.access, Access::Cas(..)));
    let mut passes = vec![FrontierWidth::Beam(BEAM)];
    passes.extend(loosens.then_some(FrontierWidth::Loose));
    passes.extend(relaxes.then_some(FrontierWidth::Relaxed));
    passes.extend((relaxes || loosens).then_some(FrontierWidth::Beam(WIDE_BEAM)));
    passes.push(FrontierWidth::Whole);
    passes
}
