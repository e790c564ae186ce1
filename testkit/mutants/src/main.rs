//! Mutation testing: `mutants MODULE SEED N [CRATE…]`, from the folder of the workspace.
//!
//! It makes every small change of a kind that a person could make by mistake in the files of MODULE (a folder or a file), draws
//! N of them by SEED, and runs the tests that reach each. A mutant that no test notices is a survivor: a hole in the tests, or
//! a change that changes nothing.
//!
//! Building the module once for each mutant would take days. All mutants that were drawn are therefore compiled into one build, and a
//! variable of the environment says which of them runs. This costs a comparison at each place. Mutants that do not compile are left out
//! of the sample.
//!
//! The tests are those of the module's crate, and those in the `tests` folders of the CRATEs, of which `CRATE/PROGRAM` chooses
//! one. `STEADFAST_MINUTES` limits the time: the mutants that were not tried by then are tried when the same call is made again.
//! `STEADFAST_SECONDS_EACH` limits the tests of each mutant, so that survivors are upper bounds. The row of the module in `docs/trust.md` is written
//! again, and the survivors go to `target/mutants/survivors.md`. `STEADFAST_PLACES` names places, such as `src/cases.rs:12`, with spaces between
//! them: the mutants there are tried first, and are no part of the sample. With N = 0, all mutants are compiled and none runs: what the tests reach is
//! the row of another table, and what random histories do not reach goes to `target/mutants/unreached.md`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

mod collection;
mod reach;
mod results_file;
mod rewrite;
mod table;
mod trials;
mod workspace;

use reach::Reach;
use results_file::ResultsFile;
use std::collections::{BTreeSet, HashSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use table::ModuleResult;
use trials::TrialOutcome;
use workspace::MutatedWorkspace;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = std::env::current_dir()?;
    if let [first, seconds, programs @ ..] = arguments.as_slice()
        && first == "collect"
    {
        return collection::collect_cases(&root, seconds.parse()?, programs);
    }
    let [module, seed, count, crates @ ..] = arguments.as_slice() else {
        return Err("usage: mutants MODULE SEED N [CRATE…], or mutants collect SECONDS [CRATE…]".into());
    };
    let (seed, count): (u64, usize) = (seed.parse()?, count.parse()?);
    // A run that is limited goes on where it ended when it is called again.
    let minutes = std::env::var("STEADFAST_MINUTES").ok().map(|text| text.parse()).transpose()?;
    let deadline = Instant::now() + Duration::from_secs(60 * minutes.unwrap_or(1_000_000));
    let module = PathBuf::from(module.trim_end_matches('/'));
    let mut workspace = MutatedWorkspace::from_workspace(&root, &module)?;
    println!("{} mutants in {}", workspace.total, module.display());
    let mut drawn = draw_sample(&workspace, seed, count);
    let mut named = find_named_mutants(&workspace);
    if count > 0 {
        workspace.keep_only(named.iter().chain(&drawn).map(|drawn| drawn.number).collect());
    }
    workspace.write_compiling_mutants()?;
    let building: HashSet<u32> =
        workspace.mutants().filter(|mutant| mutant.builds).map(|mutant| mutant.number).collect();
    drawn.retain(|drawn| building.contains(&drawn.number));
    named.retain(|named| building.contains(&named.number));
    println!("{} of them build", building.len());

    let programs = workspace.build_tests(crates, true)?;
    let scratch = root.join("target/mutants");
    let known = ResultsFile::open(&scratch.join("results.tsv"), &programs)?;
    let tests = trials::run_unchanged_tests(&programs, &scratch, &known, deadline)?;
    println!("{} tests pass without a mutant", tests.len());
    let trust = root.join("docs/trust.md");
    if count == 0 {
        let reach = Reach::new(&module, &workspace, &tests);
        println!("{reach}");
        std::fs::write(scratch.join("unreached.md"), &reach.missing)?;
        return table::write_row(&trust, "| module | places", reach.module(), &reach.to_string());
    }
    let try_all = |mutants: &[DrawnMutant]| {
        let numbers: Vec<(u32, u32)> = mutants.iter().map(|mutant| (mutant.number, mutant.place)).collect();
        trials::try_mutants(&tests, &numbers, &known, deadline, |at, outcome| {
            println!("{} {}: {outcome}", mutants[at].number, mutants[at].told);
        })
    };
    if !named.is_empty() {
        try_all(&named);
        println!("these were named; the sample begins");
    }
    let outcomes = try_all(&drawn);
    // Mutants for which no time was left are no part of the sample. They are the last that were drawn.
    let (sample, outcomes): (Vec<DrawnMutant>, Vec<TrialOutcome>) =
        drawn.into_iter().zip(outcomes).filter_map(|(drawn, outcome)| Some((drawn, outcome?))).unzip();
    for room in rooms_of(&workspace, &module) {
        let row = result_of_room(&workspace, &room, seed, sample.iter().zip(&outcomes));
        println!("{row}");
        table::write_row(&trust, "| module | mutants", &room.display().to_string(), &row.to_string())?;
    }
    let survivors = sample.iter().zip(&outcomes).filter_map(|(drawn, outcome)| match outcome {
        TrialOutcome::Survived(tests) => Some(format!("- {} (reached by {tests} tests)\n", drawn.told)),
        TrialOutcome::Caught(_) | TrialOutcome::TimedOut(_) => None,
    });
    std::fs::write(scratch.join("survivors.md"), survivors.collect::<String>())?;
    Ok(())
}

