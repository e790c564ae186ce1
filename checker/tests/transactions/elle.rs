//! Every history of Elle's own test suite, with Elle's answers: anomaly types, `not` and `also-not`.
//!
//! The histories are not part of this repository: set `STEADFAST_CORPUS` to the folder that has
//! `elle-tests.jsonl`. Where our answer differs, [`DIFFERENCES`] says how and why; `docs/elle-differences.md`
//! tells it at length. A difference that is listed and does not show is an error too.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use checker::{
    Assume, CycleFamily, IsolationLevel, IsolationSet, Phenomenon, Proviso, Question, Report,
    weakest_levels_forbidding,
};
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome, Payload,
};
use histories::{OpId, ValueId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use testkit::{check_confirmed, isolation_properties, model_of_transactions, question_about, test_limits};

/// Number of the case, what we report instead, and why.
struct Difference {
    case: u64,
    anomaly_types: &'static [&'static str],
    reason: &'static str,
}

const fn differs(case: u64, anomaly_types: &'static [&'static str], reason: &'static str) -> Difference {
    Difference { case, anomaly_types, reason }
}

/// Elle asks its explainer what a cycle is, and that names each pair of transactions by the first kind of edge
/// that it finds between them; a pair with an anti-dependency and session order is then never taken for the
/// latter, and the cycle is dropped. And it looks for session edges only where no level asks for real time.
const LABELS: &str =
    "there is such a cycle; Elle drops it because another edge joins two of its transactions";
/// Definitions: a read of what nobody wrote rules out every level from read-committed up.
const GARBAGE: &str = "it reads what nobody wrote, which Elle takes for an initial state";
/// Definitions: these assumptions are about writes; Elle extends them to reads, so that a stale read becomes a
/// contradiction in the version order, which would rule out even read-uncommitted.
const WRITES: &str = "Elle takes sequential-keys and linearizable-keys to order reads too";

const DIFFERENCES: &[Difference] = &[
    differs(1, &["G-single-item-process", "G2-item", "lost-update"], LABELS),
    differs(8, &["G-nonadjacent-item", "G-single-item-process"], LABELS),
    differs(47, &["G-single-item", "G0", "incompatible-order"], LABELS),
    differs(54, &["G-single-item-realtime", "G2-item", "garbage-read", "lost-update"], GARBAGE),
    differs(56, &["garbage-read"], GARBAGE),
    differs(57, &["garbage-read"], GARBAGE),
    differs(59, &[], WRITES),
    differs(75, &["garbage-read"], GARBAGE),
    differs(76, &[], WRITES),
    differs(77, &["internal"], GARBAGE),
    differs(79, &["G-single-item", "garbage-read"], GARBAGE),
    differs(80, &["G-single-item", "garbage-read"], GARBAGE),
    differs(81, &["G-single-item-process"], WRITES),
    differs(82, &["G1c-process", "cyclic-versions", "garbage-read"], GARBAGE),
];

/// Levels of which Elle draws no conclusion. `causal` of this program is none of Elle's levels. The other three are decided as what
/// they are for a history that clients observed: view serializability and one-copy serializability are serializability there
/// (Papadimitriou 1979; Bernstein, Hadzilacos & Goodman 1987), and the session form is that with session order. Parallel snapshot
/// isolation implies consistent view (PL-2+) here, an implication that Elle's lattice does not have. It only knows what implies
/// these four.
const OF_OUR_OWN: [IsolationLevel; 6] = [
    IsolationLevel::Mixed,
    IsolationLevel::Causal,
    IsolationLevel::ParallelSnapshotIsolation,
    IsolationLevel::ViewSerializable,
    IsolationLevel::OneCopySerializable,
    IsolationLevel::SessionSerializable,
];

/// Cases without a history of their own.
fn skipped(case: &Value) -> Option<&'static str> {
    if case.get("throws").is_some() {
        return Some("not a history: two completions of one invocation");
    }
    (!case["history"].is_array()).then_some("the file leaves the history out")
}

