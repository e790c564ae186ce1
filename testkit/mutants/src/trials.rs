//! Runs tests against one mutant at a time.
//!
//! Without a mutant each test runs once, to see that it passes, how long it takes and which places it reaches. A mutant then needs
//! only the tests that reach it, until one fails. Tests come first that are fast and have caught many of the mutants before. A test that
//! needs much longer than without the mutant, or much more memory, fails too.

use crate::results_file::ResultsFile;
use crate::workspace::TestProgram;
use std::collections::HashSet;
use std::error::Error;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The time that a test may take without a mutant.
const UNCHANGED_TIME_MAX: Duration = Duration::from_secs(120);

/// The time that a test may take with a mutant, beside five times its own.
const MUTANT_TIME_MORE: Duration = Duration::from_secs(5);

/// The address space of a test, in kilobytes. A mutant may allocate without end.
const MEMORY_KB_MAX: u32 = 6_000_000;

/// A test, by itself.
pub(crate) struct ReachingTest<'p> {
    program: &'p TestProgram,
    name: String,
    duration: Duration,
    /// The first mutants of the places that it reaches, and of conditions how they were decided.
    pub(crate) reached: HashSet<u32>,
    /// How many mutants it was tried with, and how many of them it caught.
    tried: AtomicUsize,
    caught: AtomicUsize,
}

impl ReachingTest<'_> {
    /// The seconds that it takes for each mutant that it catches, as far as is known.
    fn seconds_per_catch(&self) -> f64 {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed) as f64;
        self.duration.as_secs_f64() * (count(&self.tried) + 2.0) / (count(&self.caught) + 1.0)
    }

    /// The program and the test: `program::test`.
    pub(crate) fn full_name(&self) -> String {
        let program = self.program.path.file_name().unwrap_or_default().to_string_lossy();
        let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
        format!("{program}::{}", self.name)
    }
}

impl std::fmt::Display for ReachingTest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.duration.as_secs_f64();
        write!(f, "{seconds:.1} s, {} places: {}", self.reached.len(), self.name)
    }
}

/// What became of a mutant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TrialOutcome {
    /// This test failed.
    Caught(String),
    /// This test did not end.
    TimedOut(String),
    /// So many tests reached the place, and all passed.
    Survived(usize),
}

/// Runs every test once without a mutant. Tests that fail or take too long are told and left out. What a run before found of
/// the same programs is taken from `known`.
pub(crate) fn run_unchanged_tests<'p>(
    programs: &'p [TestProgram],
    scratch: &Path,
    known: &ResultsFile,
    deadline: Instant,
) -> Result<Vec<ReachingTest<'p>>, Box<dyn Error>> {
    let mut all = Vec::new();
    for program in programs {
        let ignored: HashSet<String> = list_tests(program, &["--ignored"])?.into_iter().collect();
        let names = list_tests(program, &[])?.into_iter().filter(|name| !ignored.contains(name));
        all.extend(names.map(|name| (program, name)));
    }
    let found = in_threads(all.len(), |at| {
        let (program, name) = &all[at];
        let key = format!("{} {name}", program.path.display());
        let result = known.get_or_compute(&key, || match Instant::now() < deadline {
            true => Some(run_unchanged_test(program, name, &scratch.join(format!("reached-{at}")))),
            false => None,
        });
        let result = result.ok_or_else(|| "no time was left for the tests without a mutant".to_owned())?;
        let mut numbers = result.split(' ').filter_map(|number| number.parse().ok());
        let Some(micros) = numbers.next() else {
            eprintln!("left out, for it fails or takes too long without a mutant: {name}");
            return Ok(None);
        };
        let duration = Duration::from_micros(micros);
        let reached = numbers.map(|number| number as u32).collect();
        let [tried, caught] = [0, 0].map(AtomicUsize::new);
        Ok(Some(ReachingTest { program, name: name.clone(), duration, reached, tried, caught }))
    });
    let found = found.into_iter().collect::<Result<Vec<_>, String>>()?;
    let mut tests: Vec<ReachingTest<'p>> = found.into_iter().flatten().collect();
    tests.sort_by_key(|test| test.duration);
    Ok(tests)
}

/// The microseconds that a test took and the places that it reached, or nothing if it did not pass.
fn run_unchanged_test(program: &TestProgram, name: &str, noted: &Path) -> String {
    let _ = std::fs::remove_file(noted);
    let mut command = command_of_test(program, name);
    command.env("STEADFAST_REACHED", noted);
    let from = Instant::now();
    let passed = run_within(command, UNCHANGED_TIME_MAX);
    let micros = from.elapsed().as_micros();
    let bytes = std::fs::read(noted).unwrap_or_default();
    let _ = std::fs::remove_file(noted);
    if passed != Some(true) {
        return String::new();
    }
    let numbers = bytes.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    let numbers: Vec<String> = numbers.map(|number| format!(" {number}")).collect();
    format!("{micros}{}", numbers.concat())
}

