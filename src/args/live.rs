//! Options of `run` that judge the history while it is written.

use super::sessions::SessionArgs;
use super::watch::{WatchArgs, WatchPlan};
use crate::objectives::Objective;
use checker::measurements::StreamObjective;
use checker::{Model, Monitor, Property, Question};
use clap::ValueEnum;
use workloads::WorkloadKind;

/// The memory of the monitor.
const BYTES: usize = 512 << 20;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct LiveArgs {
    /// Print each violation on standard error as soon as it is certain, while the run goes on
    #[arg(long, help_heading = "Question")]
    live: bool,
    /// End the run early: `violated` at the first violation (includes --live)
    #[arg(long, value_name = "WHEN", value_enum, help_heading = "Question")]
    until: Option<RunUntil>,
    #[command(flatten)]
    watch: WatchArgs,
}

/// What ends a run early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum RunUntil {
    Violated,
}

/// How a history is judged while it is written.
#[derive(Clone, Debug)]
pub(crate) struct LivePlan {
    pub(crate) question: Question,
    pub(crate) bytes: usize,
    /// What the user says of sessions.
    pub(crate) sessions: SessionArgs,
    /// Whether the first violation ends the run.
    pub(crate) until_violated: bool,
    /// Who is told what is found.
    pub(crate) watch: WatchPlan,
    /// The objectives of the run. Those that only a whole history decides are left to the check after it.
    pub(crate) objectives: Vec<Objective>,
}

impl LiveArgs {
    /// The plan, if the user asked for one. `asked` are the levels that are checked after the run. Those that only a whole
    /// history decides are left to that check.
    pub(super) fn live_plan(
        &self,
        workload: WorkloadKind,
        asked: &[Property],
        sessions: SessionArgs,
        objectives: Vec<Objective>,
    ) -> Result<Option<LivePlan>, String> {
        if !self.live && self.until.is_none() {
            return match self.watch.given_option() {
                Some(name) => Err(format!(
                    "{name} is about a run that is judged while it goes on. Pass --live as well."
                )),
                None => Ok(None),
            };
        }
        let option = if self.live { "--live" } else { "--until violated" };
        let model = match workload {
            WorkloadKind::Register => Model::Register,
            WorkloadKind::ListAppend => Model::ListAppend,
            WorkloadKind::RwRegister => Model::RwRegister,
            WorkloadKind::Session => Model::Session,
            other => {
                return Err(format!(
                    "{option} judges the workloads register, list-append, rw-register and session. The workload {} is judged when the \
                     run has ended: leave {option} out, or pass another --workload.",
                    other.name()
                ));
            }
        };
        let mut question = Question::about(model);
        let watch = self.watch.clone().into_plan();
        let is_judged =
            |objective: &Objective| StreamObjective::new(objective.metric, objective.limit).is_some();
        if !objectives.iter().any(is_judged) {
            watch.reject_alerts_without_objectives()?;
        }
        let until_violated = self.until.is_some();
        if asked.is_empty() && model == Model::Session {
            // The monitor leaves out what is not judged online, and what was not recorded.
            return Ok(Some(LivePlan {
                question,
                bytes: BYTES,
                sessions,
                until_violated,
                watch,
                objectives,
            }));
        }
        let mut online = if asked.is_empty() { question.asked_properties() } else { asked.to_vec() };
        online.retain(|property| Monitor::judges(*property) && model.properties().contains(property));
        if online.is_empty() {
            return Err(format!(
                "{option} judges some levels only (docs/live.md), and none of them is among the levels of --consistency."
            ));
        }
        question.asked = Some(online);
        Ok(Some(LivePlan { question, bytes: BYTES, sessions, until_violated, watch, objectives }))
    }
}
