//! Breaches of invariants, as every format tells them.

use super::Told;
use checker::Verdict;
use checker::invariants::{Answer, explain};
use histories::History;

/// The breaches of one check, each with its text, and with how many there are of its kind where only some are kept.
pub(crate) fn told(history: &History, answer: &Answer) -> Vec<Told> {
    let Verdict::Violated(breaches) = &answer.verdict else { return Vec::new() };
    let one = |breach: &checker::invariants::Breach| Told {
        kind: breach.kind,
        meaning: explain::meaning(breach.kind),
        key: breach.key,
        operations: breach.evidence.operations(),
        text: explain::text(history, breach),
        count: answer.counts.iter().find(|(kind, _)| *kind == breach.kind).map(|(_, count)| *count),
        circumstances: None,
    };
    breaches.iter().map(one).collect()
}
