//! The facts about lists that are read at read-uncommitted, where equal elements were appended: which transaction appended the element at
//! each position of the longest list. They are all facts at the levels of `read-uncommitted`; at `mixed`, they join those of other reads.
//!
//! For such reads, a list may have elements of transactions that failed, and the elements of two transactions may be interleaved, which
//! is a violation. So each element is placed by itself, and not the appends of a transaction as a whole
//! ([`super::list_places`]). The committed elements of the longest list are in the order of their transactions, and what no list
//! shows comes after them.

use super::case_facts::{CaseFacts, ExtractionOutcome, TOO_MANY_PLACES};
use super::shown_appends::ShownAppends;
use super::written_key::WrittenKeyBuilder;
use claims::Limits;
use histories::{Function, History, KeyId, MicroKind, OpId, Outcome};
use rustc_hash::FxHashMap;

/// Extracts the facts.
pub(super) fn extract_shown_elements<'h>(history: &'h History, limits: &Limits<'_>) -> ExtractionOutcome<'h> {
    let Some(appends) = ShownAppends::collect(history, limits) else {
        return ExtractionOutcome::Unclear(Limits::STOPPED.to_owned());
    };
    // A transaction without a completion may have failed, even if a list shows its append.
    let takes_part =
        |id: &OpId| history.function(*id) == Function::TXN && history.outcome(*id) == Outcome::Ok;
    let transactions: Vec<OpId> = history.ids().filter(takes_part).collect();
    let mut writers: FxHashMap<KeyId, Vec<u32>> = FxHashMap::default();
    for (number, &id) in (0u32..).zip(&transactions) {
        for micro in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::Append) {
            let of_key = writers.entry(micro.key).or_default();
            if of_key.last() != Some(&number) {
                of_key.push(number);
            }
        }
    }
    let mut sorted: Vec<KeyId> = writers.keys().copied().collect();
    sorted.sort_unstable();
    let numbers: FxHashMap<OpId, u32> = transactions.iter().copied().zip(0u32..).collect();
    let (mut keys, mut listed, mut elements) = (Vec::new(), Vec::new(), Vec::new());
    let mut all_pairs = 0;
    for (number, key) in (0u32..).zip(sorted) {
        if limits.stop_requested() {
            return ExtractionOutcome::Unclear(Limits::STOPPED.to_owned());
        }
        keys.push(WrittenKeyBuilder { key, writers: Vec::new() }.build(None, &numbers, |_| (0, 0)));
        if appends.repeated.contains(&key) {
            if !appends.may_take_pairs(key, &mut all_pairs, limits) {
                return ExtractionOutcome::Unclear(TOO_MANY_PLACES.to_owned());
            }
            elements.push(appends.find_elements(number, key, &numbers));
        } else {
            let pairs = appends.lists.order_writers(history, key, &writers[&key], &transactions);
            listed.extend(pairs.into_iter().map(|(one, other)| (number, one, other)));
        }
    }
    ExtractionOutcome::Ready(Box::new(CaseFacts {
        history,
        writes: vec![Vec::new(); transactions.len()],
        transactions,
        reads: Vec::new(),
        keys,
        places: FxHashMap::default(),
        assume: None,
        declared: None,
        listed,
        misplaced: None,
        elements,
        has_doubtful: false,
    }))
}
