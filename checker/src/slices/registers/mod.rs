//! Slices of a history of register transactions.
//!
//! A register does not show the order of its versions. So an order is *presumed* for each key (`order.rs`), and two histories are made of
//! each slice: one to prove that the whole is violated, where nothing is presumed, and one to prove that it holds, where the presumed
//! order joins the slice to the others. If neither decides, the slice is made wider.
//!
//! # What is cut
//!
//! The presumed order P is a total order of the writers of each key: of the `ok` ones, and of the indeterminate ones that took effect. It
//! may be any order: a bad one makes slices larger, or leaves them open. The edges are session order and real time, which never lead to a
//! lower place; from each writer to its readers (`wr`); from each writer to the next in P (`ww`); from each reader of a version to the
//! next writer in P (`rw`). As for lists, slices are the connected components of the spans of backward edges, or the strongly
//! connected components of all edges, or unions of either that leave no gap. A transaction whose reads contradict what it did itself is a
//! span by itself. All transactions that use an *irregular* key are in one slice: one with a value that was written twice, with
//! a read of a value that nobody wrote, of a failed write, or of one that its writer overwrote, or with a write of `null`.
//!
//! Three facts follow. (1) P agrees with the order of the slices: a path of `ww` edges that goes back makes one slice of its ends.
//! (2) If a transaction outside a slice reads a version of the slice, the slice is earlier, and no later version of the key is in the
//! slice: from the reader, a path of one `rw` edge and `ww` edges leads to each later writer. (3) For the same reason, all
//! reads of a key that return versions of earlier slices return the last one of those in P, or the initial one.
//!
//! # Violated
//!
//! The history of the slice and of some *witnesses* ([`register_witnesses`]) has only the reads of values that it writes itself, and of
//! the initial value ([`RegisterSlice::alone`]). If a level does not hold of it, the level does not hold of the whole. Suppose that an
//! execution of the whole meets the level's condition (the formulas are in `docs/transactions.md`). Leave out all other
//! transactions and reads, and keep the order of the rest. Each condition forbids cycles of edges, or reads that miss a
//! write of a transaction that leads to theirs by edges. No edge is added by leaving something out: `so`, `rt`, `ww` and `rw` of the
//! remaining transactions and reads are the same. Two conditions are not about edges. `cursor-stability` demands that two versions be
//! adjacent, and they stay so. `monotonic-snapshot-read` demands that a read return the last version before it in one order, and it still
//! does if the writer is there.
//!
//! # Holds
//!
//! The second history ([`RegisterSlice::presumed`]) has the transactions of the slice without witnesses. A read of a version of an earlier
//! slice returns the initial value instead. One transaction F is added, after all others. For each key with at least two
//! writers in the slice, whose last version in P a later transaction reads, F reads that version and writes the key. Before that, F
//! reads from each of those writers, by a key that only this writer and F use. So each of them leads to F by a `wr` edge, and
//! whatever the level, another version cannot be the last one: a read of F would miss it, which is forbidden by all
//! levels that forbid F to miss what leads to it. At the levels without such a rule, no read depends on which version is
//! last, with one exception: `cursor-stability` demands that F overwrite the version that it read, and no writer may come after F. An
//! execution with the right versions last can always be extended by F, because no edge leads from F.
//!
//! Suppose that each slice has an execution that meets the condition. Run all slices and the transactions in no slice one after the other,
//! in the order of the slices. By (1) to (3) and F, each read of an earlier slice returns the last version before the slice. So no edge
//! leads to an earlier slice, cycles and paths between transactions of one slice stay within it, and the condition holds of the whole.
//! The initial value stands for an earlier version in all conditions: no formula treats it otherwise. An indeterminate transaction that
//! nobody read is left out, because it may never have taken effect.
//!
//! # What stays open
//!
//! If the first history does not violate a level, and the second one does not satisfy it, P may be wrong. A wider slice presumes less. The
//! slice of everything presumes nothing.

mod edges;
mod histories;
mod key;
mod order;

pub use edges::{register_edges, register_witnesses};
pub use histories::RegisterSlice;
