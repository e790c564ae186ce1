//! How long the phases of a check take: deciding, and checking the evidence again.

use checker::{CheckPhase, Limits, Observer, Question, Report};
use histories::History;
use std::time::Instant;

/// What was answered, and the seconds that each phase took.
pub struct Timed {
    /// The answers.
    pub report: Report,
    /// Seconds of deciding.
    pub check: f64,
    /// Seconds of CPU, on all cores, of deciding.
    pub check_cpu: f64,
    /// Seconds of checking the evidence again.
    pub verify: f64,
}

/// Takes the time of the phases as they begin.
struct Stopwatch {
    since: Instant,
    cpu_since: f64,
    verifying: bool,
    check: f64,
    check_cpu: f64,
    verify: f64,
}

impl Observer for Stopwatch {
    fn phase_begins(&mut self, phase: &CheckPhase) {
        let seconds = self.since.elapsed().as_secs_f64();
        if self.verifying {
            self.verify += seconds;
        } else {
            self.check += seconds;
            self.check_cpu += busy_seconds() - self.cpu_since;
        }
        (self.since, self.cpu_since) = (Instant::now(), busy_seconds());
        self.verifying = *phase == CheckPhase::Verify;
    }
}

/// Asks a question of a history. Panics where there is no report, which is a bug.
pub fn check_timed(history: &History, question: &Question, limits: &Limits<'_>) -> Timed {
    let mut watch = Stopwatch {
        since: Instant::now(),
        cpu_since: busy_seconds(),
        verifying: false,
        check: 0.0,
        check_cpu: 0.0,
        verify: 0.0,
    };
    let report = checker::check_observed(history, question, limits, &mut watch);
    let report = report.unwrap_or_else(|why| panic!("{why}"));
    Timed { report, check: watch.check, check_cpu: watch.check_cpu, verify: watch.verify }
}

/// Seconds of CPU that this process has used, in steps of a hundredth. On a machine that others use too it says more than
/// the time that passed.
pub fn busy_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells a process of itself");
    // The name of the program, in brackets, may hold anything; times are the 12th and 13th word after it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}
