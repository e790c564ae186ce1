//! Collects claims that tell mutants of the verifier apart: `mutants collect SECONDS CRATE/PROGRAM…`.
//!
//! A mutant that survives shows that some claim is missing among the tests. To think of that claim for each of thousands of mutants would
//! take weeks. But the tests make up hundreds of thousands of claims, and a claim for which a mutant gives another standing is the one
//! that is missing. So each test of the programs runs once, for SECONDS at most, and every claim that it shows the verifier is shown to
//! the mutants that it reaches as well (`collector.txt`). Of the claims that tell mutants apart, as few are kept as tell all of these
//! apart. They are the cases of `checker/verifier/tests/standings`.
//!
//! Mutants that no claim told apart are listed in `target/mutants/alike.md`.

use crate::trials::{command_of_test, in_threads, list_tests};
use crate::workspace::{MutatedWorkspace, TestProgram};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const MODULE: &str = "checker/verifier/src";
const CASES: &str = "checker/verifier/tests/standings/cases.jsonl";

/// The exit code of a test in which a mutant did not end.
const ENDED_BY_MUTANT: i32 = 99;

/// How often a test goes on after a mutant ended it.
const RESTARTS_MAX: usize = 400;

/// One mutant in so many is held out, to see what the cases are worth for mutants that did not choose them.
const HELD_OUT: u32 = 5;

pub(crate) fn collect_cases(root: &Path, seconds: u64, programs: &[String]) -> Result<(), Box<dyn Error>> {
    let mut workspace = MutatedWorkspace::from_workspace(root, Path::new(MODULE))?;
    workspace.write_compiling_mutants()?;
    workspace.add_collector()?;
    let programs = workspace.build_tests(programs, false)?;
    let folder = root.join("target/mutants/collection");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let (building, rejected): (Vec<_>, Vec<_>) = workspace.mutants().partition(|mutant| mutant.builds);
    let lines: String = rejected.iter().map(|mutant| format!("{}\n", mutant.number)).collect();
    fs::write(folder.join("lethal-rejected"), lines)?;

    let mut tests: Vec<(&TestProgram, String)> = Vec::new();
    for program in &programs {
        tests.extend(list_tests(program, &[])?.into_iter().map(|name| (program, name)));
    }
    in_threads(tests.len(), |at| {
        let run = TestRun { program: tests[at].0, name: &tests[at].1, number: at, seconds, folder: &folder };
        println!("{}: {}", run.name, run.until_it_ends().unwrap_or_else(|why| why.to_string()));
    });

    let candidates = read_candidates(&folder)?;
    let is_held_out = |mutant: u32| mutant.is_multiple_of(HELD_OUT);
    let others: Vec<&Candidate> = candidates.iter().filter(|one| !is_held_out(one.first)).collect();
    let by_others = cover(&others, |mutant| !is_held_out(mutant));
    let caught: HashSet<u32> = by_others.iter().flat_map(|one| one.mutants.iter().copied()).collect();
    for (told, held_out) in [("held out", true), ("others", false)] {
        let all: Vec<u32> =
            building.iter().map(|one| one.number).filter(|one| is_held_out(*one) == held_out).collect();
        let count = all.iter().filter(|one| caught.contains(one)).count();
        println!("of {} mutants ({told}), {} cases tell {count} apart", all.len(), by_others.len());
    }
    let chosen = cover(&candidates.iter().collect::<Vec<_>>(), |_| true);
    let caught: HashSet<u32> = chosen.iter().flat_map(|one| one.mutants.iter().copied()).collect();
    println!(
        "{} of {} cases tell {} of {} mutants apart",
        chosen.len(),
        candidates.len(),
        caught.len(),
        building.len()
    );
    let lines: BTreeSet<String> = chosen.iter().map(|one| format!("{}\n", one.case)).collect();
    fs::write(root.join(CASES), lines.into_iter().collect::<String>())?;
    let alike = workspace.sites().flat_map(|(path, site)| {
        let alike = site.mutants.iter().filter(|one| one.builds && !caught.contains(&one.number));
        alike.map(move |one| format!("- {} {}:{}: {}\n", one.number, path.display(), site.line, one.told))
    });
    fs::write(root.join("target/mutants/alike.md"), alike.collect::<String>())?;
    Ok(())
}

