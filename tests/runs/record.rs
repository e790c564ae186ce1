//! Recording from the command line: what comes out, and what is left behind by each way to end.

use assert_cmd::Command;
use std::time::Duration;

fn steadfast() -> Command {
    Command::new(env!("CARGO_BIN_EXE_steadfast"))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn record(folder: &tempfile::TempDir, name: &str, options: &[&str]) -> Vec<u8> {
    let output = folder.path().join(name);
    steadfast().args(["record", "--output"]).arg(&output).args(options).assert().code(0);
    std::fs::read(output).expect("a history")
}

#[test]
fn the_default_store_loses_writes_in_a_failover_and_quorum_does_not() {
    let folder = folder();
    let asynchronous = steadfast().current_dir(&folder).args(["run", "--no-color"]).assert().code(1);
    let text = String::from_utf8(asynchronous.get_output().stdout.clone()).expect("text");
    assert!(
        text.starts_with("VIOLATED: ") && text.contains("\nhistory: steadfast-embedded-1.jsonl\n"),
        "{text}"
    );
    for seed in ["1", "2", "3"] {
        let options = ["run", "--replication", "quorum", "--seed", seed];
        steadfast().current_dir(&folder).args(options).assert().code(0);
    }
}

/// Without faults and with majorities, the embedded store keeps every promise. Whatever a workload reports then is a false alarm.
#[test]
fn a_sound_store_is_found_sound_by_every_workload() {
    let folder = folder();
    let help = steadfast().args(["run", "--help"]).assert().code(0).get_output().clone();
    let help = String::from_utf8(help.stdout).expect("text");
    let listed = help
        .split("--workload <NAME>")
        .nth(1)
        .and_then(|text| text.split("\n      --").next())
        .expect("a list");
    let names = listed.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next());
    let names: Vec<&str> = names.collect();
    assert!(names.len() >= 8 && names.contains(&"counter"), "{names:?}");
    for workload in names {
        let options = ["run", "--replication", "quorum", "--faults", "none", "--duration", "3s", "--force"];
        let run = steadfast().current_dir(&folder).args(options).args(["--workload", workload]).assert();
        let output = run.get_output();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.starts_with("HOLDS"), "{workload}: {text}");
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let folder = folder();
    let one = record(&folder, "one", &["--seed", "7"]);
    assert_eq!(one, record(&folder, "two", &["--seed", "7"]));
    assert_ne!(one, record(&folder, "three", &["--seed", "8"]));
    let header = String::from_utf8_lossy(&one).lines().next().expect("a header").to_owned();
    assert!(header.starts_with("{\"steadfast\":1,") && header.contains("record --seed 7"), "{header}");
}

#[test]
fn a_plan_is_only_printed() {
    let folder = folder();
    let options = ["run", "--plan", "--faults", "kill:n2@1s+2s,restart@4s"];
    let output = steadfast().current_dir(&folder).args(options).assert().code(0).get_output().clone();
    let text = String::from_utf8(output.stdout).expect("text");
    for line in ["1s  kill n2", "3s  kill n2 ends", "4s  restart primary", "12s  the load ends"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 0);
}

#[test]
fn a_scenario_is_options_that_what_is_typed_overrides() {
    let folder = folder();
    let plan = |options: &[&str]| {
        let all = ["run", "--plan", "--scenario", "kill-primary"].iter().chain(options);
        let output = steadfast().current_dir(&folder).args(all).assert().code(0).get_output().clone();
        String::from_utf8(output.stdout).expect("text")
    };
    let text = plan(&[]);
    assert!(text.contains("workload session") && text.contains("3s  kill primary"), "{text}");
    let text = plan(&["--faults", "pause:n2@1s+1s", "--workload", "set"]);
    assert!(text.contains("workload set") && text.contains("1s  pause n2"), "{text}");
    assert!(!text.contains("kill primary"), "{text}");
}

