//! Checks a proof that no execution explains a history: each case, and each link of each cycle.

use super::execution::keeps_real_time;
use crate::sessions::{Records, value_read_by, value_written_by};
use claims::{
    CausalLink, CausalProofStep, CausalRefutation, Contradiction, InferenceRule, InferredOrder, Level,
    LinkReason,
};
use histories::{DeclaredConsistency, Id, OpId, Outcome, SessionId};
use rustc_hash::FxHashMap;

/// A case distinction of the proof that still has open cases.
enum OpenCase<'a> {
    Split { read: OpId, writes: &'a [Option<OpId>], at: usize },
    Order { a: OpId, b: OpId, swapped: bool },
}

/// The assumptions at the current point of the proof.
struct RefutationChecker<'a> {
    records: &'a Records<'a>,
    level: Level,
    assumed: FxHashMap<OpId, Option<OpId>>,
    orders: Vec<(OpId, OpId)>,
    /// The session whose order the assumed order of writes belongs to.
    whose: Option<Option<SessionId>>,
    /// By operation: the consistency that it declares. Empty for levels that do not ask.
    declared: Vec<Option<DeclaredConsistency>>,
}

pub(super) fn verify_refutation(
    records: &Records<'_>,
    level: Level,
    found: &CausalRefutation,
) -> Result<(), String> {
    let declared = match level {
        Level::OrderedSequential => records.history.declared_consistency(),
        _ => Vec::new(),
    };
    let (assumed, orders) = (FxHashMap::default(), Vec::new());
    let mut checker = RefutationChecker { records, level, assumed, orders, whose: None, declared };
    if level.is_sequential_per_object() {
        require_one_object(records, found)?;
    }
    let mut cases: Vec<OpenCase<'_>> = Vec::new();
    let mut steps = found.proof.iter();
    loop {
        let Some(step) = steps.next() else {
            return Err("the proof ends before all cases are done".to_owned());
        };
        match step {
            CausalProofStep::Split { read, writes } => {
                checker.enter_split(*read, writes)?;
                cases.push(OpenCase::Split { read: *read, writes, at: 0 });
            }
            CausalProofStep::Order { a, b } => {
                checker.enter_order_case(*a, *b)?;
                cases.push(OpenCase::Order { a: *a, b: *b, swapped: false });
            }
            CausalProofStep::Contradiction(found) => {
                checker.check_contradiction(found)?;
                while let Some(case) = cases.last_mut() {
                    match case {
                        OpenCase::Split { read, writes, at } => {
                            *at += 1;
                            match writes.get(*at) {
                                Some(&write) => {
                                    checker.assumed.insert(*read, write);
                                    break;
                                }
                                None => checker.assumed.remove(read),
                            };
                        }
                        OpenCase::Order { a, b, swapped } => {
                            checker.orders.pop();
                            if !*swapped {
                                *swapped = true;
                                checker.orders.push((*b, *a));
                                break;
                            }
                        }
                    }
                    cases.pop();
                }
                if checker.orders.is_empty() {
                    checker.whose = None;
                }
                if cases.is_empty() {
                    return match steps.next() {
                        None => Ok(()),
                        Some(_) => Err("the proof goes on after its end".to_owned()),
                    };
                }
            }
        }
    }
}

/// Checks that all operations of a proof are on one object. Session order then counts only among these.
fn require_one_object(records: &Records<'_>, found: &CausalRefutation) -> Result<(), String> {
    let mut named = Vec::new();
    for step in &found.proof {
        match step {
            CausalProofStep::Split { read, .. } => named.push(*read),
            CausalProofStep::Order { a, b } => named.extend([*a, *b]),
            CausalProofStep::Contradiction(found) => {
                let inferred = found.inferred.iter();
                named.extend(inferred.clone().flat_map(|one| [one.read, one.other]));
                let links = inferred.flat_map(|one| &one.path).chain(&found.cycle);
                named.extend(links.flat_map(|link| [link.from, link.to]).flatten());
            }
        }
    }
    let mut keys = named.iter().map(|&op| records.history.key(op));
    match (keys.next(), named.is_empty()) {
        (Some(first), false) if keys.all(|key| key == first) => Ok(()),
        _ => Err("the proof is not about one object".to_owned()),
    }
}

