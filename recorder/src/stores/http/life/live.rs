//! The live connection of the session: it opens while the session lives, and is refused afterwards.

use super::{LifeStep, LifeWalker, WalkEnded};
use crate::stores::http::live::{LiveTrial, try_live_connection};
use std::sync::Arc;

/// The name of the step.
const LIVE: &str = "live";

impl LifeWalker<'_> {
    /// Opens the live connection of the session.
    pub(super) async fn walk_live(&mut self, key: &Arc<str>) -> Result<(), WalkEnded> {
        let store = self.store.0.clone();
        let promised = "the live connection opens and shows the session".to_owned();
        let (did, advice) = match try_live_connection(&store, key).await {
            None => {
                self.tell_untried(LIVE, "the file has no [live]; a run holds no live connection".to_owned());
                return Ok(());
            }
            Some(LiveTrial::Opened { number }) => {
                let number = number.map_or(String::new(), |number| format!(": message {number} came"));
                self.tell_kept(LIVE, 0, promised, format!("it does{number}"));
                return Ok(());
            }
            Some(LiveTrial::Absent(why)) => {
                let advice = "[live] sends the cookie or token of the session. Check whether the application wants another \
                              one here, and `absent`.";
                (format!("the application says that there is no such session: {why}"), advice)
            }
            Some(LiveTrial::Failed(why)) => {
                (why, "Check `path` or `url` of [live], and whether an event has the text of `shows`.")
            }
        };
        let did = format!("[live] does not open as the description says: {did}");
        let seen = self.seen_step(LIVE, 0, promised);
        Err(self.tell_misfit(seen, did, advice.to_owned()))
    }

    /// Opens the live connection of a session that has ended.
    pub(super) async fn expect_no_live_connection(&mut self, key: &Arc<str>) {
        let store = self.store.0.clone();
        let promised = "the live connection is refused after the logout".to_owned();
        match try_live_connection(&store, key).await {
            None => {}
            Some(LiveTrial::Absent(why)) => self.tell_kept(LIVE, 0, promised, format!("it is: {why}")),
            Some(LiveTrial::Failed(why)) => {
                let step = self.seen_step(LIVE, 0, promised);
                let advice = "If that is how the application refuses it, add the status to `absent` in [live]. Otherwise a run \
                              takes it for an outage.";
                (self.tell)(&LifeStep { did: why, advice: Some(advice.to_owned()), ..step });
            }
            Some(LiveTrial::Opened { .. }) => {
                let advice = "Whoever has the old cookie or token still receives what is meant for the user. A run does not \
                              look for this.";
                self.tell_bug(LIVE, 0, promised, "it opens".to_owned(), advice.to_owned());
            }
        }
    }
}
