//! The program `steadfast`. All that it does is in the library beside it, which bindings to other languages use too.

use std::process::ExitCode;

fn main() -> ExitCode {
    steadfast::run_command_line()
}
