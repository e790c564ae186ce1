//! `steadfast check --spill`: checks a history that is larger than the memory, part by part.
//!
//! A level that is local holds of a history if it holds of the operations on each object. So the parts ([`HistoryParts`]) are
//! read and checked one after another, by the same code as whole histories, and their answers are joined: one violated part
//! violates the level. What relates objects to one another is unknown.

use crate::args::{CheckPlan, HistorySource};
use crate::checking::{self, CheckRefusal, CheckedHistory};
use crate::clock::Instant;
use crate::exit::Exit;
use crate::history_parts::{FinishedParts, HistoryPart, HistoryParts};
use crate::initial_keys::MissingKeys;
use crate::input::LoadedHistory;
use crate::output;
use crate::progress::ProgressDisplay;
use crate::report::json::key_as_json;
use crate::report::layout::{as_sentence, count_noun, wrap_text};
use crate::report::{HistoryCounts, ReportFormat};
use crate::stream_lines::{StreamFlaw, StreamLines};
use checker::{Level, Property, Question, Verdict};
use histories::format::{self, ReadOptions, open_decompressed};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, Read, Write};
use std::sync::atomic::AtomicBool;

/// The bytes that are read at a time.
const BLOCK_BYTES: usize = 1 << 20;
/// The number of parts if the length of the history is not known.
const PARTS_OF_PIPE: usize = 64;
/// The least and the greatest number of parts.
const PARTS_MIN: u64 = 4;
const PARTS_MAX: u64 = 256;
/// The violations of one level that are described. The others are only counted.
const DESCRIBED_MAX: usize = 100;

/// Why a level that is not local has no verdict.
const NOT_LOCAL: &str =
    "it relates operations on different objects, and the history was checked in parts (--spill)";

pub(crate) fn run_check_in_parts(plan: &CheckPlan) -> Exit {
    match check_in_parts(plan) {
        Ok(exit) => exit,
        Err(refusal) => {
            let (problem, exit) = refusal.into_message(&plan.sources[0].name());
            output::print_error(&problem);
            exit
        }
    }
}

fn check_in_parts(plan: &CheckPlan) -> Result<Exit, CheckRefusal> {
    super::check::size_pool(plan).map_err(CheckRefusal::Input)?;
    let (name, began) = (plan.sources[0].name(), Instant::now());
    let progress = ProgressDisplay::start(plan.quiet);
    let mut parts = read_into_parts(plan, &name, &progress).map_err(CheckRefusal::Input)?;
    let mut joined =
        JoinedHistory { history: name, seconds: JoinedSeconds::default(), ..JoinedHistory::default() };
    joined.seconds.read = began.elapsed().as_secs_f64();
    let question = checking::build_question(plan, &mut parts.sample)
        .map_err(|why| CheckRefusal::Input(format!("{}: {why}", joined.history)))?;
    joined.begin(&parts, &question);
    joined.missing_keys = MissingKeys::of_plan(plan);
    let local: Vec<Property> =
        joined.levels.iter().filter(|level| level.is_local).map(|level| level.property).collect();
    let plan = CheckPlan { model: Some(question.model), properties: Some(local), ..plan.clone() };
    if plan.properties.as_ref().is_some_and(|local| !local.is_empty()) {
        let count = parts.parts.len();
        for (number, part) in parts.parts.iter().enumerate().filter(|(_, part)| part.operations > 0) {
            progress.set_stage(&format!("checking part {} of {count}", number + 1));
            check_part(&plan, &parts, part, &progress, &mut joined)?;
        }
        // The keys of a part that does not fit into the memory are not known.
        if !joined.has_open_parts {
            let refused = joined.missing_keys.refuse();
            refused.map_err(|why| CheckRefusal::Input(format!("{}: {why}", joined.history)))?;
        }
    }
    joined.seconds.check = began.elapsed().as_secs_f64() - joined.seconds.read;
    drop(progress);
    Ok(joined.report(&plan))
}

