//! Checks that a description fits the application, before anything is recorded.

use super::HttpStore;
use super::life::{LifeStep, LifeWalker, StepOutcome, WalkScope, WalkSettings};
use std::time::Duration;

/// How long each operation of the probe, and all of them, may take.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(60);

/// Takes one session through its life, from the login to a read after the logout. Returns remarks about possible bugs of
/// the application.
///
/// # Errors
/// Says which step does not fit the description.
pub(super) async fn probe_session_life(store: &HttpStore) -> Result<Vec<String>, String> {
    let (mut misfit, mut suspicions) = (None, Vec::new());
    let mut tell = |step: &LifeStep| {
        let why = match &step.advice {
            Some(advice) => format!("{}. {}", step.did, advice.trim_end_matches('.')),
            None => step.did.clone(),
        };
        match step.outcome {
            StepOutcome::Misfit => misfit = Some(why),
            // Everything else fits the description, so this may be a bug of the application.
            StepOutcome::PossibleBug if step.after_end => {
                suspicions.push(format!("the session is still there after the logout: {why}"));
            }
            StepOutcome::Kept | StepOutcome::PossibleBug | StepOutcome::NotTried => {}
        }
    };
    let settings = WalkSettings { user: None, patience: PATIENCE, limit: PATIENCE_FOR_ALL };
    let _ = LifeWalker::new(store, &settings, None, &mut tell).walk(WalkScope::FirstEntry).await;
    misfit.map_or(Ok(suspicions), Err)
}
