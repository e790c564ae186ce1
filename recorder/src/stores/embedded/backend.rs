//! The embedded store as a value.

use super::{can_cause, simulate};
use crate::RunOutcome;
use crate::stores::backend::{Backend, Choices, Recording};
use crate::system::Capabilities;
use workloads::{Strike, WorkloadKind};

/// The built-in store.
#[derive(Debug)]
pub struct Embedded;

impl Backend for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn summary(&self) -> &'static str {
        "the built-in replicated session store, under a simulated network and clock"
    }

    fn usual_fault(&self) -> Option<&'static str> {
        Some("partition")
    }

    fn has_session_lifecycles(&self) -> bool {
        true
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn node_names(&self, choices: &Choices) -> Result<Vec<String>, String> {
        Ok(choices.embedded.node_names())
    }

    fn check_strike(&self, strike: &Strike, _choices: &Choices) -> Result<(), String> {
        let fault = strike.fault;
        can_cause(fault).map_err(|why| format!("{fault} cannot be caused on embedded: {why}"))
    }

    fn describe_means(&self, strike: &Strike, _capabilities: &Capabilities) -> Option<String> {
        can_cause(strike.fault).is_ok().then(|| self.name().to_owned())
    }

    fn describe_setup(&self, choices: &Choices) -> String {
        let options = &choices.embedded;
        let (replication, reads) = (options.replication.name(), options.reads.name());
        let bugs: String = options.bugs.iter().map(|bug| format!(", bug {}", bug.name())).collect();
        format!("{replication} replication, reads at {reads}{bugs}")
    }

    fn can_read_replicas(&self, kind: WorkloadKind) -> bool {
        kind == WorkloadKind::Session
    }

    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String> {
        let Recording { settings, sink, header, counts, stop, .. } = recording;
        simulate(&choices.embedded, &settings, sink, &header, counts, stop).map_err(|why| why.to_string())
    }
}
