//! Redis servers that are already running, as a [`Backend`].

use super::{GivenServers, RedisFronts, RedisOptions, RedisStore};
use crate::RunOutcome;
use crate::stores::backend::{Backend, Choices, Recording, is_between_servers, is_of_processes};
use crate::system::{Capabilities, Means, run_in_machine_network};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use workloads::Strike;

/// Servers that the run did not start.
#[derive(Debug)]
pub struct GivenRedis;

impl Backend for GivenRedis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn summary(&self) -> &'static str {
        "servers that run already (--address)"
    }

    fn usual_fault(&self) -> Option<&'static str> {
        None
    }

    fn after_heal(&self) -> Duration {
        Duration::ZERO
    }

    fn can_confirm_reads(&self) -> Result<(), String> {
        Ok(())
    }

    fn node_names(&self, choices: &Choices) -> Result<Vec<String>, String> {
        Ok((1..=choices.addresses.len()).map(|number| format!("n{number}")).collect())
    }

    fn check_strike(&self, strike: &Strike, choices: &Choices) -> Result<(), String> {
        let fault = strike.fault;
        if fault.strikes_links() && is_between_servers(strike) {
            return Err(format!(
                "{fault} cannot be caused on redis: only links to clients lead through proxies of the run, those \
                 between its servers do not"
            ));
        }
        if fault.strikes_links() {
            let can = Means::Proxies.check_fault(fault);
            return can.map_err(|why| format!("{fault} cannot be caused on redis: {why}"));
        }
        match is_of_processes(strike) {
            true if !choices.processes.is_empty() => Ok(()),
            true => Err(format!(
                "{fault}: the run did not start these servers. Pass their process ids with --pid, or use redis-sentinel, \
                 which starts servers of its own"
            )),
            false => Err(format!(
                "{fault}: the run did not start these servers and can only strike their links to clients. redis-sentinel \
                 starts servers of its own"
            )),
        }
    }

    fn describe_means(&self, strike: &Strike, _capabilities: &Capabilities) -> Option<String> {
        if is_of_processes(strike) {
            return Some("redis (with --pid)".to_owned());
        }
        let of_clients = strike.fault.strikes_links() && !is_between_servers(strike);
        (of_clients && Means::Proxies.check_fault(strike.fault).is_ok())
            .then(|| "redis (its clients)".to_owned())
    }

    fn describe_setup(&self, choices: &Choices) -> String {
        let named = |(number, address)| format!("n{number} {address}");
        (1..).zip(&choices.addresses).map(named).collect::<Vec<_>>().join(", ")
    }

    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let run =
            recording.settings.workload.run.as_ref().map_or(now.to_string(), |run| format!("{run}-{now}"));
        let server =
            |(number, address): (usize, &String)| (format!("n{}", number + 1).into(), address.clone());
        let mut options = RedisOptions {
            servers: choices.addresses.iter().enumerate().map(server).collect(),
            sentinels: choices.sentinels.clone(),
            fronts: BTreeMap::new(),
            prefix: format!("steadfast:{run}:"),
            replica_reads: choices.replica_reads,
            wait: choices.wait,
            confirms_reads: choices.confirms_reads,
            kind: recording.settings.workload.kind,
            time_to_live: choices.time_to_live,
        };
        run_in_machine_network(async {
            let direct = RedisStore::new(options.clone());
            let probed = recording.unless_stopped(direct.probe_primary()).await?;
            probed.map_err(|why| format!("the store is down from the start: {why}"))?;
            let plan = recording.settings.plan.clone();
            // Without faults of links, no proxy is needed between the clients and the servers.
            let of_links = plan.episodes.iter().any(|episode| episode.fault.strikes_links());
            let fronts =
                if of_links { Some(RedisFronts::install_before_servers(&mut options).await?) } else { None };
            let restart = choices.restart_command.clone();
            let mut servers = GivenServers::new(direct.clone(), fronts, &choices.processes, restart)?;
            servers.check_plan(&plan)?;
            let (stop, remark) = (recording.stop.clone(), recording.remark);
            let ran = recording.record_in_real_time(RedisStore::new(options), &mut servers).await;
            if let Err(why) = direct.remove_run_keys(&stop).await {
                remark(&format!("the keys of this run could not be removed: {why}"));
            }
            ran
        })
    }
}
