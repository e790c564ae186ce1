//! Facts that the parts of a stack report about themselves or about others.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use workloads::Value;

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
        match task.await {
            Ok(told) => facts.extend(told),
            // No fact would look like a part that did not change.
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime ends, and with it the run.
            Err(_) => {}
        }
    }
    facts
}
