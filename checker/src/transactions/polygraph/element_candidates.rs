//! The transactions whose element may stand at each position of a list ([`super::shown_elements`]).

use histories::OpId;

/// The longest list of a key to which equal elements were appended.
#[derive(Clone, Debug)]
pub(super) struct ShownElements {
    /// The number of the key.
    pub key: u32,
    /// The transactions that appended to the key, even those that failed.
    pub writers: Vec<ElementWriter>,
    /// By position: the writers that appended its element, by their places in `writers`. None if nobody did.
    pub positions: Vec<Vec<u32>>,
    /// The elements that several writers may have appended.
    pub shared: Vec<SharedElement>,
}

/// A transaction that appended to a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct ElementWriter {
    pub id: OpId,
    /// The number of the transaction; `None` if it failed or may have, so that the order of its elements does not matter.
    pub number: Option<u32>,
    /// Whether an append of it comes after the longest list: certainly, perhaps (`None`), or not.
    pub comes_after: Option<bool>,
}

/// An element with what a writer did with it.
#[derive(Clone, Debug)]
pub(super) struct SharedElement {
    /// The place of the writer.
    pub writer: u32,
    /// How often it appended the element.
    pub count: usize,
    /// The positions of the element in the list.
    pub positions: Vec<u32>,
    /// Whether an append of it that is not in the list comes after it.
    pub may_come_after: bool,
}
