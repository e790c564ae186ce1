//! Carries out the plan: causes a fault when an episode begins, undoes it when the episode ends, and records both.

use crate::journal::JournalLost;
use crate::{Clock, FaultEvidence, Journal, RunCounts, Stop};
use std::future::Future;
use std::time::Duration;
use workloads::{Episode, Plan, Value};

/// How long it may take to cause or to undo a fault.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may still take after the run was asked to stop.
const GRACE_STOPPED: Duration = Duration::from_millis(1000);

/// The name of the actor that causes faults, in the history.
pub(crate) const ACTOR: &str = "nemesis";

/// Causes faults in a store and undoes them.
pub trait Nemesis: Send + 'static {
    /// Causes the fault of an episode. Returns the names of the nodes that were struck. `number` is the number of the
    /// episode in the plan.
    fn strike(
        &mut self,
        number: usize,
        episode: &Episode,
    ) -> impl Future<Output = Result<Vec<String>, String>> + Send;

    /// Undoes the fault of the episode with this number.
    fn heal(&mut self, number: usize, episode: &Episode) -> impl Future<Output = Result<(), String>> + Send;

    /// Observes whether the fault of the episode is, or was, in force; `None` if that cannot be observed. It is
    /// called before a lasting fault is undone, and right after a momentary one.
    fn observe_fault(
        &mut self,
        _number: usize,
        _episode: &Episode,
    ) -> impl Future<Output = Option<FaultEvidence>> + Send {
        async { None }
    }

    /// Takes what was done since the last call and belongs in the history: the commands of a stack file that were run, with
    /// their output and exit status. The history holds it in the field `did`.
    fn take_commands_report(&mut self) -> Option<Value> {
        None
    }
}

/// A nemesis that causes no faults, for stores that the run may not break.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdleNemesis;

impl Nemesis for IdleNemesis {
    async fn strike(&mut self, _number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        Err(format!("{} cannot be caused on this store", episode.fault))
    }

    async fn heal(&mut self, _number: usize, _episode: &Episode) -> Result<(), String> {
        Ok(())
    }
}

/// A fault of the plan as it was carried out. Times count from the beginning of the load.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarriedFault {
    /// What went wrong, with its parameter.
    pub fault: String,
    /// The nodes or links that it struck.
    pub nodes: Vec<String>,
    /// When the fault had been caused.
    pub from_ns: u64,
    /// When the fault had been undone; `None` for a momentary fault.
    pub to_ns: Option<u64>,
    /// What was observed of the fault; `None` if it could not be observed.
    pub evidence: Option<FaultEvidence>,
}

/// Why the plan was not carried out to its end.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NemesisError {
    /// A fault could not be caused, or not be undone.
    #[error("failed to {what}: {why}")]
    Failed {
        /// What was attempted.
        what: String,
        /// Why it failed.
        why: String,
    },
    /// The journal could not be written.
    #[error(transparent)]
    Lost(#[from] JournalLost),
}

