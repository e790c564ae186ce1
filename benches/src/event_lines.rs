//! Events as native lines, in the shapes that histories have: for the measurements of readers and checkers.

use std::io::Write;

/// Events of 100 processes in 1,000 sessions on 100 keys: each writes a value of its own, then reads it. What
/// is read is of no interest here; lines are as long as the contract's example.
pub fn generate_registers(events: u64, to: &mut impl Write) {
    const PROCESSES: u64 = 100;
    for index in 0..events {
        let (round, process) = (index / PROCESSES, index % PROCESSES);
        let (kind, operation) = (if round % 2 == 0 { "invoke" } else { "ok" }, round / 2);
        let function = if operation % 2 == 0 { "write" } else { "read" };
        let written = operation / 2 * PROCESSES + process;
        let value =
            if kind == "invoke" && function == "read" { "null".to_owned() } else { written.to_string() };
        let (session, key, time) = (process + PROCESSES * (operation % 10), process, index * 1_250);
        writeln!(
            to,
            "{{\"index\":{index},\"time\":{time},\"process\":{process},\"session\":\"s-{session}\",\
             \"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"cart-{key}\",\"value\":{value}}}"
        )
        .expect("a file that can be written");
    }
}

/// The next number of a sequence that looks random, below a bound (splitmix64).
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % below
}

/// Events of 100 processes in 1,000 sessions; each operation is on one of 100,000 keys, drawn at random.
pub fn generate_keys(events: u64, to: &mut impl Write) {
    let (mut state, mut open) = (1, vec![None; 100]);
    for index in 0..events {
        let (process, time) = (index % 100, index * 1_250);
        let slot: &mut Option<(u64, u64)> = &mut open[process as usize];
        let (kind, (key, session)) = match slot.take() {
            Some(opened) => ("ok", opened),
            None => {
                let opened = (draw(&mut state, 100_000), process + 100 * draw(&mut state, 10));
                *slot = Some(opened);
                ("invoke", opened)
            }
        };
        let is_write = (index / 200 + process) % 2 == 0;
        let (function, written) =
            if is_write { ("write", index / 200 * 100 + process) } else { ("read", key) };
        let value = if kind == "invoke" && !is_write { "null".to_owned() } else { written.to_string() };
        writeln!(
            to,
            "{{\"index\":{index},\"time\":{time},\"process\":{process},\"session\":\"s-{session}\",\
             \"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"cart-{key}\",\"value\":{value}}}"
        )
        .expect("a file that can be written");
    }
}

/// Events of 100 processes for 1,000 users, as the recorder writes them of a session store: payloads with their fields
/// in the recorder's order, a third of them in parts, intended times at invocations and nodes at completions.
pub fn generate_sessions(events: u64, to: &mut impl Write) {
    let (mut state, mut versions) = (1, vec![0_u64; 1_000]);
    let mut open: Vec<Option<(u64, &str, String)>> = vec![None; 100];
    for index in 0..events {
        let (process, time) = (index % 100, index * 12_500);
        let slot = &mut open[process as usize];
        let (kind, (user, function, value)) = match slot.take() {
            Some(opened) => ("ok", opened),
            None => {
                let user = draw(&mut state, 1_000);
                let function = if draw(&mut state, 2) == 0 { "write" } else { "read" };
                versions[user as usize] += u64::from(function == "write");
                let version = versions[user as usize];
                let payload = if user.is_multiple_of(3) {
                    format!(
                        "{{\"fields\":{{\"cart\":{{\"session\":\"s-{user}\",\"field\":\"cart\",\
                         \"version\":{version},\"bytes\":64}},\"lang\":null}}}}"
                    )
                } else {
                    format!("{{\"session\":\"s-{user}\",\"version\":{version},\"bytes\":64}}")
                };
                let opened = (user, function, payload);
                *slot = Some(opened.clone());
                ("invoke", opened)
            }
        };
        let value = if kind == "invoke" && function == "read" { "null".to_owned() } else { value };
        let note = match kind {
            "invoke" => format!("\"intended\":{}", time - time % 7_919),
            _ => format!("\"node\":\"n{}\"", user % 3 + 1),
        };
        writeln!(
            to,
            "{{\"index\":{index},\"time\":{time},\"process\":{process},\"session\":\"s-{user}\",\
             \"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"s-{user}\",\"value\":{value},{note}}}"
        )
        .expect("a file that can be written");
    }
}

