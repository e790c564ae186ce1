//! The levels of a comparison and the implications between them.
//!
//! The implications come from the checker's table of levels, which gives the reason of each.
//!
//! No verdict is derived here: a level that implies a violated one and was not decided stays unknown.

use super::HistoryCounts;
use checker::{Property, Proviso};
use std::collections::BTreeMap;

/// One history with the result of each level.
pub(crate) struct LatticeColumn {
    pub(crate) name: String,
    pub(crate) model: &'static str,
    pub(crate) counts: HistoryCounts,
    pub(crate) verdicts: Vec<LevelResult>,
}

/// The result of one level.
pub(crate) struct LevelResult {
    pub(crate) level: Property,
    pub(crate) verdict: &'static str,
    /// The names of the anomalies, each once.
    pub(crate) anomalies: Vec<&'static str>,
    pub(crate) reason: Option<String>,
}

/// The levels of some histories, stronger ones first.
pub(crate) struct LevelLattice {
    pub(crate) levels: Vec<Property>,
    /// The implications, by the positions of their levels. Transitive ones are left out.
    pub(crate) edges: Vec<LatticeEdge>,
}

/// An implication between two levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LatticeEdge {
    pub(crate) stronger: usize,
    pub(crate) weaker: usize,
    /// The condition under which the implication holds.
    pub(crate) proviso: Proviso,
}

impl LevelLattice {
    /// The lattice of all levels against which some history was checked.
    pub(crate) fn from_columns(columns: &[LatticeColumn]) -> LevelLattice {
        let mut levels: Vec<Property> = Vec::new();
        for found in columns.iter().flat_map(|column| &column.verdicts) {
            if !levels.contains(&found.level) {
                levels.push(found.level);
            }
        }
        let pairs = all_implications();
        let heights: BTreeMap<usize, usize> =
            (0..levels.len()).map(|at| (at, longest_descent(&levels, &pairs, at))).collect();
        let mut order: Vec<usize> = (0..levels.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(heights[at]));
        let levels: Vec<Property> = order.into_iter().map(|at| levels[at]).collect();
        let place = |level: Property| levels.iter().position(|&known| known == level);
        let edges: Vec<LatticeEdge> = pairs
            .iter()
            .filter_map(|&(stronger, weaker, proviso)| {
                Some(LatticeEdge { stronger: place(stronger)?, weaker: place(weaker)?, proviso })
            })
            .collect();
        LevelLattice { levels, edges: direct_edges(&edges) }
    }

    /// The length of the longest descent from each level, which is its row in a picture.
    pub(crate) fn level_heights(&self) -> Vec<usize> {
        let mut heights = vec![0; self.levels.len()];
        // Stronger levels come first, so in reverse order all weaker levels are known.
        for at in (0..self.levels.len()).rev() {
            let below = self.edges.iter().filter(|edge| edge.stronger == at);
            heights[at] = below.map(|edge| heights[edge.weaker] + 1).max().unwrap_or(0);
        }
        heights
    }

    /// The levels that a level implies directly, each with the condition under which it does.
    pub(crate) fn implied_levels(&self, at: usize) -> impl Iterator<Item = (&'static str, Proviso)> {
        let below = self.edges.iter().filter(move |edge| edge.stronger == at);
        below.map(|edge| (self.levels[edge.weaker].name(), edge.proviso))
    }
}

/// Stronger level, weaker level, and the condition under which the first implies the second.
fn all_implications() -> Vec<(Property, Property, Proviso)> {
    checker::level_implications().map(|edge| (edge.stronger, edge.weaker, edge.proviso)).collect()
}

/// The length of the longest descent from a level through any levels.
fn longest_descent(levels: &[Property], pairs: &[(Property, Property, Proviso)], at: usize) -> usize {
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

/// The edges that do not follow from others. An edge that holds under a condition supports only edges with the same
/// condition.
fn direct_edges(edges: &[LatticeEdge]) -> Vec<LatticeEdge> {
    let firm = |from: usize, to: usize, but: &LatticeEdge| {
        let mut todo = vec![from];
        let mut seen = vec![from];
        while let Some(at) = todo.pop() {
            for edge in edges.iter().filter(|&edge| edge.stronger == at && edge != but) {
                if edge.proviso != Proviso::None && edge.proviso != but.proviso {
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
    use checker::{Level, Model};

    fn lattice(model: Model) -> LevelLattice {
        let found = |level| LevelResult { level, verdict: "unknown", anomalies: Vec::new(), reason: None };
        let counts = HistoryCounts {
            events: 0,
            operations: 0,
            ok: 0,
            fail: 0,
            info: 0,
            processes: 0,
            sessions: 0,
            keys: 0,
        };
        let verdicts = model.comparable_properties().into_iter().map(found).collect();
        LevelLattice::from_columns(&[LatticeColumn { name: String::new(), model: "", counts, verdicts }])
    }

    #[test]
    fn the_stronger_stand_above_the_weaker() {
        for model in [Model::ListAppend, Model::Register] {
            let lattice = lattice(model);
            let heights = lattice.level_heights();
            assert!(!lattice.edges.is_empty());
            for edge in &lattice.edges {
                assert!(edge.stronger < edge.weaker && heights[edge.stronger] > heights[edge.weaker]);
            }
        }
    }

    #[test]
    fn what_follows_is_not_drawn() {
        let edge = |stronger, weaker| LatticeEdge { stronger, weaker, proviso: Proviso::None };
        assert_eq!(direct_edges(&[edge(0, 1), edge(1, 2), edge(0, 2)]), [edge(0, 1), edge(1, 2)]);
        let aside = LatticeEdge { proviso: Proviso::SessionsAside, ..edge(1, 2) };
        assert_eq!(
            direct_edges(&[edge(0, 1), aside, edge(0, 2)]).len(),
            3,
            "a firm edge does not follow from a proviso"
        );
    }

    #[test]
    fn every_level_of_a_model_is_compared() {
        assert_eq!(Model::Register.comparable_properties().len(), Level::ALL.len() - 1);
        assert_eq!(Model::Queue.comparable_properties(), [Property::Level(Level::Linearizable)]);
    }
}
