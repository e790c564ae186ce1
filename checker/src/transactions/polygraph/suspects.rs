//! Finds the open choices that the order of moments contradicts, without a look at those that cannot have changed.
//!
//! Thousands of versions of one key leave millions of pairs open, but a total order contradicts a key in two ways only: a writer stands between
//! a read and the version that the read returned, or two neighbours among the writers overlap. So a key is looked at writer by writer and read
//! by read, in the order of moments, and not pair by pair. It is looked at again only if one of its transactions moved, or if one of its choices
//! was made or undone: it is *suspect* then.
//!
//! O(w + r · log w) for a suspect key with w writers and r reads.

use super::case_facts::INITIAL;
use super::clauses::ChoiceLiteral;
use super::encode::{CaseEncoding, CaseVariable};
use super::suspect_keys::SuspectKeys;

impl CaseEncoding<'_, '_> {
    /// Notes that a choice about a key was made or undone.
    pub(super) fn suspect_choice(&mut self, literal: ChoiceLiteral) {
        let Some(suspects) = &mut self.suspects else { return };
        match self.variables[literal.variable() as usize] {
            CaseVariable::True => {}
            CaseVariable::Before { key, .. }
            | CaseVariable::Placed { key, .. }
            | CaseVariable::Shown { key, .. } => suspects.suspect_key(key),
            CaseVariable::From { read, .. } => suspects.suspect_key(self.facts.reads[read as usize].key),
        }
    }

    /// An open choice of a suspect key that the order contradicts, if there is one. Keys without any are no longer suspect.
    pub(super) fn next_suspect_choice(
        &mut self,
        values: &[Option<bool>],
        spent: &mut u64,
    ) -> Option<ChoiceLiteral> {
        let mut suspects = self.suspects.take()?;
        self.order.drain_moved(|moment| suspects.suspect_moment(moment));
        let mut found = None;
        while let Some(&key) = suspects.suspects.front() {
            found = self.contradicted_choice_of_key(key, &mut suspects, values, spent);
            if found.is_some() {
                break;
            }
            suspects.suspects.pop_front();
            suspects.is_suspect[key as usize] = false;
        }
        self.suspects = Some(suspects);
        found
    }

    fn contradicted_choice_of_key(
        &self,
        key: u32,
        suspects: &mut SuspectKeys,
        values: &[Option<bool>],
        spent: &mut u64,
    ) -> Option<ChoiceLiteral> {
        let writers = &self.facts.keys[key as usize].writers;
        let commit = |place: u32| self.order.position(self.moments.commit_moment(writers[place as usize]));
        let sorted = &mut suspects.sorted[key as usize];
        sorted.sort_by_key(|&place| commit(place));
        let reads = &suspects.reads[key as usize];
        *spent += (sorted.len() + reads.len()) as u64;
        if self.shape.conflicts {
            for pair in sorted.windows(2) {
                let begin = self.order.position(self.write_moment(key, writers[pair[1] as usize]));
                let order = self.open_order(key, pair[0], pair[1], values);
                if begin < commit(pair[0]) && order.is_some() {
                    return order;
                }
            }
        }
        reads.iter().find_map(|&read| {
            let each = &self.facts.reads[read as usize];
            let at = self.order.position(self.moments.moment_at_place(each.reader, each.place));
            let before = sorted.partition_point(|&place| commit(place) < at);
            let others = sorted[..before].iter().rev().copied();
            let last = others.clone().find(|&place| writers[place as usize] != each.reader);
            self.contradicted_choice_of_read(read, last, values)
        })
    }

    /// The choice to make about a read if the version before it in the order is not the one that it returned. `last` is the place of the writer
    /// of the version before it.
    fn contradicted_choice_of_read(
        &self,
        read: u32,
        last: Option<u32>,
        values: &[Option<bool>],
    ) -> Option<ChoiceLiteral> {
        let each = &self.facts.reads[read as usize];
        let first = self.sources[read as usize] as usize;
        let source = match each.sources.as_slice() {
            [source] => Some(*source),
            sources => (0..sources.len()).find(|at| values[first + at] == Some(true)).map(|at| sources[at]),
        };
        let writers = &self.facts.keys[each.key as usize].writers;
        let writer = last.map_or(INITIAL, |last| writers[last as usize]);
        let Some(source) = source else {
            let which = each.sources.iter().position(|&source| source == writer);
            let is_open = which.is_some_and(|which| values[first + which].is_none());
            return if is_open { None } else { self.latest_open_source(read, values) };
        };
        if source == writer || source == INITIAL || self.misses_close(read) != Some(false) {
            return None;
        }
        self.open_order(each.key, self.place_among_writers(each.key, source)?, last?, values)
    }

    /// The literal that one writer precedes another, if that is an open choice.
    fn open_order(&self, key: u32, one: u32, other: u32, values: &[Option<bool>]) -> Option<ChoiceLiteral> {
        let literal = self.write_order_literal(key, one, other);
        values[literal.variable() as usize].is_none().then_some(literal)
    }
}