/// The module itself, and the folders in it: each has a row of its own.
fn rooms_of(workspace: &MutatedWorkspace, module: &Path) -> BTreeSet<PathBuf> {
    let folder = |(path, _): (&Path, _)| {
        let inside = path.strip_prefix(module).ok()?.iter().next()?;
        Some(module.join(inside)).filter(|room| room != path)
    };
    workspace.sites().filter_map(folder).chain([module.to_owned()]).collect()
}

fn result_of_room<'a>(
    workspace: &MutatedWorkspace,
    room: &Path,
    seed: u64,
    sample: impl Iterator<Item = (&'a DrawnMutant, &'a TrialOutcome)>,
) -> ModuleResult {
    let sites = || workspace.sites().filter(|(path, _)| path.starts_with(room)).map(|(_, site)| site);
    let total = sites().map(|site| site.mutants.len()).sum();
    let of_room = sample.filter(|(drawn, _)| drawn.path.starts_with(room));
    let outcomes: Vec<TrialOutcome> = of_room.map(|(_, outcome)| outcome.clone()).collect();
    ModuleResult::from_outcomes(room, seed, total, &outcomes)
}

/// A mutant of the sample.
struct DrawnMutant {
    path: PathBuf,
    number: u32,
    /// The number of the first mutant of its place.
    place: u32,
    told: String,
}

fn all_mutants(workspace: &MutatedWorkspace) -> Vec<DrawnMutant> {
    let mut all = Vec::new();
    for (path, site) in workspace.sites() {
        let place = site.mutants[0].number;
        for mutant in &site.mutants {
            let told = format!("{}:{}: {}", shown(path), site.line, mutant.told);
            all.push(DrawnMutant { path: path.to_owned(), number: mutant.number, place, told });
        }
    }
    all
}

/// The mutants at the places that `STEADFAST_PLACES` names: the end of a path, and a line.
fn find_named_mutants(workspace: &MutatedWorkspace) -> Vec<DrawnMutant> {
    let places = std::env::var("STEADFAST_PLACES").unwrap_or_default();
    let places: Vec<&str> = places.split_whitespace().collect();
    let is_there = |drawn: &DrawnMutant| {
        let at = drawn.told.split(": ").next().unwrap_or_default();
        places.iter().any(|place| at.ends_with(place))
    };
    all_mutants(workspace).into_iter().filter(is_there).collect()
}

/// Draws mutants without putting any back, in the order in which they were drawn.
fn draw_sample(workspace: &MutatedWorkspace, seed: u64, count: usize) -> Vec<DrawnMutant> {
    let mut all = all_mutants(workspace);
    let mut state = seed;
    let count = count.min(all.len());
    for at in 0..count {
        let rest = (all.len() - at) as u64;
        all.swap(at, at + (next_random(&mut state) % rest) as usize);
    }
    all.truncate(count);
    all
}

/// SplitMix64.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}
