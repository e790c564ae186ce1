//! The reader of Jepsen's history.txt against any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read(histories::format::Format::JepsenText, bytes));
