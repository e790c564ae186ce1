//! The facts that a reader asks for first: what happened, to how many users, when, and under which fault.
//!
//! Text and page show the same summary. It counts each anomaly once, although several levels may report it. Of
//! transactions the checker describes a few examples and counts the rest, so sessions and operations are then lower
//! bounds. O(described anomalies · log faults + operations that show them).

use super::faults::{ShownFault, shown_faults};
use super::layout::{count_noun, format_elapsed};
use super::sentence::{anomaly_meaning, suggest_next_step};
use super::{CheckFindings, HistoryCounts, describe, isolation, violations_of};
use checker::{Answer, Evidence, Finding, IsolationLevel, Level, Property};
use histories::{Function, History, Micro, MicroKind, OpId, Outcome, SessionId};
use std::collections::{BTreeSet, HashSet};

/// The most faults that the summary names.
const FAULTS_MAX: usize = 3;
/// Reading the node of an operation parses JSON, so only the last so many operations before the anomalies are read.
const WRITERS_OPERATIONS_MAX: usize = 200_000;
/// More changes of the writing node than this are summarised as a set of nodes.
const WRITER_CHANGES_MAX: usize = 6;

/// The next step about an anomaly of transactions.
const ISOLATION_STEP: &str = "compare the isolation level of these transactions in the store with the levels below that this history rules out";
/// The next step about a broken invariant.
const INVARIANT_STEP: &str = "look up the operations below in the logs of the node that answered them";

/// What was found in one history, over all of its levels.
pub(crate) struct FindingSummary {
    /// The kinds of anomalies, in the order of the levels that report them.
    pub(crate) kinds: Vec<AnomalyKind>,
    /// The sessions to which a finding happened, or which took part in another anomaly.
    pub(crate) sessions: usize,
    /// Whether only examples were described, so that `sessions` is a lower bound.
    pub(crate) is_partial: bool,
    /// The time of the first and the last operation that shows an anomaly, in nanoseconds.
    pub(crate) interval_ns: Option<(i64, i64)>,
    /// The faults that were active during anomalies, each with the number of these anomalies.
    pub(crate) faults: Vec<(ShownFault, usize)>,
    /// The anomalies during which no fault was active.
    pub(crate) without_fault: usize,
    /// Whether the history records any fault.
    pub(crate) has_faults: bool,
    /// The text of the first anomaly.
    pub(crate) first_text: Option<String>,
    /// The last operation that shows an anomaly.
    last_operation: Option<OpId>,
}

/// The anomalies of one kind.
pub(crate) struct AnomalyKind {
    pub(crate) kind: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) count: u64,
    /// The sessions of the described ones.
    pub(crate) sessions: usize,
    /// The number of them that the checker gave operations for; at most `count`.
    described: u64,
    /// The properties that it violates.
    pub(crate) properties: Vec<&'static str>,
    /// Whether it is a finding about sessions, which the runbook describes.
    pub(crate) is_finding: bool,
    pub(crate) next_step: &'static str,
}

impl FindingSummary {
    /// Summarises the violations of a history.
    pub(crate) fn from_findings(findings: &CheckFindings<'_>) -> Self {
        let faults = shown_faults(findings.history);
        let mut builder = SummaryBuilder {
            history: findings.history,
            seen: HashSet::new(),
            sessions: BTreeSet::new(),
            sessions_of_kinds: HashSet::new(),
            during: vec![0; faults.len()],
            faults,
            summary: FindingSummary {
                kinds: Vec::new(),
                sessions: 0,
                is_partial: false,
                interval_ns: None,
                faults: Vec::new(),
                without_fault: 0,
                has_faults: false,
                first_text: None,
                last_operation: None,
            },
        };
        findings.answers().iter().for_each(|answer| builder.add_answer(findings, answer));
        let first =
            findings.answers().iter().find_map(|answer| Some((answer, violations_of(answer).first()?)));
        let describer = super::continuity::FindingDescriber::new(findings.history);
        builder.summary.first_text = first.and_then(|(answer, violation)| {
            let described = findings.describe_violation(answer, violation, &describer);
            described.into_iter().next().map(|anomaly| anomaly.text)
        });
        builder.finish_summary()
    }