/// Transactions of 20 clients, of two reads and two appends each, on ten keys at a time. A key is replaced after 256
/// appends. A transaction takes effect when it completes.
pub fn generate_lists(events: u64, to: &mut impl Write) {
    const APPENDS: usize = 256;
    let (mut state, mut next_key, mut next_value) = (1, 10_u64, 0_u64);
    let mut keys: Vec<(u64, Vec<u64>)> = (0..10).map(|key| (key, Vec::new())).collect();
    let mut open: Vec<Option<Vec<(bool, u64, u64)>>> = vec![None; 20];
    for index in 0..events {
        let process = draw(&mut state, 20) as usize;
        let (kind, steps) = match open[process].take() {
            Some(steps) => ("ok", steps),
            None => {
                let mut step = |at| {
                    next_value += 1;
                    (at % 2 == 0, keys[draw(&mut state, 10) as usize].0, next_value)
                };
                let steps: Vec<(bool, u64, u64)> = (0..4).map(&mut step).collect();
                open[process] = Some(steps.clone());
                ("invoke", steps)
            }
        };
        let mut micros = Vec::new();
        for (is_read, key, value) in steps {
            let current = keys.iter_mut().find(|(known, _)| *known == key);
            match (is_read, kind, current) {
                (true, "ok", Some((_, list))) => {
                    let list: Vec<String> = list.iter().map(u64::to_string).collect();
                    micros.push(format!("[\"r\",{key},[{}]]", list.join(",")));
                }
                (true, ..) => micros.push(format!("[\"r\",{key},null]")),
                (false, _, current) => {
                    micros.push(format!("[\"append\",{key},{value}]"));
                    if let Some((known, list)) = current.filter(|_| kind == "ok") {
                        list.push(value);
                        if list.len() == APPENDS {
                            (*known, *list) = (next_key, Vec::new());
                            next_key += 1;
                        }
                    }
                }
            }
        }
        let (time, micros) = (index * 1_250, micros.join(","));
        writeln!(
            to,
            "{{\"index\":{index},\"time\":{time},\"process\":{process},\"type\":\"{kind}\",\"f\":\"txn\",\
             \"value\":[{micros}]}}"
        )
        .expect("a file that can be written");
    }
}

/// Requests of 20 clients to a session store that loses nothing, one after another for each session: a creation, then writes of the
/// whole, writes of one of three fields, and reads that return what was written.
pub fn generate_session_store(events: u64, to: &mut impl Write) {
    const SESSIONS: u64 = 200;
    writeln!(to, "{{\"steadfast\":1,\"time_to_live_ms\":1800000}}").expect("a file that can be written");
    let mut state = 1;
    let mut held: Vec<Option<(String, [Option<String>; 3])>> = vec![None; SESSIONS as usize];
    for operation in 0..events / 2 {
        let (session, process) = (operation % SESSIONS, operation % 20);
        let kind = if held[session as usize].is_none() { 0 } else { 1 + draw(&mut state, 6) };
        let payload = |field: &str| {
            format!("{{\"session\":\"s-{session}\",{field}\"version\":{operation},\"bytes\":64}}")
        };
        let stored = held[session as usize].get_or_insert_with(|| (payload(""), [const { None }; 3]));
        let (function, written, returned) = match kind {
            0 => ("create", stored.0.clone(), stored.0.clone()),
            1 => {
                *stored = (payload(""), [const { None }; 3]);
                ("write", stored.0.clone(), stored.0.clone())
            }
            2 | 3 => {
                let at = draw(&mut state, 3) as usize;
                let part = payload(&format!("\"field\":\"f{at}\","));
                stored.1[at] = Some(part.clone());
                ("patch", part.clone(), part)
            }
            _ => ("read", "null".to_owned(), returned_value(stored)),
        };
        for (kind, value, note) in [
            ("invoke", written, format!("\"intended\":{}", operation * 2_000)),
            (
                "ok",
                returned,
                format!("\"node\":\"n1\",\"clock\":{}", 1_700_000_000_000_000_000 + operation * 2_001),
            ),
        ] {
            let index = operation * 2 + u64::from(kind == "ok");
            writeln!(
                to,
                "{{\"index\":{index},\"time\":{},\"process\":{process},\"session\":\"s-{session}\",\
                 \"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"s-{session}\",\"value\":{value},{note}}}",
                index * 1_000
            )
            .expect("a file that can be written");
        }
    }
}

/// What a read of a session returns: the whole, or the whole with its fields.
fn returned_value((whole, fields): &(String, [Option<String>; 3])) -> String {
    if fields.iter().all(Option::is_none) {
        return whole.clone();
    }
    let field = |(at, part): (usize, &Option<String>)| part.as_ref().map(|part| format!("\"f{at}\":{part}"));
    let fields: Vec<String> = fields.iter().enumerate().filter_map(field).collect();
    format!("{{\"fields\":{{\"all\":{whole},{}}}}}", fields.join(","))
}
