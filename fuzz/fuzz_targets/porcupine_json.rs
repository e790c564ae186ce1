//! The reader of Porcupine's operations in JSON against any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read(histories::format::Format::PorcupineJson, bytes));
