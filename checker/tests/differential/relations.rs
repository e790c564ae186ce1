//! What must agree: two ways to the same answer, or two histories whose answers follow from each other.

use crate::near::EventList;
use crate::subjects::{Family, Subject, limits};
use crate::transforms;
use checker::shrink::{ShrinkTarget, shrink_violation};
use checker::{IsolationLevel, Level, Property, Proviso, Question, Verdict, level_implications};
use histories::format::{
    self, AcceptedLosses, Format, Input, ReadOptions, RepresentableHistory, TargetFormat,
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde_json::Value;
use std::sync::LazyLock;
use testkit::{TestRandom, draw_history};

/// A relation between ways to an answer.
pub(crate) struct Relation {
    pub(crate) name: &'static str,
    /// Whether it applies to this subject; an error if the two ways disagree.
    pub(crate) holds: fn(&Subject, u64) -> Result<bool, String>,
}

/// All relations.
pub(crate) const RELATIONS: &[Relation] = &[
    Relation { name: "brute-force", holds: agrees_with_brute_force },
    Relation { name: "implications", holds: implies_what_it_should },
    Relation { name: "other-names", holds: does_not_depend_on_names },
    Relation { name: "silent-session", holds: is_not_changed_by_a_silent_session },
    Relation { name: "unseen-operation", holds: is_not_changed_by_an_unseen_operation },
    Relation { name: "other-engine", holds: other_engines_agree },
    Relation { name: "second-history", holds: two_histories_are_judged_as_each },
    Relation { name: "prefix", holds: a_prefix_of_what_holds_holds },
    Relation { name: "quiet-place", holds: parts_at_a_quiet_place_agree },
    Relation { name: "other-format", holds: does_not_depend_on_the_format },
    Relation { name: "threads", holds: does_not_depend_on_threads },
    Relation { name: "shrunk", holds: a_shrunk_part_is_violated_alike },
];

fn agrees_with_brute_force(subject: &Subject, _: u64) -> Result<bool, String> {
    let known = subject.brute_force();
    for &(property, holds) in &known {
        let verdict = subject.verdict(property).ok_or("it was not asked")?;
        let right = match verdict {
            "holds" | "untested" => holds,
            "violated" => !holds,
            _ => subject.family.may_be_unknown(),
        };
        if !right {
            return Err(format!("{} is {verdict}, and brute force says {holds}", property.name()));
        }
    }
    Ok(!known.is_empty())
}

fn implies_what_it_should(subject: &Subject, _: u64) -> Result<bool, String> {
    let mut applies = false;
    for edge in level_implications().filter(|edge| edge.proviso == Proviso::None) {
        let (Some(stronger), Some(weaker)) = (subject.verdict(edge.stronger), subject.verdict(edge.weaker))
        else {
            continue;
        };
        applies = true;
        if stronger == "holds" && weaker == "violated" {
            return Err(format!("{} holds, and {} is violated", edge.stronger.name(), edge.weaker.name()));
        }
    }
    Ok(applies)
}

fn does_not_depend_on_names(subject: &Subject, _: u64) -> Result<bool, String> {
    // In a session store, names say what belongs to whom.
    if subject.family == Family::SessionStores {
        return Ok(false);
    }
    subject.expect_same(&transforms::renamed(subject), "with other names")
}

fn is_not_changed_by_a_silent_session(subject: &Subject, seed: u64) -> Result<bool, String> {
    let Some(other) = transforms::with_silent_session(subject, &mut TestRandom::new(seed)) else {
        return Ok(false);
    };
    subject.expect_same(&other, "with a silent session")
}

fn is_not_changed_by_an_unseen_operation(subject: &Subject, seed: u64) -> Result<bool, String> {
    match transforms::without_unseen(subject, &mut TestRandom::new(seed)) {
        // A safe register may answer anything beside a write, even beside one that nothing saw.
        Some(other) => {
            subject.without(Property::Level(Level::Safe)).expect_same(&other, "without an unseen operation")
        }
        None => Ok(false),
    }
}

fn other_engines_agree(subject: &Subject, seed: u64) -> Result<bool, String> {
    match transforms::with_equal_writes_at_end(subject, &mut TestRandom::new(seed)) {
        // In a safe register, an indeterminate compare-and-set may have happened beside any later write, whatever it expected.
        Some(other) => subject
            .without(Property::Level(Level::Safe))
            .expect_same(&other, "with two equal writes at the end"),
        None => Ok(false),
    }
}

/// A history holds a property beside another that has nothing to do with it if both hold it.
fn two_histories_are_judged_as_each(subject: &Subject, seed: u64) -> Result<bool, String> {
    let family = subject.family;
    if !family.is_of_registers() && !family.is_of_transactions() {
        return Ok(false);
    }
    let (history, _) = family.draw(seed ^ 0x5eed_0000);
    let Some(second) = Subject::new(family, history, subject.question.clone())? else { return Ok(false) };
    let both = transforms::beside(&subject.events, &second.events, family.is_of_transactions());
    let both = both.read().ok_or("two histories are no history")?;
    let told = || draw_history(&both);
    let Some(together) = Subject::new(family, both.clone(), subject.question.clone())? else {
        return Ok(false);
    };
    for &(property, verdict) in &together.verdicts {
        let [one, other] = [subject, &second].map(|each| each.verdict(property).unwrap_or("unknown"));
        let expected = match (one, other) {
            ("violated", _) | (_, "violated") => "violated",
            ("unknown", _) | (_, "unknown") => "unknown",
            _ => "holds",
        };
        let open = [expected, verdict].contains(&"unknown") && family.may_be_unknown();
        if verdict != expected && !open {
            let name = property.name();
            return Err(format!("{name} is {one} and {other}, and of both together {verdict}\n{}", told()));
        }
    }
    Ok(true)
}

/// Levels of real time: whatever explains the whole explains each prefix of it. In a safe register, a later write may explain that an
/// indeterminate compare-and-set happened, so `safe` is not among them.
const CLOSED_UNDER_PREFIXES: &[Property] = &[
    Property::Level(Level::Linearizable),
    Property::Level(Level::TwoAtomic),
    Property::Level(Level::Regular),
    Property::Isolation(IsolationLevel::StrictSerializable),
    Property::Isolation(IsolationLevel::StrongSnapshotIsolation),
];

fn a_prefix_of_what_holds_holds(subject: &Subject, seed: u64) -> Result<bool, String> {
    let events = subject.events.events.len();
    if events < 2 || subject.family == Family::SessionStores {
        return Ok(false);
    }
    let cut = 1 + TestRandom::new(seed).below(events - 1);
    let part = transforms::prefix(&subject.events, cut).read().ok_or("a prefix is no history")?;
    let Some(part) = Subject::new(subject.family, part, subject.question.clone())? else { return Ok(false) };
    for &property in CLOSED_UNDER_PREFIXES {
        let verdicts = (subject.verdict(property), part.verdict(property));
        if verdicts == (Some("holds"), Some("violated")) {
            return Err(format!("{} holds, but not of the first {cut} events", property.name()));
        }
    }
    Ok(true)
}

/// A register's history is linearizable if it can be cut where nothing is open: the first part may end with a value that the second
/// part may begin with.
fn parts_at_a_quiet_place_agree(subject: &Subject, seed: u64) -> Result<bool, String> {
    let property = Property::Level(Level::Linearizable);
    let events = &subject.events;
    let keys: std::collections::BTreeSet<String> =
        events.events.iter().map(|event| event["key"].to_string()).collect();
    let has_versions = events.events.iter().any(|event| event.get("version").is_some());
    if !subject.family.is_of_registers() || keys.len() != 1 || has_versions {
        return Ok(false);
    }
    let Some(place) = transforms::quiet_place(events, &mut TestRandom::new(seed)) else { return Ok(false) };
    let mut values: Vec<Value> =
        vec![serde_json::from_str(subject.question.initial.default_json()).expect("JSON")];
    for event in events.events.iter().map(|event| &event["value"]) {
        values.extend(event.as_array().into_iter().flatten().chain(Some(event)).cloned());
    }
    values.sort_by_key(Value::to_string);
    values.dedup();
    let asked = Question { asked: Some(vec![property]), ..subject.question.clone() };
    let mut explained = false;
    for value in values.iter().filter(|value| !value.is_array()) {
        let mut begun = asked.clone();
        begun.initial.set_default(&value.to_string()).map_err(|why| why.to_string())?;
        let parts = [
            (transforms::ending_with(events, place, value), asked.clone()),
            (transforms::suffix(events, place), begun),
        ];
        let holds = |(part, question): &(EventList, Question)| {
            let part = part.read().ok_or("a part is no history")?;
            let part = Subject::new(subject.family, part, question.clone())?;
            Ok::<bool, String>(part.is_some_and(|part| part.verdict(property) == Some("holds")))
        };
        explained |= holds(&parts[0])? && holds(&parts[1])?;
    }
    let whole = subject.verdict(property) == Some("holds");
    match whole == explained {
        true => Ok(true),
        false => {
            Err(format!("linearizable: {whole}, and in two parts, cut after {place} events: {explained}"))
        }
    }
}

fn does_not_depend_on_the_format(subject: &Subject, _: u64) -> Result<bool, String> {
    let mut said = 0;
    let targets = [
        (TargetFormat::Native, Format::Native),
        (TargetFormat::Edn, Format::Edn),
        (TargetFormat::Otlp, Format::Otlp),
    ];
    for (target, from) in targets {
        let losses = AcceptedLosses { real_time: false };
        let Ok(sayable) = RepresentableHistory::new(&subject.history, target, losses) else { continue };
        let mut bytes = Vec::new();
        sayable.write(&mut bytes).map_err(|why| why.to_string())?;
        let options = ReadOptions { from: Some(from), ..ReadOptions::default() };
        let loaded = format::read(Input::Bytes("-".to_owned(), bytes), &options, &|_, _| {})
            .map_err(|why| format!("{}: {why}", target.name()))?;
        let Some(other) = Subject::new(subject.family, loaded.history, subject.question.clone())? else {
            return Err(format!("as {} it is of another model", target.name()));
        };
        subject.compare(&other.verdicts, &format!("read back from {}", target.name()))?;
        said += 1;
    }
    Ok(said > 1)
}

static POOLS: LazyLock<[ThreadPool; 2]> = LazyLock::new(|| {
    [1, 3].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().expect("threads"))
});

