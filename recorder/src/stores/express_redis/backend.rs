//! The Express stack as a [`Backend`].

use super::{ExpressCluster, SWITCHES, find_packages};
use crate::RunOutcome;
use crate::stores::backend::{Backend, Choices, Recording, describe_link_means, is_of_processes};
use crate::stores::redis_sentinel::{AFTER_HEAL, PROGRAMS, probe_machine_fault};
use crate::stores::switches::Switch;
use crate::system::{Capabilities, MachineNeeds, Means, ServerError, find_program, run_isolated};
use std::time::Duration;
use workloads::{Fault, Strike, WorkloadKind};

/// Two nodes of an application behind a proxy, with their sessions in Redis.
#[derive(Debug)]
pub struct ExpressRedis;

impl Backend for ExpressRedis {
    fn name(&self) -> &'static str {
        "express-redis"
    }

    fn summary(&self) -> &'static str {
        "two Express nodes behind HAProxy, sessions in Redis under Sentinels"
    }

    fn switches(&self) -> &'static [Switch] {
        SWITCHES
    }

    fn workload_kinds(&self) -> &'static [WorkloadKind] {
        &[WorkloadKind::Session]
    }

    fn usual_fault(&self) -> Option<&'static str> {
        Some("partition")
    }

    fn after_heal(&self) -> Duration {
        AFTER_HEAL
    }

    fn renewing_operations(&self, _choices: &Choices) -> Vec<String> {
        ["create", "read", "write", "patch", "touch", "renew"].map(str::to_owned).to_vec()
    }

    fn can_confirm_reads(&self) -> Result<(), String> {
        Err("on express-redis reads are confirmed by --stack-option reads=confirmed".to_owned())
    }

    fn node_names(&self, _choices: &Choices) -> Result<Vec<String>, String> {
        Ok(ExpressCluster::node_names())
    }

    fn describe_means(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String> {
        let fault = strike.fault;
        let packets =
            fault.strikes_links() && describe_link_means(strike, &[Means::Packets], capabilities).is_some();
        // Of the faults of machines, only changed clocks are possible, on the hosts of the Redis servers.
        let clock = matches!(fault, Fault::Skew { .. }) && probe_machine_fault(fault).is_ok();
        let can = packets || clock || is_of_processes(strike) || matches!(fault, Fault::Deploy { .. });
        can.then(|| self.name().to_owned())
    }

    fn check_requirements(&self) -> Result<(), ServerError> {
        let more = [("haproxy", "haproxy"), ("node", "nodejs")];
        let mut programs = PROGRAMS.iter().chain(&more);
        programs.try_for_each(|(program, package)| find_program(program, package).map(drop))?;
        find_packages().map(drop)
    }

    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String> {
        run_isolated(|isolation| async move {
            let plan = recording.settings.plan.clone();
            let (switches, lives) = (choices.switches.clone(), choices.time_to_live);
            let start = ExpressCluster::start(switches, lives, isolation, MachineNeeds::for_plan(&plan));
            let mut cluster = recording.unless_stopped(start).await?.map_err(|why| why.to_string())?;
            cluster.check_plan(&plan)?;
            let store = cluster.open_store(choices.keep_secrets)?;
            let remark = recording.remark;
            let outcome = recording.record_in_real_time(store.clone(), &mut cluster).await?;
            if let Some(told) = store.describe_live_connections() {
                remark(&told);
            }
            Ok(outcome)
        })
    }
}
