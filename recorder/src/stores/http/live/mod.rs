//! Live connections of sessions: server-sent events that a page keeps open while its user is logged in.
//!
//! A page that shows news holds a connection to the application for as long as it is open. A deployment or a crash cuts it off, and the
//! page opens it anew. The requests of a run do not see that. So a run that finds `[live]` in its description holds such a connection for
//! each session, and records when it was open, lost, and open again:
//!
//! ```json
//! {"process":"live","type":"info","f":"lost","value":"s-1","error":"the connection ended"}
//! ```
//!
//! **What counts.** A connection is open once it has shown that it belongs to its session (`shows`). It is lost if it ends, breaks, or is
//! silent for too long. A connection that ends with its session (a logout, or another id) is not counted as lost. What remains at the end
//! is told apart: the application said that there is no such session, or nobody answered.
//!
//! **Limits.** [`LIVE_MAX`] connections at a time; the sessions beyond are counted. A line of events has [`LINE_BYTES_MAX`] bytes at most.

use super::exchange::Filling;
use super::live_source::LiveSource;
use super::template::{Escape, NamedPlace};
use super::{HttpClient, HttpStoreState};
use crate::client::lock_unpoisoned;
use crate::journal::JournalLost;
use crate::{Clock, Journal, Stop};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use workloads::{Value, format_duration};

/// The most connections at a time.
const LIVE_MAX: usize = 200;
/// The most bytes of an event that are kept to find what it shows.
const LINE_BYTES_MAX: usize = 64 << 10;
/// How often new sessions are looked for, and whether a session has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a connection may take until it shows its session.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);
/// The pause before a lost connection is opened anew, and after an answer that refuses it.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_REFUSED: Duration = Duration::from_millis(500);
/// What became of the live connections of a run.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct LiveTally {
    opened: u64,
    lost: u64,
    /// How long each lost connection took until it was open again.
    gaps: Vec<Duration>,
    /// Lost connections that the application refused at the end, because there is no such session.
    logged_out: u64,
    /// Lost connections that were not open again at the end.
    still_out: u64,
    /// Sessions beyond the limit.
    unwatched: u64,
    first_failure: Option<String>,
}

impl LiveTally {
    /// One sentence for the user.
    fn describe(&self) -> String {
        if self.opened == 0 {
            let why = self.first_failure.as_deref().unwrap_or("no session lasted long enough");
            return format!(
                "no live connection was open, so nothing is known of them ({why}). Correct [live]"
            );
        }
        let mut gaps = self.gaps.clone();
        gaps.sort_unstable();
        let round = |gap: &Duration| format_duration(Duration::from_millis(gap.as_millis() as u64));
        let resumed = match (gaps.get(gaps.len() / 2), gaps.last()) {
            (Some(median), Some(longest)) => {
                format!(
                    "{} resumed (after {} at the median, {} at most)",
                    gaps.len(),
                    round(median),
                    round(longest)
                )
            }
            _ => "0 resumed".to_owned(),
        };
        let mut text = format!("live connections: {} opened, {} lost: {resumed}", self.opened, self.lost);
        for (count, what) in [
            (self.logged_out, "refused, because the application knows no such session"),
            (self.still_out, "not open again at the end"),
        ] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        if self.unwatched > 0 {
            text += &format!("; {} further sessions had none ({LIVE_MAX} at a time)", self.unwatched);
        }
        text
    }
}

/// The live connections of a run.
pub(super) struct LiveWatch {
    inner: Arc<HttpStoreState>,
    source: LiveSource,
    journal: Arc<Journal>,
    clock: Clock,
    enough: Stop,
}

/// Why a connection is not open.
enum NotOpen {
    /// The application says that there is no such session.
    Absent(String),
    Failed(String),
}

/// What ended a connection.
enum Ended {
    Lost(String),
    /// The session ended, or the run.
    Done,
}

impl HttpStoreState {
    /// Says what became of the live connections; nothing if the description has none.
    pub(super) fn describe_live_connections(&self) -> Option<String> {
        self.description.live.as_ref()?;
        Some(lock_unpoisoned(&self.live).describe())
    }
}

