//! The result of checking one history.

use crate::{
    Answer, IsolationLevel, IsolationSet, Model, Phenomenon, Property, Proviso, TransactionAnomaly, Verdict,
};
use serde::{Deserialize, Serialize};

/// The answers about one history, each with evidence that was checked twice.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The model that the answers refer to.
    pub model: Model,
    /// One answer for each property that was asked, in the order of the question.
    pub answers: Vec<Answer>,
    /// Answers to properties that were not asked. Findings about sessions are judged together: an operation that one
    /// finding shows to be wrong is no evidence for another. The verifier therefore needs all of them to check any of
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Answer>,
    /// All phenomena of transactions that were found, sorted by name, independent of the levels that they rule out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phenomena: Vec<TransactionAnomaly>,
    /// Remarks that are not part of an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl Report {
    /// The overall verdict: violated if one property is violated; otherwise unknown if one is unknown; otherwise
    /// untested if one is untested; otherwise holds.
    pub fn verdict(&self) -> &'static str {
        let has = |name: &str| self.answers.iter().any(|answer| answer.verdict.name() == name);
        ["violated", "unknown", "untested"].into_iter().find(|&name| has(name)).unwrap_or("holds")
    }

    /// The occurrences of a phenomenon.
    pub fn find_anomaly(&self, phenomenon: Phenomenon) -> Option<&TransactionAnomaly> {
        self.phenomena.iter().find(|anomaly| anomaly.phenomenon == phenomenon)
    }

    /// The isolation levels that are ruled out: first the weakest of them, then all others.
    pub fn ruled_out_levels(&self) -> (Vec<IsolationLevel>, Vec<IsolationLevel>) {
        let by_phenomena = self.phenomena.iter().map(TransactionAnomaly::ruled_out_set);
        let set = by_phenomena.fold(IsolationSet::default(), IsolationSet::union);
        let set = self
            .isolation_levels_where(|verdict| matches!(verdict, Verdict::Violated(_)))
            .fold(set, IsolationSet::with);
        let holding: IsolationSet =
            self.isolation_levels_where(|verdict| matches!(verdict, Verdict::Holds(_))).collect();
        let set: IsolationSet = set.iter().filter(|&level| !holding.contains(level)).collect();
        let not: Vec<IsolationLevel> = set.weakest_levels(Proviso::SessionsAside).collect();
        let also_not = set.iter().filter(|level| !not.contains(level)).collect();
        (not, also_not)
    }

    /// The strongest isolation levels among those that hold and those that they imply.
    pub fn strongest_holding_levels(&self) -> Vec<IsolationLevel> {
        let holding: IsolationSet =
            self.isolation_levels_where(|verdict| matches!(verdict, Verdict::Holds(_))).collect();
        holding.and_weaker(Proviso::None).strongest_levels(Proviso::None).collect()
    }

    /// The isolation levels whose verdict meets a condition.
    fn isolation_levels_where(
        &self,
        wanted: impl Fn(&Verdict) -> bool,
    ) -> impl Iterator<Item = IsolationLevel> {
        self.answers.iter().filter(move |answer| wanted(&answer.verdict)).filter_map(|answer| {
            match answer.property {
                Property::Isolation(level) => Some(level),
                _ => None,
            }
        })
    }
}