/// Carries out a plan whose times count from `zero_ns`. Once `hurry` is requested, active faults are undone at once
/// and no further fault is caused.
///
/// # Errors
/// Returns the first error. After an error no further fault is caused, but active ones are still undone.
pub(crate) async fn carry_out_plan<N: Nemesis>(
    nemesis: &mut N,
    plan: &Plan,
    zero_ns: u64,
    clock: &Clock,
    (journal, counts): (&Journal, &RunCounts),
    hurry: &Stop,
) -> Result<Vec<CarriedFault>, NemesisError> {
    let mut broken = vec![None; plan.episodes.len()];
    let mut carried: Vec<Option<CarriedFault>> = vec![None; plan.episodes.len()];
    let mut first_error = None;
    for (at_ns, ends, number) in list_plan_moments(plan) {
        let skips = hurry.is_requested() || first_error.is_some();
        if !skips {
            clock.await_until_ns(zero_ns + at_ns, hurry.wait_until_requested()).await;
        }
        let episode = &plan.episodes[number];
        let result = match (ends, &broken[number]) {
            (false, _) if hurry.is_requested() || first_error.is_some() => continue,
            (false, _) => strike_and_record(nemesis, number, episode, (clock, journal, hurry)).await.map(
                |(nodes, evidence)| {
                    counts.note_fault_struck();
                    let (fault, nodes_struck) = (episode.fault.to_string(), nodes.clone());
                    let from_ns = clock.now_ns() - zero_ns;
                    carried[number] =
                        Some(CarriedFault { fault, nodes: nodes_struck, from_ns, to_ns: None, evidence });
                    if !episode.fault.is_momentary() {
                        counts.add_active_fault(describe_active_fault(episode, &nodes));
                        broken[number] = Some(nodes);
                    }
                },
            ),
            (true, None) => continue,
            (true, Some(nodes)) => {
                counts.remove_active_fault(&describe_active_fault(episode, nodes));
                let from_ns = carried[number].as_ref().map_or(0, |carried| carried.from_ns) + zero_ns;
                let looked =
                    (from_ns, observe_within_patience(nemesis, number, episode, (clock, hurry)).await);
                let healed =
                    heal_and_record(nemesis, number, episode, (nodes, &looked), (clock, journal, hurry))
                        .await;
                if let Some(carried) = &mut carried[number] {
                    carried.to_ns = Some(clock.now_ns() - zero_ns);
                    carried.evidence = looked.1;
                }
                healed
            }
        };
        if let Err(error) = result {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or_else(|| Ok(carried.into_iter().flatten().collect()), Err)
}

/// Returns the beginnings and ends of all episodes in the order in which they are due, as (time, whether it is an
/// end, number of the episode). At the same time, ends come before beginnings.
fn list_plan_moments(plan: &Plan) -> Vec<(u64, bool, usize)> {
    let mut moments: Vec<_> = (0..)
        .zip(&plan.episodes)
        .flat_map(|(number, episode)| [(episode.from_ns, false, number), (episode.to_ns, true, number)])
        .collect();
    moments.sort_by_key(|&(at_ns, ends, number)| {
        let empty = plan.episodes[number].from_ns == plan.episodes[number].to_ns;
        (at_ns, !ends || empty, number, ends)
    });
    moments
}

/// How long the observation of a fault may take. The fault stays active meanwhile.
const LOOK_PATIENCE: Duration = Duration::from_millis(500);

/// Observes a fault within [`LOOK_PATIENCE`]. Once `hurry` is requested, it observes nothing.
async fn observe_within_patience<N: Nemesis>(
    nemesis: &mut N,
    number: usize,
    episode: &Episode,
    (clock, hurry): (&Clock, &Stop),
) -> Option<FaultEvidence> {
    let limit_ns = clock.now_ns().saturating_add(LOOK_PATIENCE.as_nanos() as u64);
    let seen = hurry.finish_unless_requested(nemesis.observe_fault(number, episode));
    clock.await_until_ns(limit_ns, seen).await.flatten().flatten()
}

/// Waits for an action on the store, within the time that the action may take.
async fn finish_within_patience<T>(
    clock: &Clock,
    hurry: &Stop,
    done: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let limit_ns = clock.now_ns().saturating_add(PATIENCE.as_nanos() as u64);
    match clock.await_until_ns(limit_ns, hurry.finish_within_grace(clock, GRACE_STOPPED, done)).await {
        Some(Some(result)) => result,
        Some(None) => Err("the run was asked to stop and did not wait for it".to_owned()),
        None => Err(format!("it was not done within {}", workloads::format_duration(PATIENCE))),
    }
}

async fn strike_and_record<N: Nemesis>(
    nemesis: &mut N,
    number: usize,
    episode: &Episode,
    (clock, journal, hurry): (&Clock, &Journal, &Stop),
) -> Result<(Vec<String>, Option<FaultEvidence>), NemesisError> {
    let (fault, began_ns) = (episode.fault.to_string(), clock.now_ns());
    let struck = finish_within_patience(clock, hurry, nemesis.strike(number, episode)).await;
    let did = format_commands_field(nemesis);
    match struck {
        Ok(nodes) => {
            let (mut evidence, mut more) = (None, did);
            if episode.fault.is_momentary() {
                evidence = observe_within_patience(nemesis, number, episode, (clock, hurry)).await;
                more += &format!(",\"began\":{began_ns}");
                if let Some(evidence) = &evidence {
                    evidence.write_json_field(began_ns, clock.now_ns(), &mut more);
                }
            }
            journal.record_actor_event_with(ACTOR, &fault, &node_names_value(&nodes), None, &more)?;
            Ok((nodes, evidence))
        }
        Err(why) => {
            journal.record_actor_event_with(ACTOR, &fault, &Value::Null, Some(&why), &did)?;
            Err(NemesisError::Failed { what: format!("cause {fault} of {}", episode.target), why })
        }
    }
}

async fn heal_and_record<N: Nemesis>(
    nemesis: &mut N,
    number: usize,
    episode: &Episode,
    (nodes, (from_ns, evidence)): (&[String], &(u64, Option<FaultEvidence>)),
    (clock, journal, hurry): (&Clock, &Journal, &Stop),
) -> Result<(), NemesisError> {
    let mut more = String::new();
    if let Some(evidence) = evidence {
        evidence.write_json_field(*from_ns, clock.now_ns(), &mut more);
    }
    let function = format!("heal-{}", episode.fault.name());
    let healed = finish_within_patience(clock, hurry, nemesis.heal(number, episode)).await;
    more += &format_commands_field(nemesis);
    match healed {
        Ok(()) => {
            journal.record_actor_event_with(ACTOR, &function, &node_names_value(nodes), None, &more)?;
            Ok(())
        }
        Err(why) => {
            journal.record_actor_event_with(ACTOR, &function, &node_names_value(nodes), Some(&why), &more)?;
            Err(NemesisError::Failed { what: format!("undo {} of {}", episode.fault, nodes.join(", ")), why })
        }
    }
}

/// The commands that were run for an event, as a JSON field of the event.
fn format_commands_field<N: Nemesis>(nemesis: &mut N) -> String {
    nemesis.take_commands_report().map_or(String::new(), |did| format!(",\"did\":{}", did.to_json()))
}

/// Describes an active fault for the display of a running recording.
fn describe_active_fault(episode: &Episode, nodes: &[String]) -> String {
    format!("{} {}", episode.fault, nodes.join(","))
}

fn node_names_value(nodes: &[String]) -> Value {
    match nodes {
        [node] => Value::from(node.as_str()),
        nodes => Value::List(nodes.iter().map(|node| Value::from(node.as_str())).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use workloads::{Fault, Target};

    #[test]
    fn an_end_comes_before_a_beginning_of_the_same_time() {
        let episode = |fault, from_ns, to_ns| Episode { fault, target: Target::Primary, from_ns, to_ns };
        let plan = Plan {
            episodes: vec![
                episode(Fault::Kill, 5, 9),
                episode(Fault::Pause, 9, 12),
                episode(Fault::Restart, 12, 12),
            ],
        };
        let expected =
            [(5, false, 0), (9, true, 0), (9, false, 1), (12, true, 1), (12, false, 2), (12, true, 2)];
        assert_eq!(list_plan_moments(&plan), expected);
    }
}
