//! The options for measurements and objectives.

use super::names;
use super::stores::StoreChoice;
use crate::objectives::Objective;
use crate::output;
use recorder::RunSettings;
use std::path::PathBuf;
use workloads::{Scenario, WorkloadKind};

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct MeasuringArgs {
    /// Show all figures [default: only the effect of each fault]
    #[arg(long, help_heading = "Objectives")]
    measure: bool,
    /// Limits on figures, such as recovery.p99=3s or availability=99.5%; `steadfast objectives` lists the figures
    ///
    /// The exit code is 1 if an objective is missed.
    #[arg(long = "objective", alias = "slo", value_name = "NAME=LIMIT,..", value_delimiter = ',', value_parser = names::objective_parser(), help_heading = "Objectives", hide_possible_values = true)]
    slo: Vec<Objective>,
    /// TOML file with objectives, each a name and a limit
    #[arg(long = "objective-file", alias = "objectives", value_name = "FILE", help_heading = "Objectives")]
    objectives: Option<PathBuf>,
}

/// What is measured and shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct MeasuringPlan {
    /// Whether to show all figures.
    pub(crate) everything: bool,
    pub(crate) objectives: Vec<Objective>,
}

impl MeasuringArgs {
    /// Builds the plan. The error says what is wrong with the file.
    pub(crate) fn into_plan(self) -> Result<MeasuringPlan, String> {
        let mut objectives = self.slo;
        if let Some(file) = &self.objectives {
            let shown = file.display();
            let text =
                std::fs::read_to_string(file).map_err(|why| format!("failed to read {shown}: {why}"))?;
            let more = Objective::from_toml(&text).map_err(|why| format!("{shown}: {why}"))?;
            // Objectives on the command line take precedence.
            let typed: Vec<_> = objectives.iter().map(|objective| objective.metric.name).collect();
            objectives.extend(more.into_iter().filter(|objective| !typed.contains(&objective.metric.name)));
        }
        Ok(MeasuringPlan { everything: self.measure, objectives })
    }
}

impl MeasuringPlan {
    /// Refuses an objective whose figure this run cannot measure, and says which option would measure it. After the run the
    /// objective could only be *unknown*.
    pub(crate) fn refuse_impossible_objectives(
        self,
        settings: &RunSettings,
        store: StoreChoice,
    ) -> Result<Self, String> {
        for objective in &self.objectives {
            let name = objective.metric.objective;
            if let Some(cure) = missing_for_objective(name, settings, store) {
                return Err(format!("this run cannot measure the objective {name}: {cure}"));
            }
        }
        Ok(self)
    }

    /// Adds the objectives of a scenario, unless others were typed. Options of the user may have taken away what an objective
    /// needs, such as the faults; it is then left out, and a note says so.
    pub(crate) fn with_objectives_of_scenario(
        mut self,
        scenario: Option<&Scenario>,
        settings: &RunSettings,
        store: StoreChoice,
    ) -> Result<Self, String> {
        let Some(scenario) = scenario.filter(|_| self.objectives.is_empty()) else { return Ok(self) };
        for text in &scenario.objectives {
            let objective = Objective::parse_objective(text)
                .map_err(|why| format!("the scenario {}: objectives: {text:?}: {why}", scenario.name))?;
            match missing_for_objective(objective.metric.objective, settings, store) {
                Some(cure) => {
                    let name = objective.metric.objective;
                    output::print_note(&format!(
                        "the objective {name} of the scenario {} is left out: {cure}",
                        scenario.name
                    ));
                }
                None => self.objectives.push(objective),
            }
        }
        Ok(self)
    }
}

/// What a run lacks to measure a figure, and the option that helps.
fn missing_for_objective(name: &str, settings: &RunSettings, store: StoreChoice) -> Option<String> {
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
            return Some("no user asks for an action. Pass --action-share 0.1, or another share.".to_owned());
        }
    }
    let registers = matches!(kind, WorkloadKind::Register | WorkloadKind::CasRegister);
    let of_values = ["lost-writes", "recovery-point", "stale-reads", "staleness"];
    if any_of(&of_values) && !registers && !sessions {
        let kind = kind.name();
        return Some(format!("workload {kind} has no single values. Pass --workload register or session."));
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
            "the replicas of {} cannot be read separately with this workload. Run embedded with --workload session, \
             redis-sentinel or postgres.",
            store.name()
        ));
    }
    if any_of(&["convergence"]) && settings.look_every.is_none() {
        return Some("the replicas are not read. Pass --replica-poll-interval 100ms.".to_owned());
    }
    if any_of(&["write-amplification"]) && !store.counts_writes() {
        return Some(format!(
            "{} does not count the bytes that it receives. Run embedded, redis or redis-sentinel.",
            store.name()
        ));
    }
    None
}