/// Holds a connection for each session that lives, until `enough` is requested.
pub(super) async fn hold_live_connections(
    inner: Arc<HttpStoreState>,
    (journal, clock): (Arc<Journal>, Clock),
    enough: Stop,
) -> Result<(), JournalLost> {
    let Some(source) = inner.description.live.clone() else { return Ok(()) };
    let watch = Arc::new(LiveWatch { inner, source, journal, clock, enough });
    let (mut known, mut held) = (HashSet::new(), JoinSet::new());
    while !watch.enough.is_requested() {
        while let Some(ended) = held.try_join_next() {
            finish_connection(ended)?;
        }
        for session in watch.inner.browsers.living_sessions() {
            if known.contains(&session) {
                continue;
            }
            known.insert(session.clone());
            if held.len() >= LIVE_MAX {
                lock_unpoisoned(&watch.inner.live).unwatched += 1;
                continue;
            }
            let seat = known.len();
            held.spawn(watch.clone().hold_connection(session, seat));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = watch.enough.wait_until_requested() => {}
        }
    }
    while let Some(ended) = held.join_next().await {
        finish_connection(ended)?;
    }
    Ok(())
}

fn finish_connection(ended: Result<Result<(), JournalLost>, JoinError>) -> Result<(), JournalLost> {
    match ended {
        Ok(held) => held,
        // No event would look like a connection that nothing happened to.
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        // The runtime ends, and with it the run.
        Err(_) => Ok(()),
    }
}

impl LiveWatch {
    /// Holds the connection of one session until the session or the run ends.
    async fn hold_connection(self: Arc<Self>, session: Arc<str>, seat: usize) -> Result<(), JournalLost> {
        let mut client = HttpClient::for_seat(&self.inner, seat);
        let mut lost_ns = None;
        let mut was_absent = false;
        while !self.is_over(&session) {
            let opening = self.open_connection(&mut client, &session);
            let opened = tokio::select! {
                opened = opening => opened,
                () = self.wait_until_over(&session) => break,
            };
            let body = match opened {
                Ok(body) => body,
                Err(why) => {
                    was_absent = matches!(why, NotOpen::Absent(_));
                    let (NotOpen::Absent(text) | NotOpen::Failed(text)) = why;
                    lock_unpoisoned(&self.inner.live).first_failure.get_or_insert(text);
                    let pause = if was_absent { PAUSE_REFUSED } else { PAUSE };
                    tokio::time::timeout(pause, self.wait_until_over(&session)).await.ok();
                    continue;
                }
            };
            let now_ns = self.clock.now_ns();
            was_absent = false;
            match lost_ns.take() {
                None => {
                    self.record("open", &session, None)?;
                    lock_unpoisoned(&self.inner.live).opened += 1;
                }
                Some(since_ns) => {
                    self.record("resumed", &session, None)?;
                    let gap = Duration::from_nanos(now_ns.saturating_sub(since_ns));
                    lock_unpoisoned(&self.inner.live).gaps.push(gap);
                }
            }
            match self.wait_for_end(body, &session).await {
                Ended::Done => break,
                Ended::Lost(why) => {
                    lost_ns = Some(self.clock.now_ns());
                    self.record("lost", &session, Some(&why))?;
                    lock_unpoisoned(&self.inner.live).lost += 1;
                }
            }
        }
        if lost_ns.is_some() {
            let lives = self.lives(&session);
            let what = if !lives {
                "ended"
            } else if was_absent {
                "refused"
            } else {
                "out"
            };
            self.record(what, &session, None)?;
            let mut tally = lock_unpoisoned(&self.inner.live);
            match what {
                // It went with its session: some applications close it before they answer the logout.
                "ended" => tally.lost -= 1,
                "refused" => tally.logged_out += 1,
                _ => tally.still_out += 1,
            }
        }
        Ok(())
    }

    fn record(&self, what: &str, session: &Arc<str>, why: Option<&str>) -> Result<(), JournalLost> {
        self.journal.record_actor_event("live", what, &Value::Text(session.clone()), why).map(drop)
    }

    fn lives(&self, session: &str) -> bool {
        self.inner.browsers.jar_for_session(session).is_some_and(|held| held.lives)
    }

    fn is_over(&self, session: &str) -> bool {
        self.enough.is_requested() || !self.lives(session)
    }

