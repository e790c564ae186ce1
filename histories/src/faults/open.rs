//! The faults that are open at some point of a history, found by kind and by target.
//!
//! A list of open faults would be scanned at each end: a history of n strikes and n ends would take n². So
//! faults are found by their set of targets and by each target. Entries of faults that have ended meanwhile are
//! dropped when they are met, so that all ends together cost what all strikes did.

use super::names::is_heal;
use super::telling::InjectorOperation;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The open faults of all actors.
#[derive(Default)]
pub(super) struct OpenFaults {
    /// By actor and kind.
    of_kind: FxHashMap<(String, String), OpenFaultsOfKind>,
    /// By episode: how many of its targets are still struck. An open fault that names none has 1; one that is
    /// over has 0.
    targets_left: FxHashMap<usize, usize>,
}

#[derive(Default)]
struct OpenFaultsOfKind {
    /// All of them, the oldest first; some may be over.
    all: VecDeque<usize>,
    by_targets: FxHashMap<Vec<String>, VecDeque<usize>>,
    by_target: FxHashMap<String, VecDeque<usize>>,
}

impl OpenFaults {
    /// Opens a fault: the episode of this number.
    pub(super) fn open_fault(&mut self, actor: &str, kind: &str, targets: &[String], episode: usize) {
        let of_kind = self.of_kind.entry((actor.to_owned(), kind.to_owned())).or_default();
        let mut targets = targets.to_vec();
        targets.sort_unstable();
        targets.dedup();
        self.targets_left.insert(episode, targets.len().max(1));
        of_kind.all.push_back(episode);
        for target in &targets {
            of_kind.by_target.entry(target.clone()).or_default().push_back(episode);
        }
        of_kind.by_targets.entry(targets).or_default().push_back(episode);
    }

    /// Whether a fault of this kind is open.
    pub(super) fn is_open(&mut self, actor: &str, kind: &str) -> bool {
        let Some(of_kind) = self.of_kind.get_mut(&(actor.to_owned(), kind.to_owned())) else { return false };
        first_open(&mut of_kind.all, &self.targets_left).is_some()
    }

    /// The faults of a kind that an operation ends, by the number of their episode. If it failed they stay open,
    /// and only the oldest of them is named.
    pub(super) fn end_faults(&mut self, telling: &InjectorOperation<'_>, kind: &str) -> Vec<usize> {
        let left = &mut self.targets_left;
        let Some(of_kind) = self.of_kind.get_mut(&(telling.actor.to_owned(), kind.to_owned())) else {
            return Vec::new();
        };
        let mut targets = telling.targets.clone();
        targets.sort_unstable();
        targets.dedup();
        if telling.error.is_some() {
            let same = of_kind.by_targets.get_mut(&targets).and_then(|queue| first_open(queue, left));
            return same.or_else(|| first_open(&mut of_kind.all, left)).into_iter().collect();
        }
        // Jepsen's `stop` has no value and ends all of its strikes; a heal of the recorder ends one.
        if !targets.is_empty() || is_heal(telling.name) {
            let same = of_kind.by_targets.get_mut(&targets).and_then(|queue| first_open(queue, left));
            if let Some(same) = same {
                left.insert(same, 0);
                return vec![same];
            }
        }
        let known = targets.iter().any(|target| {
            of_kind.by_target.get_mut(target).is_some_and(|queue| first_open(queue, left).is_some())
        });
        if known {
            return end_targets(of_kind, &targets, left);
        }
        let queue = match is_heal(telling.name) && !targets.is_empty() {
            // It may be the end of strikes that name no nodes; those that name others go on.
            true => of_kind.by_targets.get_mut(&[][..]),
            false => Some(&mut of_kind.all),
        };
        let queue = queue.map(std::mem::take).unwrap_or_default();
        let over: Vec<usize> = queue.into_iter().filter(|episode| left[episode] > 0).collect();
        for &episode in &over {
            left.insert(episode, 0);
        }
        over
    }
}

/// Takes each of the targets off the oldest fault that has it. Returns the faults that are over.
fn end_targets(
    of_kind: &mut OpenFaultsOfKind,
    targets: &[String],
    left: &mut FxHashMap<usize, usize>,
) -> Vec<usize> {
    let mut over = Vec::new();
    for target in targets {
        let Some(queue) = of_kind.by_target.get_mut(target) else { continue };
        let Some(episode) = first_open(queue, left) else { continue };
        queue.pop_front();
        let left = left.get_mut(&episode).expect("a fault that was opened");
        *left -= 1;
        if *left == 0 {
            over.push(episode);
        }
    }
    over
}

/// The oldest fault of a queue that is not over; those before it are dropped.
fn first_open(queue: &mut VecDeque<usize>, left: &FxHashMap<usize, usize>) -> Option<usize> {
    while let Some(&episode) = queue.front() {
        if left[&episode] > 0 {
            return Some(episode);
        }
        queue.pop_front();
    }
    None
}
