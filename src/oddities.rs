//! Oddities of a history that suggest a mistake in the recorder rather than in the store.
//!
//! They are reported beside the verdict, with the operations, because a verdict on a wrong recording would accuse the
//! store. None of them changes a verdict. The reader already refuses what is not a history at all, such as a
//! micro-operation of an unknown kind.

use histories::{
    Function, History, Id, Interner, KeyId, Micro, MicroKind, OpId, Operation, Outcome, ValueId,
};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// The most oddities of one kind that are reported.
const EACH_MAX: usize = 3;

/// Finds oddities in a history of transactions. `open` says that some level has no verdict; then the search includes
/// oddities that can be the reason. O(micro-operations).
pub(crate) fn find_transaction_oddities(history: &History, open: bool) -> Vec<String> {
    let mut oddities = find_appended_lists(history);
    if open {
        oddities.extend(find_mixed_keys(history));
        oddities.extend(find_repeated_writes(history));
    }
    oddities
}

/// Finds values that were read before any write of them was invoked. An object that did not begin empty shows such values.
/// O(n).
pub(crate) fn find_unwritten_initial_values(history: &History) -> Vec<String> {
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
        let text = crate::report::describe::shorten_text(history.value_text(value));
        format!(
            "operation {} read {text}{} before any write of it. If the initial value is {text}, pass --init '{text}'",
            history.operation_index(id),
            crate::report::describe::key_phrase(history, key).replacen(" of ", " from ", 1)
        )
    });
    first_few(all, told.len())
}

/// Finds values of the operations of a lock, such as fencing tokens. A lock is judged by who holds it, so nobody compares
/// them. O(n).
pub(crate) fn find_values_of_locks(history: &History) -> Option<String> {
    let shown = |op: &Operation| [op.value(), op.result].into_iter().find(|&value| value != ValueId::NULL);
    let op = history.operations().find(|op| shown(op).is_some())?;
    Some(format!(
        "operations of the lock have values, such as {} in operation {}. They were not judged: a mutex is only about who holds it",
        crate::report::describe::shorten_text(history.value_text(shown(&op)?)),
        history.operation_index(op.id)
    ))
}

/// Finds values of one object that differ only in type. A mistake of the client is more likely than one of the store.
pub(crate) fn find_lookalike_values(history: &History) -> Vec<String> {
    let alike = history.find_look_alikes(EACH_MAX);
    let told = alike.iter().map(|pair| {
        let shown = |(value, id): (ValueId, OpId)| {
            format!("{} (operation {})", crate::report::describe::shorten_text(history.value_text(value)), history.operation_index(id))
        };
        let key = crate::report::describe::key_phrase(history, pair.key);
        format!(
            "the values {} and {}{key} differ only in type, so they count as two values. Check whether a client writes numbers and \
             reads text",
            shown(pair.first),
            shown(pair.second)
        )
    });
    told.collect()
}

/// Finds names of objects and of sessions that differ only in type: `"1"` and `1` are two. O(names), and O(n) for each of the few that are
/// told.
pub(crate) fn find_lookalike_names(history: &History) -> Vec<String> {
    let uses_key = |id: OpId, key: u32| {
        history.key(id).raw() == key || history.micros_of(id).iter().any(|micro| micro.key.raw() == key)
    };
    let uses_session = |id: OpId, session: u32| history.session(id).raw() == session;
    let mut told = describe_lookalikes(history, &history.keys, ("keys", "objects"), uses_key);
    told.extend(describe_lookalikes(history, &history.sessions, ("sessions", "sessions"), uses_session));
    told
}

