//! The place of the search for an open choice that the order contradicts.

/// Which open variable is looked at next, and how many were in agreement with the order since it last changed.
#[derive(Default)]
pub(super) struct CompletionCursor {
    pub open: Vec<u32>,
    pub next: usize,
    pub in_agreement: usize,
}

impl CompletionCursor {
    /// What was in agreement need not be any more.
    pub(super) fn restart(&mut self) {
        self.in_agreement = 0;
    }

    /// Starts again, with these variables.
    pub(super) fn set_open_variables(&mut self, open: Vec<u32>) {
        *self = Self { open, next: 0, in_agreement: 0 };
    }
}
