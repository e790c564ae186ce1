//! What may be asked to be measured, and how good it has to be.

use super::stores::StoreChoice;
use crate::objectives::Objective;
use recorder::RunSettings;
use std::path::PathBuf;
use workloads::WorkloadKind;

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct MeasuringArgs {
    /// Show all that was measured [default: what each fault did, where there are faults and times]
    #[arg(long, help_heading = "Objectives")]
    measure: bool,
    /// What a figure may be at most, or must be at least: recovery.p99=3s, availability=99.5% (`steadfast objectives` lists
    /// them); missed, the exit code is 1
    #[arg(long, value_name = "NAME=LIMIT,..", value_delimiter = ',', value_parser = Objective::parse, help_heading = "Objectives")]
    slo: Vec<Objective>,
    /// A TOML file of such objectives: a name and a limit each
    #[arg(long, value_name = "FILE", help_heading = "Objectives")]
    objectives: Option<PathBuf>,
}

/// What is to be measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measuring {
    /// Whether to show everything.
    pub(crate) everything: bool,
    pub(crate) objectives: Vec<Objective>,
}

impl MeasuringArgs {
    /// What is meant, or what is wrong with the file.
    pub(crate) fn plan(self) -> Result<Measuring, String> {
        let mut objectives = self.slo;
        if let Some(file) = &self.objectives {
            let shown = file.display();
            let text =
                std::fs::read_to_string(file).map_err(|why| format!("failed to read {shown}: {why}"))?;
            let more = Objective::from_toml(&text).map_err(|why| format!("{shown}: {why}"))?;
            // What was typed wins.
            let typed: Vec<_> = objectives.iter().map(|objective| objective.metric.name).collect();
            objectives.extend(more.into_iter().filter(|objective| !typed.contains(&objective.metric.name)));
        }
        Ok(Measuring { everything: self.measure, objectives })
    }
}

impl Measuring {
    /// Refuses an objective on a figure that this run can never give, and says what would give it: after the run it could
    /// only be *unknown*.
    pub(crate) fn possible_in(self, settings: &RunSettings, store: StoreChoice) -> Result<Self, String> {
        for objective in &self.objectives {
            let name = objective.metric.objective;
            if let Some(cure) = impossible(name, settings, store) {
                return Err(format!("objective {name}: this run cannot measure it: {cure}"));
            }
        }
        Ok(self)
    }
}

/// What a run lacks for a figure, and what would give it.
fn impossible(name: &str, settings: &RunSettings, store: StoreChoice) -> Option<String> {
    let kind = settings.workload.kind;
    let any_of =
        |names: &[&str]| names.iter().any(|one| name == *one || name.starts_with(&format!("{one}.")));
    let sessions = kind == WorkloadKind::Session;
    let of_sessions =
        ["lost-sessions", "lost-renewals", "recovery-with-state", "recovered-with-state", "lost-actions"];
    if any_of(&of_sessions) || name == "duplicated-actions" {
        if !sessions {
            return Some(format!("workload {} has no sessions. Pass --workload session.", kind.name()));
        }
        if any_of(&["lost-actions", "duplicated-actions"]) && settings.workload.lives.act_share == 0.0 {
            return Some("no user asks for an action. Pass --actions 0.1, or another share.".to_owned());
        }
    }
    let registers = matches!(kind, WorkloadKind::Register | WorkloadKind::CasRegister);
    let of_values = ["lost-writes", "recovery-point", "stale-reads", "staleness"];
    if any_of(&of_values) && !registers && !sessions {
        let kind = kind.name();
        return Some(format!("workload {kind} has no single values. Pass --workload register, or session."));
    }
    let of_faults = [
        "recovery",
        "recovery-with-state",
        "recovered-with-state",
        "affected-sessions",
        "unrecovered-sessions",
        "silent-sessions",
        "recovery-point",
        "warm-up",
        "convergence",
    ];
    if any_of(&of_faults) && settings.plan.episodes.is_empty() {
        return Some("no fault strikes. Pass --faults (`steadfast faults` lists them).".to_owned());
    }
    let by_replica = any_of(&["convergence", "divergent-keys"]);
    if by_replica && !store.can_read_replicas(kind) {
        return Some(format!(
            "the replicas of {} cannot be read one by one with this workload. Take embedded with --workload session, \
             redis-sentinel or postgres.",
            store.name()
        ));
    }
    if any_of(&["convergence"]) && settings.look_every.is_none() {
        return Some("nobody looks at the replicas. Pass --look-every 100ms.".to_owned());
    }
    if any_of(&["write-amplification"]) && !store.counts_writes() {
        return Some(format!(
            "{} does not count what reaches it. Take embedded, redis or redis-sentinel.",
            store.name()
        ));
    }
    None
}