/// Reads the history, and writes its events to the parts of their objects. The error is worded for the user.
fn read_into_parts(
    plan: &CheckPlan,
    name: &str,
    progress: &ProgressDisplay,
) -> Result<FinishedParts, String> {
    let folder = plan.spill.as_deref().expect("--spill is given");
    progress.set_stage(&format!("reading {name}"));
    let total = match &plan.sources[0] {
        HistorySource::File(path) => std::fs::metadata(path).map_or(0, |about| about.len()),
        HistorySource::StandardInput => 0,
    };
    let mut parts = HistoryParts::create(folder, number_of_parts(total, plan.bytes))?;
    let input = open_decompressed(plan.sources[0].input());
    let mut input = input.map_err(|why| format!("{name}: cannot be read: {why}"))?;
    let (mut lines, mut block, mut done) = (StreamLines::default(), vec![0; BLOCK_BYTES], 0);
    let flaw = |flaw| match flaw {
        StreamFlaw::Line(line, why) => format!("{name}:{line}: {why}"),
        StreamFlaw::Refused(why) => format!("{name}: {why}"),
    };
    loop {
        let read =
            fill_block(&mut input, &mut block).map_err(|why| format!("{name}: cannot be read: {why}"))?;
        lines.add_bytes(&block[..read], &mut |event| parts.take_event(event)).map_err(flaw)?;
        done += read as u64;
        progress.set_position(done.min(total), total);
        if read < block.len() {
            break;
        }
    }
    // The last line need not end.
    lines.add_bytes(b"\n", &mut |event| parts.take_event(event)).map_err(flaw)?;
    parts.finish(lines.header())
}

/// Fills the block, or reads to the end.
fn fill_block(input: &mut dyn Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(filled)
}

/// So many that each part fits into a third of the memory, if objects are about equally busy. A history takes less memory than
/// half of its text.
fn number_of_parts(text_bytes: u64, memory: usize) -> usize {
    match text_bytes {
        0 => PARTS_OF_PIPE,
        bytes => (bytes / 2).div_ceil((memory as u64 / 3).max(1)).clamp(PARTS_MIN, PARTS_MAX) as usize,
    }
}

/// Reads and checks one part, and joins its answers to the others.
fn check_part(
    plan: &CheckPlan,
    parts: &FinishedParts,
    part: &HistoryPart,
    progress: &ProgressDisplay,
    joined: &mut JoinedHistory,
) -> Result<(), CheckRefusal> {
    let internal = |why: String| CheckRefusal::Internal(format!("a part of the history: {why}"));
    // A history takes less memory than half of its text.
    if part.bytes / 2 > plan.bytes as u64 {
        joined.leave_open(part.operations);
        return Ok(());
    }
    let began = Instant::now();
    let input = parts.input(part, &joined.history).map_err(|why| internal(why.to_string()))?;
    let options = ReadOptions { from: Some(format::Format::Native), ..ReadOptions::default() };
    let read =
        format::read(input, &options, &|_, _| {}).map_err(|problems| internal(problems.to_string()))?;
    let loaded = LoadedHistory { history: read.history, remarks: read.remarks };
    let checked =
        checking::check_loaded(plan, &joined.history, loaded, (progress, &AtomicBool::new(false)), began)?;
    joined.add_part(&checked);
    Ok(())
}

/// The answers about a history that was checked in parts.
#[derive(Default, Serialize)]
struct JoinedHistory {
    /// The keys with an initial value that no part had so far.
    #[serde(skip)]
    missing_keys: MissingKeys,
    /// Whether some part could not be read.
    #[serde(skip)]
    has_open_parts: bool,
    history: String,
    parts: usize,
    model: &'static str,
    verdict: &'static str,
    counts: JoinedCounts,
    /// `None` if some operations are in no part that was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<JoinedBasis>,
    levels: Vec<JoinedLevel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
    seconds: JoinedSeconds,
}

#[derive(Default, Serialize)]
struct JoinedCounts {
    events: u64,
    operations: u64,
    #[serde(flatten)]
    checked: Option<CheckedCounts>,
}

/// Counts of the parts; `None` if some part was not checked. The same process, and the same session, is in several parts, so these are not
/// counted.
#[derive(Clone, Copy, Default, Serialize)]
struct CheckedCounts {
    ok: u64,
    fail: u64,
    info: u64,
    keys: u64,
}