    async fn wait_until_over(&self, session: &str) {
        while !self.is_over(session) {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.enough.wait_until_requested() => {}
            }
        }
    }

    /// Opens the connection, and waits until it shows its session.
    async fn open_connection(&self, client: &mut HttpClient, session: &str) -> Result<LiveBody, NotOpen> {
        let opening = async {
            let Some(held) = self.inner.browsers.jar_for_session(session) else {
                return Err(NotOpen::Failed("the session has no cookie".to_owned()));
            };
            // The ids of a session after renewals begin with the name of its user.
            let user = session.split_once('.').map_or(session, |(user, _)| user);
            let filling = Filling::of_session(user, session);
            let id = self.inner.id_in_jar(&held.jar);
            let get = |place| filling.place_value(place, id.as_deref());
            let named = |of: NamedPlace, name: &str| match of {
                NamedPlace::Cookie => held.jar.cookie_value(name).unwrap_or_default().to_owned(),
                NamedPlace::Taken | NamedPlace::Column => String::new(),
            };
            let path = self.source.path.fill_places(Escape::Percent, get, named);
            let mut headers = vec![("accept".to_owned(), "text/event-stream".to_owned())];
            for (name, template) in &self.source.headers {
                headers.push((name.clone(), template.fill_places(Escape::Nothing, get, named)));
            }
            let shows = self.source.shows.as_ref();
            let shows = shows.map(|shows| shows.fill_places(Escape::Nothing, get, named));
            let sent = client.open_live_stream(user, &path, headers, &held.jar).await;
            let (status, body) = sent.map_err(|failure| NotOpen::Failed(failure.error))?;
            if self.source.absent.contains(&status) {
                return Err(NotOpen::Absent(format!("status {status}")));
            }
            let body = body.filter(|_| status == 200);
            let mut body =
                body.map(LiveBody::new).ok_or_else(|| NotOpen::Failed(format!("status {status}")))?;
            body.read_until_shown(shows.as_deref()).await.map_err(NotOpen::Failed)?;
            Ok(body)
        };
        let opened = tokio::time::timeout(OPEN_PATIENCE, opening).await;
        opened.unwrap_or_else(|_| Err(NotOpen::Failed("no event showed the session in time".to_owned())))
    }

    /// Waits until a connection ends, breaks or is silent for too long, or until it is over.
    async fn wait_for_end(&self, mut body: LiveBody, session: &str) -> Ended {
        let over = self.wait_until_over(session);
        tokio::pin!(over);
        loop {
            let piece = tokio::time::timeout(self.source.silence, body.stream.frame());
            let why = tokio::select! {
                () = &mut over => return Ended::Done,
                piece = piece => match piece {
                    Ok(Some(Ok(_))) => continue,
                    Ok(Some(Err(why))) => why.to_string(),
                    Ok(None) => "the connection ended".to_owned(),
                    Err(_) => format!("silent for {}", format_duration(self.source.silence)),
                },
            };
            return Ended::Lost(why);
        }
    }
}

/// The body of a live connection.
struct LiveBody {
    stream: Incoming,
}

impl LiveBody {
    fn new(stream: Incoming) -> Self {
        Self { stream }
    }

    /// Reads events until one has this text; without a text, until the first one.
    async fn read_until_shown(&mut self, shows: Option<&str>) -> Result<(), String> {
        let mut text = Vec::new();
        loop {
            let piece = match self.stream.frame().await {
                Some(Ok(piece)) => piece,
                Some(Err(why)) => return Err(why.to_string()),
                None => return Err("the connection ended before an event showed the session".to_owned()),
            };
            let Some(data) = piece.data_ref() else { continue };
            text.extend_from_slice(data);
            // An empty line ends an event.
            while let Some((event, after)) = split_event(&text) {
                let event = String::from_utf8_lossy(event).into_owned();
                let is_data = event.lines().any(|line| line.starts_with("data:"));
                if is_data && shows.is_none_or(|shows| event.contains(shows)) {
                    return Ok(());
                }
                text.drain(..after);
            }
            if text.len() > LINE_BYTES_MAX {
                return Err(format!("an event has more than {LINE_BYTES_MAX} bytes"));
            }
        }
    }
}

/// The first event of a stream, and where the next one begins.
fn split_event(text: &[u8]) -> Option<(&[u8], usize)> {
    let ends = [&b"\n\n"[..], b"\r\n\r\n"]
        .map(|end| text.windows(end.len()).position(|window| window == end).map(|at| (at, at + end.len())));
    let (at, after) = ends.into_iter().flatten().min()?;
    Some((&text[..at], after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_with_an_empty_line() {
        assert_eq!(split_event(b"data: a\ndata: b\n\ndata: c"), Some((&b"data: a\ndata: b"[..], 17)));
        assert_eq!(split_event(b": ping\r\n\r\ndata: c\n\n"), Some((&b": ping"[..], 10)));
        assert_eq!(split_event(b"data: a\n"), None);
    }

    #[test]
    fn what_is_not_known_is_no_zero() {
        let none = LiveTally { first_failure: Some("status 404".to_owned()), ..LiveTally::default() };
        assert!(none.describe().contains("nothing is known of them (status 404)"));
        let ms = Duration::from_millis;
        let some = LiveTally {
            opened: 5,
            lost: 4,
            gaps: vec![ms(900), ms(100), ms(300)],
            logged_out: 1,
            ..LiveTally::default()
        };
        assert_eq!(
            some.describe(),
            "live connections: 5 opened, 4 lost: 3 resumed (after 300ms at the median, 900ms at most), \
             1 refused, because the application knows no such session"
        );
    }
}
