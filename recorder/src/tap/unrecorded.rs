//! Why requests are left out of the history.

/// The most ids, and the most actions, that are remembered. Later sessions and actions are not recorded.
pub(super) const IDS_MAX: usize = 2_000_000;

/// Why a request that fits a step is not recorded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Unrecorded {
    /// It has no session id, or an id that no recorded answer gave out.
    UnknownSession,
    /// Something unrecognised may have changed the session.
    LeftSession,
    /// It lacks what the history needs, such as an action, or repeats an action.
    Incomplete,
    /// The tap remembers no more sessions.
    Full,
}
