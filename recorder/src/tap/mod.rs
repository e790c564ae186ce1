//! Records what others do to a web application: a reverse proxy that reads a [`Description`] backwards.
//!
//! A driven run needs a load of its own. A team has one already: scripts of k6, tests in a browser, people on a staging system. The
//! naive way to check their sessions is to change the scripts, so that they write histories. Here they stay as they are, and only
//! their target changes: they send their requests to the tap, which passes them on. `recognise.rs` finds out which requests are
//! steps of the description, `book.rs` which session each belongs to, and `operation.rs` writes invocations and completions into the
//! journal of an ordinary recording.
//!
//! ```text
//! clients ──► tap ──► application
//!              │ invocation before the request goes on, completion before the end of the answer does
//!              ▼
//!           journal
//! ```
//!
//! **What is certain.** The application works on a request between its two events, and each event of the journal is in the world
//! where it is in the file. So the history is one of the application, as seen from in front of it. What the tap cannot know makes an
//! operation indeterminate, or leaves it out and counts it: a finding never rests on a guess.
//!
//! **What is passed on.** Everything, in both directions, as it comes: bodies are streamed, and kept only as far as a step has places
//! in them, up to [`TapSettings::look_bytes_max`]. Only the headers of the connection itself are changed, and `accept-encoding` of
//! requests whose answers have to be read.
//!
//! **Limits.** Connections, headers, kept bytes, waiting times, remembered ids and values: each has a constant or a setting beside its
//! use. Both sides speak HTTP/1, and with TLS also HTTP/2.

mod actions;
mod body;
mod book;
mod census;
mod forward;
mod operation;
mod pattern;
mod recognise;
mod serve;
mod tunnel;
mod unrecorded;
mod upstream;
mod values;

pub use census::PassedShape;
pub use serve::{TapError, record_tap};
pub use unrecorded::Unrecorded;

use crate::client::lock_unpoisoned;
use crate::journal::JournalLost;
use crate::stores::http::Description;
use crate::stores::http::secrets::Secrets;
use crate::{Journal, ListenTls, RunCounts, Stop, Tally};
use body::LookedTotal;
use book::SessionBook;
use census::PassedCensus;
use hyper::Method;
use recognise::Recogniser;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use upstream::UpstreamTarget;

/// What to listen to, and how.
#[derive(Clone, Debug)]
pub struct TapSettings {
    /// The address for clients, `host:port`.
    pub listen: String,
    /// The certificate to listen with. Without one, clients connect in plain text.
    pub listen_tls: Option<ListenTls>,
    /// The address of the application, `host:port`.
    pub to: String,
    /// Whether the application is reached with TLS: with the table `[tls]` of the description, or with the CAs of the system.
    pub to_tls: bool,
    /// Whether ids and tokens stand in the history unchanged.
    pub keep_secrets: bool,
    /// How long the application may take until the headers of an answer, and for each further piece of an answer that is recorded.
    pub answer_patience: Duration,
    /// The largest body that is looked at, in bytes. Longer ones are passed on, and recorded without their values.
    pub look_bytes_max: u64,
    /// How many clients may be connected at a time. Further ones wait to be accepted.
    pub connections_max: usize,
    /// Requests that change no session although no step fits them.
    pub harmless: Vec<HarmlessRequest>,
}

/// The method and path of requests that change no session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HarmlessRequest {
    method: Method,
    /// The texts between the asterisks of the path.
    texts: Vec<String>,
}

