//! Histories that differ a little from another: an operation that is gone, another outcome, another value, another moment.

use checker::{Assume, IsolationLevel, Model, Question};
use histories::History;
use histories::format::{Format, from_text, write_native};
use serde_json::{Value, json};
use std::collections::HashSet;
use testkit::transactions::{
    KeyType, history_of_mixed_levels, history_of_repeated_elements, history_of_repeated_values,
    random_history,
};
use testkit::{TestRandom, isolation_properties, model_of_transactions, question_about};

/// The lines of a history, as JSON.
pub(crate) struct EventList {
    pub(crate) header: Option<Value>,
    pub(crate) events: Vec<Value>,
}

impl EventList {
    /// The events of a history. Each keeps its index wherever it is moved, so that evidence about one history names the same operations
    /// of another.
    pub(crate) fn from_history(history: &History) -> EventList {
        let mut bytes = Vec::new();
        write_native(history, &mut bytes).expect("memory can be written");
        let text = String::from_utf8(bytes).expect("JSON is UTF-8");
        let mut events: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("it was written as JSON")).collect();
        let header = events.first().is_some_and(|first| first.get("type").is_none());
        EventList { header: header.then(|| events.remove(0)), events }
    }

    /// The history with these events, if they are one.
    pub(crate) fn read(&self) -> Option<History> {
        let lines: Vec<String> = self.header.iter().chain(&self.events).map(Value::to_string).collect();
        from_text(Format::Native, &lines.join("\n")).ok()
    }

    /// A list with one to three changes, most of them to operations with these indexes.
    pub(crate) fn changed(&self, indexes: &HashSet<i64>, random: &mut TestRandom) -> EventList {
        let mut changed = EventList { header: self.header.clone(), events: self.events.clone() };
        for _ in 0..1 + [0, 0, 0, 1, 2][random.below(5)] {
            if changed.events.is_empty() {
                break;
            }
            let mut at = random.below(changed.events.len());
            for _ in 0..3 {
                let (invoked, _) = changed.places_of_operation(at);
                if changed.events[invoked]["index"].as_i64().is_some_and(|index| indexes.contains(&index)) {
                    break;
                }
                at = random.below(changed.events.len());
            }
            changed.change(at, random);
        }
        changed
    }

    fn change(&mut self, at: usize, random: &mut TestRandom) {
        match random.below(17) {
            0 => self.drop_operation(at),
            1 => self.drop_completion(at),
            2 | 3 => self.change_outcome(at, random),
            4..=7 => self.move_event(at, random),
            8 | 9 => self.change_value(at, random),
            10 => self.swap_values(at, random),
            11 => self.change_list(at, random),
            12 | 13 => self.take_field(at, "session", random),
            14 => self.take_field(at, "key", random),
            15 => self.take_field(at, ["version", "time", "based_on"][random.below(3)], random),
            _ => self.change_times(at, random),
        }
    }

    /// Gives the history what few histories have: no real time, operations that declare a consistency, functions by other names, times, or
    /// versions that the store told.
    pub(crate) fn make_strange(&mut self, random: &mut TestRandom) {
        match random.below(6) {
            5 => self.mix_kinds_of_writes(random),
            0 => {
                let mut header = self.header.take().unwrap_or_else(|| json!({"steadfast": 1}));
                header["real_time"] = false.into();
                self.header = Some(header);
            }
            1 => {
                let names = ["linearizable", "linearizable", "sequential", "sequential", "quorum"];
                for at in 0..self.events.len() {
                    if self.is_invocation(at) && random.chance(50) {
                        self.events[at]["consistency"] = random.one_of(&names).into();
                    }
                }
            }
            2 => {
                let (of_read, of_write) =
                    (["get", "get", "contains", "look"], ["put", "put", "contains", "shake"]);
                let (at, other) = (random.below(self.events.len().max(1)), random.below(4));
                self.rename_function(at, |name| match name {
                    "read" => of_read[other],
                    "write" => of_write[other],
                    _ => "contains",
                });
            }
            3 => self.add_times(random),
            _ => {
                let mut time = 0;
                for event in self.events.iter_mut().filter(|event| event["type"] == "ok") {
                    time += random.one_of(&[1, 1, 1, 0]);
                    if random.chance(70) {
                        event["version"] = time.into();
                    }
                }
            }
        }
    }

    /// Makes a write of a transaction an append, or the other way round, so that its key is neither a list nor a register.
    fn mix_kinds_of_writes(&mut self, random: &mut TestRandom) {
        let at = random.below(self.events.len().max(1));
        let (place, other) = (random.below(3), random.chance(50));
        if self.events.is_empty() {
            return;
        }
        let (invoked, completed) = self.places_of_operation(at);
        for event in [Some(invoked), completed].into_iter().flatten() {
            let Some(micro) = self.events[event]["value"].get_mut(place) else { continue };
            match micro[0].as_str() {
                Some("append") => micro[0] = "w".into(),
                Some("w") => micro[0] = "append".into(),
                Some("r") if other && micro[2].is_array() => {
                    micro[2] = micro[2].get_mut(0).map(Value::take).unwrap_or_default();
                }
                _ => {}
            }
        }
    }

    /// Gives each event a time. Several events may have one time.
    fn add_times(&mut self, random: &mut TestRandom) {
        let mut time = 0;
        for event in &mut self.events {
            time += random.one_of(&[0, 1, 1, 5]);
            event["time"] = time.into();
        }
    }

    /// Takes the times of all events away.
    fn remove_times(&mut self) {
        for event in self.events.iter_mut().filter_map(Value::as_object_mut) {
            event.remove("time");
        }
    }

    /// Names the object that all operations are on, and their processes by names that no other history has.
    fn put_on_object(&mut self, object: &str, process_from: i64) {
        for event in &mut self.events {
            event["key"] = object.into();
            if let Some(process) = event["process"].as_i64() {
                event["process"] = (process + process_from).into();
            }
            event.as_object_mut().expect("events are objects").remove("index");
        }
    }

    fn rename_function(&mut self, at: usize, other: impl FnOnce(&str) -> &'static str) {
        let Some(event) = self.events.get(at) else { return };
        let name = other(event["f"].as_str().unwrap_or_default());
        let (invoked, completed) = self.places_of_operation(at);
        for place in [Some(invoked), completed].into_iter().flatten() {
            self.events[place]["f"] = name.into();
        }
    }

    pub(crate) fn is_invocation(&self, at: usize) -> bool {
        self.events[at]["type"] == "invoke"
    }

    /// The places of the events of an operation, by the place of either.
    pub(crate) fn places_of_operation(&self, at: usize) -> (usize, Option<usize>) {
        let same = |other: &usize| self.events[*other]["process"] == self.events[at]["process"];
        if self.is_invocation(at) {
            let next = (at + 1..self.events.len()).find(same);
            return (at, next.filter(|&next| !self.is_invocation(next)));
        }
        let before = (0..at).rev().find(same).filter(|&before| self.is_invocation(before));
        before.map_or((at, None), |before| (before, Some(at)))
    }

    pub(crate) fn drop_operation(&mut self, at: usize) {
        let (invoked, completed) = self.places_of_operation(at);
        if let Some(completed) = completed {
            self.events.remove(completed);
        }
        self.events.remove(invoked);
    }

    fn drop_completion(&mut self, at: usize) {
        if let (_, Some(completed)) = self.places_of_operation(at) {
            self.events.remove(completed);
        }
    }

    fn change_outcome(&mut self, at: usize, random: &mut TestRandom) {
        if let (_, Some(completed)) = self.places_of_operation(at) {
            self.events[completed]["type"] = random.one_of(&["ok", "info", "fail", "ok"]).into();
        }
    }

    fn move_event(&mut self, at: usize, random: &mut TestRandom) {
        let by = 1 + random.below(4);
        let to = if random.chance(50) { at.saturating_sub(by) } else { (at + by).min(self.events.len() - 1) };
        let event = self.events.remove(at);
        self.events.insert(to, event);
        // Times are those of the places, so that they still grow.
        let times: Vec<Value> = self.events.iter().filter_map(|event| event.get("time").cloned()).collect();
        if times.len() == self.events.len() {
            let mut times: Vec<i64> = times.iter().filter_map(Value::as_i64).collect();
            times.sort_unstable();
            for (event, time) in self.events.iter_mut().zip(times) {
                event["time"] = time.into();
            }
        }
    }

    /// Changes a number, a text or nothing inside the value of an event. If the other event of the operation has the same, it is changed
    /// alike.
    fn change_value(&mut self, at: usize, random: &mut TestRandom) {
        let mut leaves = Vec::new();
        find_leaves(&self.events[at]["value"], "", &mut leaves);
        if leaves.is_empty() {
            return;
        }
        let leaf = &leaves[random.below(leaves.len())];
        let before = self.events[at]["value"].pointer(leaf).cloned().unwrap_or_default();
        let after = self.other_leaf(&before, random);
        let (invoked, completed) = self.places_of_operation(at);
        let both = random.chance(80);
        for place in [Some(invoked), completed].into_iter().flatten().filter(|&place| both || place == at) {
            if let Some(found) = self.events[place]["value"].pointer_mut(leaf)
                && *found == before
            {
                *found = after.clone();
            }
        }
    }

    /// A leaf of another value of the history, or one near `before`.
    fn other_leaf(&self, before: &Value, random: &mut TestRandom) -> Value {
        if random.chance(30) {
            return match before.as_i64() {
                Some(number) => Value::from(number + random.one_of(&[1, -1, 2])),
                None => Value::Null,
            };
        }
        let other = &self.events[random.below(self.events.len())]["value"];
        let mut leaves = Vec::new();
        find_leaves(other, "", &mut leaves);
        let leaf = leaves.get(random.below(leaves.len().max(1))).and_then(|leaf| other.pointer(leaf));
        leaf.cloned().unwrap_or_default()
    }

    fn swap_values(&mut self, at: usize, random: &mut TestRandom) {
        let other = random.below(self.events.len());
        let same = ["type", "f"].iter().all(|field| self.events[at][field] == self.events[other][field]);
        if same && at != other {
            let value = self.events[at]["value"].take();
            let value = std::mem::replace(&mut self.events[other]["value"], value);
            self.events[at]["value"] = value;
        }
    }

    /// Removes, swaps or repeats elements of a list: micro-operations, or the elements of a read.
    fn change_list(&mut self, at: usize, random: &mut TestRandom) {
        let mut lists = Vec::new();
        find_lists(&self.events[at]["value"], "", &mut lists);
        if lists.is_empty() {
            return;
        }
        let list = lists[random.below(lists.len())].clone();
        let (kind, one, other) = (random.below(3), random.below(8), random.below(8));
        let (invoked, completed) = self.places_of_operation(at);
        for place in [Some(invoked), completed].into_iter().flatten() {
            let Some(Value::Array(list)) = self.events[place]["value"].pointer_mut(&list) else { continue };
            if list.is_empty() {
                continue;
            }
            let (one, other) = (one % list.len(), other % list.len());
            match kind {
                0 => _ = list.remove(one),
                1 => list.swap(one, other),
                _ => list.insert(other, list[one].clone()),
            }
        }
    }

    /// Gives an operation a field of another event.
    fn take_field(&mut self, at: usize, field: &str, random: &mut TestRandom) {
        let taken = self.events[random.below(self.events.len())].get(field).cloned();
        let (invoked, completed) = self.places_of_operation(at);
        let places = match field {
            "session" | "key" => vec![Some(invoked), completed],
            _ => vec![Some(at)],
        };
        for place in places.into_iter().flatten() {
            let event = self.events[place].as_object_mut().expect("events are objects");
            match (&taken, field) {
                (Some(value), _) => _ = event.insert(field.to_owned(), value.clone()),
                (None, "key" | "session" | "time") => {}
                (None, _) => _ = event.remove(field),
            }
        }
    }

    /// Makes time pass before an event, or less of it.
    fn change_times(&mut self, at: usize, random: &mut TestRandom) {
        let times: Vec<i64> = self.events.iter().filter_map(|event| event["time"].as_i64()).collect();
        let unit = times.windows(2).map(|pair| (pair[1] - pair[0]).abs()).filter(|&gap| gap > 0).min();
        let by = unit.unwrap_or(1) * random.one_of(&[1, 2, 5, 20, -1, -3]);
        for event in &mut self.events[at..] {
            if let Some(time) = event["time"].as_i64() {
                event["time"] = (time + by).max(0).into();
            }
        }
    }
}

