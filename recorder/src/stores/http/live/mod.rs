//! Live connections of sessions: what a page keeps open while its user is logged in, as server-sent events or a WebSocket.
//!
//! A page that shows news holds a connection to the application for as long as it is open. A deployment or a crash cuts it off, and the
//! page opens it anew. The requests of a run do not see that. So a run that finds `[live]` in its description holds such a connection for
//! each session, and records when it was open, lost, and open again, and which numbered messages it brought:
//!
//! ```json
//! {"process":"live","type":"info","f":"lost","value":"s-1","error":"the connection ended"}
//! {"process":"live","type":"info","f":"message","value":["s-1",17]}
//! ```
//!
//! **What counts.** A connection is open once it has shown that it belongs to its session (`shows`). It is lost if it ends, breaks, or is
//! silent for too long. A connection that ends with its session (a logout, or another id) is not counted as lost. At the end, a connection
//! that is still lost is tried until `resume_within` has passed since its loss. What remains is told apart: the application said that there
//! is no such session, or nobody answered. The checker makes findings of that, so nothing is recorded that was not tried: a run that is
//! asked to stop leaves such connections `unfinished`.
//!
//! A message is recorded as it comes, also if the connection fails before it counts as open: a page would have seen it, and the
//! application need not send it again.
//!
//! **Limits.** [`LIVE_MAX`] connections at a time; the sessions beyond are counted. [`MESSAGES_MAX`] messages of all sessions together:
//! once there are so many, no session has any more of them, so that none has a gap.

mod message;
mod opening;
mod source;
mod stream;
mod tally;
mod trial;

pub(super) use source::{LiveSource, LiveTable};
pub(super) use tally::LiveTally;
pub(super) use trial::{LiveTrial, try_live_connection};

use super::{HttpClient, HttpStoreState, Spread};
use crate::client::lock_unpoisoned;
use crate::journal::JournalLost;
use crate::{Clock, Journal, LiveEnds};
use message::LiveMessage;
use opening::{LiveOpening, NotOpen};
use source::LAST;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use stream::LiveStream;
use tally::{LIVE_MAX, MESSAGES_MAX};
use tokio::task::{JoinError, JoinSet};
use workloads::{Value, format_duration};

/// How often new sessions are looked for, and whether a session has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The pause before a lost connection is opened anew, and after an answer that refuses it.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_REFUSED: Duration = Duration::from_millis(500);
/// How often within the time of `silence` a silent connection is asked for a sign of life.
const PINGS_IN_SILENCE: u32 = 3;

/// The live connections of a run.
struct LiveWatch {
    inner: Arc<HttpStoreState>,
    source: LiveSource,
    journal: Arc<Journal>,
    clock: Clock,
    ends: LiveEnds,
}

