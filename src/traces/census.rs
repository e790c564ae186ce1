//! How many spans were used, and why others were not.

use super::operation::TraceFunction;
use super::{SpanRule, TraceMap};
use crate::report::layout::count_noun;

/// How many spans were used, and why others were not.
#[derive(Default)]
pub(super) struct SpanCensus {
    pub(super) used: usize,
    pub(super) unmapped: usize,
    pub(super) first_unmapped: Option<String>,
    pub(super) without_id: usize,
    pub(super) absent_left_out: usize,
    /// Sessions whose creation is not in the traces.
    pub(super) created_before: usize,
    /// Reads of values that no span wrote.
    pub(super) unwritten: usize,
    /// Answers that the map does not explain, and errors.
    pub(super) unclear: usize,
    /// Spans that are in the traces more than once.
    pub(super) repeated: usize,
}

impl TraceMap {
    /// Says that no span was an operation, and why.
    pub(super) fn describe_nothing(&self, census: &SpanCensus) -> String {
        let seen = census.unmapped + census.without_id;
        format!(
            "no span was read as an operation. {} seen: {} fit no [[operation]]{}, and {} fit one and have no {}. \
             Compare the conditions in where with the attributes of the spans.",
            count_noun(seen, "span"),
            census.unmapped,
            census
                .first_unmapped
                .as_ref()
                .map_or_else(String::new, |name| format!(" ({name:?} is the first)")),
            census.without_id,
            self.session.id
        )
    }

    /// Remarks on what was left out, and on what is assumed.
    pub(super) fn describe_census(&self, census: &SpanCensus) -> Vec<String> {
        let spans = |count| count_noun(count, "span");
        let mut remarks = vec![format!("read as operations: {}", spans(census.used - census.repeated))];
        if census.repeated > 0 {
            remarks
                .push(format!("left out, because they were sent more than once: {}", spans(census.repeated)));
        }
        if let Some(name) = &census.first_unmapped {
            remarks.push(format!(
                "left out, because no [[operation]] fits: {}, {name:?} the first",
                spans(census.unmapped)
            ));
        }
        if census.without_id > 0 {
            remarks.push(format!(
                "left out, because they have no {}: {}",
                self.session.id,
                spans(census.without_id)
            ));
        }
        if census.unclear > 0 {
            remarks.push(format!(
                "indeterminate, because the span is an error or the map does not explain its status (ok, absent, refused): {}",
                count_noun(census.unclear, "answer")
            ));
        }
        if census.unwritten > 0 {
            remarks.push(format!(
                "taken for signs that the session exists, because no span wrote the value that was read: {}",
                count_noun(census.unwritten, "read")
            ));
        }
        if census.created_before > 0 {
            remarks.push(format!(
                "taken for created just before their first request, because their creation was not traced: {}",
                count_noun(census.created_before, "session")
            ));
        }
        if !self.complete {
            remarks.push(format!(
                "the traces are taken for a sample, in which an answer without a session says nothing ({}); if every request is \
                 in the traces, set complete = true in the map",
                count_noun(census.absent_left_out, "such answer")
            ));
            if self.operations.iter().any(|rule| rule.value.is_some()) {
                remarks.push("requests that are missing are assumed to have written other values".to_owned());
            }
            let gives_up_ids =
                |rule: &SpanRule| matches!(rule.function, TraceFunction::Destroy | TraceFunction::Renew);
            if self.session.previous.is_some() || self.operations.iter().any(gives_up_ids) {
                remarks.push(
                    "requests that are missing are assumed to have given no new session an id that was ended or replaced"
                        .to_owned(),
                );
            }
        }
        remarks.push(
            "events are in the order of their spans' times, and those are as good as the clocks".to_owned(),
        );
        remarks
    }
}
