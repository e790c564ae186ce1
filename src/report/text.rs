//! For people: what somebody needs who was just woken by it.
//!
//! The verdict first, then a line a level, then each anomaly: its name, a sentence, the operations, a drawing,
//! and where to look. Colour says nothing that a word does not say too.

use super::faults::{self, Episode};
use super::layout::{as_sentence, columns, duration, plural, without_empty_columns, wrapped};
use super::sentence::{conditions, next_step, sentence, told_with};
use super::{Counts, Findings, Report, Told, describe, reasons, timeline, violations};
use anstyle::{AnsiColor, Style};
use checker::{IsolationLevel, Property, Violation};
use histories::{History, OpId, Outcome};
use std::io::{self, Write};

/// Anomalies of one level that are told in full.
const ANOMALIES_MAX: usize = 3;
/// Characters of a line about a transaction.
const LINE_CHARS_MAX: usize = 400;
/// Faults that are told beside an anomaly: the last ones.
const FAULTS_MAX: usize = 3;

/// What is told of an operation in a table.
pub(super) const COLUMNS: [&str; 9] =
    ["op", "session", "process", "node", "did", "outcome", "from", "to", "error"];
/// Where in a row stands what it did.
pub(super) const DID: usize = 4;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

pub(crate) struct Text {
    quiet: bool,
    width: usize,
    told: usize,
}

impl Text {
    pub(crate) fn new(quiet: bool, width: usize) -> Self {
        Self { quiet, width: width.max(60), told: 0 }
    }
}

impl Report for Text {
    fn checked(&mut self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let verdict = findings.verdict();
        let style = style_of(verdict).bold();
        if self.quiet {
            return writeln!(out, "{style}{}{style:#} {}", verdict.to_uppercase(), findings.name);
        }
        if self.told > 0 {
            writeln!(out)?;
        }
        self.told += 1;
        writeln!(out, "{style}{}{style:#} {BOLD}{}{BOLD:#}", verdict.to_uppercase(), findings.name)?;
        writeln!(out, "{DIM}{}{DIM:#}", size(findings))?;
        if let Some(warning) = super::thin(findings) {
            let style = style_of("unknown").bold();
            writeln!(out, "{style}{warning}{style:#}")?;
        }
        for remark in &findings.report.remarks {
            writeln!(out, "note: {remark}")?;
        }
        writeln!(out)?;
        self.levels(findings, out)?;
        if findings.answers().iter().any(|answer| answer.verdict.name() == "holds") {
            for line in wrapped(&format!("based on {}", super::basis(findings)), self.width - 2) {
                writeln!(out, "  {DIM}{line}{DIM:#}")?;
            }
        }
        if let Some(measured) = findings.measured {
            super::measurements::write(&measured.found, &measured.objectives, measured.everything, out)?;
        }
        self.anomalies(findings, out)?;
        self.phenomena(findings, out)?;
        self.sessions(findings, out)?;
        self.breaches(findings, out)?;
        self.undecided(findings, out)
    }
}

impl Text {
    fn levels(&self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let answers = findings.answers();
        let rows: Vec<Vec<String>> = answers
            .iter()
            .map(|answer| {
                let verdict = format!("{:<8}", answer.verdict.name());
                let (name, seconds) = (answer.property.name(), findings.times.of(answer.property));
                vec![verdict, name.to_owned(), answer.method.clone(), duration(seconds)]
            })
            .collect();
        for (line, answer) in columns(&rows).iter().zip(answers) {
            let style = style_of(answer.verdict.name());
            let (verdict, rest) = line.split_at(8);
            writeln!(out, "  {style}{verdict}{style:#}{rest}")?;
        }
        Ok(())
    }

    /// Each anomaly of objects once, with the levels that it rules out; of each level the first few.
    fn anomalies(&self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let levels =
            || findings.answers().iter().filter(|answer| matches!(answer.property, Property::Level(_)));
        let mut told: Vec<(&Violation, Vec<&str>)> = Vec::new();
        for answer in levels() {
            let level = answer.property.name();
            for violation in violations(answer).iter().take(ANOMALIES_MAX) {
                match told.iter_mut().find(|(known, _)| is_same(known, violation)) {
                    Some((_, levels)) => levels.push(level),
                    None => told.push((violation, vec![level])),
                }
            }
        }
        for (anomaly, levels) in told {
            self.anomaly(findings.history, &levels, anomaly, out)?;
        }
        for answer in levels().filter(|answer| violations(answer).len() > ANOMALIES_MAX) {
            let more = plural(violations(answer).len() - ANOMALIES_MAX, "more violation");
            writeln!(out, "\nand {more} of {}: --format json lists all", answer.property.name())?;
        }
        Ok(())
    }

