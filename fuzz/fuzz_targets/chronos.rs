//! The reader of Chronos' JSON against any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read(histories::format::Format::Chronos, bytes));
