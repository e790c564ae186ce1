//! What is odd about a history of transactions and may be a mistake of whoever recorded it: said beside the verdict, with
//! the operations, because a verdict on what was not meant accuses a store of it.
//!
//! None of this changes a verdict. What is no history at all (a micro-operation of unknown kind) is refused when it is
//! read.

use histories::{History, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// Oddities of one kind that are told.
const EACH_MAX: usize = 3;

/// What people should know of a history of transactions. `open`: whether some level is unknown, so that what leaves it
/// open is looked for as well. O(micro-operations).
pub(crate) fn of_transactions(history: &History, open: bool) -> Vec<String> {
    let mut oddities = keys_of_two_types(history);
    oddities.extend(appended_lists(history));
    if open {
        oddities.extend(two_shapes(history));
        oddities.extend(written_twice(history));
    }
    oddities
}

/// Values that were read before anybody began to write them, which is what an object shows that did not begin empty. O(n).
pub(crate) fn of_beginnings(history: &History) -> Vec<String> {
    let mut begun: HashMap<(KeyId, ValueId), u32> = HashMap::new();
    let micros = |id: OpId| history.micros_of(id).iter().copied();
    for op in history.operations() {
        let mut wrote = |key, value| {
            begun.entry((key, value)).or_insert(op.invoked);
        };
        match op.effect().and_then(|effect| effect.writes) {
            Some(value) => wrote(op.key, value),
            None => {
                let writes = micros(op.id).filter(|micro| matches!(micro.kind, MicroKind::Write));
                writes.for_each(|micro| wrote(micro.key, micro.value()));
            }
        }
    }
    let mut told: Vec<(ValueId, OpId, KeyId)> = Vec::new();
    let mut known: HashSet<ValueId> = HashSet::new();
    for op in history.operations().filter(|op| op.outcome == Outcome::Ok) {
        let own = op.effect().and_then(|effect| effect.reads).map(|value| (op.key, value));
        let reads = micros(op.id)
            .filter(|micro| micro.kind == MicroKind::Read)
            .map(|micro| (micro.key, micro.value()));
        for (key, value) in own.into_iter().chain(reads).filter(|read| read.1 != ValueId::NULL) {
            let early = begun.get(&(key, value)).is_none_or(|&began| op.completed < began);
            if early && known.insert(value) {
                told.push((value, op.id, key));
            }
        }
    }
    let all = told.iter().map(|&(value, id, key)| {
        let text = crate::report::describe::short(history.value_text(value));
        format!(
            "operation {} read {text}{} before anybody wrote it. If the objects began with {text}, pass --init '{text}' and check again",
            history.operation_index(id),
            crate::report::describe::of_key(history, key).replacen(" of ", " from ", 1)
        )
    });
    some(all, told.len())
}

/// Values of one object that differ in type only, which is likelier a mistake of a client than of a store.
pub(crate) fn of_values(history: &History) -> Vec<String> {
    let alike = history.find_look_alikes(EACH_MAX);
    let told = alike.iter().map(|pair| {
        let shown = |(value, id): (ValueId, OpId)| {
            format!("{} (operation {})", crate::report::describe::short(history.value_text(value)), history.operation_index(id))
        };
        let key = crate::report::describe::of_key(history, pair.key);
        format!(
            "the values {} and {}{key} differ in type only, and were taken for two values. Does a client write numbers and read \
             text?",
            shown(pair.first),
            shown(pair.second)
        )
    });
    told.collect()
}

/// `"1"` and `1` are two objects.
fn keys_of_two_types(history: &History) -> Vec<String> {
    let texts = (0..history.keys.len() as u32).map(KeyId::from_raw).map(|key| (key, history.keys.text(key)));
    let pairs: Vec<(KeyId, KeyId)> = texts
        .filter_map(|(key, text)| {
            let inner = text.strip_prefix('"')?.strip_suffix('"')?;
            inner.parse::<i64>().ok()?;
            Some((key, history.keys.get(inner)?))
        })
        .collect();
    let told = pairs.iter().filter_map(|&(string, number)| {
        let (one, two) = (first(history, |micro| micro.key == string)?, first(history, |micro| micro.key == number)?);
        Some(format!(
            "the keys {} (operation {}) and {} (operation {}) differ in type only, and were taken for two objects",
            history.keys.text(string),
            history.operation_index(one),
            history.keys.text(number),
            history.operation_index(two)
        ))
    });
    some(told, pairs.len())
}

/// An element that is a list itself is one element.
fn appended_lists(history: &History) -> Vec<String> {
    let is_list = |value: ValueId| history.value_text(value).starts_with(['[', '{']);
    if !(0..history.values.len() as u32).map(ValueId::from_raw).any(is_list) {
        return Vec::new();
    }
    let appends = |id: &OpId| {
        let micros = history.micros_of(*id).iter();
        micros.copied().find(|micro| micro.kind == MicroKind::Append && is_list(micro.value()))
    };
    let odd: Vec<(OpId, Micro)> = history.ids().filter_map(|id| Some((id, appends(&id)?))).collect();
    let told = odd.iter().map(|&(id, micro)| {
        format!(
            "operation {} appends {} to {}: taken for one element",
            history.operation_index(id),
            crate::report::describe::short(history.value_text(micro.value())),
            history.key_text(micro.key)
        )
    });
    some(told, odd.len())
}

/// A key that is a list for some and a register for others.
fn two_shapes(history: &History) -> Vec<String> {
    let mut used: Vec<[Option<OpId>; 2]> = vec![[None; 2]; history.keys.len()];
    for id in history.ids() {
        for micro in history.micros_of(id) {
            let shape = match micro.kind {
                MicroKind::Append | MicroKind::ReadList => 0,
                MicroKind::Write => 1,
                MicroKind::Read if micro.value() != ValueId::NULL => 1,
                MicroKind::Read => continue,
            };
            used[micro.key.raw() as usize][shape].get_or_insert(id);
        }
    }
    let both =
        used.iter().zip(0..).filter_map(|(used, key)| Some((KeyId::from_raw(key), used[0]?, used[1]?)));
    let both: Vec<(KeyId, OpId, OpId)> = both.collect();
    let told = both.iter().map(|&(key, list, register)| {
        format!(
            "{} is a list for operation {} and a register for operation {}",
            history.key_text(key),
            history.operation_index(list),
            history.operation_index(register)
        )
    });
    some(told, both.len())
}

/// A value that was written or appended to one key more than once.
fn written_twice(history: &History) -> Vec<String> {
    // Nearly every value is written to one key: the others alone need a map.
    let mut first: Vec<Option<(KeyId, OpId)>> = vec![None; history.values.len()];
    let mut others: HashMap<(KeyId, ValueId), OpId> = HashMap::new();
    let mut twice: Vec<(KeyId, ValueId, OpId, OpId)> = Vec::new();
    for id in history.ids() {
        for micro in history.micros_of(id) {
            if !matches!(micro.kind, MicroKind::Write | MicroKind::Append) {
                continue;
            }
            let (key, value) = (micro.key, micro.value());
            match &mut first[value.raw() as usize] {
                place @ None => *place = Some((key, id)),
                Some((known, writer)) if *known == key => twice.push((key, value, *writer, id)),
                Some(_) => match others.entry((key, value)) {
                    Entry::Occupied(known) => twice.push((key, value, *known.get(), id)),
                    Entry::Vacant(slot) => _ = slot.insert(id),
                },
            }
        }
    }
    let told = twice.iter().map(|&(key, value, one, two)| {
        format!(
            "{} was written to {} by operations {} and {}",
            history.value_text(value),
            history.key_text(key),
            history.operation_index(one),
            history.operation_index(two)
        )
    });
    some(told, twice.len())
}

/// The first operation with such a micro-operation.
fn first(history: &History, is: impl Fn(&Micro) -> bool) -> Option<OpId> {
    history.ids().find(|&id| history.micros_of(id).iter().any(&is))
}

/// The first few, and how many more there are.
fn some(told: impl Iterator<Item = String>, count: usize) -> Vec<String> {
    let mut told: Vec<String> = told.take(EACH_MAX).collect();
    if let (Some(last), Some(more)) = (told.last_mut(), count.checked_sub(EACH_MAX).filter(|&more| more > 0))
    {
        last.push_str(&format!("; and {more} more"));
    }
    told
}