    /// The number of anomalies of all kinds.
    pub(crate) fn total(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.count).sum()
    }

    /// The kinds with their counts: `5 lost-session, 2 stale-session`; of many kinds, the first few.
    pub(crate) fn describe_kinds(&self, most: usize) -> String {
        let shown = self.kinds.iter().take(most).map(|kind| format!("{} {}", kind.count, kind.kind));
        let mut text = shown.collect::<Vec<_>>().join(", ");
        if let Some(more) = self.kinds.len().checked_sub(most).filter(|&more| more > 0) {
            text += &format!(" and {}", count_noun(more, "more kind"));
        }
        text
    }

    /// The sessions of the anomalies: `7 of 56 sessions`.
    pub(crate) fn describe_sessions(&self, counts: &HistoryCounts) -> String {
        let least = if self.is_partial { "at least " } else { "" };
        format!("{least}{} of {}", self.sessions, count_noun(counts.sessions, "session"))
    }

    /// When the anomalies showed, on the clock of the history.
    pub(crate) fn describe_interval(&self) -> Option<String> {
        let (from, to) = self.interval_ns?;
        if from == to {
            return Some(format!("at {} of the history's clock", describe::format_seconds(from)));
        }
        Some(format!(
            "{} to {} of the history's clock",
            describe::format_seconds(from),
            describe::format_seconds(to)
        ))
    }

    /// The faults that were active during the anomalies.
    pub(crate) fn describe_faults(&self) -> String {
        let total = self.faults.iter().map(|(_, count)| count).sum::<usize>() + self.without_fault;
        if !self.has_faults {
            return "the history records no faults".to_owned();
        }
        if self.faults.is_empty() {
            return "no fault was active during the anomalies".to_owned();
        }
        let named = self.faults.iter().take(FAULTS_MAX).map(|(fault, count)| {
            let during =
                if total > 1 { format!(" ({})", count_noun(*count, "anomaly")) } else { String::new() };
            format!("{}{during}", fault.describe_with_interval())
        });
        let mut text = named.collect::<Vec<_>>().join("; ");
        if let Some(more) = self.faults.len().checked_sub(FAULTS_MAX).filter(|&more| more > 0) {
            text += &format!("; and {}", count_noun(more, "more fault"));
        }
        if self.without_fault > 0 {
            text += &format!("; {} without an active fault", self.without_fault);
        }
        text
    }

    /// What to do next about the first kind of anomaly.
    pub(crate) fn next_step(&self) -> Option<String> {
        let first = self.kinds.first()?;
        Some(match first.is_finding {
            true => format!(
                "read what {} means and what to check: {}",
                first.kind,
                super::continuity::runbook_link(first.kind)
            ),
            false => first.next_step.to_owned(),
        })
    }

    /// The nodes that acknowledged writes, in order: in a store with one primary these are the primaries. None if the history
    /// names no nodes.
    pub(crate) fn describe_writers(&self, history: &History) -> Option<String> {
        let end = self.last_operation.map_or(history.len(), |id| id.raw() as usize + 1);
        let is_write = |id: &OpId| history.outcome(*id) == Outcome::Ok && changes_state(history, *id);
        let from = end.saturating_sub(WRITERS_OPERATIONS_MAX);
        let ids = history.ids().skip(from).take(end - from);
        let mut changes: Vec<(String, Option<i64>)> = Vec::new();
        let mut nodes: BTreeSet<String> = BTreeSet::new();
        for id in ids.filter(is_write) {
            let Some(node) = describe::note_field(history, id, "node") else { continue };
            if changes.last().is_none_or(|(last, _)| *last != node) && changes.len() <= WRITER_CHANGES_MAX {
                changes.push((node.clone(), history.completed_at(id)));
            }
            nodes.insert(node);
        }
        if nodes.is_empty() {
            return None;
        }
        if changes.len() > WRITER_CHANGES_MAX {
            let all: Vec<String> = nodes.iter().map(|node| describe::shorten_text(node)).collect();
            return Some(format!("the nodes {} acknowledged writes in turn", all.join(", ")));
        }
        let since = |(node, at): &(String, Option<i64>)| match at {
            Some(at) => format!("{} from {}", describe::shorten_text(node), describe::format_seconds(*at)),
            None => describe::shorten_text(node),
        };
        Some(format!(
            "writes were acknowledged by {}",
            changes.iter().map(since).collect::<Vec<_>>().join(", then by ")
        ))
    }
}

/// Whether an operation changes an object, so that only a primary can acknowledge it.
fn changes_state(history: &History, id: OpId) -> bool {
    let is_write = |micro: &Micro| matches!(micro.kind, MicroKind::Write | MicroKind::Append);
    match history.function(id) {
        Function::TXN => history.micros_of(id).iter().any(is_write),
        Function::READ | Function::GET | Function::CONTAINS | Function::ACTIONS | Function::GENERATE => false,
        _ => true,
    }
}

