//! What a check has found so far.

use claims::{AnomalyName, Breach, BreachEvidence};
use histories::KeyId;

/// What a check has found so far.
#[derive(Default)]
pub(super) struct BreachCollector {
    pub(super) breaches: Vec<Breach>,
    pub(super) counts: Vec<(&'static str, u64)>,
    pub(super) unclear: Option<String>,
    pub(super) remarks: Vec<String>,
    /// Answers that were looked at.
    pub(super) looked: u64,
}

/// Breaches of one kind that are kept; the others are counted.
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

    /// Something that leaves open what no breach decides. The first is kept.
    pub(super) fn note_unclear(&mut self, reason: String) {
        self.unclear.get_or_insert(reason);
    }
}
