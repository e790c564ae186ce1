//! Encodes what reads missed: if a read returned the version of a source, it comes before the transactions that overwrote that version.
//!
//! Such an edge depends on two choices, so a read with many sources and a key with many writers have the product of both. Most of them
//! would never be used. So the edges of a source are made when it is chosen for the first time, and not those that say nothing because of
//! what is certain ([`CertainReachability`](super::closure::CertainReachability)).

use super::case_facts::INITIAL;
use super::clauses::ChoiceLiteral;
use super::encode::{CaseEncoding, CaseLinkReason, CaseVariable, ConditionalEdge, TOO_MANY};
use super::shape::{AntiDependencyRule, Visibility};
use claims::Limits;

/// How often the limits are looked at, in reads.
const READS_BETWEEN_LOOKS: u32 = 1 << 10;

impl CaseEncoding<'_, '_> {
    /// Adds the edges from reads with one possible source to the transactions that overwrote it. Precondition: the certain edges are active.
    ///
    /// # Errors
    /// The reason if the edges need too much memory, or if the caller stopped the check.
    pub(super) fn connect_certain_misses(
        &mut self,
        limits: &Limits<'_>,
        steps: &mut u64,
    ) -> Result<(), &'static str> {
        let mut spent = 0;
        self.look_at_certain_edges(&mut spent, limits);
        *steps = steps.saturating_sub(spent);
        for number in 0..self.facts.reads.len() as u32 {
            if self.facts.reads[number as usize].sources.len() == 1 {
                self.connect_misses_of(number, 0);
            }
            if self.edges_exceed_memory() {
                return Err(TOO_MANY);
            }
            if number % READS_BETWEEN_LOOKS == 0 && limits.stop_requested() {
                return Err(Limits::STOPPED);
            }
        }
        Ok(())
    }

    /// Adds the edges of a source that is chosen for the first time.
    pub(super) fn connect_misses_of_choice(&mut self, literal: ChoiceLiteral) {
        let CaseVariable::From { read, .. } = self.variables[literal.variable() as usize] else { return };
        if literal.is_positive() && !std::mem::replace(&mut self.connected[literal.variable() as usize], true)
        {
            self.connect_misses_of(read, literal.variable() - self.sources[read as usize]);
        }
    }

    /// An edge that rules a source out: a transaction certainly overwrote its version before the read. `spent` counts the writers that were
    /// looked at.
    pub(super) fn edge_that_rules_out(&mut self, literal: ChoiceLiteral, spent: &mut u64) -> Option<u32> {
        let CaseVariable::From { read, source } = self.variables[literal.variable() as usize] else {
            return None;
        };
        if !literal.is_positive() || self.misses_close(read) != Some(false) {
            return None;
        }
        let facts = self.facts;
        let each = &facts.reads[read as usize];
        let at = self.moments.moment_at_place(each.reader, each.place);
        let from = (source != INITIAL).then(|| self.write_moment(each.key, source));
        let mut writers = facts.keys[each.key as usize].writers.iter().copied();
        let writer = writers.find(|&writer| {
            *spent += 1;
            let commit = self.moments.commit_moment(writer);
            writer != each.reader
                && writer != source
                && self.is_certain_path(commit, at)
                && from.is_none_or(|from| self.is_certain_path(from, commit))
        })?;
        let overwrote = match source {
            INITIAL => ChoiceLiteral::TRUE,
            source => {
                let [one, other] = [source, writer].map(|writer| self.place_among_writers(each.key, writer));
                self.write_order_literal(each.key, one?, other?)
            }
        };
        if !self.chosen[overwrote.0 as usize] {
            return None;
        }
        let (to, link) = (self.moments.commit_moment(writer), CaseLinkReason::Missed { read, source });
        self.add_edge(ConditionalEdge { from: at, to, premises: [literal, overwrote], link, closes: false });
        Some(self.edges.len() as u32 - 1)
    }

    /// Whether the edges from a read to what it missed are only tested for cycles; `None` if it has no such edges.
    pub(super) fn misses_close(&self, number: u32) -> Option<bool> {
        let read = &self.facts.reads[number as usize];
        match self.shape.anti {
            _ if !self.facts.counts_what_it_missed(read) => None,
            AntiDependencyRule::Ignored
            | AntiDependencyRule::Missed(Visibility::Directly(_) | Visibility::OwnPredecessors) => None,
            AntiDependencyRule::Edges => Some(false),
            AntiDependencyRule::EdgesOfUpdates => Some(self.facts.writes[read.reader as usize].is_empty()),
            AntiDependencyRule::Missed(Visibility::Along(_)) => Some(true),
        }
    }

    /// Adds the edges of a read for the case that it returned the version of its source with this index.
    fn connect_misses_of(&mut self, number: u32, which: u32) {
        let Some(closes) = self.misses_close(number) else { return };
        let facts = self.facts;
        let read = &facts.reads[number as usize];
        let source = read.sources[which as usize];
        let at = self.moments.moment_at_place(read.reader, read.place);
        let own = self.place_among_writers(read.key, read.reader);
        let from = self.read_from_literal(number, which);
        let place = (source != INITIAL)
            .then(|| self.place_among_writers(read.key, source).expect("it wrote what was read"));
        let writers = &facts.keys[read.key as usize].writers;
        for other in self.writers_after(read.key, place, own) {
            if Some(other) == place || Some(other) == own {
                continue;
            }
            let writer = writers[other as usize];
            let commit = self.moments.commit_moment(writer);
            let (overwrote, is_before) = match place {
                None => (ChoiceLiteral::TRUE, false),
                Some(place) => (
                    self.write_order_literal(read.key, place, other),
                    self.is_certain_path(
                        self.write_moment(read.key, writer),
                        self.moments.commit_moment(source),
                    ),
                ),
            };
            if !is_before && (closes || !self.is_implied(at, commit)) {
                let link = CaseLinkReason::Missed { read: number, source };
                self.add_edge(ConditionalEdge {
                    from: at,
                    to: commit,
                    premises: [from, overwrote],
                    link,
                    closes,
                });
            }
        }
    }

    /// The places of the writers that a read of this version may have missed. It does not miss the versions that certainly precede its own.
    /// If `ww` edges count, edges to the next certain versions suffice, because `ww` edges lead from there to all later ones.
    fn writers_after(&self, key: u32, place: Option<u32>, own: Option<u32>) -> Vec<u32> {
        let written = &self.facts.keys[key as usize];
        let next = written.next_after(place);
        let open =
            place.into_iter().flat_map(|place| written.open_before(place).chain(written.open_after(place)));
        if self.shape.writes_lead_on() && own.is_none_or(|own| !next.contains(&own)) {
            return open.chain(next).collect();
        }
        open.chain(next.start..written.writers.len() as u32).collect()
    }
}