    /// Each phenomenon with the levels that it rules out and a few examples, and then what follows for levels
    /// that were not asked for.
    fn phenomena(&self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        if !findings.question.model.has_transactions() {
            return Ok(());
        }
        let told: Vec<(&str, Vec<Told<'_>>)> =
            findings.answers().iter().map(|answer| (answer.property.name(), findings.told(answer))).collect();
        let of = |kind: &str, told: &[Told<'_>]| told.iter().filter(|one| one.kind == kind).count();
        let mut others = Vec::new();
        for anomaly in &findings.report.phenomena {
            let kind = anomaly.phenomenon.name();
            let guilty: Vec<_> = told.iter().filter(|(_, told)| of(kind, told) > 0).collect();
            let Some((_, examples)) = guilty.first() else {
                others.push(kind);
                continue;
            };
            let levels: Vec<&str> = guilty.iter().map(|(level, _)| *level).collect();
            let red = style_of("violated").bold();
            writeln!(out, "\n{red}{kind}{red:#} {DIM}(not {}){DIM:#}", levels.join(", "))?;
            let examples = examples.iter().filter(|one| one.kind == kind).take(ANOMALIES_MAX);
            let mut count = 0;
            for one in examples {
                count += 1;
                one.text.lines().try_for_each(|line| writeln!(out, "  {}", clipped(line)))?;
            }
            if let Some(more) = usize::try_from(anomaly.count).unwrap_or(usize::MAX).checked_sub(count)
                && more > 0
            {
                writeln!(out, "  and {more} more")?;
            }
        }
        let (not, also_not) = findings.report.ruled_out_levels();
        let names = |levels: &[IsolationLevel]| levels.iter().map(|level| level.name()).collect::<Vec<_>>();
        let lines = [
            ("also found", others),
            ("not", names(&not)),
            ("and so not", names(&also_not)),
            ("strongest that hold", names(&findings.report.strongest_holding_levels())),
        ];
        let lines: Vec<_> = lines.iter().filter(|(_, names)| !names.is_empty()).collect();
        if !lines.is_empty() {
            writeln!(out)?;
        }
        for (what, names) in lines {
            for line in wrapped(&format!("{what}: {}", names.join(", ")), self.width - 2) {
                writeln!(out, "  {line}")?;
            }
        }
        Ok(())
    }

    /// Of each finding how often it was seen, and a few examples with all that is known of each.
    fn sessions(&self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let kinds =
            findings.answers().iter().filter(|answer| matches!(answer.property, Property::Finding(_)));
        for answer in kinds {
            let told = findings.told(answer);
            let Some(first) = told.first() else { continue };
            let red = style_of("violated").bold();
            let users = of_each_user(&told);
            let times = match (told.len(), users.len()) {
                (1, _) => "once".to_owned(),
                (times, 1) => format!("{times} times, to one user"),
                (times, users) => format!("{times} times, to {users} users"),
            };
            writeln!(out, "\n{red}{}{red:#} {DIM}({times}: {}){DIM:#}", first.kind, first.meaning)?;
            for one in users.iter().take(ANOMALIES_MAX) {
                self.session(findings.history, one, out)?;
            }
            if let Some(more) =
                told.len().checked_sub(users.len().min(ANOMALIES_MAX)).filter(|&more| more > 0)
            {
                writeln!(out, "\n  and {more} more: --format json lists all")?;
            }
            let next = super::continuity::runbook(first.kind);
            writeln!(out, "  what it means and what to do: {next}")?;
        }
        Ok(())
    }

    /// Each kind of breach with the checks that mind it and a few examples.
    fn breaches(&self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut said: Vec<String> = Vec::new();
        let invariants =
            findings.answers().iter().filter(|answer| matches!(answer.property, Property::Invariant(_)));
        for answer in invariants {
            let (name, told) = (answer.property.name(), findings.told(answer));
            for kind in checker::invariants::explain::KINDS {
                let all: Vec<&Told<'_>> = told.iter().filter(|one| one.kind == *kind).collect();
                let fresh: Vec<&&Told<'_>> = all.iter().filter(|one| !said.contains(&one.text)).collect();
                let Some(first) = fresh.first() else { continue };
                let red = style_of("violated").bold();
                let count = first.count.unwrap_or(0);
                let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
                let not = if name == *kind { String::new() } else { format!("not {name}; ") };
                writeln!(out, "\n{red}{kind}{red:#} {DIM}({not}{times}: {}){DIM:#}", first.meaning)?;
                for one in fresh.iter().take(ANOMALIES_MAX) {
                    self.breach(findings.history, one, out)?;
                }
                if let Some(more) = count.checked_sub(ANOMALIES_MAX as u64).filter(|&more| more > 0) {
                    writeln!(out, "\n  and {more} more: --format json lists the first hundred")?;
                }
            }
            said.extend(told.into_iter().map(|one| one.text));
        }
        Ok(())
    }

    fn breach(&self, history: &History, told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
        for line in wrapped(&as_sentence(&told.text), self.width - 2) {
            writeln!(out, "  {line}")?;
        }
        let mut operations = told.operations.clone();
        operations.sort_unstable();
        operations.dedup();
        writeln!(out)?;
        self.table(history, &operations, out)?;
        writeln!(out)?;
        for line in timeline::draw(history, &operations, self.width - 2) {
            writeln!(out, "  {}", line.trim_end())?;
        }
        self.around(history, &operations, out)
    }

    fn session(&self, history: &History, told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
        let key = describe::of_key(history, told.key).replacen(" of ", "", 1);
        writeln!(out, "\n  {BOLD}{key}{BOLD:#}")?;
        for line in wrapped(&as_sentence(&told.text), self.width - 2) {
            writeln!(out, "  {line}")?;
        }
        let mut operations = told.operations.clone();
        operations.sort_unstable();
        if !operations.is_empty() {
            writeln!(out)?;
            self.table(history, &operations, out)?;
            writeln!(out)?;
            for line in timeline::draw(history, &operations, self.width - 2) {
                writeln!(out, "  {}", line.trim_end())?;
            }
        }
        let faults = told.circumstances.as_ref().map_or(&[][..], |around| &around.faults);
        let last = &faults[faults.len().saturating_sub(FAULTS_MAX)..];
        let faults = if last.is_empty() { "none".to_owned() } else { last.join("; ") };
        for line in wrapped(&format!("faults meanwhile: {faults}"), self.width - 2) {
            writeln!(out, "  {line}")?;
        }
        Ok(())
    }

    fn anomaly(
        &self,
        history: &History,
        levels: &[&str],
        anomaly: &Violation,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let red = style_of("violated").bold();
        let key = describe::of_key(history, anomaly.key).replacen(" of ", " on ", 1);
        let levels = levels.join(", ");
        writeln!(out, "\n{red}{}{red:#}{BOLD}{key}{BOLD:#} {DIM}(not {levels}){DIM:#}", anomaly.kind)?;
        let told = sentence(history, anomaly);
        let told = told.strip_prefix(&format!("{}: ", history.key_text(anomaly.key))).unwrap_or(&told);
        for line in wrapped(&as_sentence(told), self.width - 2) {
            writeln!(out, "  {line}")?;
        }
        let shown = told_with(history, anomaly);
        writeln!(out)?;
        self.table(history, &shown, out)?;
        writeln!(out)?;
        for line in timeline::draw(history, &shown, self.width - 2) {
            writeln!(out, "  {}", line.trim_end())?;
        }
        writeln!(out)?;
        for condition in conditions(history, anomaly) {
            for line in wrapped(&format!("note: {condition}"), self.width - 2) {
                writeln!(out, "  {line}")?;
            }
        }
        self.around(history, &shown, out)?;
        let next = format!("next: {}", next_step(anomaly.kind.as_str()));
        for line in wrapped(&next, self.width - 2) {
            writeln!(out, "  {line}")?;
        }
        Ok(())
    }

    /// The operations, one a line, with all that is known of each.
    fn table(&self, history: &History, operations: &[OpId], out: &mut dyn Write) -> io::Result<()> {
        let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
        rows.extend(operations.iter().take(timeline::OPERATIONS_MAX).map(|&id| row(history, id)));
        let lines = columns(&without_empty_columns(rows));
        writeln!(out, "  {DIM}{}{DIM:#}", lines[0])?;
        for line in &lines[1..] {
            writeln!(out, "  {line}")?;
        }
        if let Some(more) = operations.len().checked_sub(timeline::OPERATIONS_MAX).filter(|&more| more > 0) {
            writeln!(out, "  and {}", plural(more, "more operation"))?;
        }
        Ok(())
    }

    /// What fault injectors did just before and during these operations.
    fn around(&self, history: &History, operations: &[OpId], out: &mut dyn Write) -> io::Result<()> {
        let last = operations.iter().map(|&id| history.operation(id)).map(|op| match op.outcome {
            Outcome::Info => op.invoked,
            Outcome::Ok | Outcome::Fail => op.completed,
        });
        let last = last.max().unwrap_or(0);
        let mut faults = faults::episodes(history);
        faults.retain(|fault| fault.from <= last);
        let told: Vec<String> = faults.iter().rev().take(FAULTS_MAX).rev().map(episode).collect();
        if !told.is_empty() {
            for line in wrapped(&format!("faults up to here: {}", told.join("; ")), self.width - 2) {
                writeln!(out, "  {line}")?;
            }
        }
        Ok(())
    }

    /// Each reason why there is no verdict once, with the levels that it left open.
    fn undecided(&self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        for (verdict, reason, names) in reasons(findings.answers()) {
            let style = style_of(verdict).bold();
            writeln!(out, "\n{style}{verdict}{style:#} {DIM}({}){DIM:#}", names.join(", "))?;
            for line in wrapped(reason, self.width - 2) {
                writeln!(out, "  {line}")?;
            }
        }
        Ok(())
    }
}

/// The first of what was told of each user: a session that is gone is found gone again and again.
fn of_each_user<'a, 'b>(told: &'b [Told<'a>]) -> Vec<&'b Told<'a>> {
    let mut seen = std::collections::HashSet::new();
    let user = |one: &Told<'_>| one.circumstances.as_ref().map(|known| known.session.clone());
    told.iter().filter(|one| seen.insert(user(one))).collect()
}

/// A line without its middle, where it is far longer than anybody reads: a list can have thousands of elements.
fn clipped(line: &str) -> String {
    let count = line.chars().count();
    if count <= LINE_CHARS_MAX {
        return line.to_owned();
    }
    let half = LINE_CHARS_MAX / 2;
    let start: String = line.chars().take(half).collect();
    let end: String = line.chars().skip(count - half).collect();
    format!("{start} .. {end}")
}

/// The colour of a verdict.
pub(super) fn style_of(verdict: &str) -> Style {
    let color = match verdict {
        "holds" => AnsiColor::Green,
        "violated" | "missed" => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    Style::new().fg_color(Some(color.into()))
}

/// `register, 6 operations (5 ok, 1 info) by 3 processes in 2 sessions on 1 key`
fn size(findings: &Findings<'_>) -> String {
    let counts = Counts::of(findings.history);
    let outcomes = [(counts.ok, "ok"), (counts.fail, "fail"), (counts.info, "info")];
    let outcomes: Vec<String> = outcomes
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    let outcomes = if outcomes.is_empty() { String::new() } else { format!(" ({})", outcomes.join(", ")) };
    let processes = match counts.processes {
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    };
    format!(
        "{}: {}{outcomes} by {processes} in {} on {}; read in {}",
        findings.model().name(),
        plural(counts.operations, "operation"),
        plural(counts.sessions, "session"),
        plural(counts.keys, "key"),
        duration(findings.times.read)
    )
}

/// Whether two levels are ruled out by one and the same thing.
fn is_same(one: &Violation, other: &Violation) -> bool {
    (one.kind, one.key, &one.operations) == (other.kind, other.key, &other.operations)
}

/// What is told of an operation in a table, by the names of [`COLUMNS`].
pub(super) fn row(history: &History, id: OpId) -> Vec<String> {
    let op = history.operation(id);
    let time = |time: Option<i64>| time.map(describe::seconds).unwrap_or_default();
    let outcome = match op.outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    };
    let session = history.session_text(op.session);
    let own = session == format!("process {}", history.process_number(op.process));
    vec![
        history.operation_index(id).to_string(),
        if own { String::new() } else { describe::short(session) },
        history.process_number(op.process).to_string(),
        describe::field(history, id, "node").unwrap_or_default(),
        describe::words(history, id),
        outcome.to_owned(),
        time(history.invoked_at(id)),
        time(history.completed_at(id)),
        describe::field(history, id, "error").map(|error| describe::short(&error)).unwrap_or_default(),
    ]
}

/// A fault with its nodes and times: `partition n1 from 5.000000 s to 9.000000 s`.
fn episode(fault: &Episode) -> String {
    let time = |ns: Option<i64>| ns.map(describe::seconds);
    match (time(fault.from_ns), time(fault.to_ns), fault.to) {
        (Some(from), Some(to), _) => format!("{} from {from} to {to}", fault.label()),
        (Some(from), None, Some(_)) => format!("{} from {from} to the end", fault.label()),
        (Some(at), None, None) => format!("{} at {at}", fault.label()),
        (None, ..) => fault.label(),
    }
}
