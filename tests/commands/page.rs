//! The page and the graph: well formed, alone, bounded, and safe whatever a history holds.

mod sizes;

use crate::program::{case, folder, steadfast};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The page that a call writes, after it was found to be well formed.
fn page(folder: &Path, args: &[&str], code: i32) -> String {
    let file = folder.join("page.html");
    let output = steadfast().args(args).args(["--force", "--report"]).arg(&file).output().expect("it runs");
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(file).expect("a page");
    well_formed(&text);
    text
}

fn of_case(name: &str, code: i32) -> String {
    page(folder().path(), &["check", &case(name)], code)
}

/// Fails unless every tag is closed in its order, every id is there once, every link leads to one, and nothing is
/// loaded from anywhere.
fn well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let (mut ids, mut links) = (BTreeSet::new(), Vec::new());
    let mut rest = text.strip_prefix("<!doctype html>").expect("it says what it is");
    while let Some(at) = rest.find('<') {
        let words = &rest[..at];
        assert!(!words.contains('>'), "what is said is escaped: {words}");
        let end = rest[at..].find('>').expect("a tag ends") + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "tags close in order");
            continue;
        }
        let name = tag.split([' ', '/']).next().expect("a name");
        for (attribute, value) in attributes(tag) {
            match attribute {
                "id" => assert!(ids.insert(value), "{value} is there once"),
                "href" => links.push(value.strip_prefix('#').expect("links stay within the page")),
                "src" | "onclick" | "onload" | "onerror" => panic!("{attribute} in {tag}"),
                _ => {}
            }
        }
        if name == "style" || name == "script" {
            let end = rest.find(&format!("</{name}>")).expect("it ends");
            assert!(!rest[..end].contains("http") && !rest[..end].contains("@import"), "nothing is loaded");
            rest = &rest[end + name.len() + 3..];
        } else if !tag.ends_with('/') && !["meta", "br"].contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0], "everything is closed");
    links.iter().for_each(|link| assert!(ids.contains(link), "{link} is somewhere"));
    assert_eq!(text.matches("<script").count(), 1, "there is one script, ours");
}

/// `name="value"` within a tag, whatever the values hold.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once("=\"") {
        let (value, more) = after.split_once('"').expect("a value ends");
        found.push((before.rsplit(' ').next().expect("a name"), value));
        rest = more;
    }
    found
}

#[test]
fn a_stale_read_is_explained() {
    let text = of_case("stale-read", 1);
    assert!(text.contains("This history is not linearizable; 5 of 6 levels hold."));
    assert!(text.contains("had replaced it before the read began."), "the sentence");
    assert!(text.contains("write 1 (0), then write 2 (3)</b>: it holds 2; read 1 (5) cannot come next"));
    assert_eq!(text.matches("class=\"op tells ok\"").count(), 3, "three bars");
    assert!(text.contains("partition n1, n2"), "the fault stands behind them");
    assert!(text.contains(
        "operation 5: read 1; session bob (process 1); node n2; ok; 0.008000 s to 0.008900 s (0.9 ms)"
    ));
}

/// Whoever opens the page first asks these ten things. The page told them in five places, and some not at all.
#[test]
fn the_first_screen_answers_ten_questions() {
    let folder = folder();
    let history = folder.path().join("run.jsonl");
    let output = history.to_str().expect("text");
    let text = page(folder.path(), &["run", "--quiet", "--seed", "1", "--output", output], 1);
    let answers = first_answers(&text);
    for (question, part) in [
        ("What happened", "4 stale-read</b>. A read returned an older version"),
        ("How many users", " of 10 sessions; 5919 operations over 14.0 s"),
        ("When", "of the history&#39;s clock"),
        ("During which fault", "Partition n1 from 5.000000 s to 9.000000 s"),
        ("Why it is a violation", "had replaced it before the read began"),
        ("Which node was primary", "acknowledged by n1 from"),
        ("What to do next", "Find out which server answered the read"),
        ("How sure is this", "independent code has checked the evidence"),
        ("How to replay the run", "steadfast run --seed 1"),
        ("What was not checked", "Other levels than the 6 below"),
    ] {
        let answer = answers.iter().find(|(known, _)| *known == question);
        assert!(answer.is_some_and(|(_, answer)| answer.contains(part)), "{question}: {part}: {answers:?}");
    }
    assert_eq!(answers.len(), 10);
}

