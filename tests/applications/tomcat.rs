//! Tomcat's cluster: two nodes behind HAProxy, with sessions that are replicated before each answer, or not at all.
//!
//! Each verdict has its argument outside of the checker. With `channelSendOptions` 6, a node answers after the other one has acknowledged the
//! changes, so the kill of a node loses nothing. Without a cluster, each node has its sessions in memory, and they go with it. A client
//! with a stopwatch polls beside the run.
//!
//! Where Tomcat 10 with a Java runtime, or haproxy, are missing, the tests say so.

use crate::example::{
    ExampleSettings, PollingClient, RunningExample, assert_nodes_were_killed, assert_recovery_agrees,
    find_missing, sessions_of_node, sessions_with, wait_for_turn, words_of_requests,
};
use std::path::Path;

const TOMCAT: &str = "/usr/share/tomcat10/bin/catalina.sh";

fn start(cluster: &str, sticky: &str) -> Option<RunningExample> {
    let missing = find_missing(&[("java", "-version"), ("haproxy", "-v")]);
    if let Some(missing) = missing.or((!Path::new(TOMCAT).exists()).then_some("tomcat10")) {
        eprintln!("skipped: {missing} is missing");
        return None;
    }
    let settings = ExampleSettings {
        name: "tomcat",
        ports: &["PORT", "PORT1", "PORT2", "CLUSTER_PORT1", "CLUSTER_PORT2"],
        // The nodes first: HAProxy is up before them, and says 503.
        served: &[1, 2, 0],
        environment: vec![("CLUSTER", cluster.to_owned()), ("STICKY", sticky.to_owned())],
        logs: &["web1.log", "web2.log", "proxy.log"],
    };
    Some(RunningExample::start(settings, wait_for_turn()))
}

/// From an address to a description that fits. A servlet has parameters of forms, also where no page has the form.
#[test]
fn a_description_of_tomcat_is_written_by_trying() {
    let Some(example) = start("sync", "no") else { return };
    let words = words_of_requests("POST /cart");
    let text = example.init_description(&[&words[..], &["--fields-as", "form"]].concat());
    for says in [
        "cookie = \"JSESSIONID\"\n",
        "headers = { content-type = \"application/x-www-form-urlencoded\" }\nbody = \"user={user}&value={value}\"\n",
        "headers = { content-type = \"application/x-www-form-urlencoded\" }\nbody = \"value={value}\"\n",
    ] {
        assert!(text.contains(says), "{says:?} in {text}");
    }
    // As JSON, the application gets no parameters: whose session it is stays unknown, so that the write is refused.
    let url = format!("http://127.0.0.1:{}", example.port());
    let (code, printed, errors) =
        example.steadfast(&[&["stack", "init", &url, "--output", "other.toml"], &words[..]].concat());
    assert_eq!(code, 2, "{printed}{errors}");
    assert!(
        errors.contains("--write POST /cart: the application answers with") && errors.contains("--fields-as"),
        "{errors}"
    );
    assert!(!example.path("other.toml").exists());
}

/// A node answers when the other one has the changes: nothing is lost although a node is killed. It stays down until the run ends, because the
/// other node does not send it changes for two seconds after it has come back. The recovery time after a kill of the proxy is that of
/// a client that only polls.
#[test]
fn replicated_sessions_survive_a_node() {
    let Some(example) = start("sync", "no") else { return };
    let printed = example.test_description();
    assert!(printed.contains("The description fits: 9 promises kept, 0 possible bugs"), "{printed}");
    let client = PollingClient::start(example.port());
    let (code, answer, events) = example.run(
        "--sessions 10 --load 40/s --duration 11s --operation-timeout 5s --faults kill:haproxy@2s+2s,kill:web1@6s",
    );
    let polls = client.stop();
    // At the end of the run the killed node is started again. It fetches the sessions of the other node while that one still answers, so that
    // in one run of some dozens the last read of a session finds it too old or not at all. No user has seen that.
    let seen_by_users = answer["levels"].as_array().expect("levels").iter().flat_map(|level| {
        level["anomalies"]
            .as_array()
            .expect("anomalies")
            .iter()
            .filter(|anomaly| !anomaly["text"].as_str().expect("a text").contains("of final at web1"))
    });
    assert_eq!(seen_by_users.count(), 0, "{code}: {answer}\n{}", example.logs());
    // The run could have found something: both nodes answered, and the kills were seen.
    assert_nodes_were_killed(&events, 2);

    // The first outage is that of the proxy.
    let first = polls.iter().position(|poll| !poll.1).expect("the outage is noticed");
    let back = first + polls[first..].iter().position(|poll| poll.1).expect("the outage ends");
    assert_recovery_agrees(&answer, &polls, first, back, 0.3);
}

/// Each node has its sessions in memory, and a user stays with one node: the users of a killed node lose theirs, and no others.
#[test]
fn sessions_of_a_node_are_lost_with_it() {
    let Some(example) = start("none", "yes") else { return };
    let (code, answer, events) = example
        .run("--sessions 20 --load 25/s --duration 8s --operation-timeout 5s --faults kill:web1@3s+1s");
    assert_eq!(code, 1, "{answer}");
    let (one, two) = (sessions_of_node(&events, "web1"), sessions_of_node(&events, "web2"));
    let lost = sessions_with(&answer, "lost-session");
    assert!(one.len() >= 3 && two.len() >= 3, "{one:?} {two:?}");
    assert!(!lost.is_disjoint(&one) && lost.is_disjoint(&two), "{lost:?} {one:?} {two:?}");
}