/// The sums of what the verdicts rest on. Sessions that several nodes answered are not counted, because a session is in several parts.
#[derive(Clone, Copy, Default, Serialize)]
struct JoinedBasis {
    answers: u64,
    returned_a_value: u64,
    overlapping: u64,
}

#[derive(Default, Serialize)]
struct JoinedSeconds {
    read: f64,
    check: f64,
}

/// The joined answer about one level.
#[derive(Serialize)]
struct JoinedLevel {
    #[serde(skip)]
    property: Property,
    #[serde(skip)]
    is_local: bool,
    level: &'static str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The number of violations.
    violations: u64,
    /// The first violations of each part.
    anomalies: Vec<JoinedAnomaly>,
}

#[derive(Serialize)]
struct JoinedAnomaly {
    r#type: &'static str,
    #[serde(skip)]
    key_text: String,
    key: Option<Box<RawValue>>,
    /// The numbers of the operations in the whole history.
    operations: Vec<u64>,
    text: String,
}

impl JoinedHistory {
    fn begin(&mut self, parts: &FinishedParts, question: &Question) {
        (self.parts, self.model) = (parts.parts.len(), question.model.name());
        (self.counts.events, self.counts.operations) = (parts.events, parts.operations);
        let is_empty = parts.operations == 0;
        let without_parts = |property| JoinedLevel::without_parts(property, is_empty);
        self.levels = question.asked_properties().into_iter().map(without_parts).collect();
    }

    /// Joins the answers about a part.
    fn add_part(&mut self, checked: &CheckedHistory) {
        self.add_counts(checked);
        let findings = checked.as_findings(&self.history);
        let history = &checked.history;
        self.missing_keys.strike_those_of(history);
        for answer in &checked.report.answers {
            let Some(level) = self.levels.iter_mut().find(|level| level.property == answer.property) else {
                continue;
            };
            let reason = match &answer.verdict {
                Verdict::Unknown(why) | Verdict::Untested(why) => Some(why.reason.clone()),
                Verdict::Holds(_) | Verdict::Violated(_) => None,
            };
            level.join(answer.verdict.name(), reason);
            if let Verdict::Violated(violations) = &answer.verdict {
                level.violations += violations.len() as u64;
                let room = DESCRIBED_MAX.saturating_sub(level.anomalies.len());
                let described = findings.describe_anomalies(answer).into_iter().take(room);
                level.anomalies.extend(described.map(|anomaly| JoinedAnomaly {
                    r#type: anomaly.kind,
                    key_text: history.key_text(anomaly.key).to_owned(),
                    key: key_as_json(history, anomaly.key),
                    operations: anomaly.operations.iter().map(|&id| history.operation_index(id)).collect(),
                    text: anomaly.text,
                }));
            }
        }
        let new = checked.report.remarks.iter().filter(|remark| !self.remarks.contains(remark));
        let new: Vec<String> = new.take(DESCRIBED_MAX).cloned().collect();
        self.remarks.extend(new);
    }

    /// Adds the counts of a part, in which an operation is with all others on its object.
    fn add_counts(&mut self, checked: &CheckedHistory) {
        let part = HistoryCounts::count_history(&checked.history);
        let counts = self.counts.checked.get_or_insert_default();
        counts.ok += part.ok as u64;
        counts.fail += part.fail as u64;
        counts.info += part.info as u64;
        counts.keys += part.keys as u64;
        let basis = self.basis.get_or_insert_default();
        basis.answers += checked.basis.answers;
        basis.returned_a_value += checked.basis.reads_of_something;
        basis.overlapping += checked.basis.overlapping;
    }

    /// A part that does not fit into the memory leaves its levels open.
    fn leave_open(&mut self, operations: u64) {
        self.has_open_parts = true;
        let why = format!(
            "a part of {operations} operations on few objects does not fit into --memory; pass more, or fewer objects"
        );
        self.levels
            .iter_mut()
            .filter(|level| level.is_local)
            .for_each(|level| level.join("unknown", Some(why.clone())));
    }