impl HarmlessRequest {
    /// Parses a method and a path, in which `*` stands for any text.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let parts = typed.trim().split_once(' ').map(|(method, path)| (method, path.trim()));
        let (method, path) = parts
            .filter(|(_, path)| path.starts_with('/') && !path.contains([' ', '?']))
            .ok_or("pass a method and a path, such as \"POST /metrics\"")?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is no method"))?;
        Ok(Self { method, texts: path.split('*').map(str::to_owned).collect() })
    }

    fn covers(&self, method: &Method, path: &str) -> bool {
        let Some((first, others)) = self.texts.split_first() else { return false };
        let Some(mut rest) = path.strip_prefix(first.as_str()).filter(|_| self.method == *method) else {
            return false;
        };
        let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
        for text in middle {
            match rest.split_once(text.as_str()) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

/// What a tap recorded, and what it did not.
#[derive(Clone, Debug)]
pub struct TapOutcome {
    /// Operations by outcome.
    pub tally: Tally,
    /// Number of events in the journal.
    pub events: u64,
    /// Number of sessions, those after renewals included.
    pub sessions: usize,
    /// Sessions that something unrecognised may have changed, so that they were recorded only up to then.
    pub left_sessions: usize,
    /// Acknowledged renewals that gave out no new id.
    pub unchanged_renewals: u64,
    /// Requests that are part of a step, such as the page with a login form.
    pub part_requests: u64,
    /// Requests that fit a step and were not recorded, by reason.
    pub unrecorded: Vec<(Unrecorded, u64)>,
    /// Requests that no step fits, the most frequent first.
    pub passed: Vec<PassedShape>,
    /// Requests of further shapes.
    pub passed_others: u64,
    /// How long the tap was there.
    pub took: Duration,
}

/// What all connections share.
struct TapState {
    settings: TapSettings,
    upstream: UpstreamTarget,
    description: Description,
    recogniser: Recogniser,
    secrets: Secrets,
    journal: Arc<Journal>,
    counts: Arc<RunCounts>,
    stop: Stop,
    processes: ProcessNumbers,
    looked: LookedTotal,
    book: Mutex<SessionBook>,
    census: Mutex<PassedCensus>,
    lost: OnceLock<JournalLost>,
}

impl std::fmt::Debug for TapState {
    /// Shows the settings. The rest holds the ids of others.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TapState").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl TapState {
    fn new(
        description: Description,
        (settings, upstream): (TapSettings, UpstreamTarget),
        journal: Arc<Journal>,
        counts: Arc<RunCounts>,
        stop: Stop,
    ) -> Self {
        let secrets =
            if settings.keep_secrets { Secrets::without_digests() } else { Secrets::with_digests() };
        Self {
            recogniser: Recogniser::new(&description),
            book: Mutex::new(SessionBook::new(!description.create.before.is_empty())),
            settings,
            upstream,
            description,
            secrets,
            journal,
            counts,
            stop,
            processes: ProcessNumbers::default(),
            looked: LookedTotal::default(),
            census: Mutex::default(),
            lost: OnceLock::new(),
        }
    }

    fn book(&self) -> MutexGuard<'_, SessionBook> {
        lock_unpoisoned(&self.book)
    }

    fn census(&self) -> MutexGuard<'_, PassedCensus> {
        lock_unpoisoned(&self.census)
    }

    fn is_harmless(&self, method: &Method, path: &str) -> bool {
        self.settings.harmless.iter().any(|known| known.covers(method, path))
    }

    /// Ends the tap: without a journal, nothing more may be passed on.
    fn note_journal_lost(&self, lost: &JournalLost) {
        self.lost.get_or_init(|| lost.clone());
        self.stop.request_stop();
    }

    fn journal_is_lost(&self) -> bool {
        self.lost.get().is_some()
    }

    fn describe_outcome(&self, took: Duration) -> TapOutcome {
        let (book, census) = (self.book(), self.census());
        let (passed, passed_others) = census.list_shapes();
        TapOutcome {
            tally: self.counts.current_tally(),
            events: self.journal.event_count(),
            sessions: book.session_count(),
            left_sessions: book.left_count(),
            unchanged_renewals: book.unchanged_renewals(),
            part_requests: census.part_count(),
            unrecorded: census.unrecorded_counts(),
            passed,
            passed_others,
            took,
        }
    }
}

/// The numbers of processes. A process does one operation at a time, and none after an indeterminate one.
#[derive(Debug, Default)]
struct ProcessNumbers {
    free: Mutex<Vec<u64>>,
    next: AtomicU64,
}

impl ProcessNumbers {
    fn take_number(&self) -> u64 {
        let free = lock_unpoisoned(&self.free).pop();
        free.unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn give_back(&self, number: u64) {
        lock_unpoisoned(&self.free).push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_requests_are_named_by_method_and_path() {
        let covers = |typed: &str, method: Method, path: &str| {
            HarmlessRequest::parse(typed).unwrap().covers(&method, path)
        };
        assert!(covers("POST /metrics", Method::POST, "/metrics"));
        assert!(!covers("POST /metrics", Method::POST, "/metrics/x"));
        assert!(!covers("POST /metrics", Method::PUT, "/metrics"));
        assert!(covers("POST /api/*/hits/*", Method::POST, "/api/v1/hits/7"));
        assert!(covers("POST *.gif".replace('*', "/*").as_str(), Method::POST, "/a/b.gif"));
        assert!(!covers("POST /api/*/hits", Method::POST, "/api/hits"));
        for wrong in ["", "POST", "POST metrics", "P\u{e4} /x", "POST /a b"] {
            assert!(HarmlessRequest::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_process_number_is_free_again_only_if_it_is_given_back() {
        let processes = ProcessNumbers::default();
        assert_eq!((processes.take_number(), processes.take_number()), (0, 1));
        processes.give_back(0);
        assert_eq!((processes.take_number(), processes.take_number()), (0, 2));
    }
}
