//! The entry point of the checker: it takes one question and returns one report, whatever the history is about.
//!
//! The engine of its kind decides each property. Then [`verifier`], which shares no code with any engine, checks every
//! answer again. An answer that the verifier refutes is an internal error of this program and never becomes a verdict.

use crate::{
    basis, causality, continuity, invariants, linearizability, memory, regularity, sessions, transactions,
};
use claims::{
    AnomalyName, Answer, Evidence, FindingKind, Level, Limits, ObjectQuestion, Property, Question,
    QuestionError, Report, Verdict, Violation, Witness,
};
use histories::{History, KeyId};
use rayon::prelude::*;
use verifier::{Standing, UNCHECKED};

/// Why a check returned no report.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckError {
    /// The question does not fit the history.
    #[error("{0}")]
    Question(#[from] QuestionError),
    /// The verifier refuted an answer of an engine. This is a bug of this program and says nothing about the store.
    #[error("{0}")]
    Internal(String),
}

/// The phase that a check is in, reported when the phase begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CheckPhase {
    /// Deciding these properties together.
    Check(Vec<Property>),
    /// Verifying the evidence again.
    Verify,
    /// The check is finished.
    Done,
}

/// Receives the phases of a check, for a progress display or to time them.
pub trait Observer {
    /// Called when a phase begins. The phase before it has then ended.
    fn phase_begins(&mut self, phase: &CheckPhase);
}

impl Observer for () {
    fn phase_begins(&mut self, _: &CheckPhase) {}
}

/// Decides the properties that a question asks of a history, and has the verifier check every answer again.
///
/// The limits apply to each property by itself. Once their stop flag is set, all engines and the verifier end within a
/// fraction of a second. A property that was not decided, or not verified, by then is *unknown*.
///
/// # Errors
/// [`CheckError::Question`] if the question does not fit the history; [`CheckError::Internal`] if an answer turns out
/// wrong when it is checked again.
pub fn check(history: &History, question: &Question, limits: &Limits<'_>) -> Result<Report, CheckError> {
    check_observed(history, question, limits, &mut ())
}

/// Like [`check()`], and reports each phase to an observer.
///
/// # Errors
/// As [`check()`].
pub fn check_observed(
    history: &History,
    question: &Question,
    limits: &Limits<'_>,
    observer: &mut dyn Observer,
) -> Result<Report, CheckError> {
    question.check(history)?;
    let asked = question.asked_properties();
    let mut report = decide_properties(history, question, &asked, limits, observer);
    observer.phase_begins(&CheckPhase::Verify);
    for answer in report.answers.iter_mut().chain(&mut report.beside) {
        mark_untested(history, question, answer);
    }
    verify_report(history, question, &mut report, limits)?;
    set_unrecorded_findings_aside(history, question, &mut report);
    if question.accept_untested {
        accept_untested_findings(&mut report);
    }
    observer.phase_begins(&CheckPhase::Done);
    Ok(report)
}

/// Collects the answers of the engines. Nothing is verified yet.
fn decide_properties(
    history: &History,
    question: &Question,
    asked: &[Property],
    limits: &Limits<'_>,
    observer: &mut dyn Observer,
) -> Report {
    let mut report = Report { model: question.reported_model(), ..Report::default() };
    let objects = question.about_objects(history);
    if let Some(bound) = question.staleness
        && asked.contains(&Property::Level(Level::BoundedStaleness))
    {
        report.remarks.push(format!("bounded-staleness: {bound}"));
    }
    let (of_levels, others): (Vec<_>, Vec<_>) =
        group_properties(asked).into_iter().partition(|group| matches!(group[0], Property::Level(_)));
    let mut answers = decide_level_groups(history, &of_levels, &objects, limits, observer);
    for group in others {
        observer.phase_begins(&CheckPhase::Check(group.clone()));
        if let Some(why) = memory::explain_lack_of_memory(history, question.model, &group, limits) {
            answers.extend(group.iter().map(|&property| answer_without_verdict(property, &why)));
            continue;
        }
        match group[0] {
            Property::Level(_) => unreachable!("levels were decided before"),
            Property::Isolation(_) => {
                let (found, phenomena) = decide_isolation_levels(history, question, &group, limits);
                answers.extend(found);
                report.phenomena = phenomena;
                if group.contains(&Property::Isolation(claims::IsolationLevel::Mixed))
                    && history.declares_isolation_levels()
                {
                    report.remarks.push(claims::describe_declared_levels(history));
                }
            }
            Property::Finding(_) => {
                let (found, beside) = judge_findings(history, question, &group, limits);
                answers.extend(found);
                report.beside = beside;
            }
            Property::Invariant(invariant) => {
                let found = invariants::check_invariant(history, invariant, &question.bank, limits);
                let new = found.remarks.iter().filter(|remark| !report.remarks.contains(remark)).cloned();
                let new: Vec<String> = new.collect();
                report.remarks.extend(new);
                answers.push(answer_from_invariant(found));
            }
        }
    }
    // Answers are returned in the order in which the properties were asked.
    for property in asked {
        if let Some(at) = answers.iter().position(|answer| answer.property == *property) {
            report.answers.push(answers.swap_remove(at));
        }
    }
    report
}

