//! `steadfast tap`: records what others do to a web application. The proxy itself is in `recorder`.

use super::record::create_typed_journal;
use crate::args::TapPlan;
use crate::exit::Exit;
use crate::live::LiveStatus;
use crate::output;
use crate::report::layout::count_noun;
use recorder::tap::{TapOutcome, Unrecorded, record_tap};
use recorder::{RunCounts, Stop};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The most shapes of requests that are listed.
const SHAPES_SHOWN: usize = 30;

pub(crate) fn run_tap(plan: &TapPlan) -> Exit {
    match record_through_tap(plan) {
        Ok(outcome) => {
            summarize_tap(plan, &outcome);
            if outcome.tally.ok > 0 {
                return Exit::Holds;
            }
            let file = plan.stack.display();
            output::print_warning(&format!(
                "no operation succeeded, so the history says nothing. Compare the requests with {file}"
            ));
            Exit::Unknown
        }
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

fn record_through_tap(plan: &TapPlan) -> Result<TapOutcome, String> {
    let sink = create_typed_journal(&plan.output, plan.force, &[&plan.stack])?;
    let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
    let undoing = stop.request_on_signals();
    if let Some(duration) = plan.duration {
        let stop = stop.clone();
        // The thread ends with the process, or does no harm: a second request to stop changes nothing.
        std::thread::spawn(move || {
            std::thread::sleep(duration);
            stop.request_stop();
        });
    }
    let live = LiveStatus::start(counts.clone(), plan.quiet);
    let (header, settings) = (history_header(plan), plan.settings.clone());
    let to = if settings.to_tls { format!("https://{}", settings.to) } else { settings.to.clone() };
    let result = record_tap(plan.description.clone(), settings, (sink, &header), counts, stop, |address| {
        output::print_status(&format!("tap: listening on {address}, passing on to {to}; Ctrl-C ends it"));
    });
    drop(live);
    drop(undoing);
    result.map_err(|why| {
        let why = why.to_string();
        if remove_empty_file(&plan.output) {
            return why;
        }
        format!("{why}\nThe recording so far is in {}.", plan.output.display())
    })
}

/// Removes a history without any event, which would look like a recording.
fn remove_empty_file(path: &Path) -> bool {
    let is_empty = std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0);
    is_empty && std::fs::remove_file(path).is_ok()
}

/// The first line of the history: what was recorded, and how.
fn history_header(plan: &TapPlan) -> String {
    let mut header = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "store": "tap",
        "workload": "session",
        "recorded_by": "tap",
        "start": "warm",
        "renewed_by": plan.description.renewing_operations(),
    });
    if let Some(time_to_live) = plan.time_to_live {
        header["time_to_live_ms"] = (time_to_live.as_millis() as u64).into();
    }
    // The first field identifies the line as a header.
    let fields: Vec<String> = header
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{\"steadfast\":1,{}}}", fields.join(","))
}

/// Says what was recorded, and what was not.
fn summarize_tap(plan: &TapPlan, outcome: &TapOutcome) {
    let tally = outcome.tally;
    let mut text = format!(
        "{} in {}: {} ok, {} failed, {} indeterminate; {}",
        count_noun(tally.ended_count() as usize, "operation"),
        workloads::format_duration(round_to_ms(outcome.took)),
        tally.ok,
        tally.fail,
        tally.info,
        count_noun(outcome.sessions, "session"),
    );
    if outcome.part_requests > 0 {
        let further = count_noun(outcome.part_requests as usize, "further request");
        text += &format!("; {further} of logins and other steps");
    }
    output::print_status(&text);
    output::print_status(&list_passed(outcome));
    for (why, count) in &outcome.unrecorded {
        let plural = if *count == 1 { "request fits a step and is" } else { "requests fit a step and are" };
        output::print_note(&format!("{count} {plural} not in the history: {}", describe(*why)));
    }
    if outcome.left_sessions > 0 {
        output::print_note(&format!(
            "{} of the sessions are recorded only up to a request that no step fits and that may have changed them. Describe \
             these requests in {}, or pass --harmless \"METHOD PATH\" for those that change no session",
            outcome.left_sessions,
            plan.stack.display(),
        ));
    }
    if outcome.unchanged_renewals > 0 {
        output::print_warning(&format!(
            "{} renewals gave the session no new id: a stolen id stays valid (session fixation). No finding shows this, because \
             the old id and the new one cannot be told apart",
            outcome.unchanged_renewals,
        ));
    }
    let file = plan.output.display();
    output::print_status(&format!("history: {file}\ncheck:   steadfast check {file}"));
}

fn round_to_ms(duration: Duration) -> Duration {
    Duration::from_millis(duration.as_millis() as u64)
}

/// What was passed on although no step fits it, by method and path.
fn list_passed(outcome: &TapOutcome) -> String {
    let tally = outcome.tally;
    if outcome.passed.is_empty() {
        return match tally.ended_count() + outcome.part_requests {
            0 => "no request came through the tap".to_owned(),
            _ => "each request fits a step".to_owned(),
        };
    }
    let total: u64 = outcome.passed.iter().map(|passed| passed.count).sum::<u64>() + outcome.passed_others;
    let mut text = match total {
        1 => "1 request was passed on and not recorded, because no step fits it:".to_owned(),
        _ => format!("{total} requests were passed on and not recorded, because no step fits them:"),
    };
    for passed in outcome.passed.iter().take(SHAPES_SHOWN) {
        let may_change = if passed.may_change { "  (may change a session)" } else { "" };
        text += &format!("\n  {:>8}  {}{may_change}", passed.count, passed.shape);
    }
    let rest: u64 = outcome.passed.iter().skip(SHAPES_SHOWN).map(|passed| passed.count).sum();
    if rest + outcome.passed_others > 0 {
        text += &format!("\n  {:>8}  others", rest + outcome.passed_others);
    }
    text
}

fn describe(why: Unrecorded) -> &'static str {
    match why {
        Unrecorded::UnknownSession => {
            "no login or renewal that the tap saw gave out the id that they sent, or they sent none"
        }
        Unrecorded::LeftSession => "an earlier request that no step fits may have changed their session",
        Unrecorded::Incomplete => "they lack what the history needs, or repeat an action",
        Unrecorded::Full => "the tap remembers no more sessions",
    }
}