/// The extent of a history: `3 operations over 7.9 ms`.
pub(crate) fn describe_extent(history: &History, counts: &HistoryCounts) -> String {
    let over = time_range_ns(history)
        .map(|(from, to)| format!(" over {}", format_elapsed(to.saturating_sub(from) as f64 / 1e9)));
    format!("{}{}", count_noun(counts.operations, "operation"), over.unwrap_or_default())
}

/// The time that a history covers, on its own clock, if it records times.
pub(crate) fn describe_time_range(history: &History) -> Option<String> {
    let (from, to) = time_range_ns(history)?;
    Some(format!("{} to {} of its clock", describe::format_seconds(from), describe::format_seconds(to)))
}

fn time_range_ns(history: &History) -> Option<(i64, i64)> {
    let times = history.ids().flat_map(|id| [history.invoked_at(id), history.completed_at(id)]).flatten();
    times.fold(None, |range: Option<(i64, i64)>, time| {
        let (from, to) = range.unwrap_or((time, time));
        Some((from.min(time), to.max(time)))
    })
}

/// What the reader can do about the verdict. Nothing if all levels hold.
pub(crate) fn next_step(findings: &CheckFindings<'_>, summary: &FindingSummary) -> Option<String> {
    match findings.verdict() {
        "violated" => summary.next_step(),
        "missed" => Some("compare the objectives below with the effect of each fault".to_owned()),
        "unknown" => Some(match suggest_level_without_real_time(findings) {
            Some(level) => format!(
                "ask for a level that needs no real time, such as --consistency {level}, or record when each operation began and ended"
            ),
            None => "read the reason below, and pass a longer --timeout or more --memory if a limit ended the search".to_owned(),
        }),
        "untested" => Some(
            "record a history in which the level could fail, or pass --accept-untested to count it as holding".to_owned(),
        ),
        _ => None,
    }
}

/// If a level is unknown because the history has no real time: the strongest level of the same family that needs only the
/// order of operations in each session.
fn suggest_level_without_real_time(findings: &CheckFindings<'_>) -> Option<&'static str> {
    if findings.history.has_real_time() {
        return None;
    }
    let mut unknown = findings.answers().iter().filter(|answer| answer.verdict.name() == "unknown");
    unknown.find_map(|answer| match answer.property {
        Property::Isolation(IsolationLevel::StrictSerializable) => Some("strong-session-serializable"),
        Property::Isolation(IsolationLevel::StrongSnapshotIsolation) => {
            Some("strong-session-snapshot-isolation")
        }
        Property::Level(Level::Linearizable) => Some("sequential"),
        _ => None,
    })
}

/// Collects the anomalies of all levels.
struct SummaryBuilder<'a> {
    history: &'a History,
    /// The anomalies that were counted, by kind, key, operations and events.
    seen: HashSet<(&'static str, u32, Vec<OpId>, Vec<u32>)>,
    sessions: BTreeSet<SessionId>,
    /// The sessions of each kind, by its place.
    sessions_of_kinds: HashSet<(usize, SessionId)>,
    faults: Vec<ShownFault>,
    /// The number of anomalies during each fault.
    during: Vec<usize>,
    summary: FindingSummary,
}

/// One anomaly, before it is described.
struct RawAnomaly<'a> {
    kind: &'static str,
    meaning: &'static str,
    key: u32,
    operations: Vec<OpId>,
    /// The number of all anomalies of this kind, if only some are given.
    count: Option<u64>,
    finding: Option<&'a Finding>,
    next_step: &'static str,
}

