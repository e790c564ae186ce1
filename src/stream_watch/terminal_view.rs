//! The state of a judgement on a terminal: rates, outcomes, the watermark, the levels and the violations.
//!
//! The view draws on standard error, on the alternate screen, so that nothing of it is left when it ends. It reads no keys:
//! Ctrl-C ends the command as without a view. What others have to say is shown below, and printed once the view has ended.

use super::status::{StreamStatus, UserStatus, ViolationStatus};
use crate::report::layout::{count_noun, format_elapsed};
use crate::stream_levels::FollowedLevel;
use crate::stream_objectives::FollowedObjective;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::crossterm::{cursor, execute};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Sparkline, Wrap};
use ratatui::{Frame, Terminal};
use std::io::{self, IsTerminal, Stderr};

/// The lines that messages may take.
const MESSAGE_LINES: usize = 4;
/// The width of the names of figures and levels.
const NAME_WIDTH: usize = 22;

/// A view on the terminal of standard error. Ends when dropped.
pub(super) struct TerminalView(Terminal<CrosstermBackend<Stderr>>);

impl TerminalView {
    /// Opens the view. `None` if standard error is no terminal, or cannot be drawn on.
    pub(super) fn open() -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let terminal = Terminal::new(CrosstermBackend::new(io::stderr())).ok()?;
        execute!(io::stderr(), EnterAlternateScreen, cursor::Hide).ok()?;
        Some(Self(terminal))
    }

    /// Draws the state. A terminal that is gone is ignored: the judgement goes on.
    pub(super) fn draw(&mut self, status: &StreamStatus, messages: &[String]) {
        let _ = self.0.draw(|frame| draw_status(frame, status, messages));
    }
}

impl Drop for TerminalView {
    fn drop(&mut self) {
        let _ = execute!(io::stderr(), LeaveAlternateScreen, cursor::Show);
    }
}

fn draw_status(frame: &mut Frame<'_>, status: &StreamStatus, messages: &[String]) {
    let messages: Vec<&str> = messages.iter().flat_map(|message| message.lines()).collect();
    let shown = &messages[messages.len().saturating_sub(MESSAGE_LINES)..];
    let figures = figure_lines(status);
    let objective_height = if status.objectives.is_empty() { 0 } else { status.objectives.len() as u16 + 2 };
    let parts = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(figures.len() as u16 + 1),
        Constraint::Length(4),
        Constraint::Length(status.levels.len() as u16 + 2),
        Constraint::Length(objective_height),
        Constraint::Min(3),
        Constraint::Length(shown.len() as u16),
    ]);
    let [headline, figure_area, rates, levels, objectives, violations, told] = parts.areas(frame.area());
    frame.render_widget(Paragraph::new(headline_line(status)), headline);
    frame.render_widget(Paragraph::new(figures), figure_area);
    // The newest rates fit, whatever the width.
    let fitting = status.rates.len().saturating_sub(usize::from(rates.width));
    let bars: Vec<u64> = status.rates[fitting..].iter().map(|rate| *rate as u64).collect();
    let bars = Sparkline::default().block(Block::default().title("Operations per second")).data(&bars);
    frame.render_widget(bars, rates);
    let lines: Vec<Line<'_>> = status.levels.iter().map(level_line).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::default().title("Levels")), levels);
    let lines: Vec<Line<'_>> = status.objectives.iter().map(objective_line).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::default().title("Objectives so far")), objectives);
    let found: Vec<Line<'_>> = status.violations.iter().rev().flat_map(violation_lines).collect();
    let title = count_noun(status.violations.len(), "violation");
    let found = Paragraph::new(found).wrap(Wrap { trim: false }).block(Block::default().title(title));
    frame.render_widget(found, violations);
    let lines: Vec<Line<'_>> = shown.iter().map(|&line| Line::raw(line)).collect();
    frame.render_widget(Paragraph::new(lines), told);
}

fn headline_line(status: &StreamStatus) -> Line<'_> {
    let verdict = status.verdict();
    let model = if status.model.is_empty() { "no events" } else { status.model };
    Line::from(vec![
        Span::raw(format!("{} ({model})  {}  ", status.history, format_elapsed(status.elapsed_seconds))),
        Span::styled(verdict_text(verdict), verdict_style(verdict).add_modifier(Modifier::BOLD)),
    ])
}

fn figure_lines(status: &StreamStatus) -> Vec<Line<'_>> {
    let outcomes = status.operations;
    let memory = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let used = status.memory_bytes.map_or_else(|| "unknown".to_owned(), memory);
    let mut rows = vec![
        (
            "Operations",
            format!(
                "{:.0}/s   {} ok   {} failed   {} indeterminate   {} open",
                status.operations_per_second,
                outcomes.ok,
                outcomes.fail,
                outcomes.info,
                status.open_operations
            ),
        ),
        (
            "Judged up to event",
            format!("{} of {} ({} behind)", status.judged, status.events, status.lag_events()),
        ),
        ("Last event", format!("{} ago", format_elapsed(status.quiet_seconds))),
        ("Last judgement took", format_elapsed(status.judgement_seconds)),
        (
            "Memory",
            format!(
                "{used} in all   {} kept by the monitor",
                count_noun(status.kept_operations, "operation")
            ),
        ),
    ];
    rows.extend(user_rows(&status.users));
    if let Some(unread) = status.unread_bytes {
        rows.push(("Not read yet", memory(unread)));
    }
    rows.into_iter().map(|(name, value)| Line::raw(format!("{name:<NAME_WIDTH$}{value}"))).collect()
}