/// The questions of the first screen with their answers.
fn first_answers(text: &str) -> Vec<(&str, &str)> {
    let first =
        text.split("class=\"answers\"").nth(1).and_then(|rest| rest.split("</dl>").next()).expect("answers");
    first
        .split("<dt>")
        .skip(1)
        .filter_map(|part| part.split_once("</dt>"))
        .map(|(question, rest)| (question, rest.split("</div>").next().expect("an answer")))
        .collect()
}

/// Pages of *holds*, *unknown* and *untested* answered seven questions: a reader could not see which faults a store had
/// survived. The page of a cycle showed the proof as one run-on line that began with "Let: T1 =".
#[test]
fn every_verdict_answers_the_ten_questions() {
    let folder = folder();
    let output = folder.path().join("run.jsonl");
    let output = output.to_str().expect("text");
    let lost = ["run", "--quiet", "--seed", "1", "--workload", "session", "--output", output];
    let quorum_output = folder.path().join("quorum.jsonl");
    let quorum_output = quorum_output.to_str().expect("text");
    let quorum = ["run", "--quiet", "--seed", "1", "--replication", "quorum", "--output", quorum_output];
    let writes = folder.path().join("writes.jsonl");
    let event = |kind: &str| {
        format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"write\",\"key\":\"k\",\"value\":1}}\n")
    };
    std::fs::write(&writes, event("invoke") + &event("ok")).expect("a file");
    let writes = writes.to_str().expect("text");
    let (skew, cut) = (case("txn-write-skew"), case("store-audit-cut-short"));
    for (args, code, expected) in [
        (
            &lost[..],
            1,
            &[
                ("What happened", "lost-session</b>. A session no longer exists"),
                ("What to do next", "Look at the node of the creation"),
                ("What was not checked", "Other findings than the"),
            ][..],
        ),
        (
            &quorum,
            0,
            &[
                ("When", "The history covers 0."),
                ("During which fault", "No violation was seen during it"),
                ("Why it holds", "An execution that each level permits explains every answer"),
                ("What to do next", "Nothing for this history"),
            ],
        ),
        (
            &["check", &skew],
            1,
            &[
                ("What happened", "G2-item: write skew"),
                (
                    "Why it is a violation",
                    "T1 (operation 0, process 0) must come before T2, because T1 read nothing from x",
                ),
                ("What was not checked", "Other levels than the one below"),
            ],
        ),
        (
            &["check", &cut],
            3,
            &[
                ("Why it is unknown", "."),
                ("What to do next", "<code class=\"option\">--timeout</code>"),
                ("What was not checked", "Undecided: audit-missing"),
            ],
        ),
        (
            &["check", writes],
            3,
            &[
                ("What happened", "None could have been seen"),
                ("When", "The history records no times"),
                ("Why it is untested", "."),
                ("How sure is this", "This says nothing about the store"),
            ],
        ),
    ] {
        let text = page(folder.path(), args, code);
        let answers = first_answers(&text);
        assert_eq!(answers.len(), 10, "{args:?}: {answers:?}");
        for (question, part) in expected {
            let answer = answers.iter().find(|(known, _)| known == question);
            let is_there =
                answer.is_some_and(|(_, answer)| answer.to_lowercase().contains(&part.to_lowercase()));
            assert!(is_there, "{args:?}: {question}: {part}: {answers:?}");
        }
    }
}

