//! The program, for tests of the command line.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// The program with some arguments, not yet started: in the folder of the test's crate, and with neither `NO_COLOR` nor
/// `CLICOLOR_FORCE` in its environment, whatever the terminal of the test has.
///
/// Only tests of the crate that the program belongs to may call this, because for those alone Cargo builds the program first.
pub fn steadfast_command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program_path());
    if let Some(folder) = std::env::var_os("CARGO_MANIFEST_DIR") {
        command.current_dir(folder);
    }
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").args(args);
    command
}

/// Cargo puts the tests into `deps/`, below the folder that has the program.
fn program_path() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    let folder = test.ancestors().nth(2).expect("the folder of the test's folder");
    let program = folder.join(format!("steadfast{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} was not built: run `cargo build` first", program.display());
    program
}
