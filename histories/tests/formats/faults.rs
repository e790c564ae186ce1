//! Faults as episodes, for each way in which injectors write them down.
//!
//! What went wrong: four reports read the same events by four rules. The page drew a `delay=50ms` of two seconds
//! as an instant, because its end is called `heal-delay`; and it drew one partition of Jepsen's as four marks, because
//! Jepsen writes two events for a strike and two for its end. Each expectation below follows from what the
//! injector of that form does, not from what the code returned.

use histories::History;
use histories::faults::{FaultEnd, FaultEpisode, fault_episodes};
use histories::format::{Format, from_text};

/// A history of events of the nemesis, one a line: its type (optional), name and value as JSON; then, after `|`,
/// further fields.
fn history(header: Option<&str>, events: &[&str]) -> History {
    let mut lines: Vec<String> = header.map(str::to_owned).into_iter().collect();
    for (at, event) in events.iter().enumerate() {
        let (event, more) = event.split_once('|').unwrap_or((event, ""));
        let (kind, event) = match event.split_once(' ') {
            Some((kind @ ("invoke" | "ok" | "fail"), rest)) => (kind, rest),
            _ => ("info", event),
        };
        let (f, value) = event.trim().split_once(' ').unwrap_or((event.trim(), "null"));
        lines.push(format!(
            r#"{{"index":{at},"time":{},"process":"nemesis","type":"{kind}","f":"{f}","value":{value}{more}}}"#,
            at * 10
        ));
    }
    from_text(Format::Native, &lines.join("\n")).expect("a history")
}

/// Name, targets, position of the strike, and that of the end, or `~` (immediate), `-` (not seen), `?` (unknown).
fn told(episodes: &[FaultEpisode]) -> Vec<String> {
    let end = |episode: &FaultEpisode| match episode.end {
        FaultEnd::Seen(end) => end.first.position.to_string(),
        FaultEnd::Immediate => "~".to_owned(),
        FaultEnd::NotSeen => "-".to_owned(),
        FaultEnd::Unknown => "?".to_owned(),
    };
    let line = |e: &FaultEpisode| {
        let failed = if e.failed.is_some() { " failed" } else { "" };
        format!("{} [{}] {} {}{failed}", e.name, e.targets.join(" "), e.strike.first.position, end(e))
    };
    episodes.iter().map(line).collect()
}

fn episodes(events: &[&str]) -> Vec<String> {
    told(&fault_episodes(&history(None, events)))
}