/// The argument is in the lanes: an order that the object accepts, the state after each step, and the read that contradicts
/// it. Without script all of it is there.
#[test]
fn the_argument_is_drawn_in_the_lanes_step_by_step() {
    let text = of_case("stale-read", 1);
    // A node that only answered reads is no primary.
    assert!(text.contains("<dd>Writes were acknowledged by n1 from 0.002200 s.</dd>"));
    assert_eq!(text.matches("class=\"point\"").count(), 2, "two writes");
    assert!(text.contains(">= 1</text>") && text.contains(">= 2</text>"), "the state after each");
    assert_eq!(text.matches("class=\"cross\"").count(), 1, "the read");
    assert!(text.contains("<li data-step=\"2\">write 2; the object then holds 2</li>"));
    assert!(text.contains(
        "<li data-step=\"3\" class=\"refused\">read 1 cannot come next: the register holds another value</li>"
    ));
}

/// Somebody who ran the same thing ten times wants to see what changed, not ten pages.
#[test]
fn several_runs_have_an_index_with_trends_and_two_groups_a_comparison() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    for (name, faults) in [("calm", "none"), ("killed", "kill@1s+1s")] {
        let args =
            ["record", "--quiet", "--duration", "2s", "--load", "200/s", "--faults", faults, "--output"];
        steadfast().args(args).arg(path(name)).assert().code(0);
    }
    let (calm, killed) = (path("calm"), path("killed"));
    let text = page(folder.path(), &["check", "--measure", "--quiet", &calm, &killed, &calm], 0);
    assert!(text.contains("3 histories: 3 holds."), "the verdicts are counted");
    for figure in ["anomalies: 0 to 0", "availability: ", "latency.p99: "] {
        assert!(text.contains(figure), "{figure}");
    }
    // The second history has a recovery and the others have none, so there is no line to draw.
    assert!(!text.contains("recovery.p99: "), "one value is no trend");
    let text = page(folder.path(), &["diff", &calm, &killed], 0);
    assert!(
        text.contains("No conclusion: 1 run of A and 1 run of B are too few"),
        "single runs tell nothing"
    );
    assert!(text.contains("Unknown: too few runs") && text.contains("class=\"ranges\""));
    // No output replaces a file that is there, or one that is read.
    let out = path("taken.html");
    std::fs::write(&out, "mine").expect("a file");
    steadfast().args(["diff", &calm, &killed, "--report", &out]).assert().code(2);
    steadfast().args(["diff", &calm, &killed, "--force", "--report", &calm]).assert().code(2);
    assert_eq!(std::fs::read(&out).expect("a file"), b"mine");
}

/// The data of an attribute of the first explorer.
fn explorer_data<'a>(text: &'a str, name: &str) -> &'a str {
    let rest = text.split(&format!("data-{name}=\"")).nth(1).unwrap_or_else(|| panic!("data-{name}"));
    rest.split('"').next().expect("an end")
}

/// The sum of numbers in base 36.
fn sum_counts(text: &str) -> u64 {
    let numbers = text.split([';', ',']).filter(|number| !number.is_empty());
    numbers.map(|number| u64::from_str_radix(number, 36).expect("a number")).sum()
}

/// The explorer has all operations of a short history, and of a long one as many as fit.
#[test]
fn the_whole_history_can_be_explored() {
    let folder = folder();
    let history = folder.path().join("run.jsonl");
    let output = history.to_str().expect("text");
    let text = page(folder.path(), &["run", "--quiet", "--seed", "1", "--output", output], 1);
    let held = explorer_data(&text, "operations").split(';').filter(|row| !row.is_empty()).count();
    assert_eq!(held, 5919);
    assert_eq!(sum_counts(explorer_data(&text, "counts")), 5919, "each operation is counted once");
    assert!(explorer_data(&text, "faults").contains("partition n1"), "faults are shaded");
    assert!(text.contains("<noscript>"), "whoever forbids scripts is told what to read");
    assert!(text.contains("id=\"term-indeterminate\""), "terms are explained");
}

#[test]
fn a_cycle_of_transactions_is_drawn_with_its_reasons() {
    let text = of_case("txn-write-skew", 1);
    assert_eq!(text.matches("class=\"node\"").count(), 2);
    assert_eq!(text.matches("class=\"edge rw\"").count(), 2, "each missed the other's append");
    assert!(text.contains("T1 read nothing from x, and T2 appended 1 to it"));
}

