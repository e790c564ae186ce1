//! What a run has found, in a file, so that the next run goes on from there.
//!
//! A run of many mutants takes long. One that was ended, or had a limit of time, is not lost: the same call with the same programs
//! continues it. Programs that were built anew begin a new file.

use crate::workspace::TestProgram;
use std::collections::HashMap;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// Results by their keys, one on a line: key, tab, result.
pub(crate) struct ResultsFile {
    known: HashMap<String, String>,
    file: Mutex<File>,
}

impl ResultsFile {
    /// Opens the results of these programs. The first line says when each program was built.
    pub(crate) fn open(path: &Path, programs: &[TestProgram]) -> Result<ResultsFile, Box<dyn Error>> {
        let mut built = String::from("programs");
        for program in programs {
            let modified = std::fs::metadata(&program.path)?.modified()?;
            built += &format!("\t{} {modified:?}", program.path.display());
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let is_of_programs = text.lines().next() == Some(&built);
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).write(true).append(is_of_programs).truncate(!is_of_programs).open(path)?;
        if !is_of_programs {
            writeln!(file, "{built}")?;
            return Ok(ResultsFile { known: HashMap::new(), file: Mutex::new(file) });
        }
        // A line that was cut off has no end.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let pairs = whole.lines().filter_map(|line| line.split_once('\t'));
        let known = pairs.map(|(key, result)| (key.to_owned(), result.to_owned())).collect();
        Ok(ResultsFile { known, file: Mutex::new(file) })
    }

    /// The result for a key. One that is not known is computed and kept.
    pub(crate) fn get_or_compute(
        &self,
        key: &str,
        compute: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        if let Some(result) = self.known.get(key) {
            return Some(result.clone());
        }
        let result = compute()?;
        let line = format!("{key}\t{result}\n");
        self.file
            .lock()
            .expect("no thread panicked")
            .write_all(line.as_bytes())
            .expect("the results can be written");
        Some(result)
    }
}
