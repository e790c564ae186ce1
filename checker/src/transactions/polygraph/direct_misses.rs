//! Clauses for levels at which a single edge decides what a read has seen: such a read must not miss a write of that transaction.

use super::case_facts::INITIAL;
use super::clauses::{ChoiceLiteral, Clause, ClauseOrigin};
use super::encode::{CaseEncoding, CaseLink, CaseLinkReason, negate_premises};
use super::shape::{AntiDependencyRule, Visibility};
use histories::SessionId;
use rustc_hash::FxHashMap;

/// By key and session: the transactions of the session that wrote the key.
type WritersBySession = FxHashMap<(u32, SessionId), Vec<u32>>;

impl CaseEncoding<'_, '_> {
    /// Adds clauses that forbid misses, for levels at which one edge decides what a read has seen.
    pub(super) fn forbid_direct_misses(&mut self) {
        let AntiDependencyRule::Missed(seen) = self.shape.anti else { return };
        let facts = self.facts;
        let mut by_reader: Vec<Vec<u32>> = vec![Vec::new(); facts.transactions.len()];
        for (number, read) in (0u32..).zip(&facts.reads) {
            by_reader[read.reader as usize].push(number);
        }
        let mut by_session = WritersBySession::default();
        if matches!(seen, Visibility::Directly(edges) if edges.sessions) {
            for (key, written) in (0u32..).zip(&facts.keys) {
                for &writer in &written.writers {
                    let session = facts.history.session(facts.transactions[writer as usize]);
                    by_session.entry((key, session)).or_default().push(writer);
                }
            }
        }
        for number in 0..facts.reads.len() as u32 {
            let read = &facts.reads[number as usize];
            match seen {
                Visibility::Along(_) => return,
                Visibility::OwnPredecessors => self.forbid_misses_after_writes(number, &[read.key]),
                Visibility::Directly(edges) => {
                    let of_one = &by_reader[read.reader as usize];
                    self.forbid_misses_after_reads(number, of_one, !edges.writes && !edges.sessions);
                    if edges.writes {
                        let keys: Vec<u32> =
                            facts.writes[read.reader as usize].iter().map(|write| write.0).collect();
                        self.forbid_misses_after_writes(number, &keys);
                    }
                    if edges.sessions {
                        self.forbid_misses_after_sessions(number, &by_session);
                    }
                }
            }
        }
    }

    /// A read must not miss a write of a transaction from which its own transaction read. If `before` is set, only the
    /// earlier reads of the transaction count.
    fn forbid_misses_after_reads(&mut self, number: u32, others: &[u32], before: bool) {
        let facts = self.facts;
        let place = facts.reads[number as usize].place;
        for &other in others.iter().filter(|&&other| other != number) {
            let read = &facts.reads[other as usize];
            if before && read.place >= place {
                continue;
            }
            for (which, &writer) in (0u32..).zip(&read.sources) {
                if writer != INITIAL {
                    let premise = self.read_from_literal(other, which);
                    self.forbid_miss(
                        number,
                        writer,
                        premise,
                        CaseLinkReason::Read { read: other, source: writer },
                    );
                }
            }
        }
    }

    /// A read must not miss a write of a transaction that wrote one of these keys before the reader's transaction wrote it.
    fn forbid_misses_after_writes(&mut self, number: u32, keys: &[u32]) {
        let reader = self.facts.reads[number as usize].reader;
        for &key in keys {
            let Some(own) = self.place_among_writers(key, reader) else { continue };
            for at in 0..self.facts.keys[key as usize].writers.len() as u32 {
                if at != own {
                    let premise = self.write_order_literal(key, at, own);
                    let writer = self.facts.keys[key as usize].writers[at as usize];
                    self.forbid_miss(number, writer, premise, CaseLinkReason::Wrote { key });
                }
            }
        }
    }

    fn forbid_misses_after_sessions(&mut self, number: u32, by_session: &WritersBySession) {
        let facts = self.facts;
        let read = &facts.reads[number as usize];
        let reader = facts.history.operation(facts.transactions[read.reader as usize]);
        for &writer in by_session.get(&(read.key, reader.session)).into_iter().flatten() {
            let operation = facts.history.operation(facts.transactions[writer as usize]);
            if operation.precedes(&reader) {
                self.forbid_miss(number, writer, ChoiceLiteral::TRUE, CaseLinkReason::Session);
            }
        }
    }

    /// Adds clauses: if the premise holds, the reader has seen the writer, so its read returned no version that the writer
    /// overwrote.
    fn forbid_miss(&mut self, number: u32, writer: u32, premise: ChoiceLiteral, link: CaseLinkReason) {
        let facts = self.facts;
        let read = &facts.reads[number as usize];
        let Some(other) = self.place_among_writers(read.key, writer) else { return };
        if writer == read.reader || premise == ChoiceLiteral::TRUE.negated() {
            return;
        }
        for (which, &source) in (0u32..).zip(&read.sources) {
            if source == writer {
                continue;
            }
            let overwrote = match source {
                INITIAL => ChoiceLiteral::TRUE,
                source => {
                    let place = self.place_among_writers(read.key, source).expect("it wrote what was read");
                    self.write_order_literal(read.key, place, other)
                }
            };
            if overwrote == ChoiceLiteral::TRUE.negated() {
                continue;
            }
            let missed = CaseLinkReason::Missed { read: number, source };
            let cycle = vec![
                CaseLink { from: writer, to: read.reader, link },
                CaseLink { from: read.reader, to: writer, link: missed },
            ];
            let literals = negate_premises([premise, self.read_from_literal(number, which), overwrote]);
            self.rules.push(Clause { literals, origin: ClauseOrigin::Cycle(cycle) });
        }
    }
}
