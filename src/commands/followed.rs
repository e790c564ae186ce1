//! The verdicts about a stream, as `check --follow` prints them at its end.

use crate::output;
use crate::report;
use crate::stream_levels::FollowedLevel;
use crate::stream_objectives::FollowedObjective;
use serde::Serialize;
use std::io::{self, Write};

/// The least width of the column of levels.
const LEVEL_WIDTH: usize = 19;

/// The verdicts about a stream, as they are printed at its end.
#[derive(Serialize)]
pub(super) struct FollowedStream<'a> {
    pub(super) history: &'a str,
    pub(super) followed: bool,
    pub(super) model: &'a str,
    pub(super) verdict: &'a str,
    /// The number of events.
    pub(super) events: u64,
    /// The number of events before the slowest open operation.
    pub(super) judged: u64,
    /// The number of events that came later than `--lateness` allows.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) late_events: u64,
    pub(super) levels: Vec<FollowedLevel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) objectives: Vec<FollowedObjective>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

pub(super) fn write_json(told: &FollowedStream<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, told)?;
    writeln!(out)
}

pub(super) fn write_text(told: &FollowedStream<'_>, out: &mut dyn Write) -> io::Result<()> {
    if told.verdict == "violated" {
        writeln!(out)?;
    }
    writeln!(out, "followed: {}", told.history)?;
    writeln!(out, "{}: {} events, judged up to event {}\n", told.model, told.events, told.judged)?;
    if told.late_events > 0 {
        writeln!(
            out,
            "  {} came later than --lateness allows\n",
            report::layout::count_noun(told.late_events as usize, "event")
        )?;
    }
    let width = told.levels.iter().map(|level| level.level.len()).max().unwrap_or(0).max(LEVEL_WIDTH);
    for level in &told.levels {
        let detail = match (level.event, &level.reason) {
            (Some(event), None) => format!("certain since event {event}"),
            (Some(event), Some(reason)) => format!("from event {event} on: {reason}"),
            _ => String::new(),
        };
        writeln!(out, "{}", format!("  {:<8}  {:<width$}  {detail}", level.verdict, level.level).trim_end())?;
    }
    for (assumption, levels) in group_assumptions(&told.levels) {
        let text = match levels.as_slice() {
            [] => format!("Each verdict {assumption}."),
            levels => format!("The verdict on {} {assumption}.", levels.join(", ")),
        };
        for line in report::layout::wrap_text(&text, output::terminal_width().saturating_sub(2)) {
            writeln!(out, "  {line}")?;
        }
    }
    let width = told.objectives.iter().map(|objective| objective.name.len()).max().unwrap_or(0).max(width);
    for (at, FollowedObjective { name, verdict, text, .. }) in told.objectives.iter().enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        writeln!(out, "{gap}  {verdict:<8}  {name:<width$}  {text}")?;
    }
    writeln!(out)
}

/// Each assumption with the levels that it applies to; without levels if it applies to all.
fn group_assumptions(levels: &[FollowedLevel]) -> Vec<(&str, Vec<&'static str>)> {
    let mut groups: Vec<(&str, Vec<&'static str>)> = Vec::new();
    for level in levels {
        let Some(assumption) = level.assumption.as_deref() else { continue };
        match groups.iter_mut().find(|group| group.0 == assumption) {
            Some(group) => group.1.push(level.level),
            None => groups.push((assumption, vec![level.level])),
        }
    }
    if let [only] = groups.as_mut_slice()
        && only.1.len() == levels.len()
    {
        only.1.clear();
    }
    groups
}
