//! Bounded staleness of registers: a read may be behind by k versions, or by a time T.
//!
//! **Versions.** k-atomicity bounds how many versions a read may be behind (`two_versions.rs`): for k = 1 it is linearizability, for
//! larger k the search of any specification decides, over a register that remembers its last k versions.
//!
//! **Time.** A read may return what was current at some time from T before it began until it ended. So a history satisfies the bound if
//! and only if it is linearizable once the beginning of each read is moved T into the past (Δ-atomicity; Golab, Li & Shah, PODC 2011).
//! Writes and compare-and-sets do not move. The engines of registers then decide the moved history.
//!
//! # Choices
//!
//! - **Times and order.** Times say how far a beginning moves, and the order of the file says what it is moved past: it is moved before
//!   all events from the first completion on that was recorded no more than T before the invocation. If clocks went back, this allows
//!   more, and never less.
//!
//! Cost: as for linearizability; more than one version at worst exponential in the open operations.

use super::decide::{
    ObjectVerdict, check_linearizability, combine_objects, decide_moved_register, group_operations_by_key,
};
use super::moved_reads::MovedReads;
use super::two_versions::{check_recent_versions, check_two_atomicity, with_failed_cas_unknown};
use claims::specification::RecentVersionsRegister;
use claims::{FailedCas, Limits, ObjectQuestion, StalenessBound, Verdict, Violation, Witness};
use histories::History;

/// Decides whether the reads of a history keep the bound of the question. Returns the methods with the verdict.
pub(crate) fn check_bounded_staleness(
    history: &History,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> (String, Verdict<Witness, Vec<Violation>>) {
    let unknown = |why: &str| ("none".to_owned(), Verdict::unknown(why));
    match question.staleness {
        None | Some(StalenessBound::Versions(0)) => {
            unknown("the question does not say how far a read may be behind")
        }
        Some(StalenessBound::Versions(1)) => check_linearizability(history, question, limits),
        Some(StalenessBound::Versions(2)) => check_two_atomicity(history, question, limits),
        Some(StalenessBound::Versions(versions)) => {
            let register = |initial| RecentVersionsRegister { initial, versions };
            check_recent_versions(history, question, "too-stale", &register, limits)
        }
        Some(StalenessBound::Nanoseconds(ns)) => check_bounded_time(history, question, ns, limits),
    }
}

fn check_bounded_time(
    history: &History,
    question: &ObjectQuestion,
    bound_ns: u64,
    limits: &Limits<'_>,
) -> (String, Verdict<Witness, Vec<Violation>>) {
    let plain = ObjectQuestion { failed_cas: FailedCas::SaysNothing, ..question.clone() };
    let moved = match MovedReads::new(history, bound_ns) {
        Ok(moved) => moved,
        Err(untimed) => {
            let why = format!(
                "operation {} has no time, so it is not known how stale a read was",
                history.operation_index(untimed)
            );
            return ("none".to_owned(), Verdict::unknown(why));
        }
    };
    let mut parts: Vec<ObjectVerdict> = Vec::new();
    for (key, operations) in group_operations_by_key(history, limits) {
        if limits.stop_requested() {
            return ("none".to_owned(), Verdict::unknown(Limits::STOPPED));
        }
        parts.push(decide_moved_register(history, key, &operations, &plain, &moved, limits));
    }
    if limits.stop_requested() {
        return ("none".to_owned(), Verdict::unknown(Limits::STOPPED));
    }
    let mut methods: Vec<&str> = parts.iter().map(|part| part.method).collect();
    methods.sort_unstable();
    methods.dedup();
    let method = if methods.is_empty() { "none needed".to_owned() } else { methods.join(" + ") };
    with_failed_cas_unknown(history, question, (method, combine_objects(parts)))
}
