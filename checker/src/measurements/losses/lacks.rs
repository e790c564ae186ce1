//! What answers lack of each reign.
//!
//! An answer that shows an old version lacks every write that was acknowledged since. If several servers had acknowledged such writes, one
//! after another, each of their reigns lost its own. The first that each reign lost says what it lost after that, so these suffice.
//!
//! O(n log n) as long as few reigns wrote one object. If many did, the search ends after a number of steps that is linear in n, and says so.

use super::write_list::WriteList;
use histories::{History, KeyId, OpId};
use rustc_hash::FxHashMap;

/// How many reigns are looked at for one operation of the history, on average.
const STEPS_PER_OPERATION: usize = 16;
/// How many are looked at in any history.
const STEPS_LEAST: usize = 1 << 16;

/// An answer that lacks the writes of an object that began after a position and were acknowledged before the answer was requested.
#[derive(Clone, Copy)]
pub(super) struct Lack {
    pub(super) read: OpId,
    pub(super) key: KeyId,
    pub(super) since: u32,
}

/// Pairs of an entry and an answer that lacks it.
pub(super) struct LackedEntries {
    pub(super) pairs: Vec<(OpId, OpId)>,
    /// Whether all answers were looked at.
    pub(super) is_complete: bool,
}

/// For each answer and each reign, the entry that was acknowledged first among those that the answer lacks. The entries are writes in order
/// of invocation.
pub(super) fn find_lacked_entries(
    history: &History,
    entries: impl DoubleEndedIterator<Item = OpId>,
    reign_of: &[u32],
    lacks: &[Lack],
) -> LackedEntries {
    let mut found = LackedEntries { pairs: Vec::new(), is_complete: true };
    if lacks.is_empty() {
        return found;
    }
    let mut place: FxHashMap<(KeyId, u32), usize> = FxHashMap::default();
    let mut by_key: FxHashMap<KeyId, Vec<WriteList>> = FxHashMap::default();
    for id in entries.rev() {
        let (key, reign) = (history.key(id), reign_of[histories::Id::index(id)]);
        let lists = by_key.entry(key).or_default();
        let at = *place.entry((key, reign)).or_insert(lists.len());
        if at == lists.len() {
            lists.push(WriteList::default());
        }
        lists[at].push_earlier(history, id);
    }
    let mut steps = STEPS_LEAST.max(STEPS_PER_OPERATION * history.len());
    for lack in lacks {
        let lists = by_key.get(&lack.key).map_or(&[][..], Vec::as_slice);
        let Some(left) = steps.checked_sub(lists.len()) else {
            found.is_complete = false;
            break;
        };
        steps = left;
        let began = history.invocation_position(lack.read);
        let first = lists.iter().filter_map(|list| list.first_acknowledged_after(lack.since, began));
        found.pairs.extend(first.map(|entry| (entry, lack.read)));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::measurements::tests::{is, measured};

    /// Two failovers, and each loses a write of x: n1 loses 10 (a later copy of it shows 9), and n2 loses 15, since n1 answered 9 again after
    /// it had acknowledged 20, which survived. The figure was exactly 1: an answer counted only for the first write that it lacks.
    #[test]
    fn an_answer_shows_what_each_reign_lost() {
        let text = "1300-1330 u write x 9 ok @n1
            1360-1370 u write x 10 ok @n1
            1500 nemesis kill \"n1\"
            2200 nemesis heal-kill \"n1\"
            2300-2310 u write y 14 ok @n2
            2450-2460 u write x 15 ok @n2
            3100 nemesis kill \"n2\"
            3270-3280 u read y 14 ok @n1
            3480-3490 u write y 20 ok @n1
            3620-3630 u read x 9 ok @n1
            3700 nemesis heal-kill \"n2\"
            5430-5460 u write x 33 ok @n1
            6800 recorder settled null
            6900-6910 final read x 33 ok @n1
            6920-6930 final read y 20 ok @n1";
        is(&measured(text).run, "lost_writes", 2.0);
        // Without the first loss, the second was found before.
        let once = text.replace("1360-1370 u write x 10 ok @n1\n", "");
        is(&measured(&once).run, "lost_writes", 1.0);
    }
}
