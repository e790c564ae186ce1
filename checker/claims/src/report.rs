//! What a check says of one history.

use crate::{
    Answer, IsolationLevel, IsolationSet, Model, Phenomenon, Property, Proviso, TransactionAnomaly, Verdict,
};
use serde::{Deserialize, Serialize};

/// The answers about one history, each with evidence that was checked twice.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The model by which answers are told.
    pub model: Model,
    /// An answer for each property that was asked, in that order.
    pub answers: Vec<Answer>,
    /// Answers beside what was asked. Findings about sessions are judged together: what one shows to be wrong is no evidence
    /// for another, so those that were not asked for are needed to check the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Answer>,
    /// Every phenomenon of transactions that was found, sorted by name, whatever it rules out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phenomena: Vec<TransactionAnomaly>,
    /// What is worth knowing beside the answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl Report {
    /// The verdict on all that was asked: violated if one property is, else unknown if one is, else untested, else holds.
    pub fn verdict(&self) -> &'static str {
        let has = |name: &str| self.answers.iter().any(|answer| answer.verdict.name() == name);
        ["violated", "unknown", "untested"].into_iter().find(|&name| has(name)).unwrap_or("holds")
    }

    /// The examples of a phenomenon.
    pub fn find_anomaly(&self, phenomenon: Phenomenon) -> Option<&TransactionAnomaly> {
        self.phenomena.iter().find(|anomaly| anomaly.phenomenon == phenomenon)
    }

    /// The isolation levels that are ruled out: the weakest, and the others.
    pub fn ruled_out_levels(&self) -> (Vec<IsolationLevel>, Vec<IsolationLevel>) {
        let by_phenomena = self.phenomena.iter().map(TransactionAnomaly::rules_out);
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

    /// The strongest isolation levels that hold, of those asked for and those that they imply.
    pub fn strongest_holding_levels(&self) -> Vec<IsolationLevel> {
        let holding: IsolationSet =
            self.isolation_levels_where(|verdict| matches!(verdict, Verdict::Holds(_))).collect();
        holding.and_weaker(Proviso::None).strongest_levels(Proviso::None).collect()
    }

    /// The isolation levels with a verdict of some kind.
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
