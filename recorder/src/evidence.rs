//! Evidence that a fault was really in force, and how that was observed.
//!
//! A run that relies on a fault that never took hold proves nothing: a firewall rule that no packet matched, or a
//! signal that reached no process. The nemesis therefore observes each fault once more: just before it undoes a
//! lasting fault, and right after a momentary one. The history keeps the observation in the field `evidence` of the
//! nemesis' event. A fault that was not in force is reported at the end of the run.

use workloads::Value;

/// What was observed of a fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultEvidence {
    /// Whether the fault was in force.
    pub in_force: bool,
    /// What was observed, and at which node or link.
    pub how: String,
}

impl FaultEvidence {
    /// Combines the observations of several parts of one fault. The fault was in force if any part was.
    pub(crate) fn combine_parts(parts: Vec<FaultEvidence>) -> Option<FaultEvidence> {
        let in_force = parts.iter().any(|part| part.in_force);
        let how = parts.iter().map(|part| part.how.as_str()).collect::<Vec<_>>().join("; ");
        (!parts.is_empty()).then_some(FaultEvidence { in_force, how })
    }

    /// Puts what was observed when the fault began in front of this observation.
    pub(crate) fn with_observation_at_start(self, begun: Option<&String>) -> FaultEvidence {
        let how = begun.map_or(self.how.clone(), |begun| format!("{begun}; {}", self.how));
        FaultEvidence { how, ..self }
    }

    /// Evidence for a fault of a process, from the state that the kernel shows; a `state` of `None` means that the process
    /// does not run. Returns `None` for other faults.
    pub(crate) fn from_process_state(
        fault: &workloads::Fault,
        node: &str,
        state: Option<char>,
    ) -> Option<FaultEvidence> {
        use workloads::Fault;
        let shown = state.map_or("no process".to_owned(), |state| format!("its process is in state {state}"));
        let in_force = match fault {
            Fault::Kill | Fault::Drain => state.is_none(),
            Fault::Pause => state == Some('T'),
            Fault::Restart | Fault::Replace | Fault::Deploy { .. } => state.is_some(),
            _ => return None,
        };
        Some(FaultEvidence { in_force, how: format!("{node}: {shown}") })
    }

    /// Appends the evidence as a JSON field of an event. Times are on the run's clock.
    pub(crate) fn write_json_field(&self, from_ns: u64, to_ns: u64, line: &mut String) {
        let how = Value::from(self.how.as_str()).to_json();
        line.push_str(&format!(
            ",\"evidence\":{{\"in_force\":{},\"from_ns\":{from_ns},\"to_ns\":{to_ns},\"how\":{how}}}",
            self.in_force
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use workloads::Fault;

    #[test]
    fn a_process_shows_whether_its_fault_is_in_force() {
        let of = |fault: Fault, state| {
            FaultEvidence::from_process_state(&fault, "n1", state).map(|seen| seen.in_force)
        };
        assert_eq!([of(Fault::Kill, None), of(Fault::Kill, Some('S'))], [Some(true), Some(false)]);
        assert_eq!([of(Fault::Pause, Some('T')), of(Fault::Pause, Some('S'))], [Some(true), Some(false)]);
        assert_eq!([of(Fault::Restart, Some('S')), of(Fault::Restart, None)], [Some(true), Some(false)]);
        assert_eq!(of(Fault::Partition, Some('S')), None);
        let parts = [Fault::Pause, Fault::Kill]
            .map(|fault| FaultEvidence::from_process_state(&fault, "n1", None).unwrap());
        assert!(FaultEvidence::combine_parts(parts.to_vec()).unwrap().in_force);
        assert_eq!(FaultEvidence::combine_parts(Vec::new()), None);
    }
}
