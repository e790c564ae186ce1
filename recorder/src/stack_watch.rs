//! What the stack itself did: promotions, epochs, restarts, as its own parts tell them.
//!
//! A nemesis writes down what was done to a stack. What the stack made of it (who was promoted and when, which
//! server the proxy took out) decides how long users wait, and is known only to the stack. So its parts are asked again and
//! again, and each *change* of an answer is an event of the actor `stack`:
//!
//! ```json
//! {"process":"stack","type":"info","f":"role","value":["n2","primary"],"was":"replica"}
//! ```
//!
//! The first answers are written down as well, without `was`. A part that does not answer has the fact `answers`
//! false, and its other facts stand until it tells others. An event is late by at most [`LOOK_EVERY`] and the time that
//! the part took to answer; two changes between two looks are one. Asking is no more than a few small questions at a time, on
//! connections of their own.

use crate::client::RunState;
use crate::journal::JournalLost;
use crate::{StackFact, Stop, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use workloads::Value;

/// How often the parts are asked.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Asks until it is enough, and writes down what has changed. Ends at once where no part tells anything.
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