/// The tests that one mutant may be tried with, by the time that they take without it: `STEADFAST_SECONDS_EACH`. A test that does not fit
/// is not run, so a survivor may be one that a slow test would catch.
fn time_for_each_mutant() -> Duration {
    let seconds = std::env::var("STEADFAST_SECONDS_EACH").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1_000_000))
}

/// Tries mutants, given by their numbers and by the first numbers of their places, until the deadline. What a run before found
/// of the same programs is taken from `known`. `told` is called after each.
pub(crate) fn try_mutants(
    tests: &[ReachingTest<'_>],
    mutants: &[(u32, u32)],
    known: &ResultsFile,
    deadline: Instant,
    told: impl Fn(usize, &TrialOutcome) + Sync,
) -> Vec<Option<TrialOutcome>> {
    let budget = time_for_each_mutant();
    in_threads(mutants.len(), |at| {
        let (number, place) = mutants[at];
        let result = known.get_or_compute(&format!("mutant {number} {budget:?}"), || {
            (Instant::now() < deadline).then(|| try_mutant(tests, number, place, budget).to_string())
        })?;
        let outcome = TrialOutcome::from_text(&result)?;
        told(at, &outcome);
        Some(outcome)
    })
}

impl std::fmt::Display for TrialOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TrialOutcome::Caught(test) => write!(f, "caught {test}"),
            TrialOutcome::TimedOut(test) => write!(f, "timeout {test}"),
            TrialOutcome::Survived(tests) => write!(f, "survived {tests}"),
        }
    }
}

impl TrialOutcome {
    fn from_text(text: &str) -> Option<TrialOutcome> {
        let (kind, rest) = text.split_once(' ')?;
        Some(match kind {
            "caught" => TrialOutcome::Caught(rest.to_owned()),
            "timeout" => TrialOutcome::TimedOut(rest.to_owned()),
            _ => TrialOutcome::Survived(rest.parse().ok()?),
        })
    }
}

fn try_mutant(tests: &[ReachingTest<'_>], number: u32, place: u32, budget: Duration) -> TrialOutcome {
    let mut reaching: Vec<&ReachingTest<'_>> =
        tests.iter().filter(|test| test.reached.contains(&place)).collect();
    reaching.sort_by(|one, other| one.seconds_per_catch().total_cmp(&other.seconds_per_catch()));
    let mut spent = Duration::ZERO;
    for test in &reaching {
        if spent + test.duration > budget {
            continue;
        }
        spent += test.duration;
        let mut command = command_of_test(test.program, &test.name);
        command.env("STEADFAST_MUTANT", number.to_string());
        let passed = run_within(command, test.duration * 5 + MUTANT_TIME_MORE);
        test.tried.fetch_add(1, Ordering::Relaxed);
        test.caught.fetch_add(usize::from(passed != Some(true)), Ordering::Relaxed);
        match passed {
            Some(true) => {}
            Some(false) => return TrialOutcome::Caught(test.full_name()),
            None => return TrialOutcome::TimedOut(test.full_name()),
        }
    }
    TrialOutcome::Survived(reaching.len())
}

pub(crate) fn list_tests(program: &TestProgram, more: &[&str]) -> Result<Vec<String>, Box<dyn Error>> {
    let mut command = Command::new(&program.path);
    command.args(["--list", "--format", "terse"]).args(more).current_dir(&program.folder);
    let output = command.output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

pub(crate) fn command_of_test(program: &TestProgram, name: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -v {MEMORY_KB_MAX}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(&program.path);
    command.args(["--exact", name, "--test-threads=1"]).current_dir(&program.folder);
    command.env("INSTA_UPDATE", "no").env("PROPTEST_RNG_SEED", "1").env("RUST_BACKTRACE", "0");
    command.env("CARGO_MANIFEST_DIR", &program.folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Whether the command ended well, or nothing if it was ended for it took too long.
fn run_within(mut command: Command, limit: Duration) -> Option<bool> {
    let mut child: Child = command.spawn().expect("a shell");
    let from = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status.success());
        }
        if from.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The results of `work` for each number below `count`, on all cores.
pub(crate) fn in_threads<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    let result = work(at);
                    results.lock().expect("no thread panicked").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no thread panicked");
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
