//! `steadfast enumerate`: all small histories of a shape, counted by level, or a smallest one that separates levels.
//!
//! Every verdict is one of [`checker::check`], which verifies it. An unknown verdict is counted as such: with one, the
//! command does not claim that no history exists.

use crate::args::{CompareFormat, EnumeratePlan, mentions_real_time};
use crate::checking::STEPS_MAX;
use crate::exit::Exit;
use crate::output;
use crate::output_file::write_by_name;
use crate::timer::StopTimer;
use checker::{LevelImplication, Limits, Property, Proviso, Question, level_implications};
use histories::format::write_native;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use workloads::enumeration::{HistoryShape, HistoryVisitor, SmallHistory, visit_histories};

/// The memory that the check of one small history may use.
const CHECK_BYTES_MAX: usize = 1 << 28;

pub(crate) fn run_enumerate(plan: &EnumeratePlan) -> Exit {
    let told = if plan.satisfies.is_empty() && plan.violates.is_empty() {
        count_by_level(plan)
    } else {
        find_separation(plan)
    };
    match told {
        Ok((text, exit)) => match super::print_result(&text) {
            Exit::Holds => exit,
            failed => failed,
        },
        Err((why, exit)) => {
            output::print_error(&why);
            exit
        }
    }
}

/// A message, and the exit code.
type EnumerationText = Result<(String, Exit), (String, Exit)>;

fn bad_input(why: impl ToString) -> (String, Exit) {
    (why.to_string(), Exit::BadInput)
}

/// Decides levels of one small history after another.
struct SmallHistoryJudge {
    question: Question,
    levels: Vec<Property>,
    timer: StopTimer,
    /// Whether the time limit ended the enumeration.
    stopped: bool,
    /// Why a check failed. The first failure ends the enumeration.
    failure: Option<String>,
}

impl SmallHistoryJudge {
    fn new(plan: &EnumeratePlan, levels: Vec<Property>) -> SmallHistoryJudge {
        let mut question = Question::about(plan.model);
        question.asked = Some(levels.clone());
        question.accept_untested = true;
        SmallHistoryJudge {
            question,
            levels,
            timer: StopTimer::start(plan.timeout),
            stopped: false,
            failure: None,
        }
    }

    /// The verdict of each level: `Some(true)` if it holds, `None` if it is unknown. No verdicts if the check failed or the time
    /// limit ended.
    fn judge_levels(&mut self, history: &SmallHistory) -> Option<Vec<Option<bool>>> {
        let limits = Limits { steps: STEPS_MAX, bytes: CHECK_BYTES_MAX, stop: self.timer.stop_flag() };
        let report = match checker::check(&history.to_history(), &self.question, &limits) {
            Ok(report) => report,
            Err(why) => {
                self.failure = Some(format!("internal error: {why}\n{}", history.draw()));
                return None;
            }
        };
        // A check that was stopped leaves levels unknown that it would have decided.
        if self.timer.stop_flag().load(Ordering::Relaxed) {
            self.stopped = true;
            return None;
        }
        let verdict = |level: &Property| {
            let answer = report.answers.iter().find(|answer| answer.property == *level)?;
            match answer.verdict.name() {
                "holds" => Some(true),
                "violated" => Some(false),
                _ => None,
            }
        };
        Some(self.levels.iter().map(verdict).collect())
    }
}

/// Searches for a smallest history that satisfies and violates what the plan says.
struct SeparationSearch {
    judge: SmallHistoryJudge,
    /// How many of the judge's levels are to be satisfied; the others are to be violated.
    satisfied: usize,
    checked: usize,
    unknown: usize,
    best: Option<SmallHistory>,
}

impl HistoryVisitor for SeparationSearch {
    fn wants_size(&self, steps: usize) -> bool {
        self.best.as_ref().is_none_or(|best| steps < best.step_count())
    }

    fn visit(&mut self, history: &SmallHistory) -> ControlFlow<()> {
        if !self.wants_size(history.step_count()) {
            return ControlFlow::Continue(());
        }
        let Some(verdicts) = self.judge.judge_levels(history) else { return ControlFlow::Break(()) };
        self.checked += 1;
        let wanted = verdicts
            .iter()
            .enumerate()
            .map(|(at, verdict)| verdict.map(|holds| holds == (at < self.satisfied)));
        let wanted: Vec<Option<bool>> = wanted.collect();
        if wanted.iter().all(|one| *one == Some(true)) {
            self.best = Some(history.clone());
        } else if !wanted.contains(&Some(false)) {
            self.unknown += 1;
        }
        ControlFlow::Continue(())
    }
}

