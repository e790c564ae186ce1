//! The reader of dbcop's JSON and bincode against any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read(histories::format::Format::Dbcop, bytes));
