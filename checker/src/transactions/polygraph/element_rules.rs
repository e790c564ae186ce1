//! Which transaction appended the element at each position of a list, as clauses and edges. This is for lists that are read at
//! read-uncommitted ([`super::shown_elements`]).
//!
//! Each position has one of the transactions that appended its element, and each transaction has no more positions than it made appends.
//! If it has fewer, one of its appends comes after the list.

use super::clauses::ChoiceLiteral;
use super::element_candidates::{SharedElement, ShownElements};
use super::encode::{CaseEncoding, CaseLinkReason, CaseVariable, ConditionalEdge, TOO_MANY};
use super::list_places::UNLISTED;
use rustc_hash::{FxHashMap, FxHashSet};

impl CaseEncoding<'_, '_> {
    /// Creates a variable for each transaction that may stand at a position of a list, where there are several.
    pub(super) fn create_element_variables(&mut self) {
        for list in &self.facts.elements {
            let mut element_of: FxHashMap<(u32, u32), usize> = FxHashMap::default();
            for (element, shared) in list.shared.iter().enumerate() {
                element_of.extend(shared.positions.iter().map(|&at| ((shared.writer, at), element)));
            }
            let mut taken: FxHashSet<usize> = FxHashSet::default();
            let mut first: Vec<Option<u32>> = Vec::new();
            for (at, writers) in (0u32..).zip(&list.positions) {
                // Tried first: a writer of the element that has no position yet.
                first.push(writers.iter().copied().find(|&writer| taken.insert(element_of[&(writer, at)])));
            }
            for (at, writers) in (0u32..).zip(&list.positions).filter(|(_, writers)| writers.len() > 1) {
                for &writer in writers {
                    self.create_element_variable(list.key, writer, at, first[at as usize] == Some(writer));
                }
            }
            for (writer, each) in (0u32..).zip(&list.writers) {
                if each.comes_after.is_none() {
                    self.create_element_variable(list.key, writer, UNLISTED, false);
                }
            }
        }
    }

    fn create_element_variable(&mut self, key: u32, writer: u32, start: u32, is_first: bool) {
        self.shown.insert((key, writer, start), self.variables.len() as u32);
        self.variables.push(CaseVariable::Shown { key, writer, start });
        self.placed_first.push(is_first);
    }

    /// Adds the clauses and the edges.
    ///
    /// # Errors
    /// The reason if there are too many.
    pub(super) fn add_element_rules(&mut self) -> Result<(), &'static str> {
        let facts = self.facts;
        for list in &facts.elements {
            for (at, writers) in (0u32..).zip(&list.positions).filter(|(_, writers)| writers.len() > 1) {
                let at_position: Vec<ChoiceLiteral> =
                    writers.iter().map(|&writer| self.element_literal(list, writer, at)).collect();
                for one in 1..at_position.len() {
                    for other in 0..one {
                        self.add_element_clause(vec![
                            at_position[other].negated(),
                            at_position[one].negated(),
                        ])?;
                    }
                }
                self.add_element_clause(at_position)?;
            }
            for shared in &list.shared {
                self.count_positions(list, shared)?;
            }
            self.connect_elements(list)?;
        }
        Ok(())
    }

    fn add_element_clause(&mut self, literals: Vec<ChoiceLiteral>) -> Result<(), &'static str> {
        if literals.contains(&ChoiceLiteral::TRUE) {
            return Ok(());
        }
        let literals = literals.into_iter().filter(|literal| *literal != ChoiceLiteral::TRUE.negated());
        self.add_evident(literals.collect())
    }

    /// The literal that an append of a writer stands at a position, or after the list.
    fn element_literal(&self, list: &ShownElements, writer: u32, at: u32) -> ChoiceLiteral {
        let certain = match at {
            UNLISTED => list.writers[writer as usize].comes_after,
            at => (list.positions[at as usize].len() == 1).then_some(true),
        };
        match certain {
            Some(true) => ChoiceLiteral::TRUE,
            Some(false) => ChoiceLiteral::TRUE.negated(),
            None => ChoiceLiteral::from_value(self.shown[&(list.key, writer, at)], true),
        }
    }

    /// A transaction has no more positions than it appended the element. If it has fewer, an append of it comes after the list.
    fn count_positions(&mut self, list: &ShownElements, shared: &SharedElement) -> Result<(), &'static str> {
        let SharedElement { writer, count, ref positions, may_come_after } = *shared;
        let literals: Vec<ChoiceLiteral> =
            positions.iter().map(|&at| self.element_literal(list, writer, at)).collect();
        if count < literals.len() {
            self.for_each_subset(&literals, count + 1, |cases, chosen| {
                cases.add_element_clause(chosen.iter().map(|literal| literal.negated()).collect())
            })?;
        }
        let after = self.element_literal(list, writer, UNLISTED);
        if may_come_after && count <= literals.len() && list.writers[writer as usize].number.is_some() {
            self.for_each_subset(&literals, literals.len() - count + 1, |cases, chosen| {
                cases.add_element_clause(chosen.iter().copied().chain([after]).collect())
            })?;
        }
        Ok(())
    }

    /// Calls a function with each subset of this size. The function ends it with an error when there are too many.
    fn for_each_subset(
        &mut self,
        all: &[ChoiceLiteral],
        size: usize,
        mut each: impl FnMut(&mut Self, &[ChoiceLiteral]) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        let mut chosen: Vec<usize> = (0..size).collect();
        loop {
            let subset: Vec<ChoiceLiteral> = chosen.iter().map(|&at| all[at]).collect();
            each(self, &subset)?;
            let Some(next) = (0..size).rev().find(|&at| chosen[at] + size - at < all.len()) else {
                return Ok(());
            };
            chosen[next] += 1;
            for at in next + 1..size {
                chosen[at] = chosen[at - 1] + 1;
            }
        }
    }

    /// Adds the edges between the transactions of neighbouring positions. The transactions of positions that may belong to a failed
    /// transaction are skipped too.
    fn connect_elements(&mut self, list: &ShownElements) -> Result<(), &'static str> {
        let may_be_silent = |at: usize| {
            let writers = &list.positions[at];
            writers.is_empty() || writers.iter().any(|&writer| list.writers[writer as usize].number.is_none())
        };
        let last: Vec<u32> = (0..list.writers.len() as u32)
            .filter(|&writer| list.writers[writer as usize].comes_after != Some(false))
            .collect();
        for at in 0..list.positions.len() {
            let mut next = at + 1;
            loop {
                let (writers, place) = match list.positions.get(next) {
                    Some(writers) => (writers, next as u32),
                    None => (&last, UNLISTED),
                };
                for &one in &list.positions[at] {
                    for &other in writers {
                        self.connect_element(list, (one, at as u32), (other, place));
                    }
                }
                if self.edges_exceed_memory() {
                    return Err(TOO_MANY);
                }
                if next >= list.positions.len() || !may_be_silent(next) {
                    break;
                }
                next += 1;
            }
        }
        Ok(())
    }

    fn connect_element(&mut self, list: &ShownElements, one: (u32, u32), other: (u32, u32)) {
        let number = |writer: u32| list.writers[writer as usize].number;
        let (Some(from), Some(to)) = (number(one.0), number(other.0)) else { return };
        if from == to {
            return;
        }
        let premises =
            [self.element_literal(list, one.0, one.1), self.element_literal(list, other.0, other.1)];
        let link = CaseLinkReason::Wrote { key: list.key };
        let (from, to) = (self.moments.commit_moment(from), self.write_moment(list.key, to));
        self.add_edge(ConditionalEdge { from, to, premises, link, closes: false });
    }
}
