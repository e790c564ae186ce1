//! Levels and which of them implies which, with what was found of each: a comparison of histories.
//!
//! Of transactions the implications are those of the checker's table. Of objects they follow from the definitions: an
//! order of all operations that extends real time extends session order; one that is legal answers each session, and
//! has causal order in it; an order of all operations that extends causal order orders the versions of each object so
//! that no session goes back; and one version order for all four guarantees is one for each. (Version tokens and
//! `--assume` are demands of the session guarantees alone.)
//!
//! Nothing is derived here: what implies a violated level and was not decided stays unknown.

use super::Counts;
use checker::{IMPLICATIONS, Level, Property, Proviso};
use std::collections::BTreeMap;

/// One history with what was found of each level.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) model: &'static str,
    pub(crate) counts: Counts,
    pub(crate) verdicts: Vec<Found>,
}

/// What was found of one level.
pub(crate) struct Found {
    pub(crate) level: Property,
    pub(crate) verdict: &'static str,
    /// The names of its anomalies, each once.
    pub(crate) anomalies: Vec<&'static str>,
    pub(crate) reason: Option<String>,
}

/// The levels of some histories, the stronger before the weaker.
pub(crate) struct Lattice {
    pub(crate) levels: Vec<Property>,
    /// From stronger to weaker, by their places; those that follow from others are left out.
    pub(crate) edges: Vec<Implication>,
}

/// One level implies another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Implication {
    pub(crate) stronger: usize,
    pub(crate) weaker: usize,
    /// Only for what does not lean on the order of sessions.
    pub(crate) sessions_aside: bool,
}

/// Which levels of objects imply which.
const OF_OBJECTS: &[(Level, Level)] = &[
    (Level::Linearizable, Level::Sequential),
    (Level::Sequential, Level::CausalConvergence),
    (Level::Sequential, Level::CausalMemory),
    (Level::CausalConvergence, Level::Session),
    (Level::CausalConvergence, Level::Causal),
    (Level::CausalMemory, Level::Causal),
    (Level::CausalMemory, Level::Pram),
    (Level::Causal, Level::MonotonicWrites),
    (Level::Causal, Level::WritesFollowReads),
    (Level::Session, Level::ReadYourWrites),
    (Level::Session, Level::MonotonicReads),
    (Level::Session, Level::MonotonicWrites),
    (Level::Session, Level::WritesFollowReads),
];

impl Lattice {
    /// The lattice of all levels that some history was checked against.
    pub(crate) fn of(columns: &[Column]) -> Lattice {
        let mut levels: Vec<Property> = Vec::new();
        for found in columns.iter().flat_map(|column| &column.verdicts) {
            if !levels.contains(&found.level) {
                levels.push(found.level);
            }
        }
        let pairs = implications();
        let heights: BTreeMap<usize, usize> =
            (0..levels.len()).map(|at| (at, height(&levels, &pairs, at))).collect();
        let mut order: Vec<usize> = (0..levels.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(heights[at]));
        let levels: Vec<Property> = order.into_iter().map(|at| levels[at]).collect();
        let place = |level: Property| levels.iter().position(|&known| known == level);
        let edges: Vec<Implication> = pairs
            .iter()
            .filter_map(|&(stronger, weaker, sessions_aside)| {
                Some(Implication { stronger: place(stronger)?, weaker: place(weaker)?, sessions_aside })
            })
            .collect();
        Lattice { levels, edges: direct(&edges) }
    }

    /// How many levels lie below each on the longest way down: its row in a picture.
    pub(crate) fn heights(&self) -> Vec<usize> {
        let mut heights = vec![0; self.levels.len()];
        // The stronger come first, so what lies below is known when it is asked for.
        for at in (0..self.levels.len()).rev() {
            let below = self.edges.iter().filter(|edge| edge.stronger == at);
            heights[at] = below.map(|edge| heights[edge.weaker] + 1).max().unwrap_or(0);
        }
        heights
    }

