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
use crate::{Stop, Store};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use workloads::Value;

/// The pause between two polls of the parts.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Timeout of one part's answer, for [`told_in_time`].
const ANSWER_PATIENCE: Duration = Duration::from_millis(250);

/// One fact that a part of the stack reported about itself or about another part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackFact {
    /// The part that the fact is about.
    pub node: Arc<str>,
    /// The name of the fact: `role`, `epoch`, `process`, `answers`, …
    pub what: &'static str,
    /// The present value.
    pub value: Value,
}

impl StackFact {
    /// A fact about a node.
    pub fn new(node: &Arc<str>, what: &'static str, value: impl Into<Value>) -> Self {
        Self { node: node.clone(), what, value: value.into() }
    }
}

/// Returns the facts that a part reported within [`ANSWER_PATIENCE`], after the fact `answers`: `yes`, or `no` for a part
/// that failed or took longer.
pub(crate) async fn told_in_time(
    node: &Arc<str>,
    ask: impl Future<Output = Option<Vec<StackFact>>>,
) -> Vec<StackFact> {
    let told = tokio::time::timeout(ANSWER_PATIENCE, ask).await.ok().flatten();
    let answers = StackFact::new(node, "answers", Value::from(if told.is_some() { "yes" } else { "no" }));
    [answers].into_iter().chain(told.unwrap_or_default()).collect()
}

/// Asks several parts at the same time and returns all their facts.
pub(crate) async fn ask_together<F>(questions: impl IntoIterator<Item = F>) -> Vec<StackFact>
where
    F: Future<Output = Vec<StackFact>> + Send + 'static,
{
    let mut tasks: Vec<_> = questions.into_iter().map(|question| tokio::spawn(question)).collect();
    let mut facts = Vec::new();
    for task in &mut tasks {
        // A question that panicked yields no fact at all, not even `answers`.
        facts.extend(task.await.unwrap_or_default());
    }
    facts
}

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
