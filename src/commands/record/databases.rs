//! Recording on other stores of our own: PostgreSQL, etcd, memcached.

use super::Recording;
use recorder::Outcome;
use recorder::stores::etcd::EtcdCluster;
use recorder::stores::memcached::MemcachedCluster;
use recorder::stores::postgres::PostgresCluster;
use recorder::system::isolated;

pub(super) fn on_etcd(recording: Recording<'_>) -> Result<Outcome, String> {
    isolated(|isolation| async move {
        let plan = recording.plan;
        let started = recording.unless_stopped(EtcdCluster::start(isolation)).await?;
        let mut cluster = started.map_err(|why| why.to_string())?;
        cluster.can(&plan.settings.plan)?;
        let store = cluster.store(plan.settings.workload.kind, plan.replica_reads, plan.time_to_live);
        recording.drive(store, &mut cluster).await
    })
}

pub(super) fn on_memcached(recording: Recording<'_>) -> Result<Outcome, String> {
    isolated(|isolation| async move {
        let plan = recording.plan;
        let started =
            recording.unless_stopped(MemcachedCluster::start(&plan.stack.switches, isolation)).await?;
        let mut cluster = started.map_err(|why| why.to_string())?;
        cluster.can(&plan.settings.plan)?;
        let store = cluster.store(plan.settings.workload.kind, plan.time_to_live);
        recording.drive(store, &mut cluster).await
    })
}

pub(super) fn on_postgres(recording: Recording<'_>) -> Result<Outcome, String> {
    isolated(|isolation| async move {
        let plan = recording.plan;
        let started =
            recording.unless_stopped(PostgresCluster::start(&plan.stack.switches, isolation)).await?;
        let mut cluster = started.map_err(|why| why.to_string())?;
        cluster.can(&plan.settings.plan)?;
        let store = cluster.store(plan.settings.workload.kind, plan.replica_reads, plan.time_to_live);
        recording.drive(store, &mut cluster).await
    })
}
