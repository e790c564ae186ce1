//! The place of the search for an open choice that the order contradicts.

/// Which open variable is looked at next, and how many were in agreement with the order since it last changed.
pub(super) struct CompletionCursor {
    pub open: Vec<u32>,
    pub next: usize,
    pub in_agreement: usize,
}

impl CompletionCursor {
    /// A search through these variables, from the first on.
    pub(super) fn new(open: Vec<u32>) -> Self {
        Self { open, next: 0, in_agreement: 0 }
    }

    /// Notes that the order or the choices changed: what was in agreement need not be any more.
    pub(super) fn restart(&mut self) {
        self.in_agreement = 0;
    }
}