/// The answer about a property that no engine was asked about.
fn answer_without_verdict(property: Property, why: &str) -> Answer {
    Answer { property, method: "none".to_owned(), verdict: Verdict::unknown(why), counts: Vec::new() }
}

/// The verdict of one property, without verification. The shrinker uses it: it decides many parts of a history and
/// verifies only the last.
pub(crate) fn decide_property(
    history: &History,
    question: &Question,
    property: Property,
    limits: &Limits<'_>,
) -> Verdict {
    let mut report = decide_properties(history, question, &[property], limits, &mut ());
    report.answers.pop().map_or_else(|| Verdict::unknown("nothing decides it"), |answer| answer.verdict)
}

/// Groups the properties that one engine decides together: the session guarantees, all isolation levels, and all
/// findings. Any other property forms a group of its own.
fn group_properties(asked: &[Property]) -> Vec<Vec<Property>> {
    let mut groups: Vec<Vec<Property>> = Vec::new();
    let same = |a: Property, b: Property| match (a, b) {
        (Property::Level(a), Property::Level(b)) => a.is_session_guarantee() && b.is_session_guarantee(),
        (Property::Isolation(_), Property::Isolation(_)) | (Property::Finding(_), Property::Finding(_)) => {
            true
        }
        _ => false,
    };
    for &property in asked {
        match groups.iter_mut().find(|group| group.contains(&property) || same(group[0], property)) {
            Some(group) if group.contains(&property) => {}
            Some(group) => group.push(property),
            None => groups.push(vec![property]),
        }
    }
    groups
}

/// Decides all groups of levels, several at a time if there is memory for them.
fn decide_level_groups(
    history: &History,
    groups: &[Vec<Property>],
    question: &ObjectQuestion,
    limits: &Limits<'_>,
    observer: &mut dyn Observer,
) -> Vec<Answer> {
    let decide = |group: &Vec<Property>| match memory::explain_lack_of_memory(
        history,
        question.model,
        group,
        limits,
    ) {
        Some(why) => group.iter().map(|&property| answer_without_verdict(property, &why)).collect(),
        None => decide_levels(history, group, question, limits),
    };
    if groups.len() > 1 && memory::should_decide_at_once(history, question.model, groups, limits) {
        observer.phase_begins(&CheckPhase::Check(groups.concat()));
        // Each thread has groups of its own, so that none begins a second group while it waits.
        let threads = rayon::current_num_threads().min(groups.len());
        let of_thread = |thread| groups.iter().skip(thread).step_by(threads).flat_map(decide);
        return (0..threads).into_par_iter().flat_map_iter(of_thread).collect();
    }
    let mut answers = Vec::new();
    for group in groups {
        observer.phase_begins(&CheckPhase::Check(group.clone()));
        answers.extend(decide(group));
    }
    answers
}

