//! The combined effect of the active faults on one way from an end to another.

use workloads::Fault;

/// The state of a way. The default is a way without faults.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Condition {
    /// Nothing arrives, and what is sent is lost.
    pub(crate) cut: bool,
    /// Nothing arrives, and what is sent waits.
    pub(crate) held: bool,
    pub(crate) delay_ns: u64,
    /// The mean of the additional time, which is distributed exponentially.
    pub(crate) jitter_ns: u64,
    /// The share of packets that are lost.
    pub(crate) loss: f64,
    /// The share of packets that other packets overtake.
    pub(crate) reorder: f64,
    /// Bytes a second.
    pub(crate) rate: Option<u64>,
    /// The largest number of bytes that are sent at once.
    pub(crate) slice: Option<u64>,
    /// Connections opened in this direction are refused.
    pub(crate) refuses: bool,
    /// Connections are broken.
    pub(crate) resets: bool,
    /// Requests wait. Packets that open or end connections pass.
    pub(crate) hangs: bool,
    /// The additional time of each request.
    pub(crate) slow_ns: u64,
    /// The number of requests whose connections are broken, counted since the first of these faults began.
    pub(crate) fail_first: u64,
}

impl Condition {
    /// Adds a fault that affects this way. Delays add up, shares combine like independent probabilities, and the
    /// lowest limit counts.
    pub(crate) fn add_fault(&mut self, fault: Fault) {
        let either = |one: f64, other: f64| 1.0 - (1.0 - one) * (1.0 - other);
        let narrowest = |one: Option<u64>, other: u64| Some(one.map_or(other, |one| one.min(other)));
        match fault {
            Fault::Delay { least_ns, jitter_ns } => {
                self.delay_ns += least_ns;
                self.jitter_ns += jitter_ns;
            }
            Fault::Loss { probability } => self.loss = either(self.loss, probability),
            Fault::Reorder { probability } => self.reorder = either(self.reorder, probability),
            Fault::Throttle { rate } => self.rate = narrowest(self.rate, rate),
            Fault::Slice { bytes } => self.slice = narrowest(self.slice, bytes),
            Fault::Hold => self.held = true,
            Fault::Refuse => self.refuses = true,
            Fault::Reset => self.resets = true,
            Fault::Hang => self.hangs = true,
            Fault::Slow { by_ns } => self.slow_ns += by_ns,
            Fault::FailFirst { count } => self.fail_first += count,
            fault if fault.divides_nodes() => self.cut = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_add_up() {
        let mut condition = Condition::default();
        for fault in ["delay=5ms", "delay=2ms~1ms", "loss=0.5", "loss=0.5", "throttle=9/s", "throttle=5/s"] {
            condition.add_fault(fault.parse::<workloads::Strike>().unwrap().fault);
        }
        let expected = Condition {
            delay_ns: 7_000_000,
            jitter_ns: 1_000_000,
            loss: 0.75,
            rate: Some(5),
            ..Condition::default()
        };
        assert_eq!(condition, expected);
    }
}
