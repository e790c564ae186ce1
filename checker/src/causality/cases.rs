//! Decides which write a read returned if several wrote its value, and guesses a whole assignment first.
//!
//! If one assignment of sources has a contradiction, every larger one has it too. So reads are assigned one after
//! another, each only while the earlier assignments have no contradiction. The contradictions of all cases together
//! are a proof. Most histories hold, so a whole assignment is guessed before that. Every level first tries one order
//! for all reads (`guess.rs`), and then its own method.
//!
//! Cost: one check if each value is written once; otherwise as many checks as the effort allows.

use super::facts::{INITIAL, RegisterFacts, RowRead};
use super::outcome::{AssignmentOutcome, CausalOutcome, Effort};
use super::problem::CausalProblem;
use super::weak::single_order;
use super::{causes, guess, real_time, serial, weak};
use claims::{CausalOrders, CausalProofStep, CausalRefutation, Level, Limits, ReturnedWrite};
use histories::OpId;

/// Decides a level. Returns the name of the method with the result.
pub(super) fn decide_causal_level(
    facts: &RegisterFacts<'_>,
    level: Level,
    limits: &Limits<'_>,
    effort: &mut Effort,
) -> (&'static str, CausalOutcome<Vec<CausalRefutation>>) {
    let nothing = vec![None; facts.candidates.len()];
    let assigned = if facts.candidates.is_empty() { nothing.clone() } else { likely_assignment(facts) };
    let Some(problem) = CausalProblem::new(facts, &assigned, limits) else {
        return ("none", CausalOutcome::Unknown(Limits::STOPPED.to_owned()));
    };
    let is_guess_right = |order: &Vec<u32>| match level {
        Level::OrderedSequential => real_time::keeps_real_time(&problem, order),
        Level::RealTimeCausal => weak::find_return_from_future(&problem, order).is_none(),
        _ => true,
    };
    if let Some(order) = guess::guess_order(&problem, limits).filter(is_guess_right) {
        return (
            "serial-order",
            CausalOutcome::Explained(with_returned_writes(facts, &assigned, single_order(&problem, &order))),
        );
    }
    let method = if level.judges_causal_order() { "causal-order" } else { "saturation" };
    let found = decide_assignment(&problem, level, limits, effort);
    match found {
        CausalOutcome::Explained(orders) => {
            (method, CausalOutcome::Explained(with_returned_writes(facts, &assigned, orders)))
        }
        CausalOutcome::Refuted(proofs) if facts.candidates.is_empty() => (
            method,
            CausalOutcome::Refuted(proofs.into_iter().map(|proof| CausalRefutation { proof }).collect()),
        ),
        CausalOutcome::Unknown(reason) if facts.candidates.is_empty() => {
            (method, CausalOutcome::Unknown(reason))
        }
        _ => {
            drop(problem);
            ("cases", search_assignments(facts, level, nothing, limits, effort))
        }
    }
}

fn decide_assignment(
    problem: &CausalProblem<'_>,
    level: Level,
    limits: &Limits<'_>,
    effort: &mut Effort,
) -> AssignmentOutcome {
    if !level.judges_causal_order() {
        return serial::check_serial_level(problem, level, limits, effort);
    }
    match effort.spend(serial::round_work(problem), limits) {
        Ok(()) if level == Level::DatabaseWritesFollowReads => causes::check_causes(problem),
        Ok(()) => weak::check_causal_order(problem, level, limits),
        Err(why) => CausalOutcome::Unknown(why),
    }
}

/// For each ambiguous read, the last of its candidates that was invoked before the read completed.
fn likely_assignment(facts: &RegisterFacts<'_>) -> Vec<Option<u32>> {
    let mut assigned = vec![None; facts.candidates.len()];
    for row in &facts.rows {
        let RowRead::OneOf(choice) = row.read else { continue };
        let all = &facts.candidates[choice as usize];
        let invoked =
            |&&row_of: &&u32| row_of != INITIAL && facts.rows[row_of as usize].invoked < row.completed;
        assigned[choice as usize] = all.iter().rev().find(invoked).or(all.last()).copied();
    }
    assigned
}

