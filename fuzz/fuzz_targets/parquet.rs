//! The reader of Parquet against any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::read(histories::format::Format::Parquet, bytes));
