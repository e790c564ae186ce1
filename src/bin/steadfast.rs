//! The program `steadfast`. The library next to it does all the work; bindings to other languages use that too.

use std::process::ExitCode;

fn main() -> ExitCode {
    steadfast::run_command_line()
}
