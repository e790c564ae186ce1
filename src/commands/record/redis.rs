//! Recording on Redis: servers that are there, or Sentinels of our own.

use super::Recording;
use crate::output;
use recorder::stores::redis::{RedisOptions, RedisStore};
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::system::{connected, isolated};
use recorder::{Outcome, Peace};
use std::time::SystemTime;

pub(super) fn on_redis(recording: Recording<'_>) -> Result<Outcome, String> {
    let plan = recording.plan;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let server = |address: &String| (address.as_str().into(), address.clone());
    let store = RedisStore::new(RedisOptions {
        servers: plan.addresses.iter().map(server).collect(),
        sentinels: plan.sentinels.clone(),
        prefix: format!("steadfast:{}:", now.as_nanos()),
        replica_reads: plan.replica_reads,
        wait: plan.wait,
        kind: plan.settings.workload.kind,
        time_to_live: plan.time_to_live,
    });
    connected(async {
        store.probe().await.map_err(|why| format!("the store is down from the start: {why}"))?;
        let ran = recording.drive(store.clone(), &mut Peace).await;
        if let Err(why) = store.forget().await {
            output::remark(&format!("the keys of this run could not be removed: {why}"));
        }
        ran
    })
}

pub(super) fn on_redis_sentinel(recording: Recording<'_>) -> Result<Outcome, String> {
    isolated(|isolation| async move {
        let plan = recording.plan;
        let options = SentinelOptions { min_replicas: plan.min_replicas, ..SentinelOptions::default() };
        let mut cluster = SentinelCluster::start(options, isolation).await.map_err(|why| why.to_string())?;
        cluster.can(&plan.settings.plan)?;
        let kind = plan.settings.workload.kind;
        let store = cluster.store(kind, plan.replica_reads, plan.wait, plan.time_to_live);
        recording.drive(store, &mut cluster).await
    })
}