    /// The names of what a level implies directly.
    pub(crate) fn implied(&self, at: usize) -> Vec<&'static str> {
        self.edges
            .iter()
            .filter(|edge| edge.stronger == at)
            .map(|edge| self.levels[edge.weaker].name())
            .collect()
    }
}

/// Stronger, weaker, whether only with sessions left aside.
fn implications() -> Vec<(Property, Property, bool)> {
    let objects =
        OF_OBJECTS.iter().map(|&(above, below)| (Property::Level(above), Property::Level(below), false));
    let isolation = IMPLICATIONS.iter().map(|edge| {
        let aside = edge.proviso == Proviso::SessionsAside;
        (Property::Isolation(edge.stronger), Property::Isolation(edge.weaker), aside)
    });
    objects.chain(isolation).collect()
}

/// The longest way down from a level, through any levels.
fn height(levels: &[Property], pairs: &[(Property, Property, bool)], at: usize) -> usize {
    let mut layer = vec![levels[at]];
    let mut height = 0;
    loop {
        let below = pairs.iter().filter(|pair| layer.contains(&pair.0)).map(|pair| pair.1);
        let mut next: Vec<Property> = Vec::new();
        for level in below {
            if !next.contains(&level) {
                next.push(level);
            }
        }
        if next.is_empty() {
            return height;
        }
        (layer, height) = (next, height + 1);
    }
}

/// The edges that do not follow from others. One that only holds with sessions left aside proves nothing for others.
fn direct(edges: &[Implication]) -> Vec<Implication> {
    let firm = |from: usize, to: usize, but: &Implication| {
        let mut todo = vec![from];
        let mut seen = vec![from];
        while let Some(at) = todo.pop() {
            for edge in edges.iter().filter(|&edge| edge.stronger == at && edge != but) {
                if edge.sessions_aside && !but.sessions_aside {
                    continue;
                }
                if edge.weaker == to {
                    return true;
                }
                if !seen.contains(&edge.weaker) {
                    seen.push(edge.weaker);
                    todo.push(edge.weaker);
                }
            }
        }
        false
    };
    edges.iter().filter(|edge| !firm(edge.stronger, edge.weaker, edge)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use checker::Model;

    fn lattice(model: Model) -> Lattice {
        let found = |level| Found { level, verdict: "unknown", anomalies: Vec::new(), reason: None };
        let counts =
            Counts { events: 0, operations: 0, ok: 0, fail: 0, info: 0, processes: 0, sessions: 0, keys: 0 };
        let verdicts = model.comparable_properties().into_iter().map(found).collect();
        Lattice::of(&[Column { name: String::new(), model: "", counts, verdicts }])
    }

    #[test]
    fn the_stronger_stand_above_the_weaker() {
        for model in [Model::ListAppend, Model::Register] {
            let lattice = lattice(model);
            let heights = lattice.heights();
            assert!(!lattice.edges.is_empty());
            for edge in &lattice.edges {
                assert!(edge.stronger < edge.weaker && heights[edge.stronger] > heights[edge.weaker]);
            }
        }
    }

    #[test]
    fn what_follows_is_not_drawn() {
        let edge = |stronger, weaker| Implication { stronger, weaker, sessions_aside: false };
        assert_eq!(direct(&[edge(0, 1), edge(1, 2), edge(0, 2)]), [edge(0, 1), edge(1, 2)]);
        let aside = Implication { sessions_aside: true, ..edge(1, 2) };
        assert_eq!(
            direct(&[edge(0, 1), aside, edge(0, 2)]).len(),
            3,
            "a firm edge does not follow from a proviso"
        );
    }

    #[test]
    fn every_level_of_a_model_is_compared() {
        assert_eq!(Model::Register.comparable_properties().len(), Level::ALL.len());
        assert_eq!(Model::Queue.comparable_properties(), [Property::Level(Level::Linearizable)]);
    }
}
