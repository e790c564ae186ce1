//! What a history of a session store recorded, as far as findings could rest on it. The searches of the engine are not used.

use histories::{ActorEvent, Function, History, Id, KeyId, NEVER, Operation, Outcome, ValueId};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// The facts that several claims depend on. Each is found out once, on first use, because that takes a pass over the history. Threads share it.
pub(crate) struct RecordedFacts<'a> {
    history: &'a History,
    states_bases_of_saves: OnceLock<bool>,
    is_known_session_read: OnceLock<bool>,
    could_show_lost_write: OnceLock<bool>,
    has_two_creations: OnceLock<bool>,
    has_two_replicas_of_one_key: OnceLock<bool>,
    has_list_of_actor: OnceLock<bool>,
}

impl<'a> RecordedFacts<'a> {
    pub(crate) fn new(history: &'a History) -> Self {
        Self {
            history,
            states_bases_of_saves: OnceLock::new(),
            is_known_session_read: OnceLock::new(),
            could_show_lost_write: OnceLock::new(),
            has_two_creations: OnceLock::new(),
            has_two_replicas_of_one_key: OnceLock::new(),
            has_list_of_actor: OnceLock::new(),
        }
    }

    pub(crate) fn states_bases_of_saves(&self) -> bool {
        *self.states_bases_of_saves.get_or_init(|| states_bases_of_saves(self.history))
    }

    pub(crate) fn is_known_session_read(&self) -> bool {
        *self.is_known_session_read.get_or_init(|| is_known_session_read(self.history))
    }

    pub(crate) fn could_show_lost_write(&self) -> bool {
        *self.could_show_lost_write.get_or_init(|| could_show_lost_write(self.history))
    }

    pub(crate) fn has_two_creations(&self) -> bool {
        *self.has_two_creations.get_or_init(|| has_two_creations(self.history))
    }

    pub(crate) fn has_two_replicas_of_one_key(&self) -> bool {
        *self.has_two_replicas_of_one_key.get_or_init(|| has_two_replicas_of_one_key(self.history))
    }

    pub(crate) fn has_list_of_actor(&self) -> bool {
        *self.has_list_of_actor.get_or_init(|| has_list_of_actor(self.history))
    }
}

/// Whether the base of some save is known: a version of the history that the save states, or, if it states none, what its process read.
fn states_bases_of_saves(history: &History) -> bool {
    let infers = history.header().is_none() && every_write_follows_a_read(history);
    let mut writes = history.operations().filter(|op| op.function == Function::WRITE);
    writes.any(|op| {
        stated_base(history, &op).map_or(infers, |base| history.values.get(&base.to_string()).is_some())
    })
}

/// The version that a save states as its base.
pub(crate) fn stated_base(history: &History, save: &Operation) -> Option<Value> {
    let note = history.note(save.invoked).filter(|note| note.fields.contains("based_on"))?;
    let mut notes: Value = serde_json::from_str(&note.fields).ok()?;
    notes.as_object_mut()?.remove("based_on")
}

/// Whether each write of a whole session directly follows, in its process and on its object, a read that returned
/// something. O(n).
pub(crate) fn every_write_follows_a_read(history: &History) -> bool {
    let mut read_last: FxHashMap<(u32, u32), bool> = FxHashMap::default();
    for op in history.operations() {
        let returned = op.outcome == Outcome::Ok && op.result != ValueId::NULL;
        let now = op.function == Function::READ && returned;
        let before = read_last.insert((op.process.raw(), op.key.raw()), now);
        if op.function == Function::WRITE && before != Some(true) {
            return false;
        }
    }
    true
}

/// The id that a renewal gives to a session, if it succeeds. While it is open, nobody knows that it will fail.
fn given_id(history: &History, op: &Operation) -> Option<KeyId> {
    (op.function == Function::RENEW).then(|| history.keys.get(history.value_text(op.value())))?
}

