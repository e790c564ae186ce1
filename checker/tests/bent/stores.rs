//! Random histories of session stores: two users, ids that are created, renewed and destroyed, contents written whole and by field,
//! actions, clocks, and at the end replicas and an audit trail. The store makes a mistake now and then.

use histories::History;
use histories::format::{Format, from_text};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use testkit::TestRandom;

/// What the store holds under one id.
#[derive(Clone)]
struct Held {
    whole: Value,
    fields: Map<String, Value>,
    renewed_ns: i64,
}

struct OpenRequest {
    process: usize,
    user: &'static str,
    function: &'static str,
    key: String,
    value: Value,
    /// What the store answered, once the request has taken effect. `None`: refused.
    answer: Option<Option<Value>>,
}

struct StoreRun<'r> {
    random: &'r mut TestRandom,
    lines: Vec<Value>,
    time_ns: i64,
    live_ns: Option<i64>,
    states: Vec<BTreeMap<String, Held>>,
    actions: BTreeMap<&'static str, Vec<Value>>,
    trail: Vec<(&'static str, String, Value)>,
    /// Whether answers tell the time.
    clocks: bool,
    /// Whether values are numbers, as in histories of others.
    plain: bool,
    /// Of 100 answers, how many are wrong.
    mistakes: usize,
    versions: u64,
}

const MS: i64 = 1_000_000;

/// A history of four to fourteen requests, or one of clients that save.
pub(crate) fn store_history(random: &mut TestRandom) -> History {
    if random.chance(12) {
        return save_history(random);
    }
    let live_ns = random.chance(40).then_some(500 * MS);
    let has_header = live_ns.is_some() || random.chance(60);
    let mut run = StoreRun {
        lines: Vec::new(),
        time_ns: MS,
        live_ns,
        states: vec![BTreeMap::new()],
        actions: BTreeMap::new(),
        trail: Vec::new(),
        clocks: random.chance(40),
        plain: random.chance(20),
        mistakes: [0, 5, 15, 30][random.below(4)],
        versions: 0,
        random,
    };
    if has_header {
        let mut header = json!({"steadfast": 1});
        if let Some(live_ns) = live_ns {
            header["time_to_live_ms"] = (live_ns / MS).into();
            header["renewed_by"] = json!(["create", "write", "patch", "touch", "renew"]);
            if run.random.chance(30) {
                header["renewed_by"] = json!(["create", "write", "read"]);
            }
        }
        run.lines.push(header);
    }
    run.serve_clients(has_header);
    run.look_at_the_end();
    let lines: Vec<String> = run.lines.iter().map(Value::to_string).collect();
    from_text(Format::Native, &lines.join("\n")).unwrap_or_else(|why| panic!("{why}\n{}", lines.join("\n")))
}

/// What a client that saves a session does next.
#[derive(Clone, Copy)]
enum NextStep {
    Read,
    BeAnswered,
    Save,
    BeAcknowledged,
}

impl NextStep {
    fn following(self, random: &mut TestRandom) -> NextStep {
        match self {
            NextStep::Read => NextStep::BeAnswered,
            NextStep::BeAnswered if random.chance(10) => NextStep::Read,
            NextStep::BeAnswered => NextStep::Save,
            NextStep::Save => NextStep::BeAcknowledged,
            NextStep::BeAcknowledged if random.chance(20) => NextStep::Save,
            NextStep::BeAcknowledged => NextStep::Read,
        }
    }
}

/// A client that saves a session: its next step, and the versions that it read and saved last.
#[derive(Clone, Copy)]
struct SavingClient {
    next: Option<NextStep>,
    seen: usize,
    saved: usize,
}

impl Default for SavingClient {
    fn default() -> Self {
        Self { next: Some(NextStep::Read), seen: 0, saved: 0 }
    }
}