    fn report(&mut self, plan: &CheckPlan) -> Exit {
        let has = |name: &str| self.levels.iter().any(|level| level.verdict == name);
        self.verdict =
            ["violated", "unknown", "untested"].into_iter().find(|name| has(name)).unwrap_or("holds");
        if self.has_open_parts {
            (self.counts.checked, self.basis) = (None, None);
        }
        for level in &mut self.levels {
            level.anomalies.sort_by(|a, b| a.operations.cmp(&b.operations));
        }
        let mut out = output::ResultWriter::new(plan.color);
        let written = match plan.format {
            ReportFormat::Json => serde_json::to_writer(&mut out, self).map_err(io::Error::from),
            _ => self.write_text(&mut out),
        };
        let written = written.and_then(|()| writeln!(out));
        let exit = match self.verdict {
            "holds" => Exit::Holds,
            "violated" => Exit::Violated,
            _ => Exit::Unknown,
        };
        match written {
            Ok(()) => out.finish(exit),
            Err(why) => output::exit_after_write_error(&why, exit),
        }
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let JoinedCounts { events, operations, checked } = self.counts;
        writeln!(out, "{}", self.verdict.to_uppercase())?;
        writeln!(out, "history: {}, checked in {} parts", self.history, self.parts)?;
        let told = |count: u64, noun| count_noun(usize::try_from(count).unwrap_or(usize::MAX), noun);
        let keys = checked.map_or(String::new(), |counts| format!(" on {}", told(counts.keys, "key")));
        let (operations, events) = (told(operations, "operation"), told(events, "event"));
        writeln!(out, "{}: {operations}{keys}, {events}\n", self.model)?;
        let width = self.levels.iter().map(|level| level.level.len()).max().unwrap_or(0);
        let columns = output::terminal_width();
        for level in &self.levels {
            let detail = match (&level.reason, level.violations) {
                (Some(reason), _) => reason.clone(),
                (None, 0) => String::new(),
                (None, count) => count_noun(usize::try_from(count).unwrap_or(usize::MAX), "violation"),
            };
            writeln!(
                out,
                "{}",
                format!("  {:<8}  {:<width$}  {detail}", level.verdict, level.level).trim_end()
            )?;
        }
        let JoinedSeconds { read, check } = self.seconds;
        writeln!(
            out,
            "  took {read:.1} s to read into parts, {check:.1} s to check them and their evidence"
        )?;
        for level in &self.levels {
            for anomaly in &level.anomalies {
                let on = anomaly.key.as_ref().map_or(String::new(), |_| format!(" on {}", anomaly.key_text));
                writeln!(out, "\n{}{on}", anomaly.r#type)?;
                let text = format!("Violates {}. {}", level.level, as_sentence(&anomaly.text));
                for line in wrap_text(&text, columns.saturating_sub(2)) {
                    writeln!(out, "  {line}")?;
                }
            }
        }
        for remark in &self.remarks {
            for line in wrap_text(&format!("note: {remark}"), columns) {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }
}

impl JoinedLevel {
    /// The answer before any part was checked.
    fn without_parts(property: Property, is_empty: bool) -> Self {
        let is_local = matches!(property, Property::Level(level) if Level::is_local(level));
        let (verdict, reason) = match is_local {
            true if is_empty => ("untested", Some("the history has no operations".to_owned())),
            true => {
                ("untested", Some("no operation succeeded whose answer could have been wrong".to_owned()))
            }
            false => ("unknown", Some(NOT_LOCAL.to_owned())),
        };
        let (violations, anomalies) = (0, Vec::new());
        Self { property, is_local, level: property.name(), verdict, reason, violations, anomalies }
    }

    /// Joins the verdict of a part. A violation outweighs everything, and what is unknown outweighs what holds. A level is untested
    /// only if it is in all parts.
    fn join(&mut self, verdict: &'static str, reason: Option<String>) {
        let weight = |verdict: &str| {
            ["untested", "holds", "unknown", "violated"].iter().position(|name| *name == verdict)
        };
        if weight(verdict) > weight(self.verdict) {
            (self.verdict, self.reason) = (verdict, reason);
        }
    }
}