#[test]
fn a_cycle_of_versions_is_drawn_with_its_reasons() {
    let level = ["check", "--consistency", "session", &case("session-four-but-not-all")];
    let text = page(folder().path(), &level, 1);
    assert!(text.contains("This history violates session."));
    assert_eq!(text.matches("class=\"node\"").count(), 2);
    assert!(text.contains("</text><text") || text.contains("read-your-writes"), "labelled");
}

#[test]
fn what_holds_and_what_is_unknown_say_so() {
    let text = of_case("cas-chain", 0);
    assert!(text.contains("<p class=\"verdict holds\"><b>HOLDS</b>"));
    assert!(text.contains("All 6 levels hold: an execution that the level permits explains the history"));
    assert!(text.contains("The store may break the level in another run"));
    let text = of_case("store-audit-cut-short", 3);
    assert!(text.contains("<p class=\"verdict unknown\"><b>UNKNOWN</b>"));
    assert!(text.contains("implies nothing about the level"));
}

#[test]
fn several_histories_have_a_table_and_a_section_each() {
    let folder = folder();
    let args = ["check", &case("stale-read"), "no-such-file.jsonl", &case("cas-chain")];
    let text = page(folder.path(), &args, 1);
    for number in 1..=3 {
        assert!(text.contains(&format!("id=\"history-{number}\"")));
    }
    assert!(text.contains("NO VERDICT") && text.contains("no-such-file.jsonl"));
    let many = case("cas-chain");
    let text = page(folder.path(), &[&["check"][..], &vec![many.as_str(); 30]].concat(), 0);
    assert!(text.contains("The first 20 have a section below.") && !text.contains("id=\"history-21\""));
}

/// Everything that a history can hold was written by somebody else.
#[test]
fn what_a_history_holds_is_never_markup() {
    let folder = folder();
    let evil = "</script><script>alert('1')</script><img src=x onerror=\\\"alert(2)\\\">";
    let long = "<b>".repeat(40_000);
    let mut lines = format!(
        "{{\"steadfast\":1,\"command\":\"{evil}\",\"store\":\"{evil}\"}}\n\
         {{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"{evil}\",\"value\":\"{evil}\"}}\n"
    );
    for (process, f, value) in [(0, "write", &long[..]), (0, "write", evil), (1, "read", &long[..])] {
        for kind in ["invoke", "ok"] {
            lines += &format!(
                "{{\"process\":{process},\"session\":\"\\u202e{evil}\",\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"{evil} ☃\",\
                 \"value\":\"{value}\",\"node\":\"{evil}\",\"error\":\"{long}\"}}\n"
            );
        }
    }
    let file = folder.path().join("&quot;<i>.jsonl");
    std::fs::write(&file, lines).expect("it can be written");
    let text = page(folder.path(), &["check", file.to_str().expect("text")], 1);
    assert!(!text.contains("<img") && !text.contains("<b><b>") && !text.contains("<i>"));
    assert!(text.contains("&lt;/script&gt;") && text.contains('☃'));
    assert!(text.contains("U+202E") && !text.contains('\u{202e}'), "marks that turn the text are shown");
    assert!(text.len() < 200_000, "{} bytes: long values lose their middle", text.len());
    // The graph is as safe.
    let dot = folder.path().join("graph.dot");
    steadfast().arg("check").arg(&file).arg("--dot").arg(&dot).assert().code(1);
    assert_eq!(graph(&std::fs::read_to_string(dot).expect("a graph")), (3, 3));
}

