//! The reader of native JSON Lines against any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read(histories::format::Format::Native, bytes));
