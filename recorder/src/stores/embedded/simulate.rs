//! A whole run against the embedded store, in simulated time.

use super::cluster::{SimulatedCluster, run_pump};
use super::{EmbeddedNemesis, EmbeddedOptions, EmbeddedStore};
use crate::journal::Sink;
use crate::simulation::Simulation;
use crate::{Clock, Journal, RunCounts, RunError, RunOutcome, RunSettings, Stop, run};
use std::future::Future;
use std::sync::{Arc, Mutex};
use workloads::{Stream, WorkloadKind};

/// Runs the embedded store under a simulated network and clock. The same options and settings (the seed among
/// them) give the same journal, byte for byte.
///
/// Takes time in proportion to what happens: about ten microseconds an operation.
pub fn simulate(
    options: &EmbeddedOptions,
    settings: &RunSettings,
    sink: impl Sink,
    header: &str,
    counts: Arc<RunCounts>,
    stop: Stop,
) -> Result<RunOutcome, RunError> {
    simulate_beside(options, settings, sink, header, counts, stop, |_, _| std::future::ready(()))
}

/// [`simulate`] with something else going on beside the run, in the same world: a client that is not recorded, to hold
/// what the history says against. It ends with the run.
pub fn simulate_beside<F: Future<Output = ()> + Send + 'static>(
    options: &EmbeddedOptions,
    settings: &RunSettings,
    sink: impl Sink,
    header: &str,
    counts: Arc<RunCounts>,
    stop: Stop,
    beside: impl FnOnce(EmbeddedStore, Clock) -> F,
) -> Result<RunOutcome, RunError> {
    let mut simulation = Simulation::default();
    let timeline = simulation.timeline();
    let clock = Clock::Simulated(timeline.clone());
    let journal = Arc::new(Journal::new(sink, clock.clone(), header)?);
    let seed = settings.workload.seed;
    let mut cluster = SimulatedCluster::new(options, timeline, seed);
    cluster.of_sessions = settings.workload.kind == WorkloadKind::Session;
    let cluster = Arc::new(Mutex::new(cluster));
    simulation.spawn(run_pump(cluster.clone()));
    let other = EmbeddedStore::new(cluster.clone(), clock.clone(), Stream::new(seed, "beside"));
    simulation.spawn(beside(other, clock.clone()));
    let store = EmbeddedStore::new(cluster.clone(), clock.clone(), Stream::new(seed, "clients"));
    let settings = settings.clone();
    let main = async move {
        let mut nemesis = EmbeddedNemesis::new(cluster);
        run(store, &mut nemesis, &settings, clock, journal, counts, stop).await
    };
    simulation.run(main).map_err(|_stuck| RunError::Stuck)?
}