#[test]
fn elles_own_cases() {
    let Some(folder) = std::env::var_os("STEADFAST_CORPUS") else {
        eprintln!("skipped: elles_own_cases, for STEADFAST_CORPUS is not set");
        return;
    };
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join("elle-tests.jsonl")).unwrap();
    let mut wrong = Vec::new();
    let (mut same, mut different, mut left_out) = (0, 0, 0);
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_u64().unwrap();
        if let Some(why) = skipped(&case) {
            eprintln!("skipped: case {id}: {why}");
            left_out += 1;
            continue;
        }
        let (ours, theirs) = (answer(&case), expected(&case));
        let difference = DIFFERENCES.iter().find(|difference| difference.case == id);
        match difference {
            None if ours == theirs => same += 1,
            None => {
                wrong.push(format!("case {id} {}:\n  ours   {ours:?}\n  theirs {theirs:?}", case["opts"]))
            }
            Some(known) => {
                different += 1;
                let stated: BTreeSet<String> =
                    known.anomaly_types.iter().map(|&name| name.to_owned()).collect();
                if ours == theirs || ours.types != stated {
                    wrong.push(format!("case {id} should differ ({}):\n  ours   {ours:?}", known.reason));
                }
            }
        }
    }
    eprintln!("{same} the same, {different} different for a reason, {left_out} skipped");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[derive(PartialEq, Eq, Debug)]
struct Answer {
    types: BTreeSet<String>,
    /// Only where there are any types, as in Elle.
    not: BTreeSet<IsolationLevel>,
    also_not: BTreeSet<IsolationLevel>,
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn expected(case: &Value) -> Answer {
    let levels = |field: &str| -> BTreeSet<IsolationLevel> {
        names(&case[field]).iter().map(|name| name.parse().unwrap()).collect()
    };
    let mut types = names(&case["anomaly-types"]);
    // Elle's warning that nothing depends on anything: no anomaly.
    types.remove("empty-transaction-graph");
    if types.is_empty() {
        return Answer { types, not: BTreeSet::new(), also_not: BTreeSet::new() };
    }
    let mut also_not: BTreeSet<IsolationLevel> = levels("also-not");
    also_not.retain(|level| !OF_OUR_OWN.contains(level));
    Answer { types, not: levels("not"), also_not }
}

fn answer(case: &Value) -> Answer {
    let history = history(case);
    let opts = &case["opts"];
    let models: Vec<IsolationLevel> = match opts.get("consistency-models") {
        None => vec![IsolationLevel::StrictSerializable],
        Some(models) => names(models).iter().map(|name| name.parse().unwrap()).collect(),
    };
    let wanted = names(&opts["anomalies"]);
    let levels = if models.is_empty() { vec![IsolationLevel::Serializable] } else { models.clone() };
    let flag = |name: &str| opts[name].as_bool().unwrap_or(false);
    let assume =
        Assume { sequential_keys: flag("sequential-keys?"), linearizable_keys: flag("linearizable-keys?") };
    let question = Question {
        assume,
        ..question_about(model_of_transactions(&history), &isolation_properties(&levels))
    };
    let report = check_confirmed(&history, &question, &test_limits(1_000_000, 1 << 30));
    let is_asked = |phenomenon: Phenomenon| {
        let refuted: IsolationSet = weakest_levels_forbidding(phenomenon).iter().copied().collect();
        let refuted = refuted.and_stronger(Proviso::SessionsAside);
        models.iter().any(|&model| refuted.contains(model))
            || wanted.iter().any(|name| is_a(phenomenon, name))
    };
    reported(&report, is_asked)
}

fn reported(report: &Report, is_asked: impl Fn(Phenomenon) -> bool) -> Answer {
    let phenomena = report.phenomena.iter().map(|anomaly| anomaly.phenomenon);
    let types: BTreeSet<String> =
        phenomena.filter(|&each| is_asked(each)).map(|each| each.name().to_owned()).collect();
    if types.is_empty() {
        return Answer { types, not: BTreeSet::new(), also_not: BTreeSet::new() };
    }
    let (not, also_not) = report.ruled_out_levels();
    let set = |levels: &[IsolationLevel]| levels.iter().copied().collect::<BTreeSet<IsolationLevel>>();
    let mut also_not = set(&also_not);
    also_not.retain(|level| !OF_OUR_OWN.contains(level));
    Answer { types, not: set(&not), also_not }
}

/// Whether a phenomenon is one of a kind that Elle was told to look for.
fn is_a(phenomenon: Phenomenon, name: &str) -> bool {
    let family = match phenomenon {
        Phenomenon::Cycle(kind) => Some(kind.family),
        _ => None,
    };
    match name {
        "G0" => family == Some(CycleFamily::G0),
        "G1" => {
            matches!(family, Some(CycleFamily::G0 | CycleFamily::G1c))
                || matches!(
                    phenomenon,
                    Phenomenon::G1a
                        | Phenomenon::G1b
                        | Phenomenon::IncompatibleOrder
                        | Phenomenon::DirtyUpdate
                )
        }
        "G-single" => family == Some(CycleFamily::GSingle),
        "G2" => {
            matches!(family, Some(CycleFamily::GSingle | CycleFamily::GNonadjacent | CycleFamily::G2))
                || phenomenon == Phenomenon::LostUpdate
        }
        other => phenomenon.name() == other,
    }
}

/// Builds the history. Some cases have completions only, and some have one process do several things at once:
/// an invocation is put right before its completion, and what overlaps gets a process of its own.
fn history(case: &Value) -> History {
    let mut build = Build { builder: HistoryBuilder::new(), open: BTreeMap::new(), next: 1_000_000 };
    let order = case["opts"]["transaction-order"].as_object();
    for event in case["history"].as_array().unwrap() {
        let id = build.event(event);
        let index = event["index"].as_u64().unwrap().to_string();
        if let (Some(id), Some(position)) = (id, order.and_then(|order| order.get(&index))) {
            build.builder.set_version(id, position.as_i64().unwrap());
        }
    }
    build.builder.finish()
}

struct Build {
    builder: HistoryBuilder,
    /// By session: the shape of what is open, and the process that does it.
    open: BTreeMap<i64, Vec<(String, i64)>>,
    next: i64,
}

impl Build {
    fn event(&mut self, event: &Value) -> Option<OpId> {
        let session = event["process"].as_i64().unwrap();
        let value = event["value"].as_array().unwrap();
        let shape = value.iter().map(|micro| format!("{}{}", micro[0], micro[1])).collect::<String>();
        let open = self.open.entry(session).or_default();
        let found = open.iter().position(|(other, _)| *other == shape);
        let kind = event["type"].as_str().unwrap();
        let process = match (kind, found) {
            ("invoke", _) | (_, None) => self.invoke(session, shape, value),
            (_, Some(at)) => open[at].1,
        };
        let outcome = match kind {
            "invoke" => return None,
            "ok" => Outcome::Ok,
            "fail" => Outcome::Fail,
            _ => Outcome::Info,
        };
        self.open.get_mut(&session).unwrap().retain(|&(_, other)| other != process);
        Some(self.complete(process, outcome, value))
    }

