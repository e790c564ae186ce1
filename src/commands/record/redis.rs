//! Recording on Redis: servers that are there, or Sentinels of our own.

use super::Recording;
use crate::output;
use recorder::Outcome;
use recorder::stores::redis::{GivenServers, RedisFronts, RedisOptions, RedisStore};
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::system::{Needs, connected, isolated};
use std::collections::BTreeMap;
use std::time::SystemTime;

pub(super) fn on_redis(recording: Recording<'_>) -> Result<Outcome, String> {
    let plan = recording.plan;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let server = |(number, address): (usize, &String)| (format!("n{}", number + 1).into(), address.clone());
    let mut options = RedisOptions {
        servers: plan.addresses.iter().enumerate().map(server).collect(),
        sentinels: plan.sentinels.clone(),
        fronts: BTreeMap::new(),
        prefix: format!("steadfast:{}:", now.as_nanos()),
        replica_reads: plan.replica_reads,
        wait: plan.wait,
        confirms_reads: plan.confirms_reads,
        kind: plan.settings.workload.kind,
        time_to_live: plan.time_to_live,
    };
    connected(async {
        let direct = RedisStore::new(options.clone());
        let probed = recording.unless_stopped(direct.probe()).await?;
        probed.map_err(|why| format!("the store is down from the start: {why}"))?;
        let of_links = plan.settings.plan.episodes.iter().any(|episode| episode.fault.is_of_links());
        // Without faults of links nothing stands between the clients and the servers.
        let fronts = if of_links { Some(RedisFronts::put(&mut options).await?) } else { None };
        let (processes, restart) = (plan.given.processes(), plan.given.restart_command.clone());
        let mut servers = GivenServers::new(direct.clone(), fronts, &processes, restart)?;
        servers.can(&plan.settings.plan)?;
        let stop = recording.stop.clone();
        let ran = recording.drive(RedisStore::new(options), &mut servers).await;
        if let Err(why) = direct.forget(&stop).await {
            output::remark(&format!("the keys of this run could not be removed: {why}"));
        }
        ran
    })
}

pub(super) fn on_redis_sentinel(recording: Recording<'_>) -> Result<Outcome, String> {
    isolated(|isolation| async move {
        let plan = recording.plan;
        let means = SentinelCluster::means(plan.means, &isolation, &plan.settings.plan)?;
        let needs = Needs::of(&plan.settings.plan);
        let options = SentinelOptions { min_replicas: plan.min_replicas, means: Some(means), needs };
        let started = recording.unless_stopped(SentinelCluster::start(options, isolation)).await?;
        let mut cluster = started.map_err(|why| why.to_string())?;
        cluster.can(&plan.settings.plan)?;
        let kind = plan.settings.workload.kind;
        let store = cluster.store(kind, plan.replica_reads, plan.wait, plan.time_to_live);
        let store = if plan.confirms_reads { store.confirming_reads() } else { store };
        recording.drive(store, &mut cluster).await
    })
}
