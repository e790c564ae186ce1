//! What the servers of a judged stream answer: figures, the page for browsers, its state, and the report on each violation.
//!
//! Nothing is loaded from elsewhere: style and script are part of the page, and the policy of each page forbids everything else.
//! The report on a violation is the page that `check --report` writes.

use super::metrics::{METRICS_TYPE, format_metrics};
use super::status::StreamStatus;
use recorder::{PageMaker, PageServer, ServedPage};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const HTML: &str = "text/html; charset=utf-8";
/// What the live page may do: show the reports, and ask for the state.
const LIVE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                           frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
/// What a report may do.
const REPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; \
                             form-action 'none'; frame-ancestors 'self'";
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// A page that asked for the state so long ago is still open.
const PAGE_IS_OPEN: Duration = Duration::from_secs(3);
/// How long to wait at the end until an open page has asked for the last state.
const LAST_STATE_PATIENCE: Duration = Duration::from_millis(1_500);

/// What the servers show.
#[derive(Default)]
pub(super) struct ShownStream {
    status: StreamStatus,
    /// The report on each violation, as HTML.
    reports: Vec<String>,
    asked_at: Option<Instant>,
    /// Whether the last state was asked for.
    told_end: bool,
}

/// The servers, and what they show.
pub(super) struct StreamPages {
    shown: Arc<Mutex<ShownStream>>,
    _servers: Vec<PageServer>,
    /// Whether reports are shown.
    has_page: bool,
}

/// What a server answers.
#[derive(Clone, Copy)]
struct ServerRole {
    metrics: bool,
    page: bool,
}

impl StreamPages {
    /// Listens on the addresses for figures and for the page, which may be the same. `told` takes what each server is, and its URL.
    pub(super) fn start(
        metrics: Option<&str>,
        page: Option<&str>,
        told: &dyn Fn(&str, String),
    ) -> Result<Self, String> {
        let shown: Arc<Mutex<ShownStream>> = Arc::default();
        let mut servers = Vec::new();
        let mut listen = |address: &str, role: ServerRole| -> Result<(), String> {
            let shown = Arc::clone(&shown);
            let pages: Arc<PageMaker> = Arc::new(move |path: &str| {
                make_page(&mut shown.lock().unwrap_or_else(PoisonError::into_inner), path, role)
            });
            let server = PageServer::start(address, pages)?;
            if role.metrics {
                told("metrics", format!("http://{}/metrics", server.address()));
            }
            if role.page {
                told("live page", format!("http://{}/", server.address()));
            }
            servers.push(server);
            Ok(())
        };
        match (metrics, page) {
            (Some(metrics), Some(page)) if metrics == page && !page.ends_with(":0") => {
                listen(page, ServerRole { metrics: true, page: true })?;
            }
            _ => {
                if let Some(metrics) = metrics {
                    listen(metrics, ServerRole { metrics: true, page: false })?;
                }
                if let Some(page) = page {
                    listen(page, ServerRole { metrics: false, page: true })?;
                }
            }
        }
        Ok(Self { shown, _servers: servers, has_page: page.is_some() })
    }

    /// Whether reports on violations are shown.
    pub(super) fn has_page(&self) -> bool {
        self.has_page
    }

    /// Shows a state.
    pub(super) fn show_status(&self, status: &StreamStatus) {
        self.lock().status = status.clone();
    }

    /// Shows the report on the next violation.
    pub(super) fn add_report(&self, report: String) {
        self.lock().reports.push(report);
    }

    /// Waits until a page that is open has asked for the last state, but not for long.
    pub(super) fn wait_for_last_look(&self) {
        let began = Instant::now();
        let waits = |shown: &ShownStream| {
            !shown.told_end && shown.asked_at.is_some_and(|at| at.elapsed() < PAGE_IS_OPEN)
        };
        while began.elapsed() < LAST_STATE_PATIENCE && waits(&self.lock()) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ShownStream> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_page(shown: &mut ShownStream, path: &str, role: ServerRole) -> Option<ServedPage> {
    let data = |content_type, text: String| ServedPage {
        content_type,
        policy: DATA_POLICY,
        body: text.into_bytes(),
    };
    match path {
        "/metrics" if role.metrics => Some(data(METRICS_TYPE, format_metrics(&shown.status))),
        "/" if role.page => {
            Some(ServedPage { content_type: HTML, policy: LIVE_POLICY, body: live_page().into_bytes() })
        }
        "/state.json" if role.page => {
            shown.asked_at = Some(Instant::now());
            shown.told_end |= shown.status.ended;
            Some(data("application/json", serde_json::to_string(&shown.status).ok()?))
        }
        _ if role.page => {
            let number: usize = path.strip_prefix("/violations/")?.parse().ok()?;
            let report = shown.reports.get(number.checked_sub(1)?)?;
            Some(ServedPage { content_type: HTML, policy: REPORT_POLICY, body: report.clone().into_bytes() })
        }
        _ => None,
    }
}

fn live_page() -> String {
    include_str!("live_page.html")
        .replace("/*STYLE*/", crate::report::page::STYLE)
        .replace("/*SCRIPT*/", include_str!("live_page.js"))
}
