//! Records what the stack itself did: promotions, changes of epoch, restarts.
//!
//! The nemesis records the faults that it causes. The reaction of the stack (which server was promoted and when, which
//! node the proxy took out of service) decides how long users wait, and only the stack knows it. Therefore the run asks
//! each part of the stack every [`LOOK_EVERY`], and records each *change* of an answer as an event of the actor `stack`:
//!
//! ```json
//! {"process":"stack","type":"info","f":"role","value":["n2","primary"],"was":"replica"}
//! ```
//!
//! The first answers are recorded without `was`. A part that does not answer has the fact `answers` with the value `no`,
//! and its other facts keep their last values until it answers again. An event is late by at most [`LOOK_EVERY`] plus the
//! time that the part took to answer. Two changes between two polls appear as one. Each poll sends a few small requests,
//! on connections of its own.

use crate::client::RunState;
use crate::journal::JournalLost;
use crate::{StackFact, Stop, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use workloads::Value;

/// The pause between two polls of the parts.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Polls the parts until `enough` is requested, and records each change. Returns at once if the store reports no facts.
pub(crate) async fn watch_stack<S: Store>(shared: Arc<RunState<S>>, enough: Stop) -> Result<(), JournalLost> {
    let mut known: BTreeMap<(Arc<str>, &'static str), Value> = BTreeMap::new();
    loop {
        let facts = shared.store.facts().await;
        if facts.is_empty() && known.is_empty() {
            return Ok(());
        }
        for StackFact { node, what, value } in facts {
            let was = known.insert((node.clone(), what), value.clone());
            if was.as_ref() == Some(&value) {
                continue;
            }
            let told = Value::List(vec![Value::Text(node), value]);
            let more = was.map_or(String::new(), |was| format!(",\"was\":{}", was.to_json()));
            shared.journal.record_actor_event_with("stack", what, &told, None, &more)?;
        }
        let next_ns = shared.clock.now_ns() + LOOK_EVERY.as_nanos() as u64;
        shared.clock.await_until_ns(next_ns, enough.wait_until_requested()).await;
        if enough.is_requested() {
            return Ok(());
        }
    }
}