/// A history of clients that read a session and save it whole, again and again, so that one may overwrite what another saved.
fn save_history(random: &mut TestRandom) -> History {
    let (has_header, mistaken) = (random.chance(50), random.chance(60));
    let mut lines: Vec<Value> = if has_header { vec![json!({"steadfast": 1})] } else { Vec::new() };
    let version = |number: usize| json!({"bytes": 64, "session": "u", "version": number});
    let event = |process: usize, kind: &str, function: &str, value: Value| {
        let mut event =
            json!({"process": process, "session": "u", "type": kind, "f": function, "value": value});
        event["key"] = "u1".into();
        event
    };
    lines.extend([event(0, "invoke", "create", version(0)), event(0, "ok", "create", version(0))]);
    let (mut held, mut newest) = (0, 0);
    let mut clients = vec![SavingClient::default(); 2 + random.below(2)];
    for _ in 0..16 + random.below(16) {
        let at = random.below(clients.len());
        let mut client = clients[at];
        match client.next {
            Some(NextStep::Read) => lines.push(event(at, "invoke", "read", Value::Null)),
            Some(NextStep::BeAnswered) => {
                client.seen = held;
                lines.push(event(at, "ok", "read", version(held)));
            }
            Some(NextStep::Save) => {
                newest += 1;
                client.saved = newest;
                let mut save = event(at, "invoke", "write", version(newest));
                if has_header && random.chance(90) {
                    let base = if random.chance(90) { client.seen } else { random.below(newest) };
                    save["based_on"] = version(base);
                }
                lines.push(save);
            }
            Some(NextStep::BeAcknowledged) => {
                let is_refused = held != client.seen && !mistaken;
                let kind = if is_refused { "fail" } else { random.one_of(&["ok", "ok", "ok", "ok", "info"]) };
                held = if is_refused { held } else { client.saved };
                lines.push(event(at, kind, "write", version(client.saved)));
                if kind == "info" {
                    // It goes on as another process.
                    client.next = None;
                    clients.push(SavingClient::default());
                }
            }
            None => continue,
        }
        client.next = client.next.map(|step| step.following(random));
        clients[at] = client;
    }
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    from_text(Format::Native, &lines.join("\n")).unwrap_or_else(|why| panic!("{why}\n{}", lines.join("\n")))
}

