//! What a part of a stack tells of itself or of another, and how parts are asked.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use workloads::Value;

/// How long one part may take to answer, for [`told_in_time`].
const ANSWER_PATIENCE: Duration = Duration::from_millis(250);

/// One thing that a part of the stack told of itself or of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackFact {
    /// Whom it is about.
    pub node: Arc<str>,
    /// What it is: `role`, `epoch`, `process`, `answers`, …
    pub what: &'static str,
    /// What it is now.
    pub value: Value,
}

impl StackFact {
    /// A fact about a node.
    pub fn new(node: &Arc<str>, what: &'static str, value: impl Into<Value>) -> Self {
        Self { node: node.clone(), what, value: value.into() }
    }
}

/// What a part told within [`ANSWER_PATIENCE`], and whether it did.
pub(crate) async fn told_in_time(
    node: &Arc<str>,
    ask: impl Future<Output = Option<Vec<StackFact>>>,
) -> Vec<StackFact> {
    let told = tokio::time::timeout(ANSWER_PATIENCE, ask).await.ok().flatten();
    let answers = StackFact::new(node, "answers", Value::from(if told.is_some() { "yes" } else { "no" }));
    [answers].into_iter().chain(told.unwrap_or_default()).collect()
}

/// What several parts tell, asked at the same time.
pub(crate) async fn ask_together<F>(questions: impl IntoIterator<Item = F>) -> Vec<StackFact>
where
    F: Future<Output = Vec<StackFact>> + Send + 'static,
{
    let mut tasks: Vec<_> = questions.into_iter().map(|question| tokio::spawn(question)).collect();
    let mut facts = Vec::new();
    for task in &mut tasks {
        // One that panicked told nothing.
        facts.extend(task.await.unwrap_or_default());
    }
    facts
}