/// The live connection of one session.
struct LiveLine {
    session: Arc<str>,
    client: HttpClient,
    /// The id of the last event.
    last_id: Option<String>,
    /// The number of the last message.
    last_number: Option<i64>,
    /// When it was lost, unless it is open again.
    lost_ns: Option<u64>,
    /// Why it was not opened the last time.
    refusal: Option<NotOpen>,
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

/// Holds a connection for each session that lives, until the run ends.
pub(super) async fn hold_live_connections(
    inner: Arc<HttpStoreState>,
    (journal, clock): (Arc<Journal>, Clock),
    ends: LiveEnds,
) -> Result<(), JournalLost> {
    let Some(source) = inner.description.live.clone() else { return Ok(()) };
    lock_unpoisoned(&inner.live).messages = source.number.as_ref().map(|_| 0);
    let watch = Arc::new(LiveWatch { inner, source, journal, clock, ends });
    let (mut known, mut held) = (HashSet::new(), JoinSet::new());
    while !watch.ends.enough.is_requested() {
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
            let client = HttpClient::for_seat(&watch.inner, known.len());
            held.spawn(watch.clone().hold_connection(LiveLine::new(session, client)));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = watch.ends.enough.wait_until_requested() => {}
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

impl LiveLine {
    fn new(session: Arc<str>, client: HttpClient) -> Self {
        Self { session, client, last_id: None, last_number: None, lost_ns: None, refusal: None }
    }

    /// The user of the session. The ids of a session after renewals begin with the name of its user.
    fn user(&self) -> &str {
        self.session.split_once('.').map_or(&self.session, |(user, _)| user)
    }

    /// Remembers where to resume. Returns the number of the message.
    fn remember_message(&mut self, source: &LiveSource, message: &LiveMessage) -> Option<i64> {
        if let Some(id) = message.id.as_ref().filter(|id| hyper::header::HeaderValue::from_str(id).is_ok()) {
            self.last_id = Some(id.clone());
        }
        let number = source.number.as_ref().and_then(|place| message.number_at(place))?;
        self.last_number = Some(number);
        Some(number)
    }

    /// The values of `{take.…}`: the number of the last message, or else its id.
    fn taken(&self) -> BTreeMap<String, String> {
        let number = self.last_number.map(|number| number.to_string());
        let last = number.or_else(|| self.last_id.clone()).unwrap_or_else(|| "0".to_owned());
        BTreeMap::from([(LAST.to_owned(), last)])
    }
}

impl LiveWatch {
    /// Holds the connection of one session until the session or the run ends.
    async fn hold_connection(self: Arc<Self>, mut line: LiveLine) -> Result<(), JournalLost> {
        let session = line.session.clone();
        while !self.is_given_up(&session, line.lost_ns) {
            let lost_ns = line.lost_ns;
            let opened = tokio::select! {
                opened = self.open_connection(&mut line) => opened?,
                () = self.wait_until_given_up(&session, lost_ns) => break,
            };
            let stream = match opened {
                Ok(stream) => stream,
                Err(refusal) => {
                    self.pause_after(&mut line, refusal).await;
                    continue;
                }
            };
            self.note_open(&mut line)?;
            match self.wait_for_end(&mut line, stream).await? {
                Ended::Done => break,
                Ended::Lost(why) => {
                    line.lost_ns = Some(self.clock.now_ns());
                    self.record("lost", &session, Some(&why))?;
                    lock_unpoisoned(&self.inner.live).lost += 1;
                }
            }
        }
        self.note_last_loss(&line)
    }

    async fn open_connection(&self, line: &mut LiveLine) -> Result<Result<LiveStream, NotOpen>, JournalLost> {
        let take_message = |line: &mut LiveLine, message: &LiveMessage| self.take_message(line, message);
        let opening = LiveOpening { inner: &self.inner, source: &self.source, take_message: &take_message };
        opening.open_connection(line).await
    }

    /// Remembers why a connection was not opened, and waits a while before it is tried again.
    async fn pause_after(&self, line: &mut LiveLine, refusal: NotOpen) {
        let pause = if refusal.is_absent() { PAUSE_REFUSED } else { PAUSE };
        lock_unpoisoned(&self.inner.live).first_failure.get_or_insert_with(|| refusal.reason().to_owned());
        if self.inner.description.spread == Spread::Seat {
            // As the requests of the session, which enter anywhere.
            line.client.seat = line.client.seat.wrapping_add(1);
        }
        line.refusal = Some(refusal);
        let over = self.wait_until_given_up(&line.session, line.lost_ns);
        tokio::time::timeout(pause, over).await.ok();
    }

    fn note_open(&self, line: &mut LiveLine) -> Result<(), JournalLost> {
        line.refusal = None;
        let now_ns = self.clock.now_ns();
        match line.lost_ns.take() {
            None => {
                self.record("open", &line.session, None)?;
                lock_unpoisoned(&self.inner.live).opened += 1;
            }
            Some(since_ns) => {
                self.record("resumed", &line.session, None)?;
                let gap = Duration::from_nanos(now_ns.saturating_sub(since_ns));
                lock_unpoisoned(&self.inner.live).gaps.push(gap);
            }
        }
        Ok(())
    }

    /// Records what became of a connection that is not open at the end.
    fn note_last_loss(&self, line: &LiveLine) -> Result<(), JournalLost> {
        let Some(lost_ns) = line.lost_ns else { return Ok(()) };
        let is_absent = line.refusal.as_ref().is_some_and(NotOpen::is_absent);
        let what = if !self.lives(&line.session) {
            "ended"
        } else if !self.was_tried_long_enough(lost_ns) {
            "unfinished"
        } else if is_absent {
            "refused"
        } else {
            "out"
        };
        let why = line.refusal.as_ref().map(NotOpen::reason).filter(|_| matches!(what, "refused" | "out"));
        self.record(what, &line.session, why)?;
        let mut tally = lock_unpoisoned(&self.inner.live);
        match what {
            // It went with its session: some applications close it before they answer the logout.
            "ended" => tally.lost -= 1,
            "refused" => tally.logged_out += 1,
            _ => tally.still_out += 1,
        }
        Ok(())
    }

    fn record(&self, what: &str, session: &Arc<str>, why: Option<&str>) -> Result<(), JournalLost> {
        self.journal.record_actor_event("live", what, &Value::Text(session.clone()), why).map(drop)
    }

    /// Records a message if it has a number, and remembers where to resume.
    fn take_message(&self, line: &mut LiveLine, message: &LiveMessage) -> Result<(), JournalLost> {
        let Some(number) = line.remember_message(&self.source, message) else { return Ok(()) };
        {
            let mut tally = lock_unpoisoned(&self.inner.live);
            match &mut tally.messages {
                Some(count) if *count < MESSAGES_MAX => *count += 1,
                _ => return Ok(()),
            }
        }
        let value = Value::List(vec![Value::Text(line.session.clone()), Value::Int(number)]);
        self.journal.record_actor_event("live", "message", &value, None).map(drop)
    }

    fn lives(&self, session: &str) -> bool {
        self.inner.browsers.jar_for_session(session).is_some_and(|held| held.lives)
    }

    fn was_tried_long_enough(&self, lost_ns: u64) -> bool {
        self.clock.now_ns() >= lost_ns.saturating_add(self.source.resume_within.as_nanos() as u64)
    }

    /// Whether a connection that is not open is no longer tried. A lost one is tried for some time after the run has enough.
    fn is_given_up(&self, session: &str, lost_ns: Option<u64>) -> bool {
        let may_wait = lost_ns.is_some_and(|lost_ns| !self.was_tried_long_enough(lost_ns));
        let run_is_over = self.ends.enough.is_requested() && !may_wait;
        run_is_over || self.ends.stop.is_requested() || !self.lives(session)
    }

    async fn wait_until_given_up(&self, session: &str, lost_ns: Option<u64>) {
        while !self.is_given_up(session, lost_ns) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a session or the run ends, for a connection that is open.
    async fn wait_until_over(&self, session: &str) {
        while self.lives(session) && !self.ends.enough.is_requested() && !self.ends.stop.is_requested() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Takes messages until a connection ends, breaks or is silent for too long, or until it is over.
    async fn wait_for_end(&self, line: &mut LiveLine, mut stream: LiveStream) -> Result<Ended, JournalLost> {
        let session = line.session.clone();
        let over = self.wait_until_over(&session);
        tokio::pin!(over);
        let mut silent = 0;
        loop {
            let next = tokio::time::timeout(self.source.silence / PINGS_IN_SILENCE, stream.next_message());
            let came = tokio::select! {
                () = &mut over => return Ok(Ended::Done),
                came = next => came,
            };
            silent = if came.is_ok() { 0 } else { silent + 1 };
            let went_on = match came {
                Ok(Ok(message)) => {
                    message.map_or(Ok(()), |message| self.take_message(line, &message))?;
                    Ok(())
                }
                Ok(Err(why)) => Err(why),
                Err(_) if silent == PINGS_IN_SILENCE => {
                    Err(format!("silent for {}", format_duration(self.source.silence)))
                }
                Err(_) => stream.send_ping().await,
            };
            if let Err(why) = went_on {
                return Ok(Ended::Lost(why));
            }
        }
    }
}
