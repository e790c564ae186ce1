//! Recording on web applications: one that is there, or an Express stack of our own.

use super::Recording;
use crate::output;
use recorder::stores::express_redis::ExpressCluster;
use recorder::stores::http::{HttpFronts, HttpStore};
use recorder::system::{Needs, connected, isolated};
use recorder::{Outcome, Peace};

pub(super) fn on_http(recording: Recording<'_>) -> Result<Outcome, String> {
    let described = recording.plan.stack.description.clone();
    let (file, mut description) = described.ok_or("http needs --stack FILE: how the application is used")?;
    let lacks = description.lacks();
    if !lacks.is_empty() {
        let missing = lacks.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
        output::remark(&format!("{} has no {missing}: these operations will fail", file.display()));
    }
    connected(async {
        let direct = HttpStore::new(description.clone());
        let probed = recording.unless_stopped(direct.probe()).await?;
        probed.map_err(|why| format!("{}: {why}", file.display()))?;
        // Without faults nothing stands between the users and the entries.
        if recording.plan.settings.plan.episodes.is_empty() {
            return recording.drive(direct, &mut Peace).await;
        }
        let mut fronts = HttpFronts::put(&mut description).await?;
        recording.drive(HttpStore::new(description), &mut fronts).await
    })
}

pub(super) fn on_express_redis(recording: Recording<'_>) -> Result<Outcome, String> {
    isolated(|isolation| async move {
        let plan = recording.plan;
        let (switches, lives) = (plan.stack.switches.clone(), plan.time_to_live);
        let needs = Needs::of(&plan.settings.plan);
        let started =
            recording.unless_stopped(ExpressCluster::start(switches, lives, isolation, needs)).await?;
        let mut cluster = started.map_err(|why| why.to_string())?;
        cluster.can(&plan.settings.plan)?;
        let store = cluster.store()?;
        recording.drive(store, &mut cluster).await
    })
}