/// Whether a session was read with success under an id that an operation had begun to give out, or that one had used without failing, before
/// the read was over. What is read under any other id says nothing of lost or stale sessions.
fn is_known_session_read(history: &History) -> bool {
    let info: HashMap<u32, u32> =
        history.info_events().iter().map(|&(position, id)| (id.index() as u32, position)).collect();
    // By id: the first position at which it was known.
    let mut known = vec![NEVER; history.keys.len()];
    for op in history.operations() {
        let used = match (op.function, op.outcome) {
            (Function::ACT | Function::ACTIONS, _) | (_, Outcome::Fail) => None,
            (Function::READ, Outcome::Ok) => Some(op.completed).filter(|_| op.result != ValueId::NULL),
            (Function::READ, _) => None,
            (_, Outcome::Ok) => Some(op.completed),
            (_, Outcome::Info) => info.get(&(op.id.index() as u32)).copied(),
        };
        let created = Some(op.invoked).filter(|_| op.function == Function::CREATE);
        let own = created.or(used).map(|position| (op.key, position));
        let given = given_id(history, &op).map(|key| (key, op.invoked));
        for (key, position) in own.into_iter().chain(given) {
            known[key.index()] = position.min(known[key.index()]);
        }
    }
    let mut reads = history.operations().filter(|op| op.function == Function::READ);
    reads.any(|op| op.outcome == Outcome::Ok && known[op.key.index()] <= op.completed)
}

/// Whether some read that began after the store had settled could have lacked an acknowledged write: one before the read, which began
/// after an earlier version of that session had been acknowledged. The id had not been ended by then.
fn could_show_lost_write(history: &History) -> bool {
    let mut events = history.actor_events().iter();
    let settled = events.find(|event| event.actor == "recorder" && event.function == "settled");
    let Some(settled) = settled.map(|event| event.position) else { return false };
    let session_of = name_sessions(history);
    let replaced = find_replacing_writes(history, &session_of);
    let mut lives: FxHashMap<KeyId, Vec<Operation>> = FxHashMap::default();
    let begins_or_ends =
        |op: &Operation| matches!(op.function, Function::CREATE | Function::DESTROY | Function::RENEW);
    for op in history.operations().filter(begins_or_ends) {
        let given = given_id(history, &op).filter(|&new| new != op.key);
        for key in [Some(op.key), given].into_iter().flatten() {
            lives.entry(key).or_default().push(op.clone());
        }
    }
    let mut reads = history.operations().filter(|op| op.function == Function::READ && op.invoked > settled);
    reads.any(|read| {
        let life = lives.get(&read.key).map_or(&[][..], Vec::as_slice);
        read.outcome == Outcome::Ok
            && replaced[session_of[read.key.index()].index()] < read.invoked
            && !is_ended_before(history, life, &read)
    })
}

/// By session: when a write had been acknowledged, at the earliest, that began after another version had been. [`NEVER`] if none had.
fn find_replacing_writes(history: &History, session_of: &[KeyId]) -> Vec<u32> {
    let writes = || {
        history.operations().filter(|op| {
            matches!(op.function, Function::CREATE | Function::WRITE | Function::PATCH)
                && op.outcome == Outcome::Ok
        })
    };
    let (mut first, mut replaced) = (vec![NEVER; session_of.len()], vec![NEVER; session_of.len()]);
    for write in writes() {
        let first = &mut first[session_of[write.key.index()].index()];
        *first = write.completed.min(*first);
    }
    for write in writes() {
        let session = session_of[write.key.index()].index();
        if write.invoked > first[session] {
            replaced[session] = write.completed.min(replaced[session]);
        }
    }
    replaced
}

/// Whether an operation that ends the id was acknowledged before a read began, and had begun after all that had begun to give out the id
/// by then was over. `life` has the operations that give out or end the id.
fn is_ended_before(history: &History, life: &[Operation], read: &Operation) -> bool {
    let gives = |op: &&Operation| op.function == Function::CREATE || given_id(history, op) == Some(read.key);
    let births = life.iter().filter(gives).filter(|op| op.invoked < read.invoked);
    let born = births.map(|op| op.completed).max();
    life.iter().any(|op| {
        op.function != Function::CREATE
            && op.key == read.key
            && op.outcome == Outcome::Ok
            && op.completed < read.invoked
            && born.is_none_or(|born| born < op.invoked)
    })
}