fn describe_lookalikes<I: Id>(
    history: &History,
    names: &Interner<I>,
    (what, counted): (&str, &str),
    uses: impl Fn(OpId, u32) -> bool,
) -> Vec<String> {
    let pairs: Vec<(u32, u32)> = (0..names.len() as u32)
        .filter_map(|string| {
            let inner = names.text(I::new(string as usize)).strip_prefix('"')?.strip_suffix('"')?;
            inner.parse::<i64>().ok()?;
            Some((string, names.get(inner)?.index() as u32))
        })
        .collect();
    let first = |name: u32| history.ids().find(|&id| uses(id, name));
    let told = pairs.iter().filter_map(|&(string, number)| {
        let (one, two) = (first(string)?, first(number)?);
        Some(format!(
            "the {what} {} (operation {}) and {} (operation {}) differ only in type, so they count as two {counted}",
            names.text(I::new(string as usize)),
            history.operation_index(one),
            names.text(I::new(number as usize)),
            history.operation_index(two)
        ))
    });
    first_few(told, pairs.len())
}

/// Finds answers that carry a version which is no integer. It says nothing of the order of versions. O(n) if a note has the field.
pub(crate) fn find_unread_versions(history: &History) -> Option<String> {
    let names_version = |pattern: &str| {
        pattern.contains("\"version\"")
            && serde_json::from_str::<HashMap<String, serde::de::IgnoredAny>>(pattern)
                .is_ok_and(|fields| fields.contains_key("version"))
    };
    let named: Vec<bool> = history.note_patterns().map(|pattern| names_version(&pattern)).collect();
    if !named.contains(&true) {
        return None;
    }
    let has_version = |op: &Operation| {
        let pattern = history.note_pattern_of(op.completed);
        op.outcome == Outcome::Ok && pattern.is_some_and(|pattern| named[pattern as usize])
    };
    let mut found = history.operations().filter(has_version);
    let first = found.next()?;
    let (answers, carry) = match 1 + found.count() {
        1 => ("1 answer".to_owned(), "carries"),
        count => (format!("{count} answers"), "carry"),
    };
    Some(format!(
        "{answers} (the first is that of operation {}) {carry} a \"version\" that is no integer. It was not used for the order of versions",
        history.operation_index(first.id)
    ))
}

/// Finds answers of `contains` that are neither true nor false. Nothing can be concluded from them. O(n).
pub(crate) fn find_odd_membership_answers(history: &History) -> Option<String> {
    let is_odd = |op: &Operation| {
        op.function == Function::CONTAINS
            && op.outcome == Outcome::Ok
            && !matches!(history.value_text(op.result), "true" | "false")
    };
    let odd = history.operations().find(is_odd)?;
    Some(format!(
        "operation {} asked whether the set contains an element, and the answer {} is neither true nor false. Such answers were not judged",
        history.operation_index(odd.id),
        crate::report::describe::shorten_text(history.value_text(odd.result))
    ))
}

/// Finds appended lists: an element that is itself a list counts as one element.
fn find_appended_lists(history: &History) -> Vec<String> {
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
            "operation {} appends the list {} to {}; it counts as one element",
            history.operation_index(id),
            crate::report::describe::shorten_text(history.value_text(micro.value())),
            history.key_text(micro.key)
        )
    });
    first_few(told, odd.len())
}

/// Finds keys that some operations use as a list and others as a register.
fn find_mixed_keys(history: &History) -> Vec<String> {
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
            "operation {1} uses {0} as a list, and operation {2} uses it as a register",
            history.key_text(key),
            history.operation_index(list),
            history.operation_index(register)
        )
    });
    first_few(told, both.len())
}

/// Finds values that were written or appended to one key more than once.
fn find_repeated_writes(history: &History) -> Vec<String> {
    // Nearly every value is written to only one key, so only the others need a map.
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
    first_few(told, twice.len())
}

/// The first few messages; the last of them counts the rest.
fn first_few(told: impl Iterator<Item = String>, count: usize) -> Vec<String> {
    let mut told: Vec<String> = told.take(EACH_MAX).collect();
    if let (Some(last), Some(more)) = (told.last_mut(), count.checked_sub(EACH_MAX).filter(|&more| more > 0))
    {
        last.push_str(&format!("; and {more} more"));
    }
    told
}