/// The history, or one near it.
pub(crate) fn changed(history: History, random: &mut TestRandom) -> History {
    if random.chance(60) {
        return history;
    }
    let near = EventList::from_history(&history).changed(&HashSet::new(), random).read();
    near.filter(|near| !near.is_empty()).unwrap_or(history)
}

/// The history with times.
pub(crate) fn with_times(history: &History, random: &mut TestRandom) -> Option<History> {
    let mut list = EventList::from_history(history);
    list.add_times(random);
    list.read()
}

/// The history without any times.
pub(crate) fn without_times(history: &History) -> Option<History> {
    let mut list = EventList::from_history(history);
    list.remove_times();
    list.read()
}

/// One history of the two objects that two histories are about. Their events are shuffled, and no process is in both.
pub(crate) fn side_by_side(one: &History, other: &History, random: &mut TestRandom) -> Option<History> {
    let mut lists = [one, other].map(EventList::from_history);
    lists[0].put_on_object("a", 0);
    lists[1].put_on_object("b", 1_000);
    let [one, other] = lists.map(|list| list.events.into_iter());
    let (mut one, mut other) = (one.peekable(), other.peekable());
    let mut events = Vec::new();
    while one.peek().is_some() || other.peek().is_some() {
        let source = if random.chance(50) { &mut one } else { &mut other };
        events.extend(source.next());
    }
    EventList { header: None, events }.read()
}

