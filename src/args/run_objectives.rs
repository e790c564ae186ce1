//! The objectives of a run: which of them it can measure, and those of its scenario.

use super::measuring::MeasuringPlan;
use super::stores::StoreChoice;
use crate::objectives::Objective;
use crate::output;
use recorder::RunSettings;
use workloads::{Scenario, WorkloadKind};

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

    /// The objectives; without any, those of the scenario.
    pub(crate) fn or_of_scenario(self, scenario: Option<&Scenario>) -> Result<Vec<Objective>, String> {
        match scenario.filter(|_| self.objectives.is_empty()) {
            Some(scenario) => read_objectives(scenario),
            None => Ok(self.objectives),
        }
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
        for objective in read_objectives(scenario)? {
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

fn read_objectives(scenario: &Scenario) -> Result<Vec<Objective>, String> {
    let parse = |text: &String| {
        Objective::parse_objective(text)
            .map_err(|why| format!("the scenario {}: objectives: {text:?}: {why}", scenario.name))
    };
    scenario.objectives.iter().map(parse).collect()
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
