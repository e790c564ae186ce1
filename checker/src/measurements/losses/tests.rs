//! Histories with losses that were counted by hand.

use super::*;
use crate::Limits;
use crate::continuity::{Question, judge_session_findings};
use crate::measurements::tests::history;

/// The losses that the findings show of a history in the notation of `tests.rs`.
fn lost(text: &str) -> (History, MeasuredLosses) {
    let history = history(text);
    let question = Question::default();
    let limits = Limits { steps: 1 << 30, bytes: 1 << 30, stop: &std::sync::atomic::AtomicBool::new(false) };
    let losses = measure_session_losses(&history, &judge_session_findings(&history, &question, &limits));
    (history, losses)
}

fn payload(version: u32) -> String {
    format!(r#"{{"bytes":64,"session":"alice","version":{version}}}"#)
}

/// Created with 1; then 2, 3 and 4 are acknowledged, and in the end the session holds 1. That is one finding and three
/// lost writes. The write that failed and the one that timed out were never acknowledged.
#[test]
fn with_a_lost_write_all_are_lost_that_came_after_what_survived() {
    let write =
        |at: u32, version, end: &str| format!("{at}-{} alice write s {} {end}\n", at + 1, payload(version));
    let text = [
        format!("1-2 alice create s {} ok\n", payload(1)),
        write(3, 2, "ok"),
        write(5, 3, "ok"),
        write(7, 5, "fail no primary"),
        write(9, 6, "info timeout"),
        write(11, 4, "ok"),
        "20 recorder settled null\n".to_owned(),
        format!("30-31 final read s {} ok\n", payload(1)),
    ];
    let (history, losses) = lost(&text.concat());
    let writes = losses.writes.expect("the store had settled");
    let values: Vec<&str> =
        writes.certain.iter().map(|&id| history.value_text(history.operation(id).value())).collect();
    assert_eq!(values, [payload(2), payload(3), payload(4)]);
    assert_eq!(
        (losses.sessions, losses.actions.is_err()),
        (Ok(0.0.into()), true),
        "no list of actions was read"
    );
    let (_, open) = lost(&text.concat().replace("20 recorder settled null\n", ""));
    assert!(open.writes.is_err(), "what is not seen may come yet");
}

/// A session is renewed after the write that is lost, so the final read is of another id than the write. A run reported
/// `lost-write`, and zero lost writes: the objective was met.
#[test]
fn a_write_under_an_earlier_id_of_the_session_is_lost_too() {
    let (history, losses) = lost(&format!(
        "1-2 alice create s {} ok
         3-4 alice write s {} ok
         5-6 alice renew s \"t\" ok
         20 recorder settled null
         30-31 final read t {} ok",
        payload(1),
        payload(2),
        payload(1)
    ));
    let writes = losses.writes.expect("the store had settled");
    let values: Vec<&str> =
        writes.certain.iter().map(|&id| history.value_text(history.operation(id).value())).collect();
    assert_eq!(values, [payload(2)]);
}

/// The old id works after the renewal, and so does the new one. That is a mistake, and nothing is lost by it.
#[test]
fn a_renewal_whose_old_id_stays_alive_is_not_lost() {
    let (_, losses) = lost(&format!(
        "1-2 alice create s {} ok @n1
         3-4 alice renew s \"t\" ok @n1
         5-6 alice write t {} ok @n1
         7-8 alice read s {} ok @n1
         9-10 alice read t {} ok @n1
         20 recorder settled null
         30-31 final read t {} ok @n1",
        payload(1),
        payload(2),
        payload(2),
        payload(2),
        payload(2)
    ));
    assert_eq!(losses.renewals.map(|renewals| renewals.count()), Ok(0.0.into()));
    assert_eq!(losses.writes.map(|writes| writes.count()), Ok(0.0.into()));
}

/// 1 is overwritten by 2, which a reader sees in the end: nothing is lost.
#[test]
fn what_was_overwritten_is_not_lost() {
    let (_, losses) = lost(&format!(
        "1-2 alice create s {} ok\n3-4 alice write s {} ok\n5 recorder settled null\n6-7 final read s {} ok",
        payload(1),
        payload(2),
        payload(2)
    ));
    assert_eq!(losses.writes, Ok(LostOperations::default()));
}

#[test]
fn sessions_and_actions_are_counted_once_however_often_they_are_missed() {
    let (_, losses) = lost(&format!(
        "1-2 alice create s {} ok
         3-4 alice act s \"a-1\" ok
         5-6 alice act s \"a-2\" ok
         7-8 alice act s \"a-3\" ok
         10-11 alice read s null ok
         12-13 bob read s null ok
         14-15 bob actions alice [\"a-2\",\"a-2\",\"a-3\"] ok
         16-17 bob actions alice [\"a-2\",\"a-2\",\"a-3\",\"a-3\"] ok",
        payload(1)
    ));
    assert_eq!((losses.sessions, losses.actions, losses.duplicates), (Ok(1.0.into()), Ok(1), Ok(2)));
}

/// The values of the writes that are certainly lost, and of those that may be, of a history of registers in the
/// notation of the tests of measurements.
fn lost_values(text: &str) -> (Vec<String>, Vec<String>) {
    let history = history(text);
    let lost = measure_register_losses(&history, ValueId::NULL).writes.expect("it was read back");
    let values = |ids: &[OpId]| {
        ids.iter().map(|&id| history.value_text(history.operation(id).value()).to_owned()).collect()
    };
    (values(&lost.certain), values(&lost.open))
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// n1 acknowledges 1 to 5 on three objects and is partitioned; n2 takes over.
const CUT_OFF: &str = "
    1-2 a write x 1 ok @n1
    3-4 a write y 2 ok @n1
    5 nemesis partition \"n1\"
    6-7 a write x 3 ok @n1
    8-9 a write y 4 ok @n1
    10-11 a write z 5 ok @n1
    ";

/// The program's own first run. What the primary acknowledged after it was partitioned was overwritten on the other
/// side, and the final reads show nothing of it. The measurement used to say *lost writes 0*.
///
/// n2 acknowledges 6 at 21. At 22 it answers a read of x with 1, which was observed before the write of 3 began. If
/// n2's log had 3, then before 6, and n2 would have answered 3. So 3 is lost, and with it 4 and 5, which n1
/// acknowledged later. The read of 1 shows that everything that n1 acknowledged before it was kept. 2 began after 1 and
/// was over before 3 began, so nothing decides about it.
#[test]
fn what_a_deposed_primary_acknowledged_is_lost_though_it_was_overwritten() {
    let text = format!(
        "{CUT_OFF}
        20-21 b write z 6 ok @n2
        22-23 b read x 1 ok @n2
        24-25 b write x 7 ok @n2
        26-27 b write y 8 ok @n2
        30 nemesis heal-partition \"n1\"
        40 recorder settled null
        41-42 final read x 7 ok @n2
        43-44 final read y 8 ok @n2
        45-46 final read z 6 ok @n2"
    );
    assert_eq!(lost_values(&text), (texts(&["3", "4", "5"]), texts(&["2"])));
    let found = crate::measurements::tests::measured(&text);
    crate::measurements::tests::bounded(&found.run, "lost_writes", 3.0, 4.0);
    // From the acknowledgement of 3, or of 2, to that of 5.
    crate::measurements::tests::bounded(&found.run, "recovery_point_seconds", 0.004, 0.007);
    assert_eq!(found.replication.looks, crate::measurements::ObservedReplication::Asynchronous);
}

/// The same, but n2 shows 2 as well, so only what came after 2 is lost.
#[test]
fn what_the_successor_shows_was_kept() {
    let text = format!(
        "{CUT_OFF}
        20-21 b write z 6 ok @n2
        22-23 b read x 1 ok @n2
        24-25 b read y 2 ok @n2
        30 nemesis heal-partition \"n1\"
        40 recorder settled null
        41-42 final read z 6 ok @n2"
    );
    assert_eq!(lost_values(&text), (texts(&["3", "4", "5"]), Vec::new()));
}

/// Replication was synchronous: n2 shows the last entry that n1 acknowledged, so it had all before it, overwritten or
/// not.
#[test]
fn nothing_is_lost_before_what_the_successor_shows() {
    let text = format!(
        "{CUT_OFF}
        20-21 b write x 6 ok @n2
        22-23 b read z 5 ok @n2
        30 nemesis heal-partition \"n1\"
        40 recorder settled null
        41-42 final read x 6 ok @n2
        43-44 final read y 4 ok @n2"
    );
    assert_eq!(lost_values(&text), (Vec::new(), Vec::new()));
}

/// No read after the change of primaries returns what was written before it. Each write may have been there when it was
/// overwritten, or not.
#[test]
fn without_a_read_across_the_failover_nothing_is_known() {
    let text = format!(
        "{CUT_OFF}
        20-21 b write x 6 ok @n2
        22-23 b write y 7 ok @n2
        24-25 b write z 8 ok @n2
        30 nemesis heal-partition \"n1\"
        40 recorder settled null
        41-42 final read x 6 ok @n2
        43-44 final read y 7 ok @n2
        45-46 final read z 8 ok @n2"
    );
    assert_eq!(lost_values(&text), (Vec::new(), texts(&["1", "2", "3", "4", "5"])));
}

/// n2 is a replica that lags and acknowledges nothing. Its outdated answer is no loss, as n1 shows.
#[test]
fn an_old_answer_of_a_replica_is_no_loss() {
    let text = "
        1-2 a write x 1 ok @n1
        3-4 a write x 2 ok @n1
        5-6 b read x 1 ok @n2
        7-8 a write x 3 ok @n1
        9-10 a read x 3 ok @n1
        40 recorder settled null
        41-42 final read x 3 ok @n1";
    assert_eq!(lost_values(text), (Vec::new(), Vec::new()));
}

/// Both continue to acknowledge while they are partitioned, as Redis does. n1's clients see nothing of n2's writes
/// either, but n1's log did not survive, so what it lacks is not lost. n1 shows 7 once it is a replica.
#[test]
fn of_two_primaries_at_once_one_loses() {
    let text = "
        1-2 a write x 1 ok @n1
        5 nemesis partition \"n1\"
        10-11 a write x 2 ok @n1
        12-13 b write y 3 ok @n2
        14-15 b read x 1 ok @n2
        16-17 a write y 4 ok @n1
        18-19 b write x 5 ok @n2
        20-21 a read x 2 ok @n1
        22-23 a write x 6 ok @n1
        24-25 b read x 5 ok @n2
        30 nemesis heal-partition \"n1\"
        31-32 b write y 7 ok @n2
        33-34 a read y 7 ok @n1
        40 recorder settled null
        41-42 final read x 5 ok @n2
        43-44 final read y 7 ok @n2";
    assert_eq!(lost_values(text), (texts(&["2", "4", "6"]), Vec::new()));
}

/// n1 is restarted and comes back without what it had acknowledged last, like a store with a write-behind disk. There
/// is no other server. It acknowledges 4, and shows 1 in the end. So what it has now lacks 2, and also 3, which it had
/// written after 2, although 3 was overwritten.
#[test]
fn a_server_that_forgets_loses_what_the_end_shows() {
    let text = "
        1-2 a write x 1 ok @n1
        3-4 a write x 2 ok @n1
        5-6 a write y 3 ok @n1
        7 nemesis restart \"n1\"
        10-11 a write y 4 ok @n1
        40 recorder settled null
        41-42 final read x 1 ok @n1
        43-44 final read y 4 ok @n1";
    assert_eq!(lost_values(text), (texts(&["2", "3"]), Vec::new()));
}

/// Answers of an application do not name the server that gave them (an answer with a status is one of an application).
/// An outdated answer after the strike may be a loss or a lag. What was acknowledged before and not observed again may
/// be lost.
#[test]
fn where_servers_are_not_told_a_doubt_leaves_a_bound() {
    let text = |answer: &str| {
        format!(
            "1-2 a write x 1 ok
            3-4 a write x 2 ok
            5 nemesis kill \"n1\"
            6-7 b read x {answer} ok
            8-9 b write x 3 ok
            10 nemesis heal-kill \"n1\"
            40 recorder settled null
            41-42 final read x 3 ok"
        )
    };
    // 1 is shown during the fault, in a log that did survive: 3 comes after it.
    assert_eq!(lost_values(&text("1")), (Vec::new(), texts(&["2"])));
    assert_eq!(lost_values(&text("2")), (Vec::new(), Vec::new()));
}

/// Sentinel, with the primary killed: 9 of 9 sessions were gone, and with them 288 acknowledged writes and 25 renewals.
/// The figure *lost writes* was 0, because no write was found in the wrong order. Everything acknowledged under an id
/// that is gone is lost.
#[test]
fn with_a_session_all_is_lost_that_was_acknowledged_under_its_id() {
    let (history, losses) = lost(&format!(
        "1-2 alice create s {} ok
         3-4 alice write s {} ok
         5-6 alice renew s \"s.1\" ok
         7-8 alice write s.1 {} ok
         9-10 alice write s.1 {} info timeout
         11 nemesis kill \"n1\"
         20-21 alice read s.1 null ok
         30 recorder settled null
         31-32 final read s.1 null ok",
        payload(1),
        payload(2),
        payload(3),
        payload(4),
    ));
    let texts = |lost: &LostOperations| -> Vec<String> {
        lost.certain.iter().map(|&id| history.value_text(history.operation(id).value()).to_owned()).collect()
    };
    assert_eq!(losses.sessions, Ok(1.0.into()));
    assert_eq!(texts(losses.renewals.as_ref().expect("it was read back")), ["\"s.1\""]);
    let writes = losses.writes.expect("it was read back");
    assert_eq!(texts(&writes), [payload(3)]);
    // The write under the first id: no read shows whether it is still there.
    assert_eq!(writes.open.len(), 1);
}

/// A session that was not asked for after the fault may be lost or not. One that was asked for is there, and one that
/// was ended is not a loss.
#[test]
fn a_session_that_nobody_asked_for_again_may_be_lost() {
    let (_, losses) = lost(&format!(
        "1-2 alice create s {} ok
         1-2 bob create t {} ok
         1-2 carol create u {} ok
         3-4 carol destroy u null ok
         11 nemesis kill \"n1\"
         12 nemesis heal-kill \"n1\"
         20-21 bob read t {} ok
         30 recorder settled null",
        payload(1),
        payload(2).replace("alice", "bob"),
        payload(3).replace("alice", "carol"),
        payload(2).replace("alice", "bob"),
    ));
    assert_eq!(losses.sessions, Ok(Figure::between(0.0, 1.0)));
}

/// All servers have the session in the end, and yet its user was told that there is no such session: a deployed version
/// could not read the new form of its content. The figures counted 1,800 writes of such sessions as lost, although the
/// store had them all. A session that one server lacks, or did not answer for, may be lost.
#[test]
fn what_every_server_holds_in_the_end_was_hidden_and_not_lost() {
    let text = format!(
        "1-2 alice create s {} ok @n1
         3-4 alice write s {} ok @n1
         11 nemesis deploy \"n1\"
         20-21 alice read s null ok @n1
         30 recorder settled null
         31-32 final read s null ok @n1
         40 replica read [\"n1\",\"s\",{}]
         41 replica read [\"n2\",\"s\",{}]",
        payload(1),
        payload(2),
        payload(2),
        payload(2),
    );
    let count = |text: &str| lost(text).1.writes.expect("it was read back").count();
    assert_eq!(lost(&text).1.sessions, Ok(1.0.into()), "its user was told that it was gone");
    assert_eq!(count(&text), 0.0.into());
    let one_lacks_it = text.replace(&format!("\"n2\",\"s\",{}", payload(2)), "\"n2\",\"s\",null");
    let one_is_silent = text.clone() + " no";
    for doubted in [one_lacks_it, one_is_silent] {
        assert_eq!(count(&doubted), 1.0.into());
    }
}

/// A cache confuses its users: alice is told once that she has no session, and bob is shown hers. Both answers belong to
/// others, so they do not show that anything was lost. Her session is destroyed before the end, so nothing else tells.
/// The figures used to count her write as certainly lost.
#[test]
fn where_answers_are_mixed_up_they_prove_no_loss() {
    let text = format!(
        "1-2 alice create s {} ok @n1
         1-2 bob create t {} ok @n1
         3-4 alice write s {} ok @n1
         20-21 alice read s null ok @n1
         22-23 bob read t {} ok @n1
         24-25 alice read s {} ok @n1
         26-27 alice destroy s null ok @n1
         30 recorder settled null
         31-32 final read t {} ok @n1",
        payload(1),
        payload(7).replace("alice", "bob"),
        payload(2),
        payload(2),
        payload(2),
        payload(7).replace("alice", "bob"),
    );
    let (_, losses) = lost(&text);
    assert_eq!(losses.writes.expect("it was read back").certain, []);
}

/// n1 is cut off and acknowledges 2 to 4, which n2 never had; the session has 6 on n2 in the end. A copy that only n1 holds used to count as one
/// that every server holds, so nothing was lost for certain.
#[test]
fn what_only_one_server_holds_in_the_end_may_be_lost() {
    let text = |one: &str, other: &str| {
        format!(
            "1-2 alice create s {} ok @n1
             10 nemesis partition \"n1\"
             11-12 alice write s {} ok @n1
             13-14 alice write s {} ok @n1
             15-16 alice write s {} ok @n1
             17-18 alice write s {} ok @n2
             30 nemesis heal-partition \"n1\"
             31-32 alice write s {} ok @n2
             40 recorder settled null
             50-51 final read s {} ok @n2
             52 replica read [\"n1\",\"s\",{one}]
             53 replica read [\"n2\",\"s\",{other}]",
            payload(1),
            payload(2),
            payload(3),
            payload(4),
            payload(5),
            payload(6),
            payload(6)
        )
    };
    let count = |one: &str, other: &str| lost(&text(one, other)).1.writes.expect("it was read").count();
    assert!(count(&payload(4), &payload(6)).most >= 3.0, "2, 3 and 4 may be lost");
    assert_eq!(
        count(&payload(4), &payload(6)),
        count("null", &payload(6)),
        "no more is known than without n1"
    );
}

/// n1 acknowledged a second version of s1, which nobody read after the fault. It counted as kept, because an earlier change of n1 was.
#[test]
fn the_last_write_of_a_session_that_nobody_reads_again_may_be_lost() {
    let text = |last: &str| {
        format!(
            "1-2 alice create s1 {one} ok @n1
             3-4 bob create s2 {other} ok @n1
             5-6 alice write s1 {two} ok @n1
             {last}
             20 nemesis kill \"n1\"
             30 nemesis heal-kill \"n1\"
             50 recorder settled null
             60-61 final read s2 {other} ok @n2",
            one = payload(1),
            other = payload(1).replace("alice", "bob"),
            two = payload(2)
        )
    };
    let count = |last: &str| lost(&text(last)).1.writes.expect("it was read").count();
    let unread = count("");
    assert_eq!((unread.least, unread.most), (0.0, 1.0));
    // Nobody can miss it once the session has ended.
    assert_eq!(count("7-8 alice destroy s1 null ok @n1"), 0.0.into());
}

/// n2 acknowledged 21 and 22, which overlap, and was killed; n1 shows 21. If the log has 22 after 21, n1 lacks 22. That was reported as certainly
/// nothing.
#[test]
fn a_write_that_overlaps_what_survived_may_be_lost() {
    let text = |ends: &str| {
        format!(
            "1-2 a write x 20 ok @n2
             10-13 a write x 21 ok @n2
             {ends}
             20 nemesis kill \"n2\"
             25-26 a read x 21 ok @n1
             30 nemesis heal-kill \"n2\"
             50 recorder settled null
             60-61 final read x 21 ok @n1"
        )
    };
    let count = |ends: &str| {
        let history = history(&text(ends));
        measure_register_losses(&history, ValueId::NULL).writes.expect("it was read").count()
    };
    let overlapping = count("11-12 b write x 22 ok @n2");
    assert_eq!((overlapping.least, overlapping.most), (0.0, 1.0));
    assert_eq!(
        count("11-12 b write x 22 ok @n2\n             14-15 b read x 21 ok @n2"),
        0.0.into(),
        "n2 had 21 later"
    );
    assert_eq!(count("8-9 b write x 22 ok @n2"), 0.0.into(), "it was over before");
}