fn find_separation(plan: &EnumeratePlan) -> EnumerationText {
    plan.shape.check_size().map_err(bad_input)?;
    let levels = [plan.satisfies.as_slice(), &plan.violates].concat();
    let judge = SmallHistoryJudge::new(plan, levels);
    let mut search =
        SeparationSearch { judge, satisfied: plan.satisfies.len(), checked: 0, unknown: 0, best: None };
    for shape in plan.shape.list_sub_shapes() {
        if search.wants_size(shape.operation_count()) && !search.judge.stopped {
            visit_histories(&shape, &mut search).map_err(bad_input)?;
        }
        if let Some(why) = search.judge.failure.take() {
            return Err((why, Exit::Internal));
        }
    }
    if let (Some(path), Some(best)) = (&plan.output, &search.best) {
        write_by_name(path, plan.force, &[], |beside| {
            let failed = |why: std::io::Error| format!("failed to write {}: {why}", path.display());
            let mut file = BufWriter::new(std::fs::File::create(beside).map_err(failed)?);
            write_native(&best.to_history(), &mut file).and_then(|()| file.flush()).map_err(failed)
        })
        .map_err(bad_input)?;
    }
    let exit = match (&search.best, search.unknown) {
        (Some(_), _) => Exit::Holds,
        (None, 0) if !search.judge.stopped => Exit::Violated,
        (None, _) => Exit::Unknown,
    };
    let text = match plan.format {
        CompareFormat::Text => tell_separation(plan, &search),
        CompareFormat::Json => format!("{}\n", separation_as_json(plan, &search)),
    };
    Ok((text, exit))
}

fn names_of(levels: &[Property]) -> Vec<&'static str> {
    levels.iter().map(|level| level.name()).collect()
}

fn tell_separation(plan: &EnumeratePlan, search: &SeparationSearch) -> String {
    let verbs = [("satisfies", &plan.satisfies), ("violates", &plan.violates)];
    let wanted = verbs.iter().filter(|(_, levels)| !levels.is_empty());
    let wanted: Vec<String> =
        wanted.map(|(verb, levels)| format!("{verb} {}", names_of(levels).join(", "))).collect();
    let wanted = wanted.join(" and ");
    let (checked, size) = (search.checked, tell_size(&plan.shape));
    let Some(best) = &search.best else {
        let mut text = format!("No history of at most {size} {wanted}. {checked} histories were checked.\n");
        if search.judge.stopped {
            text = format!(
                "The time limit ended the search. None of the {checked} histories that were checked {wanted}.\n"
            );
        } else if search.unknown > 0 {
            text = format!(
                "No history was found that {wanted}. Of the {checked} histories of at most {size}, {} are unknown.\n",
                search.unknown
            );
        }
        return text;
    };
    let (steps, operations) = (best.step_count(), best.operation_count());
    let of = if steps == operations { String::new() } else { format!(" in {operations} transactions") };
    let found = match search.judge.stopped {
        true => "The time limit ended the search. The smallest history so far",
        false => "A smallest history",
    };
    let mut text = format!("{found} that {wanted} has {steps} reads and writes{of}:\n\n{}", best.draw());
    if !plan.shape.real_time {
        text.push_str("\nThe verdicts do not depend on the real-time order that is drawn.\n");
    }
    text
}

fn tell_size(shape: &HistoryShape) -> String {
    let keys = if shape.keys == 1 { "1 key".to_owned() } else { format!("{} keys", shape.keys) };
    let what = if shape.length_max == 1 {
        "operations".to_owned()
    } else {
        format!("transactions of at most {} reads and writes", shape.length_max)
    };
    format!("{shape} {what} on {keys}")
}

fn separation_as_json(plan: &EnumeratePlan, search: &SeparationSearch) -> Value {
    json!({
        "satisfies": names_of(&plan.satisfies),
        "violates": names_of(&plan.violates),
        "shape": plan.shape.to_string(),
        "keys": plan.shape.keys,
        "real_time": plan.shape.real_time,
        "checked": search.checked,
        "stopped": search.judge.stopped,
        "unknown": search.unknown,
        "history": search.best.as_ref().map(SmallHistory::draw),
        "steps": search.best.as_ref().map(SmallHistory::step_count),
    })
}

/// How the histories of a shape fare under one implication.
struct ImplicationCount {
    edge: LevelImplication,
    stronger: usize,
    weaker: usize,
    separating: usize,
    smallest: Option<SmallHistory>,
}

/// Counts histories by level and by implication.
struct LevelCounter {
    judge: SmallHistoryJudge,
    histories: usize,
    /// For each level: in how many histories it holds, is violated, and is unknown.
    counts: Vec<[usize; 3]>,
    edges: Vec<ImplicationCount>,
}

