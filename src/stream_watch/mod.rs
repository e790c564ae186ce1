//! Who is told what the judgement of a stream finds: commands, servers, a collector, a view on the terminal.
//!
//! Each of them is optional, and none of them delays the judgement: the loop that judges hands over values, and threads do the rest.
//! What they have to say goes through [`HeldMessages`], because a view owns the terminal while it is open.

mod metrics;
mod pages;
mod status;
mod terminal_view;
mod user_command;
mod violation_spans;

use crate::args::WatchPlan;
use crate::output;
use crate::report::json::JsonReport;
use crate::report::page::PageReport;
use crate::report::{CheckFindings, ReportWriter};
use crate::stream_judge::StreamJudge;
use crate::stream_objectives::{alert_as_json, describe_alert};
use crate::stream_violation::with_violation_findings;
use checker::OnlineViolation;
use checker::measurements::BurnRateAlert;
use histories::KeyId;
use pages::StreamPages;
use status::{StatusKeeper, ViolationStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use terminal_view::TerminalView;
use user_command::UserCommands;
use violation_spans::ViolationSpans;
pub(crate) use violation_spans::{PendingSpans, wait_for_spans};

/// The time between two states that are shown.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// A message, and the function that prints it.
type HeldMessage = (String, fn(&str));

/// Messages for standard error, which are held back while a view is open.
#[derive(Clone, Default)]
pub(crate) struct HeldMessages(Arc<Mutex<Option<Vec<HeldMessage>>>>);

impl HeldMessages {
    /// Prints a message by this function, or holds it back until the view has ended.
    pub(crate) fn tell(&self, message: &str, print: fn(&str)) {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(held) => held.push((message.to_owned(), print)),
            None => print(message),
        }
    }

    fn hold(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }

    fn held(&self) -> Vec<String> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().flatten().map(|(message, _)| message.clone()).collect()
    }

    /// Prints what was held back, and holds nothing back from now on.
    fn release(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        held.into_iter().flatten().for_each(|(message, print)| print(&message));
    }
}

/// Everything that is told about the judgement of one stream.
pub(crate) struct StreamWatchers {
    keeper: StatusKeeper,
    messages: HeldMessages,
    /// None if nobody looks at states.
    pages: Option<StreamPages>,
    view: Option<TerminalView>,
    commands: Option<UserCommands>,
    alert_commands: Option<UserCommands>,
    spans: Option<ViolationSpans>,
    shown_at: Option<Instant>,
}