fn does_not_depend_on_threads(subject: &Subject, _: u64) -> Result<bool, String> {
    for pool in &*POOLS {
        let report = pool.install(|| checker::check(&subject.history, &subject.question, &limits()));
        let report = report.map_err(|why| why.to_string())?;
        if report != subject.report {
            return Err(format!("another report with {} threads: {report:?}", pool.current_num_threads()));
        }
    }
    Ok(true)
}

/// What `explain` shows: a part that violates the same property in the same way.
fn a_shrunk_part_is_violated_alike(subject: &Subject, seed: u64) -> Result<bool, String> {
    let violated = subject.verdicts.iter().filter(|(_, verdict)| *verdict == "violated");
    let violated: Vec<Property> = violated.map(|(property, _)| *property).collect();
    if violated.is_empty() {
        return Ok(false);
    }
    let property = violated[TestRandom::new(seed).below(violated.len())];
    let question = Question { asked: Some(vec![property]), ..subject.question.clone() };
    let Some(alone) = Subject::new(subject.family, subject.history.clone(), question.clone())? else {
        return Err("a property that was asked with others cannot be asked alone".to_owned());
    };
    let Verdict::Violated(violations) = &alone.report.answers[0].verdict else {
        return Err(format!("{} is violated, and asked alone it is not", property.name()));
    };
    let first = &violations[0];
    let target =
        ShrinkTarget { property, kind: first.kind, key: first.key, operations: first.operations.clone() };
    let part = shrink_violation(&subject.history, &question, &target, &limits(), 4_000)
        .ok_or_else(|| format!("no part shows {} ({})", property.name(), first.kind.as_str()))?;
    let part = subject.history.restrict_to(&part.operations);
    let told = draw_history(&part);
    let Some(part) = Subject::new(subject.family, part, question)? else {
        return Err(format!("the question does not fit the part\n{told}"));
    };
    let shown = match &part.report.answers[0].verdict {
        Verdict::Violated(violations) => violations.iter().any(|violation| violation.kind == first.kind),
        _ => false,
    };
    match shown {
        true => Ok(true),
        false => Err(format!("the part does not show {} ({})\n{told}", property.name(), first.kind.as_str())),
    }
}
