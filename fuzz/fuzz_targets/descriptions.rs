//! The readers of stack files, scenarios, schedules of faults and objectives against any text.
#![no_main]

use recorder::stores::http::Description;
use steadfast::embedded::CheckRequest;
use workloads::{FaultSchedule, Scenario};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Description::from_toml(text);
    let _ = Scenario::from_toml("fuzzed", text);
    let _ = FaultSchedule::from_toml(text);
    for line in text.lines().take(16).filter(|line| !line.contains('\0')) {
        let _ = CheckRequest::from_options(["--slo", line]);
        let _ = line.parse::<workloads::Strike>();
    }
});