/// A test that shows claims to mutants.
struct TestRun<'r> {
    program: &'r TestProgram,
    name: &'r str,
    number: usize,
    seconds: u64,
    folder: &'r Path,
}

impl TestRun<'_> {
    /// Runs the test, again and again where a mutant ended it. Returns how it ended at last.
    fn until_it_ends(&self) -> Result<String, Box<dyn Error>> {
        let mut skipped = 0;
        for restarts in 0..RESTARTS_MAX {
            let mut command = command_of_test(self.program, self.name);
            command.env("STEADFAST_COLLECT", self.folder);
            command.env("STEADFAST_COLLECT_NAME", self.number.to_string());
            command.env("STEADFAST_COLLECT_SECONDS", self.seconds.to_string());
            command.env("STEADFAST_COLLECT_SKIP", skipped.to_string());
            let status = command.status()?;
            if status.code().is_some_and(|code| code != ENDED_BY_MUTANT && code < 128) {
                return Ok(format!("{status} after {restarts} restarts"));
            }
            let current = fs::read_to_string(self.folder.join(format!("current-{}", self.number)))?;
            let mut numbers = current.split_whitespace();
            let (Some(call), Some(mutant)) = (numbers.next(), numbers.next()) else {
                return Ok(format!("{status} before a mutant ran"));
            };
            skipped = call.parse::<u64>()?.saturating_sub(1);
            let ended = self.folder.join(format!("lethal-{}", self.number));
            writeln!(OpenOptions::new().create(true).append(true).open(ended)?, "{mutant}")?;
        }
        Ok("ended by mutants again and again".to_owned())
    }
}

/// A claim that tells mutants apart.
struct Candidate {
    case: Value,
    mutants: Vec<u32>,
    /// The mutant for which it was written.
    first: u32,
    length: usize,
}

fn read_candidates(folder: &Path) -> Result<Vec<Candidate>, Box<dyn Error>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cases-")));
    paths.sort();
    let mut candidates = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path)?;
        // A line that was cut off is none.
        for mut case in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let Some(fields) = case.as_object_mut() else { continue };
            let mutants =
                fields.remove("mutants").map(serde_json::from_value).transpose()?.unwrap_or_default();
            let first = fields.remove("first").map(serde_json::from_value).transpose()?.unwrap_or_default();
            let length = case.to_string().len();
            candidates.push(Candidate { case, mutants, first, length });
        }
    }
    Ok(candidates)
}

/// Candidates that tell all these mutants apart that any does: always the one that tells most of the rest apart, for its length.
fn cover<'c>(candidates: &[&'c Candidate], counts: impl Fn(u32) -> bool) -> Vec<&'c Candidate> {
    let mut left: HashSet<u32> =
        candidates.iter().flat_map(|one| one.mutants.iter().copied()).filter(|one| counts(*one)).collect();
    let mut chosen = Vec::new();
    while !left.is_empty() {
        let gain = |one: &&Candidate| one.mutants.iter().filter(|mutant| left.contains(mutant)).count();
        let best = candidates.iter().copied().max_by_key(|one| (gain(one), usize::MAX - one.length));
        let Some(best) = best else { break };
        best.mutants.iter().for_each(|mutant| _ = left.remove(mutant));
        chosen.push(best);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::{Candidate, cover};

    #[test]
    fn as_few_candidates_are_chosen_as_tell_all_mutants_apart() {
        let candidate = |mutants: &[u32], length: usize| {
            let case = mutants.iter().copied().collect();
            Candidate { case, mutants: mutants.to_vec(), first: 0, length }
        };
        let all =
            [candidate(&[1, 2], 9), candidate(&[2, 3, 4], 9), candidate(&[4, 5], 9), candidate(&[1, 5], 10)];
        let chosen = |counts: fn(u32) -> bool| -> Vec<Vec<u32>> {
            cover(&all.iter().collect::<Vec<_>>(), counts)
                .into_iter()
                .map(|one| one.mutants.clone())
                .collect()
        };
        assert_eq!(chosen(|_| true), [vec![2, 3, 4], vec![1, 5]]);
        // Of two that tell as many apart, the shorter one is chosen.
        assert_eq!(chosen(|mutant| mutant > 4), [vec![4, 5]]);
    }
}