#[test]
fn bad_usage_is_refused_with_what_there_is() {
    let folder = folder();
    for (options, says) in [
        (&["run", "mysql"][..], "redis-sentinel"),
        (&["run", "--faults", "flood"], "there is no fault \"flood\". `steadfast faults` lists them"),
        (&["run", "--faults", "kill:n9"], "there are n1, n2, n3"),
        (&["run", "--faults", "kill@60s"], "after the run's end at 10s"),
        (&["run", "--schedule", "no-such-file.toml"], "no-such-file.toml"),
        (&["run", "--bug", "all"], "`steadfast stores` lists them"),
        (&["run", "redis", "--faults", "kill"], "the run did not start these servers"),
        (
            &["run", "http", "--faults", "kill"],
            "on http a run can only strike the links between clients and entries",
        ),
        (&["run", "http", "--faults", "loss"], "a proxy carries connections"),
        (&["run", "redis", "--confirm-reads"], "--wait"),
        (&["run", "etcd", "--wait", "1", "--confirm-reads"], "no reads to confirm"),
        (&["run", "memcached", "--scenario", "fresh-deployment", "--sound"], "no other node has a copy"),
        (&["run", "redis", "--faults", "loss"], "a proxy carries connections"),
        (&["run", "redis", "--faults", "bridge"], "only links to clients lead through proxies of the run"),
        (&["run", "redis", "--address", "h:1,h:2", "--faults", "hold:h:1-h:2"], "only links to clients lead"),
        (&["run", "--faults", "reset"], "has no connections"),
        (&["run", "--faults", "hold:n1>n9"], "\"n9\", but there are n1, n2, n3"),
        (&["run", "--faults", "kill:n1-n2"], "strikes nodes, not links"),
        (&["run", "redis-sentinel", "--faults", "loss,half-close"], "by packets: half-close"),
        (&["run", "redis", "--scenario", "kill-primary"], "it can on embedded"),
        (&["run", "--scenario", "flood"], "there is no scenario \"flood\""),
        (&["run", "--sound"], "--scenario"),
        (&["run", "redis", "--address", "127.0.0.1:1"], "down from the start"),
        (&["run", "--load", "much"], "expected closed"),
        (&["record", "--output", "/no/such/folder/history"], "/no/such/folder/history"),
    ] {
        let output = steadfast().current_dir(&folder).args(options).assert().code(2).get_output().clone();
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(text.contains(says), "{options:?}: {text}");
    }
}

#[test]
fn a_full_disk_is_said_and_what_was_recorded_is_a_history() {
    // Every write to this device fails as on a full disk.
    let output = steadfast().args(["record", "--output", "/dev/full"]).assert().code(2).get_output().clone();
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(text.contains("No space left on device"), "{text}");
}

/// A server of its own; its keys before the run and after it are the same: none.
#[test]
fn a_redis_that_is_there_is_driven_and_left_as_it_was() {
    let Ok(program) = recorder::system::find_program("redis-server", "redis-server") else { return };
    let folder = folder();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.expect("a free port").port().to_string();
    let words = ["--port", &port, "--save", "", "--dir"].map(str::to_owned).to_vec();
    let arguments = [words, vec![folder.path().display().to_string()]].concat();
    let server = recorder::system::Server::start(&program, arguments, folder.path().join("log"));
    let _server = server.expect("it starts");
    std::thread::sleep(Duration::from_millis(500));
    let address = format!("127.0.0.1:{port}");
    let options = ["run", "redis", "--duration", "2s", "--settle", "0s", "--address", &address];
    let faults = "delay=5ms~2ms@200ms+400ms,reset:client-primary@1s+200ms";
    for (workload, faults) in [("register", "none"), ("cas-register", faults)] {
        let options = options.iter().copied().chain(["--workload", workload, "--faults", faults]);
        steadfast().current_dir(&folder).args(options).assert().code(0);
    }
    // The first run has the usual name; the second did not take it.
    let history =
        std::fs::read_to_string(folder.path().join("steadfast-redis-1.2.jsonl")).expect("a history");
    let all = ["\"delay=5ms~2ms\"", "\"heal-reset\"", "\"traffic\""];
    assert!(all.iter().all(|text| history.contains(text)));
    let dump = std::process::Command::new("redis-cli").args(["-p", &port, "DBSIZE"]).output();
    assert_eq!(String::from_utf8_lossy(&dump.expect("redis-cli").stdout).trim(), "0");
}

/// A user without privileges: a network of its own through a user namespace where the machine lets him have one, and
/// proxies everywhere.
#[test]
fn a_user_without_privileges_can_break_links_too() {
    let missing = ["setpriv", "redis-sentinel"]
        .into_iter()
        .find(|program| recorder::system::find_program(program, program).is_err());
    let (folder, nobody) = (folder(), ["--reuid=65534", "--regid=65534", "--clear-groups"]);
    // What nobody can read, build folders below somebody's home for example, cannot be started by nobody either.
    let program = folder.path().join("steadfast");
    std::fs::copy(env!("CARGO_BIN_EXE_steadfast"), &program).expect("a copy");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).expect("it is ours");
    let as_nobody = |options: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(nobody).arg(&program).args(options).current_dir(&folder);
        command
    };
    if missing.is_some() || as_nobody(&["levels"]).output().map_or(true, |output| !output.status.success()) {
        #[allow(clippy::print_stderr, reason = "says what was skipped")]
        {
            eprintln!("skipped: {missing:?} is not installed, or this test may not become somebody else");
        }
        return;
    }
    as_nobody(&["faults"]).assert().code(0);
    let short = ["record", "redis-sentinel", "--duration", "2s", "--after-heal", "1s", "--settle", "500ms"];
    for (links, faults) in
        [("auto", "delay=20ms:primary>all@500ms+1s"), ("proxies", "partition:primary@500ms+1s")]
    {
        let options = [&short[..], &["--links", links, "--faults", faults, "--output", links]].concat();
        as_nobody(&options).assert().code(0);
        let text = std::fs::read_to_string(folder.path().join(links)).expect("a history");
        assert!(text.contains("\"heal-") && text.contains("\"end\""), "{links}");
    }
}
