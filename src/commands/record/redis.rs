//! Recording on Redis: servers that are there, or Sentinels of our own.

use super::Recording;
use crate::output;
use recorder::stores::redis::{RedisFronts, RedisOptions, RedisStore};
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::system::{connected, isolated};
use recorder::{Outcome, Peace};
use std::collections::BTreeMap;
use std::time::SystemTime;

pub(super) fn on_redis(recording: Recording<'_>) -> Result<Outcome, String> {
    let plan = recording.plan;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let server = |address: &String| (address.as_str().into(), address.clone());
    let mut options = RedisOptions {
        servers: plan.addresses.iter().map(server).collect(),
        sentinels: plan.sentinels.clone(),
        fronts: BTreeMap::new(),
        prefix: format!("steadfast:{}:", now.as_nanos()),
        replica_reads: plan.replica_reads,
        wait: plan.wait,
        kind: plan.settings.workload.kind,
        time_to_live: plan.time_to_live,
    };
    connected(async {
        let direct = RedisStore::new(options.clone());
        direct.probe().await.map_err(|why| format!("the store is down from the start: {why}"))?;
        // Without faults nothing stands between the clients and the servers.
        let ran = if plan.settings.plan.episodes.is_empty() {
            recording.drive(direct.clone(), &mut Peace).await
        } else {
            let mut fronts = RedisFronts::put(&mut options).await?;
            recording.drive(RedisStore::new(options), &mut fronts).await
        };
        if let Err(why) = direct.forget().await {
            output::remark(&format!("the keys of this run could not be removed: {why}"));
        }
        ran
    })
}

pub(super) fn on_redis_sentinel(recording: Recording<'_>) -> Result<Outcome, String> {
    isolated(|isolation| async move {
        let plan = recording.plan;
        let means = SentinelCluster::means(plan.means, &isolation, &plan.settings.plan)?;
        let options = SentinelOptions { min_replicas: plan.min_replicas, means: Some(means) };
        let mut cluster = SentinelCluster::start(options, isolation).await.map_err(|why| why.to_string())?;
        cluster.can(&plan.settings.plan)?;
        let kind = plan.settings.workload.kind;
        let store = cluster.store(kind, plan.replica_reads, plan.wait, plan.time_to_live);
        recording.drive(store, &mut cluster).await
    })
}
