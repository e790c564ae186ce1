//! Applications that nobody here wrote, from their description to a finding that is true, and a side that finds nothing. What cannot be
//! installed is named, and its tests are skipped.

#![allow(clippy::print_stderr, reason = "says what was skipped")]

#[path = "../../recorder/tests/stores/tap/compare.rs"]
mod compare;
#[path = "../runs/tap/process.rs"]
mod process;
#[path = "../runs/your_stack/undone.rs"]
mod undone;

mod django;
mod example;
mod flask;
mod php;
mod tomcat;
