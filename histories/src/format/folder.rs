//! Folders that hold a history: the store of a Jepsen run, and Cobra's logs.
//!
//! Jepsen writes each run into a folder with all its files. The history is there as `history.edn` or `history.txt`,
//! line by line in `jepsen.log`, and, since Jepsen 0.3, in `test.jepsen`, a binary format of blocks.

use std::io;
use std::path::{Path, PathBuf};

/// The history that was found in a folder.
pub(super) enum HistoryFolder {
    /// One file with the history.
    File(PathBuf),
    /// The log of each session, by the number of the session.
    Sessions(Vec<(i64, PathBuf)>),
}

/// A folder with more files than this is not searched.
const FILES_MAX: usize = 100_000;

/// The file names of a history in the store of a run, in order of preference.
const HISTORIES: [&str; 7] = [
    "history.edn",
    "history.edn.gz",
    "history.jsonl",
    "history.json",
    "history.txt",
    "history.txt.gz",
    "jepsen.log",
];

/// Finds the history in a folder. The error is a message about the folder, without its name.
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

/// The text of an I/O error, without the number of the operating system.
pub(super) fn describe_io_error(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