impl HistoryVisitor for LevelCounter {
    fn visit(&mut self, history: &SmallHistory) -> ControlFlow<()> {
        let Some(verdicts) = self.judge.judge_levels(history) else { return ControlFlow::Break(()) };
        self.histories += 1;
        for (counts, verdict) in self.counts.iter_mut().zip(&verdicts) {
            counts[verdict.map_or(2, |holds| usize::from(!holds))] += 1;
        }
        for counted in &mut self.edges {
            match (verdicts[counted.stronger], verdicts[counted.weaker]) {
                (Some(false), Some(true)) => {
                    counted.separating += 1;
                    let steps = counted.smallest.as_ref().map_or(usize::MAX, SmallHistory::step_count);
                    if history.step_count() < steps {
                        counted.smallest = Some(history.clone());
                    }
                }
                (Some(true), Some(false)) if counted.edge.proviso == Proviso::None => {
                    let [stronger, weaker] = [counted.edge.stronger, counted.edge.weaker].map(Property::name);
                    self.judge.failure = Some(format!(
                        "internal error: {stronger} holds and {weaker}, which it implies, is violated:\n{}",
                        history.draw()
                    ));
                    return ControlFlow::Break(());
                }
                _ => (),
            }
        }
        ControlFlow::Continue(())
    }
}

fn count_by_level(plan: &EnumeratePlan) -> EnumerationText {
    let levels = plan.model.comparable_properties();
    let levels: Vec<Property> =
        levels.into_iter().filter(|&level| plan.shape.real_time || !mentions_real_time(level)).collect();
    let place = |level: Property| levels.iter().position(|&known| known == level);
    let edges = level_implications().filter_map(|edge| {
        let (stronger, weaker) = (place(edge.stronger)?, place(edge.weaker)?);
        Some(ImplicationCount { edge, stronger, weaker, separating: 0, smallest: None })
    });
    let edges = edges.collect();
    let judge = SmallHistoryJudge::new(plan, levels.clone());
    let mut counter = LevelCounter { judge, histories: 0, counts: vec![[0; 3]; levels.len()], edges };
    visit_histories(&plan.shape, &mut counter).map_err(bad_input)?;
    if let Some(why) = counter.judge.failure.take() {
        return Err((why, Exit::Internal));
    }
    let text = match plan.format {
        CompareFormat::Text => tell_counts(plan, &counter),
        CompareFormat::Json => format!("{}\n", counts_as_json(plan, &counter)),
    };
    let is_open = counter.judge.stopped || counter.counts.iter().any(|counts| counts[2] > 0);
    let exit = if is_open { Exit::Unknown } else { Exit::Holds };
    Ok((text, exit))
}

fn tell_counts(plan: &EnumeratePlan, counter: &LevelCounter) -> String {
    let of = match counter.judge.stopped {
        true => "histories were checked before the time limit, of the shape",
        false => "histories of",
    };
    let mut text = format!("{} {of} {}, up to renaming\n\n", counter.histories, tell_size(&plan.shape));
    let width = counter.judge.levels.iter().map(|level| level.name().len()).max().unwrap_or(0);
    let _ = writeln!(text, "{:<width$}  {:>9} {:>9} {:>9}", "level", "holds", "violated", "unknown");
    for (level, [holds, violated, unknown]) in counter.judge.levels.iter().zip(&counter.counts) {
        let _ = writeln!(text, "{:<width$}  {holds:>9} {violated:>9} {unknown:>9}", level.name());
    }
    let _ = writeln!(text, "\n{:<width$}  histories that satisfy the weaker level only", "implication");
    for counted in &counter.edges {
        let edge = &counted.edge;
        let _ = writeln!(
            text,
            "{:<width$}  {:>9}  {}",
            edge.stronger.name(),
            counted.separating,
            edge.weaker.name()
        );
    }
    text
}

fn counts_as_json(plan: &EnumeratePlan, counter: &LevelCounter) -> Value {
    let levels = counter.judge.levels.iter().zip(&counter.counts).map(|(level, [holds, violated, unknown])| {
        json!({ "level": level.name(), "holds": holds, "violated": violated, "unknown": unknown })
    });
    let implications = counter.edges.iter().map(|counted| {
        json!({
            "stronger": counted.edge.stronger.name(),
            "weaker": counted.edge.weaker.name(),
            "proviso": counted.edge.proviso.words(),
            "separating": counted.separating,
            "smallest": counted.smallest.as_ref().map(SmallHistory::draw),
        })
    });
    json!({
        "shape": plan.shape.to_string(),
        "keys": plan.shape.keys,
        "model": plan.model.name(),
        "length": plan.shape.length_max,
        "real_time": plan.shape.real_time,
        "histories": counter.histories,
        "stopped": counter.judge.stopped,
        "levels": levels.collect::<Vec<_>>(),
        "implications": implications.collect::<Vec<_>>(),
    })
}
