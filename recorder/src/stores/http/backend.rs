//! A web application that is already running, as a [`Backend`].

use super::{Description, HttpFronts, HttpStore, LifeStep, WalkSettings};
use crate::stores::backend::{Backend, Choices, Recording, is_between_servers, is_of_processes};
use crate::stores::yours::StackNemesis;
use crate::system::{Capabilities, Means, run_in_machine_network};
use crate::{IdleNemesis, Nemesis, RunOutcome};
use histories::Function;
use std::time::Duration;
use workloads::{Fault, Plan, Strike, WorkloadKind};

/// An application that a file describes.
#[derive(Debug)]
pub struct GivenApplication;

impl Backend for GivenApplication {
    fn name(&self) -> &'static str {
        "http"
    }

    fn summary(&self) -> &'static str {
        "a web application that runs already, described by a file (--application)"
    }

    fn workload_kinds(&self) -> &'static [WorkloadKind] {
        &[WorkloadKind::Session]
    }

    fn usual_fault(&self) -> Option<&'static str> {
        None
    }

    fn after_heal(&self) -> Duration {
        Duration::ZERO
    }

    fn is_described(&self) -> bool {
        true
    }

    fn unsupported_functions(&self, choices: &Choices) -> Vec<Function> {
        let names = choices.description.iter().flat_map(|(_, described)| described.missing_steps());
        let steps = [
            Function::WRITE,
            Function::PATCH,
            Function::TOUCH,
            Function::RENEW,
            Function::DESTROY,
            Function::ACT,
            Function::ACTIONS,
        ];
        let known = |name| steps.into_iter().find(|step| workloads::function_name(*step) == name);
        names.filter_map(known).collect()
    }

    fn renewing_operations(&self, choices: &Choices) -> Vec<String> {
        choices
            .description
            .iter()
            .flat_map(|(_, described)| described.renewing_operations().to_vec())
            .collect()
    }

    fn node_names(&self, choices: &Choices) -> Result<Vec<String>, String> {
        let Some((_, described)) = &choices.description else { return Ok(Vec::new()) };
        let nodes = described.yours().node_names();
        Ok(if nodes.is_empty() { described.entry_names() } else { nodes })
    }

    fn other_names(&self, choices: &Choices) -> Vec<String> {
        let Some((_, described)) = &choices.description else { return Vec::new() };
        let mut names = described.yours().end_names(&described.entry_names());
        names.extend(described.yours().role_names());
        names
    }

    fn dry_run(&self, choices: &Choices, plan: &Plan) -> Result<String, String> {
        let (_, described) = choices.description.as_ref().ok_or("http needs --stack FILE")?;
        Ok(described.yours().describe_plan_commands(plan))
    }

    fn check_strike(&self, strike: &Strike, choices: &Choices) -> Result<(), String> {
        let fault = strike.fault;
        if let Some((_, described)) = &choices.description
            && !described.yours().is_empty()
        {
            return described.check_strike(strike);
        }
        if fault.strikes_links() && !is_between_servers(strike) {
            let can = Means::Proxies.check_fault(fault);
            return can.map_err(|why| format!("{fault} cannot be caused on http: {why}"));
        }
        Err(format!(
            "{fault}: on http a run can only strike the links between clients and entries, unless the stack file \
             names nodes, as in [nodes.web1] (docs/web-application.md). express-redis starts servers of its own"
        ))
    }

    fn describe_means(&self, strike: &Strike, _capabilities: &Capabilities) -> Option<String> {
        let fault = strike.fault;
        if fault.strikes_links() && !is_between_servers(strike) {
            return Means::Proxies
                .check_fault(fault)
                .is_ok()
                .then(|| "http (its users, and links of --stack)".to_owned());
        }
        let of_nodes = matches!(fault, Fault::Replace | Fault::Deploy { .. } | Fault::Scale { .. });
        (of_nodes || is_of_processes(strike)).then(|| "http (nodes of --stack)".to_owned())
    }

    fn describe_setup(&self, choices: &Choices) -> String {
        choices.description.as_ref().map_or(String::new(), |(file, _)| file.display().to_string())
    }

    fn can_read_replicas(&self, _: WorkloadKind) -> bool {
        false
    }

    fn counts_writes(&self) -> bool {
        false
    }

    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String> {
        let described = choices.description.clone();
        let (file, mut description) =
            described.ok_or("http needs a description of the application: pass --application FILE")?;
        let lacks = description.missing_steps();
        if !lacks.is_empty() {
            let missing = lacks.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
            (recording.remark)(&format!(
                "{} has no {missing}: these operations are not asked for",
                file.display()
            ));
        }
        let sessions = recording.settings.workload.sessions;
        description.describe_shared_accounts(sessions).iter().for_each(|shared| (recording.remark)(shared));
        run_in_machine_network(async {
            let store = if choices.keep_secrets { HttpStore::keeping_secrets } else { HttpStore::new };
            let plan = recording.settings.plan.clone();
            // The application may connect through the links, so their proxies are opened before its first request.
            let mut yours = open_stack_proxies(&mut description, &plan).await?;
            let direct = store(description.clone());
            if !choices.skip_probe {
                let probed = recording.unless_stopped(direct.probe_application()).await?;
                let suspicions = probed.map_err(|why| format!("{}: {why}", file.display()))?;
                suspicions.iter().for_each(|suspicion| (recording.remark)(suspicion));
            }
            if let Some(nemesis) = &mut yours {
                return record_with_live_connections(recording, direct, nemesis).await;
            }
            // Without faults nothing stands between the users and the entries.
            if plan.episodes.is_empty() {
                return record_with_live_connections(recording, direct, &mut IdleNemesis).await;
            }
            let mut fronts = HttpFronts::install_before_entries(&mut description).await?;
            record_with_live_connections(recording, store(description), &mut fronts).await
        })
    }
}