impl StoreRun<'_> {
    fn serve_clients(&mut self, has_header: bool) {
        let (count, clients) = (4 + self.random.below(11), 1 + self.random.below(3));
        let (mut begun, mut next_process) = (0, clients);
        let mut free: Vec<usize> = (0..clients).collect();
        let mut open: Vec<OpenRequest> = Vec::new();
        let mut live = self.random.fork(17);
        let has_live = live.chance(50);
        while begun < count || !open.is_empty() {
            let step = [0, 1, 1, 5, 30, 250][self.random.below(6)] * MS;
            self.time_ns += step;
            if has_live && live.chance(40) {
                self.add_live_event(&mut live);
            }
            if live.chance(3) {
                let fault = live.one_of(&["clock-skew", "kill", "bump"]);
                self.add_actor_event("nemesis", fault, Value::Null);
            }
            if live.chance(2) {
                // Neither says that the store had settled.
                let (actor, noted) = live.one_of(&[("recorder", "noted"), ("nemesis", "settled")]);
                self.add_actor_event(actor, noted, Value::Null);
            }
            if begun < count && !free.is_empty() && (open.is_empty() || self.random.chance(50)) {
                let process = free.swap_remove(self.random.below(free.len()));
                let request = self.choose_request(process, begun == 0);
                let based_on = has_header && request.function == "write" && self.random.chance(50);
                let base = based_on.then(|| self.states.last().and_then(|state| state.get(&request.key)));
                let base = base.flatten().map(|held| held.whole.clone());
                self.add_event(&request, "invoke", request.value.clone(), base);
                open.push(request);
                begun += 1;
                continue;
            }
            let at = self.random.below(open.len());
            if open[at].answer.is_none() && !self.random.chance(5) {
                open[at].answer = Some(self.take_effect(open[at].function, &open[at]));
                if self.random.chance(50) {
                    continue;
                }
            }
            let request = open.swap_remove(at);
            match &request.answer {
                Some(Some(answer)) if !self.random.chance(8) => {
                    self.add_event(&request, "ok", answer.clone(), None);
                    free.push(request.process);
                }
                Some(None) if !self.random.chance(10) => {
                    self.add_event(&request, "fail", request.value.clone(), None);
                    free.push(request.process);
                }
                _ => {
                    if self.random.chance(70) {
                        self.add_event(&request, "info", request.value.clone(), None);
                    }
                    // A client that got no answer continues as another process.
                    free.push(next_process);
                    next_process += 1;
                }
            }
        }
    }

    fn choose_request(&mut self, process: usize, is_first: bool) -> OpenRequest {
        let user = if self.random.chance(75) { "u" } else { "v" };
        let key = format!("{user}{}", if is_first || self.random.chance(75) { 1 } else { 2 });
        let function = match self.random.below(100) {
            _ if is_first => "create",
            0..38 => "read",
            38..52 => "write",
            52..62 => "patch",
            62..68 => "touch",
            68..75 => "renew",
            75..81 => "destroy",
            81..87 => "create",
            87..94 => "act",
            _ => "actions",
        };
        let value = match function {
            "create" | "write" => self.new_version(user, None),
            "patch" => {
                let field = self.random.one_of(&["cart", "name"]);
                self.new_version(user, Some(field))
            }
            "renew" => json!(format!("{user}{}", 2 + self.random.below(2))),
            "act" => json!(format!("a{}", self.random.below(6))),
            _ => Value::Null,
        };
        let key = if function == "actions" { user.to_owned() } else { key };
        OpenRequest { process, user, function, key, value, answer: None }
    }

    fn new_version(&mut self, user: &str, field: Option<&str>) -> Value {
        if !self.random.chance(8) {
            self.versions += 1;
        }
        let mut value = json!({"bytes": 64, "session": user, "version": self.versions});
        if let Some(field) = field {
            value["field"] = field.into();
        } else if self.plain {
            return json!(self.versions);
        }
        value
    }

    /// The answer of the store, or nothing if it refuses.
    fn take_effect(&mut self, function: &str, request: &OpenRequest) -> Option<Value> {
        let mut state = self.states.last().expect("the first state").clone();
        let (live_ns, now) = (self.live_ns, self.time_ns);
        let wrong = self.random.chance(self.mistakes);
        if !(wrong && self.random.chance(30)) {
            state.retain(|_, held| live_ns.is_none_or(|live_ns| now <= held.renewed_ns + live_ns));
        }
        let held = state.get(&request.key).cloned();
        let value = request.value.clone();
        let answer = match function {
            "create" => {
                let held = Held { whole: value.clone(), fields: Map::new(), renewed_ns: now };
                (wrong || !state.contains_key(&request.key))
                    .then(|| state.insert(request.key.clone(), held))?;
                value
            }
            "read" => {
                let age = if wrong { self.random.below(self.states.len()) } else { 0 };
                let key = if wrong && self.random.chance(20) { "v1" } else { &request.key };
                let seen =
                    if wrong { self.states[self.states.len() - 1 - age].get(key).cloned() } else { held };
                return Some(seen.map_or(Value::Null, |held| told(&held)));
            }
            "write" | "patch" | "touch" => {
                let mut held = held?;
                match function {
                    "write" => (held.whole, held.fields) = (value.clone(), Map::new()),
                    "patch" => {
                        let field = value["field"].as_str().expect("a patch names its field").to_owned();
                        held.fields.insert(field, value.clone());
                    }
                    _ => {}
                }
                held.renewed_ns = now;
                if !wrong {
                    state.insert(request.key.clone(), held);
                }
                value
            }
            "renew" => {
                let new = value.as_str().expect("an id").to_owned();
                if state.contains_key(&new) || new == request.key {
                    return None;
                }
                let held = Held { renewed_ns: now, ..held? };
                if !wrong {
                    state.remove(&request.key);
                }
                state.insert(new, held);
                value
            }
            "destroy" => {
                held?;
                if !wrong {
                    state.remove(&request.key);
                }
                value
            }
            "act" => {
                let list = self.actions.entry(request.user).or_default();
                match (wrong, self.versions % 2) {
                    (true, 0) => {}
                    (true, _) => list.extend([value.clone(), value.clone()]),
                    (false, _) => list.push(value.clone()),
                }
                value
            }
            _ => {
                let mut list = self.actions.get(request.user).cloned().unwrap_or_default();
                if wrong && !list.is_empty() {
                    list.remove(self.random.below(list.len()));
                } else if wrong && self.random.chance(30) {
                    return Some(json!("none"));
                }
                return Some(Value::Array(list));
            }
        };
        let audited = match function {
            "create" | "destroy" => Some(Value::Null),
            "renew" | "act" => Some(request.value.clone()),
            _ => None,
        };
        self.trail.extend(audited.map(|value| (request.function, request.key.clone(), value)));
        self.states.push(state);
        Some(answer)
    }

    fn add_event(&mut self, request: &OpenRequest, kind: &str, value: Value, base: Option<Value>) {
        let OpenRequest { process, user, function, key, .. } = request;
        let mut event = json!({"time": self.time_ns, "process": process, "session": user, "type": kind, "f": function,
            "key": key, "value": value});
        if let Some(base) = base {
            event["based_on"] = base;
        }
        let has_clock = kind == "ok" || kind == "fail" && self.random.chance(20);
        if has_clock && self.clocks {
            let behind = if self.random.chance(self.mistakes) { 400 * MS } else { 0 };
            event["clock"] = (1_000_000 * MS + self.time_ns - behind).into();
        }
        self.lines.push(event);
    }

    /// The recorder waits, reads everything once more, and looks at the replicas and the audit trail.
    fn look_at_the_end(&mut self) {
        if !self.random.chance(60) {
            return;
        }
        self.add_actor_event("recorder", "settled", Value::Null);
        for key in ["u1", "u2", "v1"] {
            if self.random.chance(50) {
                let request = OpenRequest {
                    process: 90 + self.lines.len(),
                    user: "final",
                    function: "read",
                    key: key.to_owned(),
                    value: Value::Null,
                    answer: None,
                };
                self.add_event(&request, "invoke", Value::Null, None);
                let answer = self.take_effect("read", &request).expect("a read is never refused");
                self.add_event(&request, "ok", answer, None);
            }
        }
        if self.random.chance(50) {
            let both = self.random.chance(40);
            self.look_at_replicas(if both { &["u1", "u2"] } else { &["u1"] });
        }
        if self.random.chance(50) {
            let mut trail = self.trail.clone();
            if !trail.is_empty() && self.random.chance(self.mistakes * 2) {
                let (one, other) = (self.random.below(trail.len()), self.random.below(trail.len()));
                match self.random.below(4) {
                    0 => _ = trail.remove(one),
                    1 => trail.insert(other, trail[one].clone()),
                    2 => trail.swap(one, other),
                    _ => trail[one].1 = "v7".to_owned(),
                }
            }
            // Now and then the trail was cut off.
            let cut_off = usize::from(self.random.chance(8));
            self.add_actor_event("recorder", "audit", json!(trail.len() + cut_off));
            for (function, key, value) in trail {
                self.add_actor_event("audit", function, json!([key, value]));
            }
        }
    }

    /// The recorder asks each replica what it holds. Now and then one does not answer.
    fn look_at_replicas(&mut self, keys: &[&str]) {
        let state = self.states.last().expect("the first state").clone();
        for node in ["n1", "n2", "n3"] {
            for &key in keys {
                let held = state.get(key).filter(|_| !self.random.chance(self.mistakes));
                self.add_actor_event("replica", "read", json!([node, key, held.map(told)]));
                if self.random.chance(8) {
                    let event = self.lines.last_mut().expect("the event was added");
                    (event["error"], event["value"][2]) = ("refused".into(), Value::Null);
                }
            }
        }
    }

    /// An event of the live connection of a session. They do not follow from one another: a recorder may be wrong, too.
    fn add_live_event(&mut self, random: &mut TestRandom) {
        let key = random.one_of(&["u1", "u1", "u2"]);
        if random.chance(40) {
            return self.add_actor_event("live", "message", json!([key, random.below(8)]));
        }
        let steps = ["open", "lost", "lost", "resumed", "out", "refused", "ended"];
        self.add_actor_event("live", random.one_of(&steps), json!(key));
    }

    fn add_actor_event(&mut self, actor: &str, function: &str, value: Value) {
        self.time_ns += MS;
        let time = self.time_ns;
        self.lines
            .push(json!({"time": time, "process": actor, "type": "info", "f": function, "value": value}));
    }
}

/// What a read returns of a session.
fn told(held: &Held) -> Value {
    if held.fields.is_empty() {
        return held.whole.clone();
    }
    let mut fields = held.fields.clone();
    fields.insert("all".to_owned(), held.whole.clone());
    json!({"fields": fields})
}
