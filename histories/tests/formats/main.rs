//! Histories as files, in every format: what is read, refused, written and kept.

#![allow(clippy::print_stderr, reason = "skipped tests say so")]

mod both_paths;
mod by_session;
mod by_session_slowly;
#[cfg(feature = "parquet")]
mod columns;
mod convert;
mod corpus;
mod declared_isolation;
mod faults;
mod meaning;
mod mutations;
mod other_formats;
mod problems;
mod round_trip;
mod spans;
