//! Completes a set of choices by the order of moments, so that the search assumes only what the order contradicts.
//!
//! A total order of moments makes every choice: versions follow their commits, and a read returns the last version before it. So the
//! order itself is a candidate, as in a local search. An open choice whose edges all lead forward needs no assumption. The search assumes
//! an open choice only if one of its edges leads backward; then the order changes, or the solver learns why it cannot. Without this, a
//! history with thousands of open choices took thousands of assumptions after each conflict, most of them about versions that were never
//! in doubt.

use super::case_facts::INITIAL;
use super::clauses::{ChoiceLiteral, NextChoice};
use super::encode::{CaseEncoding, CaseVariable};

impl CaseEncoding<'_, '_> {
    /// The next open choice that the order contradicts. Complete if there is none: then the order makes all open choices.
    pub(super) fn next_contradicted_choice(
        &mut self,
        values: &[Option<bool>],
        steps: &mut u64,
    ) -> NextChoice {
        let mut spent = 0;
        if let Some(literal) = self.next_suspect_choice(values, &mut spent) {
            *steps = steps.saturating_sub(spent);
            return NextChoice::Assume(literal);
        }
        // What no key is suspected of is made sure of once more, choice by choice.
        let Some(mut cursor) = self.cursor.take_if(|_| self.shape.orders_make_choices()) else {
            return NextChoice::AnyOpen;
        };
        let mut found = NextChoice::Complete;
        while cursor.in_agreement < cursor.open.len() {
            let variable = cursor.open[cursor.next];
            if let Some(literal) = self.contradicted_choice(variable, values, &mut spent) {
                found = NextChoice::Assume(literal);
                break;
            }
            cursor.in_agreement += 1;
            cursor.next = (cursor.next + 1) % cursor.open.len();
        }
        self.cursor = Some(cursor);
        *steps = steps.saturating_sub(spent);
        found
    }

    /// The choices that the order makes for all open variables.
    pub(super) fn complete_by_order(&self, values: &[Option<bool>]) -> Vec<bool> {
        let mut all: Vec<bool> = values.iter().map(|value| *value == Some(true)).collect();
        for (variable, meaning) in (0_u32..).zip(&self.variables) {
            match *meaning {
                CaseVariable::Before { key, one, other } if values[variable as usize].is_none() => {
                    all[variable as usize] = self.commits_before(key, one, other);
                }
                CaseVariable::From { read, .. } if self.sources[read as usize] == variable => {
                    let source = self.source_by_order(read, values);
                    if let (false, Some(source)) = (self.has_source(read, values), source) {
                        all[source.variable() as usize] = true;
                    }
                }
                _ => {}
            }
        }
        all
    }

    /// The literal to assume if the order contradicts what it says of an open variable itself.
    fn contradicted_choice(
        &self,
        variable: u32,
        values: &[Option<bool>],
        spent: &mut u64,
    ) -> Option<ChoiceLiteral> {
        *spent += 1;
        match self.variables[variable as usize] {
            CaseVariable::True => None,
            CaseVariable::Before { key, one, other } => {
                if values[variable as usize].is_some() {
                    return None;
                }
                let literal = ChoiceLiteral::from_value(variable, self.commits_before(key, one, other));
                (!self.leads_forward(literal, values, spent)).then_some(literal)
            }
            CaseVariable::From { read, .. } => {
                if self.sources[read as usize] != variable || self.has_source(read, values) {
                    return None;
                }
                match self.source_by_order(read, values) {
                    Some(literal) if self.leads_forward(literal, values, spent) => None,
                    Some(literal) => Some(literal),
                    None => self.latest_open_source(read, values),
                }
            }
            CaseVariable::Placed { .. } | CaseVariable::Shown { .. } => values[variable as usize]
                .is_none()
                .then(|| ChoiceLiteral::from_value(variable, self.is_placed_first(variable))),
        }
    }

    pub(super) fn commits_before(&self, key: u32, one: u32, other: u32) -> bool {
        let writers = &self.facts.keys[key as usize].writers;
        let position = |place: u32| self.order.position(self.moments.commit_moment(writers[place as usize]));
        position(one) < position(other)
    }

    /// Whether the source of a read was chosen.
    fn has_source(&self, read: u32, values: &[Option<bool>]) -> bool {
        let first = self.sources[read as usize] as usize;
        let count = self.facts.reads[read as usize].sources.len();
        values[first..first + count].contains(&Some(true))
    }

    /// The literal that a read returned the last version before it in the order, if that is an open choice.
    fn source_by_order(&self, read: u32, values: &[Option<bool>]) -> Option<ChoiceLiteral> {
        let each = &self.facts.reads[read as usize];
        let at = self.order.position(self.moments.moment_at_place(each.reader, each.place));
        let position = |writer: u32| self.order.position(self.moments.commit_moment(writer));
        let writers = self.facts.keys[each.key as usize].writers.iter().copied();
        let before = writers.filter(|&writer| writer != each.reader && position(writer) < at);
        let last = before.max_by_key(|&writer| position(writer)).unwrap_or(INITIAL);
        let which = each.sources.iter().position(|&source| source == last)?;
        let variable = self.sources[read as usize] + which as u32;
        values[variable as usize].is_none().then(|| ChoiceLiteral::from_value(variable, true))
    }

    /// The open source of a read that is last before it in the order; if none is before it, the first after it.
    pub(super) fn latest_open_source(&self, read: u32, values: &[Option<bool>]) -> Option<ChoiceLiteral> {
        let each = &self.facts.reads[read as usize];
        let at = self.order.position(self.moments.moment_at_place(each.reader, each.place));
        let rank = |source: u32| match source {
            INITIAL => (true, 0),
            source => match self.order.position(self.moments.commit_moment(source)) {
                position if position < at => (true, i64::from(position) + 1),
                position => (false, -i64::from(position)),
            },
        };
        let first = self.sources[read as usize];
        (first..)
            .zip(&each.sources)
            .filter(|(variable, _)| values[*variable as usize].is_none())
            .max_by_key(|(_, source)| rank(**source))
            .map(|(variable, _)| ChoiceLiteral::from_value(variable, true))
    }

    /// Whether all edges of a choice lead forward in the order. Of the second premise of an edge, that counts which was chosen, or what the
    /// order says of two versions. The open sources of reads are looked at by themselves.
    fn leads_forward(&self, literal: ChoiceLiteral, values: &[Option<bool>], spent: &mut u64) -> bool {
        let holds = |premise: ChoiceLiteral| {
            if premise == literal {
                return true;
            }
            match values[premise.variable() as usize] {
                Some(value) => value == premise.is_positive(),
                None => match self.variables[premise.variable() as usize] {
                    CaseVariable::Before { key, one, other } => {
                        self.commits_before(key, one, other) == premise.is_positive()
                    }
                    CaseVariable::True
                    | CaseVariable::From { .. }
                    | CaseVariable::Placed { .. }
                    | CaseVariable::Shown { .. } => false,
                },
            }
        };
        self.resting[literal.0 as usize].iter().all(|&number| {
            *spent += 1;
            let edge = &self.edges[number as usize];
            self.order.position(edge.from) < self.order.position(edge.to)
                || !edge.premises.into_iter().all(holds)
        })
    }
}
