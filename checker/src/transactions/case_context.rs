//! What is known of a history when it is decided case by case.

use super::index::TransactionIndex;
use super::summary::Analyze;
use claims::{Assume, Limits};
use histories::History;

/// The facts about a history that the faster engines established.
pub(super) struct CaseContext<'a> {
    pub history: &'a History,
    pub index: &'a TransactionIndex<'a>,
    /// Analyzes another history.
    pub analyze: Analyze,
    pub assume: Assume,
    /// Whether some transaction did not read back its own write.
    pub own_write_missed: bool,
    /// Whether a transaction read a list that it had appended to before.
    pub own_appends_read: bool,
    /// Whether a key is used as a list and as a register.
    pub mixed: bool,
    pub limits: &'a Limits<'a>,
}
