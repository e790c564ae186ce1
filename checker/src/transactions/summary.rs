//! What is asked of a history of transactions, and what an analysis found.

use super::judgement::Judgement;
use claims::{Assume, CycleKind, IsolationLevel, IsolationSet, Limits, Proviso, TransactionAnomaly, Verdict};
use histories::{History, OpId};

/// The analysis of a history.
pub(super) type Analyze = fn(&History, &TransactionOptions, &Limits<'_>) -> TransactionAnalysis;

/// The levels and the assumptions to check a history of transactions against.
#[derive(Clone, Debug)]
pub struct TransactionOptions {
    /// The levels to judge. They also limit the work: session order and real time are only examined if a level needs
    /// them.
    pub levels: Vec<IsolationLevel>,
    /// What the user asserts about version orders.
    pub assume: Assume,
}

/// The result of the analysis: all phenomena, and a verdict on each level.
#[derive(Clone, Debug)]
pub struct TransactionAnalysis {
    /// What the user asserted about version orders.
    pub assume: Assume,
    /// Every phenomenon that was found, sorted by name.
    pub anomalies: Vec<TransactionAnomaly>,
    /// The weakest levels that are ruled out.
    pub not: Vec<IsolationLevel>,
    /// The other levels that are ruled out.
    pub also_not: Vec<IsolationLevel>,
    /// A verdict for each requested level, in the order of the request.
    pub judgements: Vec<Judgement>,
    /// The strongest levels that hold, among the requested levels and those that they imply.
    pub holds: Vec<IsolationLevel>,
    /// The transactions of one cycle of each kind in each component.
    pub(super) cycles: Vec<(CycleKind, Vec<OpId>)>,
}

/// Derives the ruled-out levels and the strongest levels that hold from anomalies and judgements.
pub(super) fn summarize_judgements(
    assume: Assume,
    anomalies: Vec<TransactionAnomaly>,
    judgements: Vec<Judgement>,
) -> TransactionAnalysis {
    let each = anomalies.iter().map(TransactionAnomaly::ruled_out_set);
    let ruled_out = each.fold(IsolationSet::default(), IsolationSet::union);
    let violated = judgements.iter().filter(|judgement| matches!(judgement.verdict, Verdict::Violated(_)));
    let ruled_out = violated.fold(ruled_out, |set, judgement| set.with(judgement.level));
    let not: Vec<IsolationLevel> = ruled_out.weakest_levels(Proviso::SessionsAside).collect();
    let also_not = ruled_out.iter().filter(|level| !not.contains(level)).collect();
    let holding = judgements.iter().filter(|judgement| matches!(judgement.verdict, Verdict::Holds(_)));
    let holding: IsolationSet = holding.map(|judgement| judgement.level).collect();
    let holds = holding.and_weaker(Proviso::None).strongest_levels(Proviso::None).collect();
    TransactionAnalysis { assume, anomalies, not, also_not, judgements, holds, cycles: Vec::new() }
}
