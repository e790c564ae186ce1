//! The window as a history in which everything took effect, for the order of its operations.
//!
//! An operation that is open or indeterminate may take effect later. Its past is then that of its invocation, so here it
//! completes after everything else. An open read stands as a write of an object of its own. After the last operation, each
//! session has one more write of that object, the *tip*: the past of a tip is what the session has seen.

use super::CausalMonitor;
use crate::monitor::objects::kept::KeptOperation;
use crate::monitor::objects::window::{WindowOperation, build_window};
use crate::monitor::stream::{EventDetails, ProcessName};
use crate::monitor::window::WindowDetail;
use histories::{History, Outcome};
use std::sync::Arc;

/// The object of tips and open reads. Keys are JSON, and this is none.
const TIP_KEY: &str = "\u{1}tip";

/// The window as a history in which everything took effect.
pub(super) struct PastWindow {
    pub(super) history: History,
    /// For each operation of the history that is one of the window, its index there.
    pub(super) entries: Vec<usize>,
    /// The sessions. Their tips are the operations after those of the window, in the same order.
    pub(super) sessions: Vec<Arc<str>>,
}

impl PastWindow {
    pub(super) fn tip(&self, session: usize) -> usize {
        self.entries.len() + session
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.sessions.len()
    }
}

impl CausalMonitor {
    /// The window as a history in which everything took effect. O(n log n).
    pub(super) fn build_past(&self) -> PastWindow {
        let counts = |at: &usize| {
            let operation = &self.window[*at].operation;
            !operation.is_void() && operation.outcome != Some(Outcome::Fail)
        };
        let entries: Vec<usize> = (0..self.window.len()).filter(counts).collect();
        let mut sessions: Vec<Arc<str>> = self.sessions.keys().map(Arc::clone).collect();
        sessions.sort_unstable();
        let mut ends = self.position + sessions.len() as u64;
        let mut operations: Vec<(&str, KeptOperation)> = Vec::with_capacity(entries.len() + sessions.len());
        for &at in &entries {
            let entry = &self.window[at];
            let name = &*self.keys[entry.key as usize].name;
            if entry.operation.is_ok() {
                operations.push((name, entry.operation.clone()));
                continue;
            }
            ends += 1;
            let key = if entry.operation.writes { name } else { TIP_KEY };
            operations.push((key, complete_at_the_end(&entry.operation, ends)));
        }
        for (place, session) in (0..).zip(&sessions) {
            ends += 1;
            operations.push((TIP_KEY, tip_of(session, self.position + place, ends)));
        }
        let told: Vec<WindowOperation<'_>> =
            operations.iter().map(|(key, operation)| WindowOperation { key, operation }).collect();
        PastWindow { history: build_window(&told, WindowDetail::Bare), entries, sessions }
    }
}

/// An operation that may take effect later, as one that does so at the end.
fn complete_at_the_end(operation: &KeptOperation, end: u64) -> KeptOperation {
    let value = if operation.writes { operation.value.clone() } else { Some(Arc::from(end.to_string())) };
    KeptOperation {
        process: ProcessName::Label(Arc::from(format!("pending {end}"))),
        writes: true,
        value,
        completed: end,
        last_event: end,
        outcome: Some(Outcome::Ok),
        ..operation.clone()
    }
}

fn tip_of(session: &Arc<str>, invoked: u64, end: u64) -> KeptOperation {
    KeptOperation {
        process: ProcessName::Label(Arc::from(format!("tip {end}"))),
        session: Arc::clone(session),
        writes: true,
        value: Some(Arc::from(end.to_string())),
        invoked,
        completed: end,
        outcome: Some(Outcome::Ok),
        version: None,
        invocation: EventDetails::default(),
        completion: EventDetails::default(),
        last_event: end,
    }
}
