//! How much of a module the tests reach, and how much of it the tests of random histories reach alone.
//!
//! A place is reached if a test evaluates its code. A condition is decided both ways if it was true at some time and false at some time.
//! This is the nearest figure to branch coverage that can be had without instrumentation by the compiler: it counts every operator
//! of a condition by itself, and it does not count patterns.

use crate::trials::ReachingTest;
use crate::workspace::MutatedWorkspace;
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// Tests of random histories, as `program::test`, by the beginnings of their names.
const RANDOM_TESTS: &[&str] = &[
    "bent::findings",
    "bent::invariants",
    "bent::levels",
    "bent::linearizability",
    "causality::agrees",
    "causality::declared::operations",
    "causality::single_reads::single_reads",
    "causality::two_versions::two_versions",
    "continuity::ids",
    "continuity::live::live",
    "continuity::what",
    "differential::",
    "invariants::an_atomic_object",
    "invariants::counter_bounds",
    "invariants::elements",
    "invariants::ids",
    "invariants::reads_fork",
    "invariants::sessions",
    "invariants::writes",
    "linearizability::every",
    "linearizability::priority_queues",
    "linearizability::queues",
    "linearizability::sets",
    "linearizability::stacks",
    "monitor::a_monitor",
    "monitor::online_is_offline_on_random",
    "monitor::snapshots::an_interrupted",
    "monitor::transactions::a_monitor",
    "monitor::transactions::online_is_offline_on_random",
    "sessions::agrees",
    "sessions::cycles",
    "staleness::",
    "transactions::brute::",
];

/// The figures of a module.
pub(crate) struct Reach {
    module: String,
    places: Share,
    places_by_all: Share,
    outcomes: Share,
    outcomes_by_all: Share,
    /// What random histories do not reach.
    pub(crate) missing: String,
}

/// A part of a whole.
#[derive(Clone, Copy, Default)]
struct Share {
    part: usize,
    whole: usize,
}

impl Share {
    fn count(&mut self, is_part: bool) {
        self.whole += 1;
        self.part += usize::from(is_part);
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole == 0 {
            return f.write_str("–");
        }
        let percent = 100.0 * self.part as f64 / self.whole as f64;
        write!(f, "{} ({percent:.1} %)", self.part)
    }
}

impl Reach {
    pub(crate) fn new(module: &Path, workspace: &MutatedWorkspace, tests: &[ReachingTest<'_>]) -> Reach {
        let is_random =
            |test: &&ReachingTest<'_>| RANDOM_TESTS.iter().any(|name| test.full_name().starts_with(name));
        let all: HashSet<u32> = tests.iter().flat_map(|test| test.reached.iter().copied()).collect();
        let random: HashSet<u32> =
            tests.iter().filter(is_random).flat_map(|test| test.reached.iter().copied()).collect();
        let module = module.display().to_string();
        let [places, places_by_all, outcomes, outcomes_by_all] = [Share::default(); 4];
        let missing = String::new();
        let mut reach = Reach { module, places, places_by_all, outcomes, outcomes_by_all, missing };
        for (path, site) in workspace.sites().filter(|(_, site)| site.mutants.iter().any(|one| one.builds)) {
            let place = site.mutants[0].number;
            reach.places.count(random.contains(&place));
            reach.places_by_all.count(all.contains(&place));
            let outcomes = [("true", place | 1 << 30), ("false", place | 2 << 30)];
            let never = outcomes.iter().filter(|(_, number)| site.is_condition && !random.contains(number));
            let never: Vec<&str> = never.map(|(told, _)| *told).collect();
            for (_, number) in outcomes.iter().filter(|_| site.is_condition) {
                reach.outcomes.count(random.contains(number));
                reach.outcomes_by_all.count(all.contains(number));
            }
            let what = match (random.contains(&place), never.as_slice()) {
                (false, _) => "never reached".to_owned(),
                (true, []) => continue,
                (true, never) => format!("never {}", never.join(" or ")),
            };
            let code = site.mutants[0].told.split(" → ").next().unwrap_or_default();
            reach.missing += &format!("- {}:{}: {code} is {what}\n", path.display(), site.line);
        }
        reach
    }

    /// The module, as the table names it.
    pub(crate) fn module(&self) -> &str {
        &self.module
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reach { module, places, places_by_all, outcomes, outcomes_by_all, .. } = self;
        write!(
            f,
            "| `{module}` | {} | {places} | {places_by_all} | {} | {outcomes} | {outcomes_by_all} |",
            places.whole, outcomes.whole
        )
    }
}
