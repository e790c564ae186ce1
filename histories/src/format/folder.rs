//! Folders that are histories: the store of a Jepsen run, and Cobra's logs.
//!
//! Jepsen writes each run into a folder with everything that belongs to it. Its history is there as `history.edn` or
//! `history.txt`, in `jepsen.log` line by line, and, since 0.3, in `test.jepsen`, a binary format of blocks.

use std::io;
use std::path::{Path, PathBuf};

/// What a folder has.
pub(super) enum HistoryFolder {
    /// One file with the history.
    File(PathBuf),
    /// The logs of sessions, by the number of each.
    Sessions(Vec<(i64, PathBuf)>),
}

/// No folder is looked through that has more files than this.
const FILES_MAX: usize = 100_000;

/// The names of a history in the store of a run, the best first.
const HISTORIES: [&str; 7] = [
    "history.edn",
    "history.edn.gz",
    "history.jsonl",
    "history.json",
    "history.txt",
    "history.txt.gz",
    "jepsen.log",
];

/// Finds the history in a folder. The error is what is to be said of the folder, without its name.
pub(super) fn find_history(folder: &Path) -> Result<HistoryFolder, String> {
    if let Some(file) = HISTORIES.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(HistoryFolder::File(file));
    }
    let failed = |error: io::Error| format!("cannot be read: {}", describe_io_error(&error));
    let mut sessions = Vec::new();
    let mut binary = false;
    for (count, entry) in std::fs::read_dir(folder).map_err(failed)?.enumerate() {
        if count == FILES_MAX {
            return Err(format!(
                "is a folder of more than {FILES_MAX} files. Pass the file with the history."
            ));
        }
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        binary |= name == "test.jepsen" || name == "test.fressian";
        let number = name.strip_prefix('T').and_then(|name| name.strip_suffix(".log"));
        sessions
            .extend(number.and_then(|number| number.parse().ok()).map(|number: i64| (number, entry.path())));
    }
    sessions.sort();
    match (sessions.is_empty(), binary) {
        (false, _) => Ok(HistoryFolder::Sessions(sessions)),
        (true, true) => Err(
            "is the store of a Jepsen run with its history in Jepsen's binary format only, which cannot be read. Let \
             Jepsen write history.edn or history.txt (`lein run analyze` does), and pass that."
                .to_owned(),
        ),
        (true, false) => Err(
            "is a directory. Pass a file, `-` for standard input, the store of a Jepsen run (with history.edn, \
             history.txt or jepsen.log), or Cobra's logs (T1.log, T2.log, …)."
                .to_owned(),
        ),
    }
}

/// An error of the operating system without its number.
pub(super) fn describe_io_error(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