/// Records, and says what became of the live connections of the sessions, if the description has any.
async fn record_with_live_connections<N: Nemesis>(
    recording: Recording,
    store: HttpStore,
    nemesis: &mut N,
) -> Result<RunOutcome, String> {
    let remark = recording.remark;
    let outcome = recording.record_in_real_time(store.clone(), nemesis).await?;
    if let Some(told) = store.describe_live_connections() {
        remark(&told);
    }
    Ok(outcome)
}

/// Opens the proxies of the links of the file, and those that the plan needs in front of the entries. Returns `None` if the file
/// names nothing that can be struck.
async fn open_stack_proxies(
    description: &mut Description,
    plan: &Plan,
) -> Result<Option<StackNemesis>, String> {
    if description.yours().is_empty() {
        return Ok(None);
    }
    let entries: Vec<(String, String)> =
        description.entries_mut().map(|entry| (entry.name.to_string(), entry.address.clone())).collect();
    let stack = description.yours().clone();
    let (nemesis, fronts) = StackNemesis::open_proxies(stack, &entries, plan).await?;
    description.entries_mut().zip(fronts).for_each(|(entry, front)| entry.front = Some(front));
    Ok(Some(nemesis))
}

/// Takes one session of a described application through its life and tells each step. Returns whether the description fits.
///
/// The application may connect through the links of the file, so their proxies are open meanwhile.
///
/// # Errors
/// A proxy cannot be opened.
pub fn walk_application(
    mut description: Description,
    keep_secrets: bool,
    settings: &WalkSettings,
    tell: &mut (dyn FnMut(&LifeStep) + Send),
) -> Result<bool, String> {
    run_in_machine_network(async {
        let _links = open_stack_proxies(&mut description, &Plan { episodes: Vec::new() }).await?;
        let store = if keep_secrets { HttpStore::keeping_secrets } else { HttpStore::new };
        Ok(store(description).walk_session_life(settings, tell).await)
    })
}