    fn invoke(&mut self, session: i64, shape: String, value: &[Value]) -> i64 {
        self.next += 1;
        let process = self.next;
        self.open.get_mut(&session).unwrap().push((shape, process));
        let session = self.builder.history().sessions.intern(&session.to_string());
        with_micros(&mut self.builder, value, true, |builder, payload| {
            let (function, key, session) = (Function::TXN, KeyId::NONE, Some(session));
            builder.invoke(Invocation { process, session, function, key, payload }).unwrap();
        });
        process
    }

    fn complete(&mut self, process: i64, outcome: Outcome, value: &[Value]) -> OpId {
        let mut id = None;
        with_micros(&mut self.builder, value, false, |builder, payload| {
            let completion = Completion { process, outcome, function: None, key: None, payload };
            id = Some(builder.complete(completion).unwrap());
        });
        id.unwrap()
    }
}

fn with_micros(
    builder: &mut HistoryBuilder,
    micros: &[Value],
    invocation: bool,
    run: impl FnOnce(&mut HistoryBuilder, Payload<'_>),
) {
    let mut lists: Vec<Vec<ValueId>> = Vec::new();
    for micro in micros {
        let list = micro.get(2).and_then(Value::as_array).into_iter().flatten();
        lists.push(list.map(|value| builder.history().values.intern(&value.to_string())).collect());
    }
    let mut inputs = Vec::new();
    for (micro, list) in micros.iter().zip(&lists) {
        let key = builder.history().keys.intern(&micro[1].to_string());
        let value = micro.get(2).cloned().unwrap_or(Value::Null);
        let is_list = value.is_array() && !invocation;
        let value = if value.is_array() || invocation && micro[0] == "r" { Value::Null } else { value };
        let value = builder.history().values.intern(&value.to_string());
        inputs.push(match micro[0].as_str().unwrap() {
            "r" if is_list => MicroInput::ReadList(key, list),
            "r" => MicroInput::Read(key, value),
            "w" => MicroInput::Write(key, value),
            "append" => MicroInput::Append(key, value),
            other => panic!("{other}"),
        });
    }
    run(builder, Payload::Micros(&inputs));
}
