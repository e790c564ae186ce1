//! Chooses the engine for the steps of one register: zones if each value is written once, else passes of the frontier search.

use super::frontier::{self, FrontierResult, FrontierWidth, Refinement};
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
    /// No order explains the steps: those on these values, or those up to the response at this position. With both, the values matter, and
    /// perhaps others.
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
    ("frontier", decide_by_passes(steps, initial, limits))
}

/// The passes of the frontier search, cheapest first: a quick beam, relaxations, a thorough beam, and at last everything.
fn decide_by_passes(steps: &[RegisterStep], initial: ValueId, limits: &Limits<'_>) -> RegisterDecision {
    let initials = [initial];
    let pass = |width| frontier::decide_by_frontier(steps, &initials, width, limits).0;
    if let FrontierResult::Order(places) = pass(FrontierWidth::Beam(BEAM)) {
        return RegisterDecision::Order(places);
    }
    match frontier::decide_by_refinement(steps, &initials, limits).0 {
        Refinement::Order(places) => return RegisterDecision::Order(places),
        Refinement::Dead(position, values) => {
            let values = (!values.is_empty()).then_some(values);
            return RegisterDecision::Impossible { values, dead: Some(position) };
        }
        Refinement::Undecided => {}
    }
    let is_open = |step: &RegisterStep| !step.is_certain() || matches!(step.access, Access::Cas(..));
    if steps.iter().any(is_open)
        && let FrontierResult::Order(places) = pass(FrontierWidth::Beam(WIDE_BEAM))
    {
        return RegisterDecision::Order(places);
    }
    match pass(FrontierWidth::Whole) {
        FrontierResult::Order(places) => RegisterDecision::Order(places),
        FrontierResult::Dead(position) => RegisterDecision::Impossible { values: None, dead: Some(position) },
        FrontierResult::Unknown(why) => RegisterDecision::Unknown(why),
    }
}
