//! Histories with measurements that were computed by hand.

use super::*;
use histories::format::{Format, from_text};

/// A history from a line an operation or an event of the nemesis; times are in ms. An operation ends with `ok`, `fail`,
/// `info` or not at all (`-?`).
///
/// ```text
/// 0 nemesis kill "n1"            10 nemesis kill null failed (could not be caused)
/// 5-9 alice write x 1 ok         12-? bob read x null     20-21 bob write x 2 fail no primary
/// 40 recorder settled null
/// ```
pub(super) fn history(text: &str) -> History {
    from_text(Format::Native, &lines(text).join("\n")).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The events of such a history, as lines in the native format.
pub(super) fn lines(text: &str) -> Vec<String> {
    let mut events: Vec<(i64, usize, String)> = Vec::new();
    for (process, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let time = |text: &str| (text.parse::<f64>().expect("a time") * 1e6) as i64;
        let Some((from, to)) = words[0].split_once('-') else {
            let failed = if words.len() > 4 { ",\"error\":\"no\"" } else { "" };
            let (actor, function, value) = (words[1], words[2], words[3]);
            let at = time(words[0]);
            let event = format!(
                r#"{{"time":{at},"process":"{actor}","type":"info","f":"{function}","value":{value}{failed}}}"#
            );
            events.push((at, 1, event));
            continue;
        };
        let (from, wanted) = match from.split_once('<') {
            Some((wanted, from)) => (from, format!(",\"intended\":{}", time(wanted))),
            None => (from, String::new()),
        };
        let (session, function, key, value) = (words[1], words[2], words[3], words[4]);
        let asked = if function == "read" { "null" } else { value };
        let event = |at, kind, value, more: &str| {
            format!(
                r#"{{"time":{at},"process":{process},"session":"{session}","type":"{kind}","f":"{function}","key":"{key}","value":{value}{more}}}"#
            )
        };
        events.push((time(from), 2, event(time(from), "invoke", asked, &wanted)));
        if to != "?" {
            let error = words.get(6..).filter(|words| !words.is_empty()).map(|words| words.join(" "));
            let more = error.map_or(String::new(), |error| match error.strip_prefix('@') {
                Some(node) => format!(",\"node\":\"{node}\""),
                None => format!(",\"error\":\"{error}\""),
            });
            events.push((time(to), 0, event(time(to), words[5], value, &more)));
        }
    }
    events.sort_by_key(|event| (event.0, event.1));
    events.into_iter().map(|event| event.2).collect()
}

pub(super) fn measured(text: &str) -> Measurements {
    let history = history(text);
    measure_history(&history, ValueId::NULL, &measure_register_losses(&history, ValueId::NULL))
}

#[track_caller]
pub(super) fn is(values: &MetricValues, name: &str, expected: f64) {
    bounded(values, name, expected, expected);
}

/// Asserts that a figure is known between these bounds.
#[track_caller]
pub(super) fn bounded(values: &MetricValues, name: &str, least: f64, most: f64) {
    let found = values.get(find_metric(name).expect("a metric")).expect("asked for");
    let near = |one: f64, other: f64| one == other || (one - other).abs() < 1e-9;
    assert!(
        found.is_ok_and(|found| near(found.least, least) && near(found.most, most)),
        "{name}: {found:?}, expected {least} to {most}"
    );
}

/// Asserts that nothing is known of a figure.
#[track_caller]
pub(super) fn unknown(values: &MetricValues, name: &str) {
    let found = values.get(find_metric(name).expect("a metric")).expect("asked for");
    assert!(found.is_err(), "{name}: {found:?}, expected nothing to be known");
}

/// A kill at 10 ms. alice's write is in progress and ends at 30; she asks again at 31 and succeeds at 33, after 23 ms.
/// bob's request fails at 12, and he succeeds at 41 after another failure, after 31 ms. carol notices nothing. dave's
/// request fails, and he asks again without success until the last event, at 60: more than 50 ms. erin's fails, and she
/// never asks again.
const KILL: &str = "
    1-2 alice write a 1 ok
    3-4 carol write c 1 ok
    9-30 alice write a 2 info timeout
    10 nemesis kill \"n1\"
    11-12 bob write b 1 fail no primary
    13-14 carol read c 1 ok
    15-16 dave write d 1 fail no primary
    17-18 erin write e 1 fail no primary
    19-20 bob write b 1 fail no primary
    31-33 alice write a 3 ok
    35 nemesis heal-kill \"n1\"
    40-41 bob write b 1 ok
    50-60 dave write d 1 info timeout
";

#[test]
fn recovery_is_from_the_strike_to_the_first_success_of_each_session() {
    let found = measured(KILL);
    assert_eq!(found.faults.len(), 1);
    let fault = &found.faults[0];
    assert_eq!(
        (fault.fault.struck, fault.fault.healed, fault.fault.until),
        (10_000_000, Some(35_000_000), 60_000_000)
    );
    for values in [&fault.values, &found.run] {
        is(values, "affected_sessions", 4.0);
        // Nobody was silent for two seconds, so dave and erin, who asked once, waited to the end.
        is(values, "unrecovered_sessions", 2.0);
        // The waits are 23, 31 and more than 50 ms; erin's is longer than 8. Two of four were answered, which is half. When dave and erin
        // would have been answered is not known.
        is(values, "recovery_p50_seconds", 0.031);
        bounded(values, "recovery_p99_seconds", 0.050, f64::INFINITY);
        bounded(values, "recovery_max_seconds", 0.050, f64::INFINITY);
        is(values, "recovery_first_seconds", 0.023);
    }
    assert_eq!(fault.silent_sessions, 0);
    // bob repeats his write twice and fails the first time; dave repeats his once.
    is(&found.run, "retries", 3.0);
    // Five of eleven succeeded; six ended in errors of two kinds.
    is(&found.run, "availability_share", 5.0 / 11.0);
    let told: Vec<_> =
        found.errors.iter().map(|kind| (kind.kind.as_str(), kind.failed, kind.unknown)).collect();
    assert_eq!(told, [("no primary", 4, 0), ("timeout", 0, 2)]);
}

/// By session: bob was not served from 11 to 41, alice from 9 to 33, dave from 15 to 60 (the end of his last
/// operation), erin from 17 to 18, and carol was always served.
#[test]
fn each_session_has_its_own_time_without_service() {
    let found = measured(KILL);
    is(&found.run, "session_unavailable_max_seconds", 0.045);
    is(&found.run, "session_unavailable_p50_seconds", 0.024);
}

/// Two seconds without a success: from the first operation after a success, invoked at 1300, to the next success, which
/// ends at
/// 3301. Nothing was requested in the quiet time before.
#[test]
fn a_span_without_service_is_one_in_which_somebody_asked() {
    let found = measured(
        "0-1 a write x 1 ok
         1000-1001 a write x 2 ok
         1300-1400 a write x 3 info timeout
         1500-1600 b write x 4 info timeout
         3300-3301 a write x 5 ok",
    );
    is(&found.run, "unavailable_seconds", 2.001);
    is(&found.run, "unavailable_longest_seconds", 2.001);
    is(&found.run, "available_time_share", 1.0 - 2.001 / 3.301);
    is(&found.run, "throughput_per_second", 3.0 / 3.301);
}

/// A session that waited for a fault to end was affected, although no operation failed.
#[test]
fn a_session_that_waits_through_a_pause_is_affected() {
    let found = measured(
        "0-1 a write x 1 ok
         5 nemesis pause \"n1\"
         6-106 a write x 2 ok
         104-106 b write x 3 ok
         105 nemesis heal-pause \"n1\"",
    );
    is(&found.run, "affected_sessions", 1.0);
    is(&found.run, "recovery_max_seconds", 0.101);
}

/// Latency counts from the intended start: one operation waited 100 ms for a free client, and was then served within 1
/// ms.
#[test]
fn waiting_for_a_client_is_waiting() {
    let found = measured("0-1 a write x 1 ok\n 10<110-111 a write x 2 ok");
    is(&found.run, "latency_max_seconds", 0.101);
    is(&found.run, "latency_p50_seconds", 0.001);
    is(&found.run, "service_time_max_seconds", 0.001);
}

/// The final read returns the first write. The two writes acknowledged after it are lost, one before and one after the
/// strike, 8 ms apart.
#[test]
fn lost_writes_tell_the_recovery_point() {
    let found = measured(
        "0-1 a write x 1 ok
         2-3 a write x 2 ok
         5 nemesis kill \"n1\"
         10-11 a write x 3 ok
         12-13 a write x 4 fail no primary
         15 nemesis heal-kill \"n1\"
         90 recorder settled null
         91-92 final read x 1 ok",
    );
    is(&found.run, "lost_writes", 2.0);
    is(&found.run, "recovery_point_seconds", 0.008);
    assert_eq!(found.faults[0].lost_window, Some((3_000_000, 11_000_000)));
    assert_eq!(found.replication.looks, ObservedReplication::Asynchronous);
    // The client that reads everything back in the end is not a user.
    is(&found.run, "availability_share", 3.0 / 4.0);
}

#[test]
fn what_may_have_come_last_is_not_taken_for_a_loss() {
    // The write of 2 has no end, so it may have taken effect after that of 3.
    let found = measured(
        "0-1 a write x 1 ok\n 2-? b write x 2 info\n 4-5 a write x 3 ok\n 9 recorder settled null\n 10-11 final read x 2 ok",
    );
    // No acknowledged write was read again, so none is certainly lost, and none is known to be there.
    bounded(&found.run, "lost_writes", 0.0, 2.0);
    let found = measured("0-1 a write x 1 ok");
    assert!(found.run.get(find_metric("lost-writes").unwrap()).unwrap().is_err());
}

/// Fifty successes of 1 ms before the fault; after the heal, fifty of 3 ms and then quick ones. The first window of
/// fifty whose median is quick begins 25 operations before the quick ones do.
#[test]
fn latency_is_back_when_the_median_of_fifty_is() {
    let mut text = String::new();
    let mut at =
        |from: usize, long: usize| text.push_str(&format!("{from}-{} a write x {from} ok\n", from + long));
    (0..50).for_each(|n| at(n * 10, 1));
    (0..50).for_each(|n| at(1000 + n * 10, 3));
    (0..50).for_each(|n| at(1500 + n * 10, 1));
    text.push_str("600 nemesis kill \"n1\"\n 900 nemesis heal-kill \"n1\"");
    let found = measured(&text);
    // The 26th of the slow ones was invoked at 1250, 350 ms after the heal.
    is(&found.run, "warm_up_seconds", 0.350);
    let phases = &found.faults[0].phases;
    let medians = [phases.before, phases.during, phases.after].map(|phase| phase.latency.map(|all| all.p50));
    assert_eq!(medians, [Some(1_000_000), None, Some(1_000_000)]);
}

/// The first forty requests take 9 ms, and 160 take 1 ms. The second half is quick. The first window of fifty of which
/// nine tenths are quick begins five requests before the slow ones end. Operations before the load do not count.
#[test]
fn a_start_is_warm_when_latency_is_what_it_comes_to() {
    let load = |text: &mut String| {
        for n in 0..200 {
            let (from, long) = (1000 + n * 10, if n < 40 { 9 } else { 1 });
            text.push_str(&format!("{from}-{} a write x {from} ok\n", from + long));
        }
    };
    let mut text = String::new();
    load(&mut text);
    let cold = measured(&text);
    // The 36th was invoked at 1350: from there on, five slow ones and 45 quick ones.
    is(&cold.run, "start_warm_up_seconds", 0.350);
    (0..10).for_each(|n| text.push_str(&format!("{}-{} w write y {n} ok\n", n * 50, n * 50 + 40)));
    text.push_str("900 recorder warmed-up 10");
    let warm = measured(&text);
    assert_eq!((warm.run, warm.latency, warm.timeline), (cold.run, cold.latency, cold.timeline));
    assert!(measured("0-1 a write x 1 ok").run.get(find_metric("start-warm-up").unwrap()).unwrap().is_err());
}

/// The read is behind by two versions, for 20 ms: version 2 was there at 11, version 3 at 21, and the read of 1 began
/// at 31.
#[test]
fn a_stale_read_tells_by_how_much() {
    let found = measured(
        "0-1 a write x 1 ok
         10-11 a write x 2 ok
         20-21 a write x 3 ok
         31-32 b read x 1 ok @n2
         33-34 b read x 3 ok @n1",
    );
    is(&found.run, "stale_read_share", 0.5);
    is(&found.run, "staleness_versions", 2.0);
    is(&found.run, "staleness_delta_seconds", 0.020);
    // With every operation 5 ms longer at either end, 2, 1, 3 is a legal order: the write of 2 begins at 5, the write
    // of 1 ends at 6, the read of 1 begins at 26, and the write of 3 ends at 26.
    is(&found.run, "staleness_gamma_seconds", 0.010);
    is(&found.run, "staleness_p99_seconds", 0.020);
}

/// Two concurrent writes. Reads return one, the other, and the first again. Neither is newer for certain, so no read is
/// stale. Yet the history is linearizable only if reads begin 4 ms earlier: then the read of 2 can come before the
/// first read of 1.
#[test]
fn flickering_between_concurrent_writes_counts_in_delta() {
    let found = measured(
        "0-100 a write x 1 ok
         0-100 b write x 2 ok
         5-6 c read x 1 ok
         10-12 c read x 2 ok
         22-23 c read x 1 ok",
    );
    is(&found.run, "stale_read_share", 0.0);
    is(&found.run, "staleness_delta_seconds", 0.004);
}

#[test]
fn replicas_that_differ_in_the_end_are_counted() {
    let found = measured(
        "0-1 a write x 1 ok
         5 replica read [\"n1\",\"x\",1]
         6 replica read [\"n2\",\"x\",1]
         7 replica read [\"n1\",\"y\",1]
         8 replica read [\"n2\",\"y\",null]
         9 replica read [\"n3\",\"y\",null] failed",
    );
    is(&found.run, "divergent_keys", 1.0);
    let replicas = found.replication.replicas.expect("they were asked");
    assert_eq!((replicas.nodes, replicas.keys, replicas.unanswered), (2, 2, 1));
    assert_eq!(replicas.divergent, ["\"y\""]);
}

/// 30 commands and 900 bytes for two acknowledged writes of 100 and 50 bytes; the failed write does not count.
#[test]
fn write_amplification_is_what_came_in_for_what_was_acknowledged() {
    let found = measured(
        "0 recorder traffic [10,100,0]
         1-2 a write x {\"session\":\"a\",\"version\":1,\"bytes\":100} ok
         3-4 a write x {\"session\":\"a\",\"version\":2,\"bytes\":50} ok
         5-6 a write x {\"session\":\"a\",\"version\":3,\"bytes\":99} fail
         7 recorder traffic [40,1000,0]",
    );
    is(&found.run, "write_amplification_commands", 15.0);
    is(&found.run, "write_amplification_bytes", 6.0);
}

#[test]
fn what_a_history_does_not_tell_is_missing_with_a_reason() {
    let history = histories::notation::parse("a: [w1] [r1]").expect("a drawing");
    let found = measure_history(&history, ValueId::NULL, &MeasuredLosses::default());
    assert_eq!(found.run.iter().len(), METRICS.len());
    for (metric, measured) in found.run.iter() {
        assert!(measured.is_err(), "{}: {measured:?}", metric.name);
    }
    let names: Vec<&str> = found.run.iter().map(|(metric, _)| metric.name).collect();
    assert_eq!(names, METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>());
}

/// Five requests that were never sent are five users without an answer, at the times when they were due: four while
/// errors are attributed to the kill (from 10 to 60, the time of the last event), and one before.
#[test]
fn who_was_turned_away_got_no_answer() {
    let found =
        measured(&format!("{KILL}\n47 recorder turned-away [5000000,12000000,12500000,20000000,30000000]"));
    is(&found.run, "availability_share", 5.0 / 16.0);
    is(&found.run, "error_share", 11.0 / 16.0);
    // Of the eight operations of that time, carol's, alice's second and bob's third succeeded.
    is(&found.faults[0].values, "availability_share", 3.0 / 12.0);
    let told = |errors: &[ErrorKind]| {
        errors.iter().find(|kind| kind.kind == turned_away::KIND).map(|kind| (kind.failed, kind.unknown))
    };
    assert_eq!((told(&found.errors), told(&found.faults[0].errors)), (Some((5, 0)), Some((4, 0))));
    let failed: usize = found.timeline.expect("times").buckets.iter().map(|bucket| bucket.failed).sum();
    assert_eq!(failed, 4 + 5, "bob's two, dave's one, erin's one, and five");
    is(&measured(KILL).run, "availability_share", 5.0 / 11.0);
}
