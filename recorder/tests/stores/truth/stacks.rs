//! Short runs on stacks of our own, for tests of what a fault does there.

#![allow(clippy::print_stderr, reason = "says what was measured and what was skipped")]

use super::{Op, operations, settings};
use recorder::journal::MemorySink;
use recorder::stores::switches::{Switch, Switches};
use recorder::system::{NetworkIsolation, ServerError};
use recorder::{CarriedFault, Clock, Journal, Nemesis, RunCounts, RunOutcome, RunSettings, Stop, Store, run};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use workloads::{FaultSchedule, Plan, WorkloadSettings};

pub(crate) const LIVES: Duration = Duration::from_secs(60);
const S: u64 = 1_000_000_000;

/// What a run showed.
pub(crate) struct Shown {
    pub(crate) outcome: RunOutcome,
    pub(crate) operations: Vec<Op>,
    /// The history as it was written.
    pub(crate) journal: Vec<u8>,
}

impl Shown {
    /// Operations that began between two times, in tenths of a second.
    pub(crate) fn between(&self, from: u64, to: u64) -> Vec<&Op> {
        let within = from * S / 10..to * S / 10;
        self.operations.iter().filter(|op| within.contains(&op.invoked_ns)).collect()
    }

    /// Operations that began and succeeded between two times, in tenths of a second.
    pub(crate) fn done_between(&self, from: u64, to: u64) -> Vec<&Op> {
        let began = self.between(from, to).into_iter();
        began.filter(|op| op.ok() && op.completed_ns < to * S / 10).collect()
    }

    /// The nodes that acknowledged writes which began after a time, in seconds.
    pub(crate) fn writers_after(&self, from: u64) -> BTreeSet<&str> {
        let writes = self.operations.iter().filter(|op| op.f == "write" && op.ok());
        writes.filter(|op| op.invoked_ns > from * S).map(|op| op.node.as_str()).collect()
    }

    /// The only fault of the run, which was in force.
    pub(crate) fn fault(&self, name: &str) -> &CarriedFault {
        let [fault] = self.outcome.faults.as_slice() else { panic!("{name}: {:?}", self.outcome.faults) };
        eprintln!("{name}: {:?}", self.outcome.tally);
        self.were_in_force(name);
        fault
    }

    /// All faults of the run were in force, as far as somebody looked, and somebody did.
    pub(crate) fn were_in_force(&self, name: &str) {
        for CarriedFault { fault, evidence, .. } in &self.outcome.faults {
            eprintln!("{name}, {fault}: {evidence:?}");
            let evidence = evidence.as_ref().unwrap_or_else(|| panic!("{name}, {fault}: nobody looked"));
            assert!(evidence.in_force, "{name}, {fault}: {evidence:?}");
        }
    }
}

pub(crate) async fn drive<S: Store, N: Nemesis>(store: S, nemesis: &mut N, settings: &RunSettings) -> Shown {
    let (clock, sink) = (Clock::start_real(), MemorySink::default());
    let journal = Arc::new(Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").unwrap());
    let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
    let outcome = run(store, nemesis, settings, clock, journal, counts, stop).await.unwrap();
    assert_eq!(outcome.unread.objects.len(), 0, "everything can be read in the end");
    let journal = sink.bytes();
    Shown { outcome, operations: operations(&journal), journal }
}

/// The cluster, or nothing where a program is missing or links cannot be broken: then the test is skipped.
pub(crate) fn started<C>(isolation: &NetworkIsolation, result: Result<C, ServerError>) -> Option<C> {
    match (isolation, result) {
        (NetworkIsolation::Shared(why), _) => eprintln!("skipped: {why}"),
        (_, Err(why @ ServerError::NoProgram { .. })) => eprintln!("skipped: {why}"),
        (_, Err(ServerError::System(why))) if why.contains("npm ci") => eprintln!("skipped: {why}"),
        (_, result) => return Some(result.unwrap_or_else(|why| panic!("{why}"))),
    }
    None
}

pub(crate) fn switches(known: &'static [Switch], words: &[&str]) -> Switches {
    Switches::parse(known, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// Registers on nodes of these names, with faults that have commas between them.
pub(crate) fn registers(strikes: &str, names: &[&str], seconds: u64) -> RunSettings {
    let mut settings = settings(
        WorkloadSettings { keys: 10, sessions: 9, ..WorkloadSettings::new(1) },
        &[],
        names.len(),
        seconds,
    );
    let strikes = strikes.split(',').map(|strike| strike.parse().unwrap()).collect();
    let schedule = FaultSchedule { strikes, ..FaultSchedule::without_faults() };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    settings.plan = Plan::new(&schedule, 1, &names, settings.duration).unwrap();
    settings.load = "300/s".parse().unwrap();
    settings.workers = 9;
    settings.settle = Duration::from_secs(1);
    settings
}
