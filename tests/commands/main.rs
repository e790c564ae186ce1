//! What the commands print of a history, which files they write, and with which exit code they end. No store is started that is not
//! part of the program.

#![allow(clippy::print_stdout, reason = "what was skipped is said")]

mod certificates;
mod checkpoint;
mod cli;
mod compare;
mod corpus;
mod docs;
mod explain;
mod follow;
mod follow_input;
mod formats;
mod levels_enumerate;
mod levels_page;
mod levels_separations;
mod objectives;
mod output;
mod outputs;
mod page;
mod parts;
mod pictures;
mod pipelines;
mod program;
mod recordings;
mod spans;
mod traces;
mod transactions;
mod verify;
mod watch;
mod words;