fn decide_levels(
    history: &History,
    group: &[Property],
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> Vec<Answer> {
    let of = |property: &Property| match property {
        Property::Level(level) => *level,
        _ => unreachable!("a group is of one kind"),
    };
    let levels: Vec<Level> = group.iter().map(of).collect();
    let found: Vec<(String, Verdict)> = match levels[0] {
        level if level.judges_single_reads() => {
            vec![regularity::check_single_reads(history, level, question, limits)]
        }
        Level::TwoAtomic if history.has_real_time() => {
            vec![linearizability::check_two_atomicity(history, question, limits)]
        }
        Level::BoundedStaleness if history.has_real_time() => {
            vec![linearizability::check_bounded_staleness(history, question, limits)]
        }
        Level::TwoAtomic | Level::BoundedStaleness => {
            vec![("none".to_owned(), Verdict::unknown(claims::NO_REAL_TIME))]
        }
        level if level.needs_real_time() && !history.has_real_time() => {
            vec![decide_without_real_time(history, level, question, limits)]
        }
        Level::Linearizable => vec![linearizability::check_linearizability(history, question, limits)],
        level if level.is_session_guarantee() => {
            sessions::check_session_levels(history, &levels, question, limits)
        }
        level => vec![causality::check_causal_level(history, level, question, limits)],
    };
    let answer = |(&property, (method, verdict)): (&Property, (String, Verdict))| Answer {
        property,
        method,
        verdict,
        counts: Vec::new(),
    };
    group.iter().zip(found).map(answer).collect()
}

/// The verdict of a level that needs real time, of a history without it: violated if the strongest level without real time that it
/// implies is, and unknown otherwise.
fn decide_without_real_time(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> (String, Verdict) {
    if question.model.has_registers() {
        let implied = if level == Level::RealTimeCausal { Level::Causal } else { Level::Sequential };
        let found = causality::check_causal_level(history, implied, question, limits);
        if matches!(found.1, Verdict::Violated(_)) {
            return found;
        }
    }
    ("none".to_owned(), Verdict::unknown(claims::NO_REAL_TIME))
}

fn decide_isolation_levels(
    history: &History,
    question: &Question,
    group: &[Property],
    limits: &Limits<'_>,
) -> (Vec<Answer>, Vec<claims::TransactionAnomaly>) {
    let of = |property: &Property| match property {
        Property::Isolation(level) => *level,
        _ => unreachable!("a group is of one kind"),
    };
    let levels: Vec<claims::IsolationLevel> = group.iter().map(of).collect();
    let options = transactions::TransactionOptions { levels, assume: question.assume };
    let analysis = match question.initial.are_all_absent() {
        true => transactions::analyze(history, &options, limits),
        false => {
            let mut analysis =
                transactions::analyze(&question.initial.rebase_on_null(history), &options, limits);
            let initial = question.initial.resolve_ids(history);
            let exchanged = analysis.anomalies.iter().map(|anomaly| anomaly.with_initial_exchanged(&initial));
            analysis.anomalies = exchanged.collect();
            analysis
        }
    };
    let violation = |phenomenon: claims::Phenomenon| Violation {
        kind: AnomalyName::new(phenomenon.name()),
        key: KeyId::NONE,
        operations: Vec::new(),
        evidence: Evidence::Phenomenon(phenomenon),
    };
    let answers = analysis.judgements.into_iter().map(|judgement| Answer {
        property: Property::Isolation(judgement.level),
        method: transactions::isolation_method(judgement.level).to_owned(),
        verdict: judgement
            .verdict
            .map(Witness::Transactions, |phenomena| phenomena.into_iter().map(violation).collect()),
        counts: Vec::new(),
    });
    (answers.collect(), analysis.anomalies)
}

/// Returns the answers about the findings that were asked for, and the answers about all other findings.
fn judge_findings(
    history: &History,
    question: &Question,
    group: &[Property],
    limits: &Limits<'_>,
) -> (Vec<Answer>, Vec<Answer>) {
    let answer = |judged: continuity::FindingVerdict| Answer {
        property: Property::Finding(judged.kind),
        method: "patterns".to_owned(),
        verdict: judged.verdict.map(
            |()| Witness::NothingFound,
            |findings| {
                let violation = |finding: claims::Finding| Violation {
                    kind: AnomalyName::new(finding.kind.name()),
                    key: finding.key,
                    operations: finding.operations.clone(),
                    evidence: Evidence::Finding(Box::new(finding)),
                };
                findings.into_iter().map(violation).collect()
            },
        ),
        counts: Vec::new(),
    };
    let all = continuity::judge_session_findings(history, &question.sessions, limits).into_iter().map(answer);
    all.partition(|answer| group.contains(&answer.property))
}

fn answer_from_invariant(found: invariants::InvariantAnswer) -> Answer {
    let violation = |breach: claims::Breach| Violation {
        kind: breach.kind,
        key: breach.key,
        operations: breach.evidence.involved_operations(),
        evidence: Evidence::Breach(breach.evidence),
    };
    Answer {
        property: Property::Invariant(found.check),
        method: "invariant".to_owned(),
        verdict: found.verdict.map(Witness::Looked, |breaches| breaches.into_iter().map(violation).collect()),
        counts: found.counts.into_iter().map(|(kind, count)| (AnomalyName::new(kind), count)).collect(),
    }
}

/// Turns an answer that no operation could have contradicted into *untested*, unless the question accepts untested
/// properties.
fn mark_untested(history: &History, question: &Question, answer: &mut Answer) {
    if question.accept_untested || !matches!(answer.verdict, Verdict::Holds(_) | Verdict::Unknown(_)) {
        return;
    }
    // These findings rest on events of actors, and are untested if the actors recorded nothing.
    if matches!(answer.property, Property::Finding(kind) if kind.is_shown_by_actors()) {
        return;
    }
    let is_finding = matches!(answer.property, Property::Finding(_));
    let is_answered = history.ids().any(|id| basis::has_falsifiable_answer(history, id, question.failed_cas))
        || is_finding && basis::creates_an_id_again(history);
    if !is_answered {
        answer.verdict = Verdict::untested(match history.is_empty() {
            true => "the history has no operations",
            false => "no operation succeeded whose answer could have been wrong",
        });
    } else if answer.property == Property::Level(Level::Safe)
        && matches!(answer.verdict, Verdict::Holds(_))
        && !regularity::has_read_without_overlap(history)
    {
        answer.verdict = Verdict::untested("every read overlaps a write of its object");
    } else if let Property::Invariant(invariant) = answer.property
        && matches!(answer.verdict, Verdict::Holds(_))
        && let Some(why) = invariants::explain_lack_of_answers(history, invariant)
    {
        answer.verdict = Verdict::untested(why);
    } else if answer.property == Property::Isolation(claims::IsolationLevel::Mixed)
        && matches!(answer.verdict, Verdict::Holds(_))
        && basis::declares_nothing_of_reads(history)
        && !basis::shows_version_orders(history, question.assume)
    {
        answer.verdict = Verdict::untested(
            "all transactions that read declare read-uncommitted, which asks nothing of reads, and nothing shows an order of versions",
        );
    } else if question.asks_for_version_orders_alone()
        && matches!(answer.verdict, Verdict::Holds(_))
        && !basis::shows_version_orders(history, question.assume)
    {
        answer.verdict = Verdict::untested(
            "no history of registers can contradict read-uncommitted: it asks nothing of reads, and the history has no lists with elements and \
             no version numbers, and --assume says nothing. Ask for read-committed",
        );
    } else if answer.property == Property::Level(Level::MonotonicWrites)
        && matches!(answer.verdict, Verdict::Holds(_))
        && question.asks_monotonic_writes_alone()
        && !crate::basis::restricts_version_orders(history, question.assume)
    {
        answer.verdict = Verdict::untested(
            "no read can contradict monotonic-writes by itself: the history has no compare-and-sets and no version numbers, and \
             --assume says nothing. Ask for session, which joins it with the other guarantees",
        );
    }
}

/// Has the verifier check every answer again. An answer that could not be checked in time becomes *unknown*.
fn verify_report(
    history: &History,
    question: &Question,
    report: &mut Report,
    limits: &Limits<'_>,
) -> Result<(), CheckError> {
    let verification = verifier::verify(history, question, report, limits);
    let answers = verification.answers.into_iter().map(|standing| (standing, true));
    let beside = verification.beside.into_iter().map(|standing| (standing, false));
    let mut remarks = Vec::new();
    let all = report.answers.iter_mut().chain(&mut report.beside);
    for (answer, (standing, asked)) in all.zip(answers.chain(beside)) {
        let claim = format!("{} {}", answer.property.name(), answer.verdict.name());
        match standing {
            Standing::Confirmed => {}
            Standing::Partly(why) | Standing::ConfirmedExcept(why) if asked => {
                remarks.push(format!("{claim}: {why}"));
            }
            Standing::Partly(_) | Standing::ConfirmedExcept(_) => {}
            Standing::Unchecked => answer.verdict = Verdict::unknown(UNCHECKED),
            Standing::Refuted(why) => return Err(CheckError::Internal(format!("{claim}: {why}"))),
        }
    }
    let mut stands = Vec::new();
    for (anomaly, standing) in report.phenomena.iter().zip(verification.phenomena) {
        match standing {
            Standing::Confirmed | Standing::ConfirmedExcept(_) | Standing::Partly(_) => {
                stands.push(anomaly.phenomenon)
            }
            Standing::Unchecked => {}
            Standing::Refuted(why) => {
                return Err(CheckError::Internal(format!("{}: {why}", anomaly.phenomenon.name())));
            }
        }
    }
    report.phenomena.retain(|anomaly| stands.contains(&anomaly.phenomenon));
    report.remarks.extend(remarks);
    keep_verified_phenomena(report);
    Ok(())
}

/// Keeps only the phenomena that were verified as violations of isolation levels. A level that is left without a
/// violation becomes *unknown*.
fn keep_verified_phenomena(report: &mut Report) {
    let stands: Vec<claims::Phenomenon> = report.phenomena.iter().map(|anomaly| anomaly.phenomenon).collect();
    for answer in &mut report.answers {
        if let Verdict::Violated(violations) = &mut answer.verdict {
            violations.retain(|violation| match violation.evidence {
                Evidence::Phenomenon(phenomenon) => stands.contains(&phenomenon),
                _ => true,
            });
            if violations.is_empty() {
                answer.verdict = Verdict::unknown(UNCHECKED);
            }
        }
    }
}

/// Moves findings that the history could not have shown, and that the question did not name, out of the answers. A
/// remark lists them.
fn set_unrecorded_findings_aside(history: &History, question: &Question, report: &mut Report) {
    if question.asked.is_some() || history.is_empty() {
        return;
    }
    let mut missing: Vec<(String, Vec<&str>)> = Vec::new();
    let answers = std::mem::take(&mut report.answers);
    let nothing_told = answers.iter().all(|answer| matches!(answer.verdict, Verdict::Untested(_)));
    for answer in answers {
        match (&answer.verdict, answer.property) {
            (Verdict::Untested(why), Property::Finding(kind)) if !nothing_told => {
                match missing.iter_mut().find(|known| known.0 == why.reason) {
                    Some((_, kinds)) => kinds.push(FindingKind::name(kind)),
                    None => missing.push((why.reason.clone(), vec![kind.name()])),
                }
                report.beside.push(answer);
            }
            _ => report.answers.push(answer),
        }
    }
    let told = missing.into_iter().map(|(why, kinds)| format!("not judged: {}: {why}", kinds.join(", ")));
    report.remarks.extend(told);
}

/// The method of a finding that nothing could have shown and that counts as holding, because the question accepts that. Figures of losses
/// do not rest on such an answer.
pub const ACCEPTED_UNTESTED: &str = "untested";

/// Counts the findings that nothing could have shown as holding. They were verified as untested before.
fn accept_untested_findings(report: &mut Report) {
    for answer in &mut report.answers {
        if matches!((&answer.verdict, answer.property), (Verdict::Untested(_), Property::Finding(_))) {
            answer.verdict = Verdict::Holds(Witness::NothingFound);
            ACCEPTED_UNTESTED.clone_into(&mut answer.method);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claims::{IsolationLevel, Model, Phenomenon};
    use histories::format::{Format, from_text};

    /// The verdicts about a session that was created and read, when untested properties count as holding.
    fn accepted_verdicts(asked: Option<Vec<Property>>) -> Vec<(Property, &'static str)> {
        let event = |kind: &str, function: &str, value: &str| {
            format!(
                r#"{{"process":1,"session":"u","type":"{kind}","f":"{function}","key":"s","value":{value}}}"#
            )
        };
        let payload = r#"{"bytes":10,"session":"u","version":1}"#;
        let lines = [
            event("invoke", "create", payload),
            event("ok", "create", payload),
            event("invoke", "read", "null"),
            event("ok", "read", payload),
        ];
        let history = from_text(Format::Native, &lines.join("\n")).expect("a history");
        let question = Question { asked, accept_untested: true, ..Question::about(Model::Session) };
        let report = check(&history, &question, &Limits::unbounded()).expect("a report");
        report.answers.iter().map(|answer| (answer.property, answer.verdict.name())).collect()
    }

    /// With `--accept-untested`, a session store without an audit trail was *untested* (exit code 3), and without the option it held. The
    /// option kept the findings that were not recorded among the answers, and nothing made them hold.
    #[test]
    fn findings_that_were_not_recorded_hold_if_that_is_accepted() {
        let by_default = accepted_verdicts(None);
        assert!(by_default.iter().all(|(_, verdict)| *verdict == "holds"), "{by_default:?}");
        assert!(
            by_default.iter().any(|(property, _)| *property == Property::Finding(FindingKind::LostSession))
        );
        let named = Property::Finding(FindingKind::OldIdAlive);
        assert_eq!(accepted_verdicts(Some(vec![named])), [(named, "holds")]);
    }

    /// The time ran out after the verdict of the level had been verified, and before its phenomenon was.
    #[test]
    fn a_level_whose_evidence_was_not_checked_again_is_unknown() {
        let phenomenon = Phenomenon::LostUpdate;
        let violation = Violation {
            kind: AnomalyName::new(phenomenon.name()),
            key: KeyId::NONE,
            operations: Vec::new(),
            evidence: Evidence::Phenomenon(phenomenon),
        };
        let answer = Answer {
            property: Property::Isolation(IsolationLevel::SnapshotIsolation),
            method: String::new(),
            verdict: Verdict::Violated(vec![violation]),
            counts: Vec::new(),
        };
        let mut report = Report { answers: vec![answer], ..Report::default() };
        keep_verified_phenomena(&mut report);
        assert_eq!(report.answers[0].verdict.name(), "unknown");
    }
}
