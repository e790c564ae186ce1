//! The program, and the histories that it is tried on.

use assert_cmd::Command;

/// The program in the folder of the crate, whatever the terminal of the test says of colours.
pub(crate) fn steadfast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

/// The path of a history of the corpus, from the folder of the crate.
pub(crate) fn case(name: &str) -> String {
    format!("histories/corpus/{name}/history.jsonl")
}

/// A folder that is removed with its content.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}
