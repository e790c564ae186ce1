//! Findings of one phenomenon as they come in.

use claims::{Phenomenon, TransactionAnomaly, TransactionEvidence};

/// Findings of one phenomenon as they come in: all counted, the first few kept.
#[derive(Default)]
pub(crate) struct AnomalyCollector(Vec<TransactionAnomaly>);

impl AnomalyCollector {
    pub(crate) fn record_finding(
        &mut self,
        phenomenon: Phenomenon,
        evidence: impl FnOnce() -> TransactionEvidence,
    ) {
        let place = self.0.iter().position(|anomaly| anomaly.phenomenon == phenomenon);
        let place = place.unwrap_or_else(|| {
            self.0.push(TransactionAnomaly { phenomenon, count: 0, examples: Vec::new() });
            self.0.len() - 1
        });
        let anomaly = &mut self.0[place];
        anomaly.count += 1;
        if anomaly.examples.len() < TransactionAnomaly::EXAMPLES_MAX {
            anomaly.examples.push(evidence());
        }
    }

    /// Adds one that tells more than the others of its kind: it is kept before them.
    pub(crate) fn record_finding_first(&mut self, phenomenon: Phenomenon, evidence: TransactionEvidence) {
        self.record_finding(phenomenon, || evidence.clone());
        let anomaly = self.0.iter_mut().find(|anomaly| anomaly.phenomenon == phenomenon);
        let examples = &mut anomaly.expect("just added").examples;
        examples.retain(|known| *known != evidence);
        examples.insert(0, evidence);
        examples.truncate(TransactionAnomaly::EXAMPLES_MAX);
    }

    /// Adds findings of other phenomena.
    pub(crate) fn append(&mut self, other: AnomalyCollector) {
        self.0.extend(other.0);
    }

    pub(crate) fn into_anomalies(self) -> Vec<TransactionAnomaly> {
        self.0
    }
}