/// An ambiguous read, and the candidate that is being tried.
struct ReadCase {
    choice: u32,
    at: usize,
}

/// Assigns a source to one ambiguous read after another.
fn search_assignments(
    facts: &RegisterFacts<'_>,
    level: Level,
    mut assigned: Vec<Option<u32>>,
    limits: &Limits<'_>,
    effort: &mut Effort,
) -> CausalOutcome<Vec<CausalRefutation>> {
    let (mut cases, mut proof): (Vec<ReadCase>, Vec<CausalProofStep>) = (Vec::new(), Vec::new());
    loop {
        let Some(problem) = CausalProblem::new(facts, &assigned, limits) else {
            return CausalOutcome::Unknown(Limits::STOPPED.to_owned());
        };
        match (decide_assignment(&problem, level, limits, effort), problem.open) {
            (CausalOutcome::Explained(orders), None) => {
                return CausalOutcome::Explained(with_returned_writes(facts, &assigned, orders));
            }
            (CausalOutcome::Explained(_), Some(vertex)) => {
                let RowRead::OneOf(choice) = facts.rows[vertex as usize].read else {
                    unreachable!("it has several candidates")
                };
                let op = |row: u32| (row != INITIAL).then(|| facts.rows[row as usize].op);
                let writes = facts.candidates[choice as usize].iter().map(|&row| op(row)).collect();
                proof.push(CausalProofStep::Split { read: facts.rows[vertex as usize].op, writes });
                cases.push(ReadCase { choice, at: 0 });
            }
            (CausalOutcome::Refuted(proofs), _) => {
                proof.extend(proofs.into_iter().next().expect("refuted by something"));
                while let Some(case) = cases.last_mut() {
                    case.at += 1;
                    if case.at < facts.candidates[case.choice as usize].len() {
                        break;
                    }
                    assigned[case.choice as usize] = None;
                    cases.pop();
                }
                if cases.is_empty() {
                    return CausalOutcome::Refuted(vec![CausalRefutation { proof }]);
                }
            }
            (CausalOutcome::Unknown(reason), _) => {
                return CausalOutcome::Unknown(blame_ambiguous_values(facts, reason));
            }
        }
        let case = cases.last().expect("there is one");
        assigned[case.choice as usize] = Some(facts.candidates[case.choice as usize][case.at]);
    }
}

/// Adds the values that were written more than once to a reason.
fn blame_ambiguous_values(facts: &RegisterFacts<'_>, reason: String) -> String {
    let mut values: Vec<&str> = Vec::new();
    for row in facts.rows.iter().filter(|row| matches!(row.read, RowRead::OneOf(_))) {
        let value = facts.history.value_text(crate::sessions::value_read(facts.history, row.op));
        if !values.contains(&value) {
            values.push(value);
        }
        if values.len() == 4 {
            values[3] = "…";
            break;
        }
    }
    format!("{reason}: values written more than once ({}) leave open which write was read", values.join(", "))
}

/// Adds to the orders which write each ambiguous read returned.
fn with_returned_writes(
    facts: &RegisterFacts<'_>,
    assigned: &[Option<u32>],
    mut orders: CausalOrders,
) -> CausalOrders {
    let happened: rustc_hash::FxHashSet<OpId> = match facts.candidates.is_empty() {
        true => Default::default(),
        false => orders.orders.iter().flat_map(|order| order.operations.iter().copied()).collect(),
    };
    for row in &facts.rows {
        let RowRead::OneOf(choice) = row.read else { continue };
        let Some(write) = assigned[choice as usize] else { continue };
        if row.is_ok() || happened.contains(&row.op) {
            let write = (write != INITIAL).then(|| facts.rows[write as usize].op);
            orders.returned.push(ReturnedWrite { read: row.op, write });
        }
    }
    orders
}
