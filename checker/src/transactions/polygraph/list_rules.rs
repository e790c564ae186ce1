//! The rules of where appends stand in a list, as clauses: each transaction stands at one place, no two overlap, and nothing is left
//! out. The places of two transactions imply their order.
//!
//! All clauses are evident from the history, or are a cycle of two edges. A refutation has those that it needs.

use super::case_facts::INITIAL;
use super::clauses::{ChoiceLiteral, Clause, ClauseOrigin};
use super::encode::{CLAUSES_MAX, CaseEncoding, CaseLink, CaseLinkReason, CaseVariable, TOO_MANY};
use super::list_places::UNLISTED;
use super::written_key::OpenWriter;
use rustc_hash::{FxHashMap, FxHashSet};

impl CaseEncoding<'_, '_> {
    /// Creates a variable for each place at which appends may stand.
    pub(super) fn create_place_variables(&mut self) {
        for (key, written) in (0u32..).zip(&self.facts.keys) {
            let mut taken: FxHashSet<u32> = FxHashSet::default();
            // The place to try first: the earliest one that no writer took which completed earlier.
            let mut by_end: Vec<&OpenWriter> = written.open.iter().collect();
            by_end.sort_by_key(|open| {
                let id = self.facts.transactions[written.writers[open.writer as usize] as usize];
                self.facts.history.operation(id).completed
            });
            let mut first: FxHashMap<u32, u32> = FxHashMap::default();
            for open in by_end {
                let free =
                    open.starts.iter().copied().find(|&start| start == UNLISTED || taken.insert(start));
                first.insert(open.writer, free.unwrap_or(open.starts[0]));
            }
            for open in &written.open {
                for &start in &open.starts {
                    self.placed.insert((key, open.writer, start), self.variables.len() as u32);
                    self.variables.push(CaseVariable::Placed { key, writer: open.writer, start });
                    self.placed_first.push(first[&open.writer] == start);
                }
            }
        }
    }

    /// Whether a place is tried before the others of its writer.
    pub(super) fn is_placed_first(&self, variable: u32) -> bool {
        // The variables of places are the first ones.
        self.placed_first[variable as usize - 1]
    }

