//! A panic in the middle of a run: what it was running is stopped, and what it had recorded is a history.

use recorder::journal::MemorySink;
use recorder::system::{RunFolder, Server, find_program, run_isolated};
use recorder::{
    Client, Clock, Failure, IdleNemesis, Journal, Nemesis, RunCounts, RunError, RunSettings, Stop, Store,
    StoreAnswer, StoreRequest, run,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use workloads::{Episode, FaultSchedule, Load, Plan, WorkloadSettings};

/// A store that answers reads and writes with what they ask, and panics at one of them.
#[derive(Clone)]
struct Fragile {
    asked: Arc<AtomicU64>,
    breaks_at: u64,
}

impl Store for Fragile {
    type Client = Fragile;

    async fn connect(&self, _seat: usize) -> Result<Fragile, Failure> {
        Ok(self.clone())
    }
}

impl Client for Fragile {
    async fn execute(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        assert!(number != self.breaks_at, "on purpose");
        Ok(StoreAnswer::from_value(request.operation.value.clone()))
    }
}

/// Panics where it should strike.
struct Clumsy(Server);

impl Nemesis for Clumsy {
    async fn strike(&mut self, _number: usize, _episode: &Episode) -> Result<Vec<String>, String> {
        assert!(!self.0.is_running(), "on purpose");
        Ok(Vec::new())
    }

    async fn heal(&mut self, _number: usize, _episode: &Episode) -> Result<(), String> {
        Ok(())
    }
}

fn settings(faults: &[&str]) -> RunSettings {
    let strikes = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let schedule = FaultSchedule { strikes, ..FaultSchedule::without_faults() };
    let duration = Duration::from_millis(300);
    RunSettings {
        workload: WorkloadSettings::new(1),
        load: "1000/s".parse::<Load>().unwrap(),
        workers: 3,
        timeout: Duration::from_millis(500),
        patience: Duration::from_secs(1),
        warm_start: false,
        plan: Plan::new(&schedule, 1, &["n1".to_owned()], duration).unwrap(),
        duration,
        after_heal: Duration::ZERO,
        settle: Duration::ZERO,
        look_every: None,
    }
}

fn sleeping(folder: &RunFolder) -> Server {
    let sleep = find_program("sleep", "coreutils").unwrap();
    Server::start(&sleep, vec!["1000".into()], folder.path().join("log")).unwrap()
}

/// Servers whose log is in this folder.
fn running_in(folder: &Path) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let log = |process: std::fs::DirEntry| std::fs::read_link(process.path().join("fd/1")).ok();
    processes.filter_map(log).filter(|log| log.starts_with(folder)).count()
}

fn journal(sink: &MemorySink, clock: &Clock) -> Arc<Journal> {
    Arc::new(Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").unwrap())
}

fn history(sink: &MemorySink) -> histories::History {
    let text = String::from_utf8(sink.bytes()).unwrap();
    histories::format::from_text(histories::format::Format::Native, &text).unwrap()
}

#[test]
fn a_client_that_panics_is_said_and_the_others_go_on() {
    let sink = MemorySink::default();
    let ended = run_isolated(|_| async {
        let clock = Clock::start_real();
        let journal = journal(&sink, &clock);
        let store = Fragile { asked: Arc::default(), breaks_at: 50 };
        let counts = Arc::new(RunCounts::default());
        // Long enough for others to go on after a backtrace was written, which takes its time on a busy machine.
        let settings = RunSettings { duration: Duration::from_secs(3), ..settings(&[]) };
        run(store, &mut IdleNemesis, &settings, clock, journal, counts, Stop::default()).await
    });
    assert_eq!(ended.unwrap_err(), RunError::ClientsGone(1));
    let history = history(&sink);
    assert!(history.len() > 60);
    // One operation never ended: the one that panicked.
    assert_eq!(history.ids().filter(|&id| history.outcome(id) == histories::Outcome::Info).count(), 1);
}

#[test]
fn a_panic_of_the_run_stops_what_it_started() {
    let sink = MemorySink::default();
    let inside = sink.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        run_isolated(|_| async move {
            let folder = RunFolder::create().unwrap();
            let mut nemesis = Clumsy(sleeping(&folder));
            tell.send((folder.path().to_owned(), running_in(folder.path()))).unwrap();
            let clock = Clock::start_real();
            let journal = journal(&inside, &clock);
            let store = Fragile { asked: Arc::default(), breaks_at: u64::MAX };
            let counts = Arc::new(RunCounts::default());
            run(store, &mut nemesis, &settings(&["kill:n1@200ms"]), clock, journal, counts, Stop::default())
                .await
        })
    });
    assert!(thread.join().is_err());
    let (folder, ran) = told.recv().unwrap();
    assert_eq!((ran, running_in(&folder), folder.exists()), (1, 0, false));
    assert!(history(&sink).len() > 20);
}