impl SummaryBuilder<'_> {
    fn add_answer(&mut self, findings: &CheckFindings<'_>, answer: &Answer) {
        for violation in violations_of(answer) {
            let kind = violation.kind.as_str();
            let count = answer.counts.iter().find(|(known, _)| *known == violation.kind).map(|known| known.1);
            let one = |meaning, operations: &[OpId], finding| RawAnomaly {
                kind,
                meaning,
                key: violation.key.raw(),
                operations: operations.to_vec(),
                count,
                finding,
                next_step: match &violation.evidence {
                    Evidence::Phenomenon(_) => ISOLATION_STEP,
                    Evidence::Breach(_) => INVARIANT_STEP,
                    _ => suggest_next_step(kind),
                },
            };
            match &violation.evidence {
                Evidence::Phenomenon(phenomenon) => {
                    let Some(found) = findings.report.find_anomaly(*phenomenon) else { continue };
                    for example in &found.examples {
                        let raw = RawAnomaly {
                            key: isolation::evidence_key(example).raw(),
                            count: Some(found.count),
                            ..one(
                                isolation::phenomenon_meaning(*phenomenon),
                                &isolation::evidence_transactions(example),
                                None,
                            )
                        };
                        self.add_anomaly(answer.property, &raw);
                    }
                }
                Evidence::Finding(finding) => {
                    let raw = one(finding.kind.line(), &finding.operations, Some(finding));
                    self.add_anomaly(answer.property, &raw);
                }
                Evidence::Breach(_) => {
                    let meaning = checker::invariants::explain::describe_kind(kind);
                    self.add_anomaly(answer.property, &one(meaning, &violation.operations, None));
                }
                Evidence::Core(_) | Evidence::Cycle(_) | Evidence::Causal(_) => {
                    let raw = one(anomaly_meaning(kind), &violation.operations, None);
                    self.add_anomaly(answer.property, &raw);
                }
            }
        }
    }

    fn add_anomaly(&mut self, property: Property, anomaly: &RawAnomaly<'_>) {
        let place = self.summary.kinds.iter().position(|known| known.kind == anomaly.kind);
        let place = place.unwrap_or_else(|| {
            self.summary.kinds.push(AnomalyKind {
                kind: anomaly.kind,
                meaning: anomaly.meaning,
                count: 0,
                sessions: 0,
                described: 0,
                properties: Vec::new(),
                is_finding: anomaly.finding.is_some(),
                next_step: anomaly.next_step,
            });
            self.summary.kinds.len() - 1
        });
        let kind = &mut self.summary.kinds[place];
        if !kind.properties.contains(&property.name()) {
            kind.properties.push(property.name());
        }
        let events = anomaly.finding.map_or_else(Vec::new, |finding| finding.events.clone());
        if !self.seen.insert((anomaly.kind, anomaly.key, anomaly.operations.clone(), events)) {
            return;
        }
        kind.described += 1;
        kind.count = kind.count.max(kind.described).max(anomaly.count.unwrap_or(0));
        let sessions: Vec<SessionId> = match anomaly.finding {
            Some(finding) => vec![finding.session],
            None => anomaly.operations.iter().map(|&id| self.history.session(id)).collect(),
        };
        for session in sessions {
            kind.sessions += usize::from(self.sessions_of_kinds.insert((place, session)));
            self.sessions.insert(session);
        }
        self.add_times(anomaly);
        self.add_faults(anomaly);
    }

    fn add_times(&mut self, anomaly: &RawAnomaly<'_>) {
        let history = self.history;
        let last = anomaly.operations.iter().copied().max();
        self.summary.last_operation = self.summary.last_operation.max(last);
        // The last operation shows the anomaly; earlier ones are its cause.
        let end = |&id: &OpId| history.completed_at(id).or(history.invoked_at(id));
        if let Some(time) = anomaly.operations.iter().filter_map(end).max() {
            let (from, to) = self.summary.interval_ns.unwrap_or((time, time));
            self.summary.interval_ns = Some((from.min(time), to.max(time)));
        }
    }

    /// Counts the anomaly for each fault that was active between its first and its last operation.
    fn add_faults(&mut self, anomaly: &RawAnomaly<'_>) {
        let history = self.history;
        let positions = anomaly.operations.iter().map(|&id| {
            let op = history.operation(id);
            (op.invoked, if op.outcome == Outcome::Info { op.invoked } else { op.completed })
        });
        let span = positions.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let is_active = |fault: &ShownFault| match anomaly.finding {
            Some(finding) => finding.faults.contains(&fault.from),
            None => span.is_some_and(|(from, to)| fault.from <= to && fault.to.unwrap_or(fault.from) >= from),
        };
        let mut any = false;
        for (fault, count) in self.faults.iter().zip(&mut self.during) {
            if is_active(fault) {
                *count += 1;
                any = true;
            }
        }
        self.summary.without_fault += usize::from(!any);
    }

    fn finish_summary(self) -> FindingSummary {
        let mut summary = self.summary;
        summary.has_faults = !self.faults.is_empty();
        summary.sessions = self.sessions.len();
        summary.is_partial = summary.kinds.iter().any(|kind| kind.count > kind.described);
        summary.faults = self.faults.into_iter().zip(self.during).filter(|(_, count)| *count > 0).collect();
        summary.faults.sort_by_key(|(fault, count)| (std::cmp::Reverse(*count), fault.from));
        summary
    }
}