    /// Adds the clauses.
    ///
    /// # Errors
    /// The reason if there are too many.
    pub(super) fn add_list_rules(&mut self) -> Result<(), &'static str> {
        for key in 0..self.facts.keys.len() as u32 {
            if self.facts.keys[key as usize].open.is_empty() {
                continue;
            }
            self.place_each_writer_once(key)?;
            self.forbid_overlaps(key)?;
            self.occupy_positions(key)?;
            self.order_placed_writers(key)?;
        }
        self.place_sources()
    }

    fn at_place(&self, key: u32, writer: u32, start: u32) -> ChoiceLiteral {
        ChoiceLiteral::from_value(self.placed[&(key, writer, start)], true)
    }

    fn place_each_writer_once(&mut self, key: u32) -> Result<(), &'static str> {
        let facts = self.facts;
        for open in &facts.keys[key as usize].open {
            let places: Vec<ChoiceLiteral> =
                open.starts.iter().map(|&start| self.at_place(key, open.writer, start)).collect();
            for (at, one) in places.iter().enumerate() {
                for other in &places[..at] {
                    self.add_evident(vec![other.negated(), one.negated()])?;
                }
            }
            self.add_evident(places)?;
        }
        Ok(())
    }

    /// Two transactions do not stand at overlapping places.
    fn forbid_overlaps(&mut self, key: u32) -> Result<(), &'static str> {
        let facts = self.facts;
        let open = &facts.keys[key as usize].open;
        let listed = |open: &OpenWriter| {
            let (writer, length) = (open.writer, open.length);
            let starts = open.starts.clone().into_iter().filter(|&start| start != UNLISTED);
            starts.map(move |start| (start, start + length, writer))
        };
        let mut places: Vec<(u32, u32, u32)> = open.iter().flat_map(listed).collect();
        places.sort_unstable();
        for (at, &(start, end, writer)) in places.iter().enumerate() {
            for &(next, _, other) in places[at + 1..].iter().take_while(|next| next.0 < end) {
                if writer != other {
                    let both = [self.at_place(key, writer, start), self.at_place(key, other, next)];
                    self.add_evident(both.map(ChoiceLiteral::negated).to_vec())?;
                }
            }
        }
        Ok(())
    }

    /// Some transaction stands at each position of the list at which one must begin.
    fn occupy_positions(&mut self, key: u32) -> Result<(), &'static str> {
        let facts = self.facts;
        for position in &facts.keys[key as usize].occupied {
            let by: Vec<ChoiceLiteral> =
                position.by.iter().map(|&writer| self.at_place(key, writer, position.at)).collect();
            let premises: Vec<Option<ChoiceLiteral>> = match position.after.as_slice() {
                [] => vec![None],
                after => after
                    .iter()
                    .map(|&(writer, start)| Some(self.at_place(key, writer, start).negated()))
                    .collect(),
            };
            for premise in premises {
                self.add_evident(premise.into_iter().chain(by.iter().copied()).collect())?;
            }
        }
        Ok(())
    }

    /// The places of two transactions imply their order.
    fn order_placed_writers(&mut self, key: u32) -> Result<(), &'static str> {
        let facts = self.facts;
        let written = &facts.keys[key as usize];
        let by_writer: FxHashMap<u32, &OpenWriter> =
            written.open.iter().map(|open| (open.writer, open)).collect();
        for one in 0..written.writers.len() as u32 {
            for other in written.open_after(one) {
                for (a, b) in [(one, other), (other, one)] {
                    let Some(open) = by_writer.get(&a) else { continue };
                    for &start in &open.starts {
                        self.order_placed_writer(key, (a, start), (b, by_writer.get(&b).copied()));
                    }
                }
                if self.rules.len() > CLAUSES_MAX {
                    return Err(TOO_MANY);
                }
            }
        }
        Ok(())
    }

    /// Orders a writer at one of its places, and another writer.
    fn order_placed_writer(
        &mut self,
        key: u32,
        (writer, start): (u32, u32),
        (other, open): (u32, Option<&OpenWriter>),
    ) {
        let premise = self.at_place(key, writer, start);
        let span = self.facts.keys[key as usize].span(other);
        if start < span.0 {
            self.imply_order(key, &[premise], writer, other);
        } else if span.1 < start {
            self.imply_order(key, &[premise], other, writer);
        } else if let Some(open) = open {
            // Both have several places. The pair comes up twice; the writer at the earlier place is the first one here.
            for &later in open.starts.iter().filter(|&&later| start < later) {
                let premises = [premise, self.at_place(key, other, later)];
                self.imply_order(key, &premises, writer, other);
            }
        }
    }

    /// Adds the clause that one writer precedes another if the premises hold. Otherwise both orders would be in force: a cycle.
    fn imply_order(&mut self, key: u32, premises: &[ChoiceLiteral], earlier: u32, later: u32) {
        let order = self.write_order_literal(key, earlier, later);
        if order == ChoiceLiteral::TRUE {
            return;
        }
        let writers = &self.facts.keys[key as usize].writers;
        let (from, to) = (writers[earlier as usize], writers[later as usize]);
        let link = CaseLinkReason::Wrote { key };
        let cycle = vec![CaseLink { from, to, link }, CaseLink { from: to, to: from, link }];
        let order = (order != ChoiceLiteral::TRUE.negated()).then_some(order);
        let literals = premises.iter().map(|premise| premise.negated()).chain(order).collect();
        self.rules.push(Clause { literals, origin: ClauseOrigin::Cycle(cycle) });
    }

    /// A read returned the list of the transaction that stands where the read ends.
    fn place_sources(&mut self) -> Result<(), &'static str> {
        let facts = self.facts;
        let mut lengths: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        for (key, written) in (0u32..).zip(&facts.keys) {
            lengths.extend(written.open.iter().map(|open| ((key, open.writer), open.length)));
        }
        for (number, read) in (0u32..).zip(&facts.reads) {
            let Some(end) = read.length else { continue };
            for (which, &source) in (0u32..).zip(&read.sources).filter(|(_, source)| **source != INITIAL) {
                let writer = self.place_among_writers(read.key, source).expect("it wrote what was read");
                let Some(length) = lengths.get(&(read.key, writer)) else { continue };
                let place = self.at_place(read.key, writer, end - length);
                let from = self.read_from_literal(number, which);
                if from == ChoiceLiteral::TRUE {
                    self.add_evident(vec![place])?;
                } else {
                    self.add_evident(vec![from.negated(), place])?;
                    self.add_evident(vec![place.negated(), from])?;
                }
            }
        }
        Ok(())
    }
}
