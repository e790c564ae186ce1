//! What the uses of one register show.

use super::order::{Source, presume_order};
use crate::slices::{KeyStep, KeyUse};
use histories::Outcome;
use rustc_hash::FxHashMap;

/// A register whose values have one writer each. Each read returned the last value that some transaction wrote. Uses are known by their
/// place in the list of uses.
pub(super) struct RegularRegister<'a> {
    pub(super) uses: &'a [KeyUse],
    /// Of each use, the versions of others that it read, without repetitions.
    pub(super) sources: Vec<Vec<Source>>,
    /// The uses whose reads contradict what they did themselves.
    pub(super) bent: Vec<usize>,
    /// The writers that took effect, in the presumed order.
    pub(super) order: Vec<usize>,
    /// The indeterminate writers that nobody read here.
    pub(super) unread: Vec<usize>,
}

impl<'a> RegularRegister<'a> {
    /// `None` if the key is irregular. O(n log n).
    pub(super) fn new(uses: &'a [KeyUse]) -> Option<Self> {
        let writes = find_writes(uses)?;
        let mut register = Self {
            uses,
            sources: Vec::with_capacity(uses.len()),
            bent: Vec::new(),
            order: Vec::new(),
            unread: Vec::new(),
        };
        let mut is_read = vec![false; uses.len()];
        for at in 0..uses.len() {
            let reads = register.reads_of(at, &writes)?;
            if reads.is_bent {
                register.bent.push(at);
            }
            reads.sources.iter().flatten().for_each(|&writer| is_read[writer] = true);
            register.sources.push(reads.sources);
        }
        let writers = (0..uses.len()).filter(|&at| is_writer(&uses[at]));
        let (certain, unread): (Vec<usize>, Vec<usize>) = writers
            .filter(|&at| uses[at].transaction.outcome != Outcome::Fail)
            .partition(|&at| is_read[at] || uses[at].transaction.outcome == Outcome::Ok);
        register.unread = unread;
        register.order = presume_order(uses, &register.sources, &certain);
        Some(register)
    }

    /// `None` if a read returned what no regular register returns.
    fn reads_of(&self, at: usize, writes: &FxHashMap<u32, Write>) -> Option<Reads> {
        let mut reads = Reads { sources: Vec::new(), is_bent: false };
        let mut own: Option<u32> = None;
        for step in &self.uses[at].steps {
            let source = match step {
                KeyStep::Write(value) => {
                    own = Some(*value);
                    continue;
                }
                KeyStep::Foreign => return None,
                KeyStep::Read(value) => match value.as_slice() {
                    [] => None,
                    [value] if own == Some(*value) => continue,
                    [value] => {
                        let write = writes.get(value)?;
                        if write.writer == at {
                            reads.is_bent = true;
                            continue;
                        }
                        let is_visible = self.uses[write.writer].transaction.outcome != Outcome::Fail;
                        Some((is_visible && write.is_last).then_some(write.writer)?)
                    }
                    _ => return None,
                },
            };
            reads.is_bent |= own.is_some();
            if !reads.sources.contains(&source) {
                reads.sources.push(source);
            }
        }
        Some(reads)
    }
}

/// The reads of one transaction.
struct Reads {
    sources: Vec<Source>,
    is_bent: bool,
}

/// The write of a value.
struct Write {
    writer: usize,
    /// Whether the transaction did not overwrite it.
    is_last: bool,
}

pub(super) fn is_writer(of: &KeyUse) -> bool {
    of.steps.iter().any(|step| matches!(step, KeyStep::Write(_)))
}

/// The writes by value. `None` if a value was written twice.
fn find_writes(uses: &[KeyUse]) -> Option<FxHashMap<u32, Write>> {
    let mut writes = FxHashMap::default();
    for (writer, of) in uses.iter().enumerate() {
        let mut values = of.steps.iter().rev().filter_map(|step| match step {
            KeyStep::Write(value) => Some(*value),
            KeyStep::Read(_) | KeyStep::Foreign => None,
        });
        let last = values.next().map(|value| (value, true));
        for (value, is_last) in last.into_iter().chain(values.map(|value| (value, false))) {
            if writes.insert(value, Write { writer, is_last }).is_some() {
                return None;
            }
        }
    }
    Some(writes)
}