impl RefutationChecker<'_> {
    fn error_about<T>(&self, op: OpId, what: &str) -> Result<T, String> {
        Err(format!("operation {} {what}", self.records.history.operation_index(op)))
    }

    fn enter_split(&mut self, read: OpId, writes: &[Option<OpId>]) -> Result<(), String> {
        let mut all = self.records.candidate_versions(read);
        let mut given = writes.to_vec();
        all.sort_unstable();
        given.sort_unstable();
        if given != all || given.is_empty() || self.assumed.contains_key(&read) {
            return self.error_about(read, "may have read something else as well");
        }
        if !self.certainly_happened(read) {
            return self.error_about(read, "may not have happened");
        }
        self.assumed.insert(read, writes[0]);
        Ok(())
    }

    fn enter_order_case(&mut self, a: OpId, b: OpId) -> Result<(), String> {
        let key = |op: OpId| self.records.history.key(op);
        let one_order = !self.level.judges_causal_order();
        let both = [a, b].into_iter().all(|op| self.is_write(op) && self.certainly_happened(op));
        if a == b || key(a) != key(b) || !one_order || !both {
            return self.error_about(a, "need not be in one order with the other");
        }
        self.orders.push((a, b));
        Ok(())
    }

    fn is_write(&self, op: OpId) -> bool {
        value_written_by(&self.records.operation(op)).is_some()
    }

    fn certainly_happened(&self, op: OpId) -> bool {
        match self.records.history.outcome(op) {
            Outcome::Ok => true,
            Outcome::Fail => false,
            Outcome::Info => {
                self.records.certain_operations(self.records.history.key(op), &self.assumed).contains(&op)
            }
        }
    }

    fn check_contradiction(&mut self, found: &Contradiction) -> Result<(), String> {
        let one_each = self.level.has_order_per_session();
        if one_each != found.session.is_some() {
            return Err("the order is nobody's".to_owned());
        }
        if !self.orders.is_empty() && *self.whose.get_or_insert(found.session) != found.session {
            return Err("what is assumed of one order is used of another".to_owned());
        }
        for (at, inferred) in found.inferred.iter().enumerate() {
            self.check_inferred_order(found, inferred, at)?;
        }
        let count = found.inferred.len();
        found.cycle.iter().try_for_each(|link| self.check_link(found, link, count))?;
        let inferred = found.cycle.iter().filter(|link| matches!(link.why, LinkReason::Inferred(_))).count();
        let is_timed = found.cycle.iter().any(|link| link.why == LinkReason::RealTime);
        let inferred_max = match self.level {
            // Causal order goes back in time, or a read is overwritten in its past: nothing demands both together.
            Level::RealTimeCausal => usize::from(!is_timed),
            Level::Causal => 1,
            Level::DatabaseWritesFollowReads => 0,
            _ => usize::MAX,
        };
        if inferred > inferred_max {
            return Err("the reads need not agree".to_owned());
        }
        match (found.cycle.first(), found.cycle.last()) {
            (Some(first), Some(last)) if self.links_join(last, first) => {
                self.require_connected_path(&found.cycle)
            }
            _ => Err("the cycle is open".to_owned()),
        }
    }

    /// Whether one link ends where the next begins. Two initial values are the same only if they belong to one object.
    fn links_join(&self, before: &CausalLink, after: &CausalLink) -> bool {
        let key = |op: Option<OpId>| op.map(|op| self.records.history.key(op));
        before.to == after.from && (before.to.is_some() || key(before.from) == key(after.to))
    }

    fn require_connected_path(&self, path: &[CausalLink]) -> Result<(), String> {
        match path.windows(2).all(|pair| self.links_join(&pair[0], &pair[1])) {
            true => Ok(()),
            false => Err("a path has a gap".to_owned()),
        }
    }

    fn returned_write(&self, read: OpId) -> Result<Option<OpId>, String> {
        match self.records.returned_version(read, &self.assumed) {
            Some(write) if self.certainly_happened(read) => Ok(write),
            _ => self.error_about(read, "is not known to have read anything"),
        }
    }

    fn check_inferred_order(
        &self,
        whole: &Contradiction,
        inferred: &InferredOrder,
        at: usize,
    ) -> Result<(), String> {
        let InferredOrder { read, source, other, rule, path } = inferred;
        let history = self.records.history;
        let source = *source;
        if self.returned_write(*read)? != source {
            return self.error_about(*read, "returned something else");
        }
        if Some(*other) == source || other == read || history.key(*other) != history.key(*read) {
            return self.error_about(*other, "is no other write of the object");
        }
        if !self.is_write(*other) || !self.certainly_happened(*other) {
            return self.error_about(*other, "is not known to have written anything");
        }
        if whole.session.is_some_and(|session| history.session(*read) != session) {
            return self.error_about(*read, "is not answered by the order of this session");
        }
        let causal = self.level.judges_causal_order();
        let plain =
            path.iter().all(|link| matches!(link.why, LinkReason::SessionOrder | LinkReason::ReadsFrom));
        if causal && (*rule == InferenceRule::NotYet || !plain) {
            return self.error_about(*read, "says nothing beyond its causal past");
        }
        path.iter().try_for_each(|link| self.check_link(whole, link, at))?;
        self.require_connected_path(path)?;
        let ends = match rule {
            InferenceRule::NotBetween => (Some(*other), Some(*read)),
            InferenceRule::NotYet => (source, Some(*other)),
        };
        match (path.first(), path.last()) {
            (Some(first), Some(last)) if (first.from, last.to) == ends => Ok(()),
            _ => self.error_about(*read, "does not have the path that the rule asks for"),
        }
    }

    fn check_link(
        &self,
        whole: &Contradiction,
        link: &CausalLink,
        inferred_before: usize,
    ) -> Result<(), String> {
        let history = self.records.history;
        let right = match (link.why, link.from, link.to) {
            (LinkReason::SessionOrder, Some(a), Some(b)) => {
                let (a, b) = (self.records.operation(a), self.records.operation(b));
                let happened = a.outcome == Outcome::Ok && self.certainly_happened(b.id);
                // Writes follow reads, and not one another.
                let counts = self.level != Level::DatabaseWritesFollowReads || value_read_by(&a).is_some();
                counts && happened && a.session == b.session && a.completed < b.invoked
            }
            (LinkReason::RealTime, Some(a), Some(b)) => {
                let (a, b) = (self.records.operation(a), self.records.operation(b));
                let counts = match self.level {
                    Level::OrderedSequential => keeps_real_time(&b, self.declared[b.id.index()]),
                    level => level == Level::RealTimeCausal,
                };
                counts && self.certainly_happened(b.id) && a.precedes(&b)
            }
            (LinkReason::ReadsFrom, Some(write), Some(read)) => {
                let is_causal = !matches!(self.level, Level::Pram | Level::SlowMemory);
                let counts = is_causal || whole.session == Some(history.session(read));
                counts && self.returned_write(read)? == Some(write)
            }
            (LinkReason::Initial, None, Some(write)) => {
                self.is_write(write) && self.certainly_happened(write)
            }
            (LinkReason::Assumed, Some(a), Some(b)) => self.orders.contains(&(a, b)),
            (LinkReason::Inferred(number), from, to) if number < inferred_before => {
                let InferredOrder { read, source, other, rule, .. } = &whole.inferred[number];
                match rule {
                    InferenceRule::NotBetween => (from, to) == (Some(*other), *source),
                    InferenceRule::NotYet => (from, to) == (Some(*read), Some(*other)),
                }
            }
            _ => false,
        };
        let named = link.from.into_iter().chain(link.to);
        if !right
            || named.clone().any(|op| {
                value_written_by(&self.records.operation(op))
                    .or(value_read_by(&self.records.operation(op)))
                    .is_none()
            })
        {
            return Err("a link of the proof does not follow".to_owned());
        }
        Ok(())
    }
}