/// What users experience: latency, faults, and who waits.
fn user_rows(users: &UserStatus) -> Vec<(&'static str, String)> {
    let latency = users.latency_seconds.map_or_else(
        || "no success with times".to_owned(),
        |[p50, p99, max]| {
            format!(
                "{} median   {} 99th percentile   {} at most",
                format_elapsed(p50),
                format_elapsed(p99),
                format_elapsed(max)
            )
        },
    );
    let faults = if users.faults.is_empty() { "none".to_owned() } else { users.faults.join("; ") };
    let at_least = if users.is_lower_bound { "at least " } else { "" };
    let sessions = format!(
        "{at_least}{} affected   {at_least}{} of them wait for an answer",
        users.affected_sessions, users.waiting_sessions
    );
    vec![("Latency now", latency), ("Faults in force", faults), ("Sessions", sessions)]
}

fn objective_line(objective: &FollowedObjective) -> Line<'_> {
    let alerts = objective.burn_rates.iter().any(|rate| rate.alert);
    let verdict = if alerts { "alert" } else { objective.verdict };
    let color = match verdict {
        "met" => Color::Green,
        "unknown" => Color::Yellow,
        _ => Color::Red,
    };
    Line::from(vec![
        Span::raw(format!("{:<NAME_WIDTH$} ", objective.name)),
        Span::styled(format!("{verdict:<13} "), Style::default().fg(color)),
        Span::raw(objective.text.as_str()),
    ])
}

fn level_line(level: &FollowedLevel) -> Line<'_> {
    let detail = match (level.event, &level.reason) {
        (Some(event), None) => format!("certain since event {event}"),
        (Some(event), Some(reason)) => format!("from event {event} on: {reason}"),
        _ => String::new(),
    };
    let style = verdict_style(level.verdict);
    Line::from(vec![
        Span::raw(format!("{:<NAME_WIDTH$} ", level.level)),
        Span::styled(format!("{:<13} ", verdict_text(level.verdict)), style),
        Span::raw(detail),
    ])
}

fn violation_lines(violation: &ViolationStatus) -> [Line<'_>; 2] {
    let ViolationStatus { event, level, anomaly, key, text, .. } = violation;
    let on = key.as_ref().map_or_else(String::new, |key| format!(" on {key}"));
    let red = verdict_style("violated");
    [
        Line::styled(format!("{anomaly}{on}: {level} is violated at event {event}"), red),
        Line::raw(format!("  {text}")),
    ]
}

fn verdict_text(verdict: &'static str) -> &'static str {
    if verdict == "holds" { "holds so far" } else { verdict }
}

fn verdict_style(verdict: &str) -> Style {
    let color = match verdict {
        "holds" => Color::Green,
        "violated" => Color::Red,
        _ => Color::Yellow,
    };
    Style::default().fg(color)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream_lines::OutcomeCounts;
    use ratatui::backend::TestBackend;

    fn level(
        level: &'static str,
        verdict: &'static str,
        event: Option<u64>,
        reason: Option<&str>,
    ) -> FollowedLevel {
        let reason = reason.map(str::to_owned);
        FollowedLevel { level, verdict, event, reason, keys: None, assumption: None }
    }

    fn some_status() -> StreamStatus {
        StreamStatus {
            history: "run.jsonl".to_owned(),
            model: "register",
            elapsed_seconds: 12.0,
            events: 2_000,
            operations: OutcomeCounts { ok: 900, fail: 70, info: 20 },
            open_operations: 10,
            operations_per_second: 83.4,
            rates: vec![10.0, 80.0, 83.4],
            judged: 1_990,
            kept_operations: 45,
            memory_bytes: Some(30 << 20),
            quiet_seconds: 0.2,
            levels: vec![
                level("linearizable", "violated", Some(5), None),
                level("session", "unknown", Some(9), Some("memory: key x keeps 7 operations")),
                level("monotonic-reads", "holds", None, None),
            ],
            violations: vec![ViolationStatus {
                number: 1,
                event: 5,
                level: "linearizable",
                anomaly: "stale-read".to_owned(),
                key: Some("\"cart\"".to_owned()),
                text: "read 1 from cart\u{1b}[2J".to_owned(),
            }],
            ..StreamStatus::default()
        }
    }

    fn drawn(width: u16, height: u16, status: &StreamStatus, messages: &[String]) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
        terminal.draw(|frame| draw_status(frame, status, messages)).expect("memory");
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(row).collect()
    }

    #[test]
    fn the_view_has_the_rate_the_outcomes_the_watermark_the_levels_and_the_violations() {
        let lines = drawn(100, 30, &some_status(), &["note: a command ended".to_owned()]);
        let text = lines.join("\n");
        for part in [
            "run.jsonl (register)  12",
            "violated",
            "83/s   900 ok   70 failed   20 indeterminate   10 open",
            "1990 of 2000 (10 behind)",
            "30.0 MiB in all   45 operations kept by the monitor",
            "linearizable           violated      certain since event 5",
            "session                unknown       from event 9 on: memory: key x keeps 7 operations",
            "monotonic-reads        holds so far",
            "1 violation",
            "stale-read on \"cart\": linearizable is violated at event 5",
            "note: a command ended",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
    }

    /// A history that brings escape sequences must not control the terminal.
    #[test]
    fn control_characters_are_not_drawn() {
        let lines = drawn(100, 30, &some_status(), &[]);
        assert!(lines.iter().any(|line| line.contains("read 1 from cart")), "{lines:?}");
        assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
    }

    #[test]
    fn a_small_terminal_shows_what_fits() {
        for (width, height) in [(1, 1), (10, 3), (40, 8), (300, 4)] {
            drawn(width, height, &some_status(), &["one\ntwo\nthree\nfour\nfive".to_owned()]);
        }
        assert!(drawn(80, 10, &some_status(), &[])[0].contains("violated"));
    }
}