#[test]
fn a_run_has_its_page() {
    let folder = folder();
    let history = folder.path().join("run.jsonl");
    let output = history.to_str().expect("text");
    let args = ["run", "--quiet", "--seed", "1", "--output", output];
    let text = page(folder.path(), &args, 1);
    for part in [
        "stale-read",
        "partition n1",
        "The whole run",
        "The effect of each fault",
        "steadfast run --seed 1",
        // Every user of the old primary waited; each has a row.
        "no operation succeeded in",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(
        !text.contains(&format!("--report {}", folder.path().display())),
        "where it goes is not part of the run"
    );
}

#[test]
fn the_explained_part_has_its_page() {
    let folder = folder();
    let text = page(folder.path(), &["explain", &case("one-key-of-several")], 1);
    assert!(text.contains("3 of 8 operations show that the history is not linearizable (stale-read)"));
}

#[test]
fn a_file_that_cannot_be_written_is_known_before_anything_is_checked() {
    for option in ["--report", "--dot"] {
        let nowhere = PathBuf::from("no-such-folder/file");
        let told = steadfast().args(["check", &case("stale-read"), option]).arg(&nowhere).assert().code(2);
        let output = told.get_output();
        assert!(output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-folder"));
    }
}

#[test]
fn graphs_can_be_read_by_graphviz() {
    let folder = folder();
    let file = folder.path().join("graph.dot");
    let drawn = |name: &str, options: &[&str], code| {
        steadfast()
            .arg("check")
            .args(options)
            .arg(case(name))
            .args(["--force", "--dot"])
            .arg(&file)
            .assert()
            .code(code);
        let text = std::fs::read_to_string(&file).expect("a graph");
        // Where Graphviz is installed it has the last word.
        if let Ok(output) = std::process::Command::new("dot").arg("-Tsvg").arg(&file).output() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        graph(&text)
    };
    // Two transactions, each before the other.
    assert_eq!(drawn("txn-write-skew", &[], 1), (2, 2));
    // Three operations in real time, and the read after its write.
    assert_eq!(drawn("stale-read", &[], 1), (3, 3));
    // Two versions, each before the other.
    assert_eq!(drawn("session-four-but-not-all", &["--consistency=session"], 1), (2, 2));
    assert_eq!(drawn("cas-chain", &[], 0), (0, 0));
}

/// How many nodes and edges a graph in the DOT language has. Fails for what is no such graph: the grammar is
/// `digraph ID { statement; … }`, a statement `ID = ID`, `ID [ID=ID, …]` or `ID -> ID [ID=ID, …]`.
fn graph(text: &str) -> (usize, usize) {
    let tokens = tokens(text);
    let mut at = tokens.iter().map(String::as_str);
    assert_eq!(at.next(), Some("digraph"));
    at.next().expect("a name");
    assert_eq!(at.next(), Some("{"));
    let (mut nodes, mut edges) = (0, 0);
    let rest: Vec<&str> = at.collect();
    let (last, statements) = rest.split_last().expect("an end");
    assert_eq!(*last, "}");
    for statement in statements.split_inclusive(|token| *token == ";") {
        let (end, statement) = statement.split_last().expect("a statement");
        assert_eq!(*end, ";");
        match statement {
            [_, "=", _] => {}
            ["node" | "edge", "[", list @ .., "]"] => attribute_list(list),
            [_, "[", list @ .., "]"] => {
                attribute_list(list);
                nodes += 1;
            }
            [_, "->", _, "[", list @ .., "]"] => {
                attribute_list(list);
                edges += 1;
            }
            other => panic!("no statement: {other:?}"),
        }
    }
    (nodes, edges)
}

fn attribute_list(list: &[&str]) {
    for one in list.split(|token| *token == ",") {
        assert!(matches!(one, [name, "=", _] if name.chars().all(char::is_alphabetic)), "{one:?}");
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' => {
                let mut string = String::from("\"");
                loop {
                    match signs.next().expect("a string ends") {
                        '"' => break,
                        '\\' => string.extend(['\\', signs.next().expect("an escape ends")]),
                        sign => string.push(sign),
                    }
                }
                tokens.push(string);
            }
            '-' if signs.peek() == Some(&'>') => {
                signs.next();
                tokens.push("->".to_owned());
            }
            sign if sign.is_alphanumeric() || sign == '_' => {
                let mut word = String::from(sign);
                while let Some(next) = signs.next_if(|next| next.is_alphanumeric() || *next == '_') {
                    word.push(next);
                }
                tokens.push(word);
            }
            sign if sign.is_whitespace() => {}
            sign => tokens.push(sign.to_string()),
        }
    }
    tokens
}
