//! Collects the breaches and remarks of a check.

use claims::{AnomalyName, Breach, BreachEvidence};
use histories::KeyId;

/// The breaches, counts and remarks of a check in progress.
#[derive(Default)]
pub(super) struct BreachCollector {
    pub(super) breaches: Vec<Breach>,
    pub(super) counts: Vec<(&'static str, u64)>,
    pub(super) unclear: Option<String>,
    pub(super) remarks: Vec<String>,
    /// The number of answers that were examined.
    pub(super) looked: u64,
}

/// How many breaches of each kind are kept. Further ones are only counted.
const BREACHES_MAX: u64 = 100;

impl BreachCollector {
    pub(super) fn add_breach(
        &mut self,
        kind: &'static str,
        key: KeyId,
        evidence: impl FnOnce() -> BreachEvidence,
    ) {
        let at = match self.counts.iter().position(|(known, _)| *known == kind) {
            Some(at) => at,
            None => {
                self.counts.push((kind, 0));
                self.counts.len() - 1
            }
        };
        self.counts[at].1 += 1;
        if self.counts[at].1 <= BREACHES_MAX {
            self.breaches.push(Breach { kind: AnomalyName::new(kind), key, evidence: evidence() });
        }
    }

    /// Notes a reason why the check cannot decide. The verdict is *unknown* for this reason unless a breach is found.
    /// The first reason is kept.
    pub(super) fn note_unclear(&mut self, reason: String) {
        self.unclear.get_or_insert(reason);
    }
}