impl StreamWatchers {
    /// Starts what the user asked for. The error is worded for the user.
    pub(crate) fn start(plan: &WatchPlan, name: &str) -> Result<Self, String> {
        let messages = HeldMessages::default();
        let say: Arc<dyn Fn(String) + Send + Sync> = {
            let messages = messages.clone();
            Arc::new(move |message: String| messages.tell(&message, output::print_note))
        };
        let pages = match (plan.metrics.as_deref(), plan.live_page.as_deref()) {
            (None, None) => None,
            (metrics, page) => Some(StreamPages::start(metrics, page, &|what, url| {
                output::print_status(&format!("{what}: {url}"));
            })?),
        };
        let start_commands = |option: &'static str, command: &Option<String>| {
            let command = command.as_ref()?;
            Some(UserCommands::start(option, command, plan.command_timeout, Arc::clone(&say)))
        };
        let collector = plan.otlp_violations.clone();
        Ok(Self {
            keeper: StatusKeeper::new(name),
            commands: start_commands("--on-violation", &plan.on_violation),
            alert_commands: start_commands("--on-alert", &plan.on_alert),
            spans: collector.map(|collector| ViolationSpans::start(collector, name, Arc::clone(&say))),
            messages,
            pages,
            view: None,
            shown_at: None,
        })
    }

    /// Opens the view on the terminal, if standard error is one. Returns whether it is open.
    pub(crate) fn open_view(&mut self) -> bool {
        self.view = TerminalView::open();
        if self.view.is_some() {
            self.messages.hold();
        }
        self.view.is_some()
    }

    /// Notes for standard error.
    pub(crate) fn messages(&self) -> &HeldMessages {
        &self.messages
    }

    /// What an earlier process counted is in no rate.
    pub(crate) fn begin_rate(&mut self, judge: &StreamJudge) {
        self.keeper.begin_rate(judge.lines.outcomes().total());
    }

    /// Shows the present state, unless one was shown just now.
    pub(crate) fn show_if_due(&mut self, judge: &StreamJudge, unread_bytes: Option<u64>) {
        let is_looked_at = self.pages.is_some() || self.view.is_some();
        if is_looked_at && self.shown_at.is_none_or(|at| at.elapsed() >= SHOW_EVERY) {
            self.show_state(judge, unread_bytes);
        }
    }

    fn show_state(&mut self, judge: &StreamJudge, unread_bytes: Option<u64>) {
        self.keeper.take_state(judge, unread_bytes);
        self.shown_at = Some(Instant::now());
        if let Some(pages) = &self.pages {
            pages.show_status(&self.keeper.status);
        }
        if let Some(view) = &mut self.view {
            view.draw(&self.keeper.status, &self.messages.held());
        }
    }

    /// Tells a violation of the stream with this name.
    pub(crate) fn tell_violation(&mut self, name: &str, violation: &OnlineViolation) {
        with_violation_findings(name, violation, |findings| {
            let told = describe_violation(findings, violation, self.keeper.status.violations.len() + 1);
            if let Some(commands) = &self.commands {
                let what = format!("{} at event {}", told.level, told.event);
                commands.add_task(what, render(findings, &mut JsonReport).trim_end().to_owned());
            }
            if let Some(spans) = &self.spans {
                spans.add_violation(&told, violation);
            }
            self.show_violation(findings, told);
        });
    }

    /// Shows a violation that an earlier process has told.
    pub(crate) fn recall_violation(&mut self, name: &str, violation: &OnlineViolation) {
        with_violation_findings(name, violation, |findings| {
            let told = describe_violation(findings, violation, self.keeper.status.violations.len() + 1);
            self.show_violation(findings, told);
        });
    }

    fn show_violation(&mut self, findings: &CheckFindings<'_>, told: ViolationStatus) {
        if let Some(pages) = self.pages.as_ref().filter(|pages| pages.has_page()) {
            pages.add_report(render(findings, &mut PageReport::default()));
        }
        self.keeper.status.violations.push(told);
        // The state that is shown next has the violation.
        self.shown_at = None;
    }

    /// Tells an alert of an objective of the stream with this name.
    pub(crate) fn tell_alert(&mut self, name: &str, alert: &BurnRateAlert) {
        self.messages.tell(&describe_alert(alert), output::print_warning);
        if let Some(commands) = &self.alert_commands {
            let what = format!("{} at event {}", alert.objective.metric.objective, alert.event);
            commands.add_task(what, alert_as_json(name, alert).to_string());
        }
        self.shown_at = None;
    }

    /// Shows the last state, ends the view, and waits for commands and pages. Returns the spans that are still to be sent.
    pub(crate) fn finish(mut self, judge: &StreamJudge) -> Option<PendingSpans> {
        self.keeper.status.ended = true;
        self.close_view();
        self.show_state(judge, None);
        let spans = self.spans.take().map(ViolationSpans::finish);
        (self.commands, self.alert_commands) = (None, None);
        if let Some(pages) = &self.pages {
            pages.wait_for_last_look();
        }
        spans
    }

    /// Ends the view, and prints what was held back.
    pub(crate) fn close_view(&mut self) {
        if self.view.take().is_some() {
            self.messages.release();
        }
    }
}

fn describe_violation(
    findings: &CheckFindings<'_>,
    violation: &OnlineViolation,
    number: usize,
) -> ViolationStatus {
    let mut anomalies = findings.answers().iter().flat_map(|answer| findings.describe_anomalies(answer));
    let told = anomalies.next();
    let key = told.as_ref().map_or(KeyId::NONE, |told| told.key);
    ViolationStatus {
        number,
        event: violation.event,
        level: violation.property.name(),
        anomaly: told.as_ref().map_or_else(String::new, |told| told.kind.to_owned()),
        key: (key != KeyId::NONE).then(|| findings.history.keys.text(key).to_owned()),
        text: told.map_or_else(String::new, |told| told.text),
    }
}

/// A violation as a report writes it.
fn render(findings: &CheckFindings<'_>, report: &mut dyn ReportWriter) -> String {
    let mut text = Vec::new();
    let written = report.write_checked(findings, &mut text).and_then(|()| report.write_end(&mut text));
    written.expect("memory can be written");
    String::from_utf8(text).expect("reports are text")
}
