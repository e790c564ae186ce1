//! Objectives of a stream against the figures of the whole history.
//!
//! What must not happen: an objective that is *met* online and *missed* by `check --objective` of the same events, or the other way
//! round; an operation that never ended, or a request that was never sent, that counts as nothing.

use checker::StreamEvent;
use checker::measurements::{
    Better, METRICS, MeasuredLosses, Metric, StreamFigures, StreamObjective, measure_history,
};
use histories::format::{Format, from_text};
use histories::{History, ValueId};
use std::fmt::Write;
use testkit::TestRandom;

/// Limits that divide what the histories below measure, in the unit of the figure.
const SHARES: [f64; 7] = [0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 1.0];
const SECONDS: [f64; 7] = [0.0, 0.001, 0.002, 0.003, 0.005, 0.01, 0.05];

fn limits(metric: &Metric) -> [f64; 7] {
    if matches!(metric.unit, checker::measurements::Unit::Share) { SHARES } else { SECONDS }
}

/// Whether the whole history meets a limit; none if the figure is missing.
fn meets(history: &History, metric: &Metric, limit: f64) -> Option<bool> {
    let measured = measure_history(history, ValueId::NULL, &MeasuredLosses::default());
    let figure = measured.run.get(metric).expect("it is in the table").ok()?.exact_value()?;
    Some(match metric.better {
        Better::Less => figure <= limit,
        Better::More => figure >= limit,
    })
}

/// Events of a few clients: successes, errors, refusals and steps that were never issued; with intended starts, a warm start, final
/// reads, requests that were never sent, and operations without an end or without times.
fn draw_events(random: &mut TestRandom) -> String {
    const ENDS: [(&str, &str); 7] = [
        ("ok", ""),
        ("ok", ""),
        ("ok", ""),
        ("fail", ",\"error\":\"no such session\""),
        ("fail", ",\"error\":\"refused by 127.0.0.1:6379\""),
        ("info", ",\"error\":\"timed out\""),
        ("fail", ",\"error\":\"the description has no [touch]\""),
    ];
    let mut text = String::new();
    let (mut time, mut open, mut next) = (0_i64, [None; 4], [0_i64, 1, 2, 3]);
    let has_times = random.below(20) > 0;
    for _ in 0..random.below(40) {
        time += random.below(4) as i64 * 700_000;
        let at = if has_times { format!("\"time\":{time},") } else { String::new() };
        match random.below(24) {
            0 => writeln!(text, "{{{at}\"process\":\"recorder\",\"type\":\"info\",\"f\":\"warmed-up\",\"value\":null}}"),
            1 => writeln!(text, "{{{at}\"process\":\"recorder\",\"type\":\"info\",\"f\":\"settled\",\"value\":null}}"),
            2 => writeln!(
                text,
                "{{{at}\"process\":\"recorder\",\"type\":\"info\",\"f\":\"turned-away\",\"value\":[{time},{}]}}",
                time - 5
            ),
            3 => writeln!(text, "{{{at}\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"kill\",\"value\":\"n1\"}}"),
            _ => {
                let client = random.below(4);
                let process = next[client];
                let (kind, more) = match open[client].take() {
                    None => {
                        open[client] = Some(());
                        let intended = time - random.below(3) as i64 * 2_000_000 + 1_000_000;
                        ("invoke", if random.below(2) == 0 { format!(",\"intended\":{intended}") } else { String::new() })
                    }
                    Some(()) => {
                        let (kind, more) = random.one_of(&ENDS);
                        // After an indeterminate operation, the client goes on as another process.
                        next[client] += if kind == "info" { 4 } else { 0 };
                        (kind, more.to_owned())
                    }
                };
                writeln!(
                    text,
                    "{{{at}\"process\":{process},\"session\":\"s{client}\",\"type\":\"{kind}\",\"f\":\"read\",\"key\":\"x\",\"value\":null{more}}}"
                )
            }
        }
        .expect("text grows");
    }
    text
}

#[test]
fn an_objective_of_a_stream_is_that_of_the_whole_history() {
    let mut decided = [0; 3];
    for seed in 0..300 {
        let text = draw_events(&mut TestRandom::new(seed));
        let history = from_text(Format::Native, &text).unwrap_or_else(|why| panic!("{text}: {why:?}"));
        for metric in METRICS {
            for limit in limits(metric) {
                let Some(objective) = StreamObjective::new(metric, limit) else { continue };
                let mut figures = StreamFigures::new(vec![objective], &[]);
                StreamEvent::all(&history).for_each(|event| figures.push(event));
                let online = figures.standings(true).next().expect("one objective").met;
                let offline = meets(&history, metric, limit);
                assert_eq!(online, offline, "seed {seed}: {} = {limit}:\n{text}", metric.objective);
                decided[offline.map_or(2, usize::from)] += 1;
            }
        }
    }
    assert!(decided.iter().all(|&count| count > 200), "missed, met, unknown: {decided:?}");
}

/// Only these figures can be judged by counters. A figure that is added to the table must be decided here, too.
#[test]
fn shares_and_percentiles_of_latency_can_be_judged() {
    let names: Vec<&str> = METRICS
        .iter()
        .filter(|metric| StreamObjective::new(metric, 0.5).is_some())
        .map(|metric| metric.objective)
        .collect();
    let latencies = ["latency", "service-time"]
        .into_iter()
        .flat_map(|family| ["p50", "p90", "p99", "p999", "max"].map(|rank| format!("{family}.{rank}")));
    let expected: Vec<String> =
        ["availability", "errors"].map(str::to_owned).into_iter().chain(latencies).collect();
    assert_eq!(names, expected);
}

/// A state that was written down goes on as the first one would have.
#[test]
fn counters_survive_being_written_down() {
    let text = draw_events(&mut TestRandom::new(5));
    let history = from_text(Format::Native, &text).expect("a history");
    let metric = |name| checker::measurements::find_metric(name).expect("a figure");
    let objectives = || {
        vec![
            StreamObjective::new(metric("availability"), 0.99),
            StreamObjective::new(metric("latency.p99"), 0.003),
        ]
    };
    let rules = [checker::measurements::BurnRateRule { long_ns: 9_000_000, short_ns: 3_000_000, rate: 1.5 }];
    let new = || StreamFigures::new(objectives().into_iter().flatten().collect(), &rules);
    let (mut whole, mut cut) = (new(), new());
    let mut alerts = [0, 0];
    for event in StreamEvent::all(&history) {
        whole.push(event);
        cut.push(event);
        cut = serde_json::from_str(&serde_json::to_string(&cut).expect("JSON")).expect("the same state");
        let both = [whole.take_alerts(), cut.take_alerts()];
        assert_eq!(both[0], both[1]);
        alerts = [alerts[0] + both[0].len(), alerts[1] + both[1].len()];
    }
    assert!(whole.standings(true).eq(cut.standings(true)));
    assert!(alerts[0] > 0, "no alert was compared");
}