/// By id: one id that stands for all that renewals join.
fn name_sessions(history: &History) -> Vec<KeyId> {
    let mut names: Vec<KeyId> = (0..history.keys.len()).map(KeyId::new).collect();
    fn find(names: &mut [KeyId], mut key: KeyId) -> KeyId {
        while names[key.index()] != key {
            let next = names[names[key.index()].index()];
            names[key.index()] = next;
            key = next;
        }
        key
    }
    for op in history.operations() {
        if let Some(new) = given_id(history, &op) {
            let (one, other) = (find(&mut names, op.key), find(&mut names, new));
            names[one.index()] = other;
        }
    }
    for at in (0..names.len()).rev() {
        names[at] = find(&mut names, KeyId::new(at));
    }
    names
}

/// Whether an acknowledged creation of an id follows another one that did not fail.
fn has_two_creations(history: &History) -> bool {
    let creations =
        || history.operations().filter(|op| op.function == Function::CREATE && op.outcome != Outcome::Fail);
    let mut first: FxHashMap<u32, u32> = FxHashMap::default();
    for op in creations() {
        let earliest = first.entry(op.key.raw()).or_insert(op.invoked);
        *earliest = op.invoked.min(*earliest);
    }
    creations().any(|op| op.outcome == Outcome::Ok && first[&op.key.raw()] < op.invoked)
}

/// Whether two replicas answered about one key.
fn has_two_replicas_of_one_key(history: &History) -> bool {
    let answers = history.actor_events().iter().filter(|event| event.actor == "replica");
    let mut nodes: HashMap<String, HashSet<String>> = HashMap::new();
    for [node, key, _] in answers.filter_map(|event| replica_answer(history, event)) {
        let nodes = nodes.entry(key.to_string()).or_default();
        nodes.insert(node.to_string());
        if nodes.len() > 1 {
            return true;
        }
    }
    false
}

/// The node, the key and the value of an answer of a replica.
fn replica_answer(history: &History, event: &ActorEvent) -> Option<[Value; 3]> {
    let note = history.note(event.position);
    let fields: Option<Value> = note.and_then(|note| serde_json::from_str(&note.fields).ok());
    let is_error = fields.is_some_and(|fields| fields.get("error").is_some());
    if is_error { None } else { serde_json::from_str(&event.value).ok() }
}

/// Whether a list of actions was returned for a user after that user had begun to request an action.
fn has_list_of_actor(history: &History) -> bool {
    let mut acting: HashSet<&str> = HashSet::new();
    let mut events: Vec<(u32, Operation)> = Vec::new();
    for op in history.operations() {
        match (op.function, op.outcome) {
            (Function::ACT, _) => events.push((op.invoked, op)),
            (Function::ACTIONS, Outcome::Ok) => events.push((op.completed, op)),
            _ => {}
        }
    }
    events.sort_unstable_by_key(|event| event.0);
    events.iter().any(|(_, op)| {
        if op.function == Function::ACT {
            acting.insert(history.sessions.text(op.session));
            return false;
        }
        acting.contains(history.keys.text(op.key))
    })
}

/// Whether the read of a list began after an action of the same user had been acknowledged, or after an earlier list of that user had
/// been returned that could have shown one.
pub(crate) fn could_show_lost_action(history: &History) -> bool {
    let of = |function: Function| history.operations().filter(move |op| op.function == function);
    let user_of = |act: &Operation| history.sessions.text(act.session);
    let lists = || of(Function::ACTIONS).filter(|list| list.outcome == Outcome::Ok);
    // By user: the first request, and the first event after which a list could lack an action.
    let mut requested: HashMap<&str, u32> = HashMap::new();
    let mut known: HashMap<&str, u32> = HashMap::new();
    for act in of(Function::ACT) {
        let first = requested.entry(user_of(&act)).or_insert(act.invoked);
        *first = act.invoked.min(*first);
    }
    let acknowledged = of(Function::ACT).filter(|act| act.outcome == Outcome::Ok);
    let acknowledged = acknowledged.map(|act| (user_of(&act), act.completed));
    let shown = lists().map(|list| (history.keys.text(list.key), list.completed));
    let shown = shown.filter(|(user, at)| requested.get(user).is_some_and(|requested| requested < at));
    for (user, at) in acknowledged.chain(shown) {
        let first = known.entry(user).or_insert(at);
        *first = at.min(*first);
    }
    lists().any(|list| known.get(history.keys.text(list.key)).is_some_and(|&at| at < list.invoked))
}