#[test]
fn the_recorder_writes_one_event_for_a_strike_and_one_for_its_end() {
    // The end of `delay=50ms` has no parameter. A restart has no end, and a strike that failed struck nobody.
    let found = episodes(&[
        r#"delay=50ms "n1""#,
        r#"kill "n2""#,
        r#"heal-delay "n1""#,
        r#"restart "n3""#,
        r#"heal-kill "n2""#,
        r#"kill null |,"error":"nobody is primary""#,
        r#"partition ["n1","n2"]"#,
    ]);
    let expected = [
        "delay=50ms [n1] 0 2",
        "kill [n2] 1 4",
        "restart [n3] 3 ~",
        "kill [] 5 ~ failed",
        "partition [n1 n2] 6 -",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_episode_says_all_that_its_events_do() {
    let history = history(None, &[r#"delay=50ms "n1>n2""#, r#"heal-delay "n1>n2""#]);
    let episode = &fault_episodes(&history)[0];
    assert_eq!((episode.actor.as_str(), episode.kind.as_str()), ("nemesis", "delay"));
    assert_eq!((episode.parameter.as_deref(), episode.value.as_str()), (Some("50ms"), r#""n1>n2""#));
    assert_eq!((episode.strike.first.time_ns, episode.strike.first.event), (Some(0), 0));
    let FaultEnd::Seen(end) = episode.end else { panic!("its end was written: {:?}", episode.end) };
    assert_eq!((end.first.time_ns, end.first.event, end.first == end.last), (Some(10), 1, true));
    assert_eq!((episode.target_text(), episode.changes_clocks()), ("n1>n2".to_owned(), false));
}

#[test]
fn each_end_closes_the_strike_on_its_own_nodes() {
    // Two strikes of one kind are open: the order of their ends is not that of the strikes.
    let found = episodes(&[
        r#"kill "n1""#,
        r#"kill "n2""#,
        r#"heal-kill "n2""#,
        r#"heal-kill "n1""#,
        r#"kill ["n1","n2"]"#,
        r#"heal-kill "n2""#,
        r#"heal-kill "n1""#,
        r#"kill "n1""#,
        r#"heal-kill "n3""#,
    ]);
    let expected = ["kill [n1] 0 3", "kill [n2] 1 2", "kill [n1 n2] 4 6", "kill [n1] 7 -"];
    assert_eq!(found, expected);
}

#[test]
fn two_strikes_on_one_node_end_one_after_the_other() {
    let found = episodes(&[
        r#"delay=5ms "n1""#,
        r#"delay=9ms "n1""#,
        r#"heal-delay "n1""#,
        r#"pause "n2""#,
        r#"heal-delay "n1""#,
    ]);
    assert_eq!(found, ["delay=5ms [n1] 0 2", "delay=9ms [n1] 1 4", "pause [n2] 3 -"]);
}

#[test]
fn a_recording_tells_each_strike_once_even_if_names_come_in_pairs() {
    // The same node is killed, by two plans say, and nothing else happens: two strikes, for the header says that
    // this program recorded it.
    let header = r#"{"steadfast":1,"gapless":true}"#;
    let events = [r#"restart "n1""#, r#"restart "n1""#];
    assert_eq!(told(&fault_episodes(&history(Some(header), &events))).len(), 2);
    // Of another tool, two equal events are the beginning and the completion of one.
    assert_eq!(episodes(&events), ["restart [n1] 0 ~"]);
    assert_eq!(episodes(&[r#"restart "n1""#, r#"restart "n2""#]).len(), 2);
}

#[test]
fn jepsens_start_and_stop_are_told_twice_each() {
    let history = history(None, &["start null", r#"start "Cut off n1""#, "stop null", r#"stop "whole""#]);
    let found = fault_episodes(&history);
    assert_eq!(told(&found), ["start [] 0 2"]);
    let FaultEnd::Seen(end) = found[0].end else { panic!("it was stopped") };
    assert_eq!((found[0].strike.last.position, end.last.position), (1, 3));
    assert_eq!(found[0].value, r#""Cut off n1""#);
    // While it may still be in force, it is: until the second event of its end.
    assert!(found[0].may_be_active(3, 3) && !found[0].may_be_active(4, 9));
}

#[test]
fn jepsens_partition_is_one_episode_and_not_four_marks() {
    let found = episodes(&[
        r#"start-partition "majority""#,
        r#"start-partition ["isolated",{"n1":["n2"],"n2":["n1"]}]"#,
        "stop-partition null",
        r#"stop-partition "network-healed""#,
    ]);
    assert_eq!(found, ["start-partition [n1 n2] 0 2"]);
}

#[test]
fn jepsens_strikes_are_joined_even_where_the_history_was_cut() {
    // The first event of all is the completion of a strike whose beginning was cut off, so not all pairs match.
    let found = episodes(&[
        r#"start-packet "x y""#,
        "stop-packet null",
        "stop-packet null",
        "start-partition null",
        r#"start-partition "cut off""#,
    ]);
    assert_eq!(found, ["start-packet [] 0 1", "start-partition [] 3 -"]);
}

#[test]
fn jepsens_database_faults_end_by_other_names() {
    // jepsen.nemesis.combined: `start` starts killed processes again, `resume` lets paused ones go on.
    let found = episodes(&[
        r#"kill "majority""#,
        r#"kill {"n1":"","n2":""}"#,
        r#"start "all""#,
        r#"start {"n1":"","n2":"","n3":""}"#,
        r#"pause "all""#,
        r#"pause {"n1":"","n3":""}"#,
        r#"resume "all""#,
        r#"resume {"n1":"","n3":""}"#,
        r#"bump-clock {"n1":7}"#,
        r#"bump-clock {"n1":7}"#,
        "reset-clock null",
        "reset-clock null",
    ]);
    assert_eq!(found, ["kill [n1 n2] 0 2", "pause [n1 n3] 4 6", "bump-clock [n1] 8 10"]);
}

#[test]
fn a_bare_heal_ends_what_has_no_end_of_its_own_name() {
    let found = episodes(&[
        "split null",
        r#"split "a b""#,
        "start-delay null",
        "start-delay null",
        "heal null",
        r#"heal "network healed""#,
        "stop-delay null",
        "stop-delay null",
    ]);
    assert_eq!(found, ["split [] 0 4", "start-delay [] 2 6"]);
}

#[test]
fn an_invocation_and_its_completion_are_one_strike() {
    let found = episodes(&[
        r#"invoke kill "n1""#,
        r#"ok kill "n1""#,
        r#"invoke kill "n2""#,
        r#"fail kill "no such node""#,
        r#"invoke heal-kill "n1""#,
        r#"ok heal-kill "n1""#,
        r#"invoke pause "n3""#,
    ]);
    // The second strike failed. It may have been carried out in part, so it is open to an end, of which none came.
    let expected = ["kill [n1] 0 4", "kill [n2] 2 - failed", "pause [n3] 6 -"];
    assert_eq!(found, expected);
}

#[test]
fn an_end_that_failed_leaves_the_fault_in_force() {
    let history =
        history(None, &[r#"pause "n1""#, r#"heal-pause "n1" |,"error":"no such process""#, r#"kill "n1""#]);
    let found = fault_episodes(&history);
    assert_eq!(told(&found), ["pause [n1] 0 -", "kill [n1] 2 -"]);
    assert_eq!(found[0].end_failed.as_deref(), Some(r#""no such process""#));
    assert!(found[0].may_be_active(2, 2));
}

#[test]
fn what_is_never_ended_lasts_if_its_kind_does() {
    // A kill lasts. Of a name that nobody knows, and that the history ends nowhere, nothing is known.
    let found = episodes(&["kill null", "heal-kill null", "kill null", "bump null", r#"leave "n1""#]);
    assert_eq!(found, ["kill [] 0 1", "kill [] 2 -", "bump [] 3 ?", "leave [n1] 4 ~"]);
}

#[test]
fn observers_are_no_faults_and_an_end_without_a_strike_is_none() {
    let text = r#"{"process":"recorder","type":"info","f":"end","value":null}
{"process":"replica","type":"info","f":"state","value":null}
{"process":"nemesis","type":"info","f":"heal-kill","value":"n1"}
{"process":"chaos","type":"info","f":"kill","value":"n1"}
{"process":"nemesis","type":"info","f":"heal-kill","value":"n1"}"#;
    let history = from_text(Format::Native, text).expect("a history");
    // Whoever ends a fault is who caused it.
    assert_eq!(told(&fault_episodes(&history)), ["kill [n1] 3 -"]);
}

/// A scan of all open faults at each end would take n² steps: with 50,000 strikes that all stay open until the
/// last one struck, half a minute and more instead of a fraction of a second.
#[test]
fn many_open_faults_are_found_without_scanning_them() {
    let count = 50_000;
    let strikes = (0..count).map(|n| format!(r#"kill "n{n}""#));
    let ends = (0..count).rev().map(|n| format!(r#"heal-kill "n{n}""#));
    let events: Vec<String> = strikes.chain(ends).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let found = fault_episodes(&history(None, &events));
    assert_eq!(found.len(), count);
    for (at, episode) in found.iter().enumerate() {
        let FaultEnd::Seen(end) = episode.end else { panic!("{at} was ended") };
        assert_eq!(end.first.position as usize, 2 * count - 1 - at);
    }
}
