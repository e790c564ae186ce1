//! Every way to an answer beside every other, on random histories, for as long as it is told to.
//!
//! Fixed seeds find a mistake once. After that they only show that it has not come back. This program draws histories that nobody has
//! seen before: `STEADFAST_SECONDS=120` runs it for two minutes with a fresh seed, which it prints, and `STEADFAST_SEED` repeats a run.
//! Without these it tries the same few histories each time.
//!
//! Each history is changed in ways that must not matter, or must matter in a known way, and is given to whatever else can answer:
//! brute force from the definitions, another engine, the verifier, another format, more threads. A disagreement is shrunk: operations
//! are left out for as long as the two ways still disagree. The rest is written to a file, which the failure names.

#![allow(clippy::print_stdout, reason = "the seed is said")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../causality/reference.rs"]
mod causal_reference;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../linearizability/containers.rs"]
mod containers;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../bent/near.rs"]
mod near;
#[path = "../linearizability/random.rs"]
mod objects;
#[path = "../linearizability/reference.rs"]
mod order_reference;
mod reduction;
#[path = "../transactions/reference/mod.rs"]
mod reference;
mod relations;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../sessions/reference.rs"]
mod session_reference;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../linearizability/sets.rs"]
mod sets;
#[path = "../bent/stores.rs"]
mod stores;
mod subjects;
mod transforms;
mod wide;

use relations::RELATIONS;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};
use subjects::{Family, Subject};

/// How many histories are tried if no time is stated.
const SUBJECTS: u64 = 700;

/// How long the program runs, and from which seed.
struct Plan {
    seed: u64,
    end: Option<Instant>,
}

impl Plan {
    fn from_environment() -> Plan {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a number")))
        };
        let seconds = number("STEADFAST_SECONDS");
        let fresh = || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
            now.as_nanos() as u64
        };
        let seed = number("STEADFAST_SEED").unwrap_or_else(|| if seconds.is_some() { fresh() } else { 1 });
        Plan { seed, end: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)) }
    }

    fn is_over(&self, tried: u64) -> bool {
        self.end.map_or(tried >= SUBJECTS, |end| Instant::now() >= end)
    }
}

#[test]
fn every_way_to_an_answer_agrees() {
    let plan = Plan::from_environment();
    println!("STEADFAST_SEED={}", plan.seed);
    let mut verdicts: BTreeMap<(Family, &'static str), u64> = BTreeMap::new();
    let mut applied: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut tried = 0;
    while !plan.is_over(tried) {
        let seed = plan.seed.wrapping_add(tried);
        let family = Family::ALL[tried as usize % Family::ALL.len()];
        tried += 1;
        let (history, question) = family.draw(seed);
        let checked = reduction::without_panic(|| Subject::new(family, history.clone(), question.clone()));
        let subject = match checked {
            Ok(Some(subject)) => subject,
            Ok(None) => continue,
            Err(why) => reduction::fail(family, &history, &question, None, seed, &why),
        };
        for (_, verdict) in &subject.verdicts {
            *verdicts.entry((family, verdict)).or_default() += 1;
        }
        for relation in RELATIONS {
            match reduction::without_panic(|| (relation.holds)(&subject, seed)) {
                Ok(true) => *applied.entry(relation.name).or_default() += 1,
                Ok(false) => {}
                Err(why) => reduction::fail(family, &history, &question, Some(relation), seed, &why),
            }
        }
    }
    println!("{tried} histories; verdicts {verdicts:#?}; applied {applied:#?}");
    assert_not_tame(tried, &verdicts, &applied);
}

/// A generator that goes tame must fail: each family has both verdicts, and each relation applies often enough.
fn assert_not_tame(
    tried: u64,
    verdicts: &BTreeMap<(Family, &'static str), u64>,
    applied: &BTreeMap<&'static str, u64>,
) {
    if tried < SUBJECTS {
        return;
    }
    for family in Family::ALL {
        for verdict in ["holds", "violated"] {
            let count = verdicts.get(&(family, verdict)).copied().unwrap_or(0);
            assert!(count >= tried / 100, "{family:?}: {verdict} only {count} times");
        }
        let all: u64 = verdicts.iter().filter(|((of, _), _)| *of == family).map(|(_, count)| count).sum();
        let unknown = verdicts.get(&(family, "unknown")).copied().unwrap_or(0);
        let most = all * family.unknown_percent_max() / 100;
        assert!(unknown <= most, "{family:?}: {unknown} of {all} unknown");
    }
    for relation in RELATIONS {
        let count = applied.get(relation.name).copied().unwrap_or(0);
        assert!(count >= tried / 100, "{} applied only {count} times", relation.name);
    }
}