/// The history, or now and then a strange one.
pub(crate) fn seldom_strange(history: History, random: &mut TestRandom) -> History {
    if random.chance(88) {
        return history;
    }
    let mut list = EventList::from_history(&history);
    list.make_strange(random);
    list.read().filter(|strange| !strange.is_empty()).unwrap_or(history)
}

/// A history of transactions, the question about all levels, and the generator that goes on from there.
pub(crate) fn draw_transactions(seed: u64) -> (History, Question, TestRandom) {
    let mut random = TestRandom::new(seed);
    let history = match seed % 5 {
        0 => random_history(&mut random, KeyType::List),
        1 => random_history(&mut random, KeyType::Register),
        2 => history_of_repeated_values(&mut random),
        3 => history_of_repeated_elements(&mut random),
        _ => {
            let kind = random.one_of(&[KeyType::List, KeyType::Register]);
            let values = random.one_of(&[u32::MAX, u32::MAX, 2]);
            history_of_mixed_levels(&mut random, kind, values)
        }
    };
    let plain = changed(history, &mut random);
    let strange = seldom_strange(plain.clone(), &mut random);
    // A transaction under another name is none, and then there is no question to ask.
    let fits = model_of_transactions(&strange).explain_mismatch(&strange).is_none();
    let history = if fits { strange } else { plain };
    let levels = isolation_properties(IsolationLevel::ALL);
    let mut question = question_about(model_of_transactions(&history), &levels);
    let linearizable_keys = random.chance(10) && history.has_real_time();
    question.assume = Assume { sequential_keys: random.chance(10), linearizable_keys };
    if question.model == Model::RwRegister && random.chance(10) {
        question.initial.set_default(random.one_of(&["1", "7"])).expect("it is JSON");
    }
    (history, question, random)
}

fn find_leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(n, element)| find_leaves(element, &format!("{at}/{n}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| find_leaves(field, &format!("{at}/{name}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

fn find_lists(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            found.push(at.to_owned());
            list.iter().enumerate().for_each(|(n, element)| find_lists(element, &format!("{at}/{n}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| find_lists(field, &format!("{at}/{name}"), found));
        }
        _ => {}
    }
}
