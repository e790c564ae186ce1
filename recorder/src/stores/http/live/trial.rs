//! Opens the live connection of a session once, to see whether `[live]` describes it.

use super::LiveLine;
use super::message::LiveMessage;
use super::opening::{LiveOpening, NotOpen};
use crate::stores::http::{HttpClient, HttpStoreState};
use std::sync::Arc;

/// What came of it.
pub(in crate::stores::http) enum LiveTrial {
    /// The connection showed its session, and the last message until then had this number.
    Opened {
        number: Option<i64>,
    },
    /// The application says that there is no such session.
    Absent(String),
    Failed(String),
}

/// Opens the live connection of a session, and closes it as soon as it has shown the session. `None` without `[live]`.
pub(in crate::stores::http) async fn try_live_connection(
    inner: &Arc<HttpStoreState>,
    session: &Arc<str>,
) -> Option<LiveTrial> {
    let source = inner.description.live.as_ref()?;
    let mut line = LiveLine::new(session.clone(), HttpClient::for_seat(inner, 0));
    let take_message = |line: &mut LiveLine, message: &LiveMessage| {
        line.remember_message(source, message);
        Ok(())
    };
    let opening = LiveOpening { inner, source, take_message: &take_message };
    Some(match opening.open_connection(&mut line).await {
        Ok(Ok(_closed)) => LiveTrial::Opened { number: line.last_number },
        Ok(Err(NotOpen::Absent(why))) => LiveTrial::Absent(why),
        Ok(Err(NotOpen::Failed(why))) => LiveTrial::Failed(why),
        Err(lost) => LiveTrial::Failed(lost.to_string()),
    })
}
