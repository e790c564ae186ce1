//! Atomic objects, and histories of clients that use them: operations that fail, that are never answered and take effect
//! late or never. Each object can have a defect.

use histories::History;
use histories::format::{self, Format};
use serde_json::{Value, json};
use testkit::TestRandom;

/// An object: what an operation does to it, and returns.
pub(crate) type Object = Box<dyn FnMut(&str, &Value, &mut TestRandom) -> Value>;
/// The next operation of a client.
pub(crate) type Next = fn(&mut TestRandom, u64) -> (&'static str, Value);

/// Clients do operations on an object, each of which takes effect at one moment between its events; some fail, some
/// are never answered and take effect later or not at all.
pub(crate) fn simulate(seed: u64, steps: u64, next: Next, last: Option<&str>, mut object: Object) -> History {
    let mut random = TestRandom::new(seed);
    let mut text = String::new();
    let mut event = |process: u64, kind: &str, f: &str, value: &Value| {
        text += &format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}\n");
    };
    struct Open {
        process: u64,
        f: &'static str,
        argument: Value,
        result: Option<Value>,
        lost: bool,
    }
    let mut clients: Vec<Option<Open>> = (0..4).map(|_| None).collect();
    let (mut abandoned, mut numbers, mut count) = (Vec::<Open>::new(), 4, 0);
    let mut names: Vec<u64> = (0..4).collect();
    for _ in 0..steps {
        // An operation whose client gave up may take effect now.
        if !abandoned.is_empty() && random.one_in(4) {
            let open = abandoned.swap_remove(random.below(abandoned.len()));
            object(open.f, &open.argument, &mut random);
        }
        let at = random.below(4);
        let Some(open) = &mut clients[at] else {
            let (f, argument) = next(&mut random, count);
            count += 1;
            event(names[at], "invoke", f, &argument);
            let lost = random.one_in(12);
            clients[at] = Some(Open { process: names[at], f, argument, result: None, lost });
            continue;
        };
        if open.lost {
            let open = clients[at].take().expect("it is open");
            event(open.process, "info", open.f, &open.argument);
            names[at] = numbers;
            numbers += 1;
            if random.one_in(2) {
                abandoned.push(open);
            }
        } else if open.result.is_none() && random.one_in(12) {
            let open = clients[at].take().expect("it is open");
            event(open.process, "fail", open.f, &open.argument);
        } else if let Some(result) = open.result.take() {
            event(open.process, "ok", open.f, &result);
            clients[at] = None;
        } else {
            open.result = Some(object(open.f, &open.argument, &mut random));
        }
    }
    if let Some(f) = last {
        // When all is quiet, somebody looks.
        event(numbers, "invoke", f, &Value::Null);
        let result = object(f, &Value::Null, &mut random);
        event(numbers, "ok", f, &result);
    }
    format::from_text(Format::Native, &text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

pub(crate) fn bank(defect: bool) -> Object {
    let mut held = [25_i64; 4];
    Box::new(move |f, argument, random| {
        let read = json!({"0": held[0], "1": held[1], "2": held[2], "3": held[3]});
        if f == "transfer" {
            let field = |name: &str| argument[name].as_u64().expect("a number") as usize;
            let (from, to, amount) = (field("from"), field("to"), field("amount") as i64);
            if held[from] >= amount {
                held[from] -= amount;
                if !(defect && random.one_in(5)) {
                    held[to] += amount;
                }
            }
            return argument.clone();
        }
        read
    })
}

pub(crate) fn transfers(random: &mut TestRandom, _: u64) -> (&'static str, Value) {
    match random.one_in(2) {
        true => ("read", Value::Null),
        false => {
            let [from, to, amount] = [4, 4, 9].map(|n| random.below(n));
            ("transfer", json!({"from": from, "to": to, "amount": amount}))
        }
    }
}

/// A set whose adds are sometimes forgotten after a while.
pub(crate) fn set(defect: bool) -> Object {
    let mut elements: Vec<Value> = Vec::new();
    Box::new(move |f, argument, random| {
        match f {
            "add" => elements.push(argument.clone()),
            _ if defect && elements.len() > 2 => _ = elements.remove(random.below(elements.len())),
            _ => {}
        }
        if f == "add" { argument.clone() } else { Value::Array(elements.clone()) }
    })
}

pub(crate) fn adds(random: &mut TestRandom, count: u64) -> (&'static str, Value) {
    if random.one_in(3) { ("read", Value::Null) } else { ("add", json!(count)) }
}

pub(crate) fn counter(defect: bool) -> Object {
    let mut sum = 0;
    Box::new(move |f, argument, random| {
        if f == "add" {
            sum += argument.as_i64().expect("a number") * if defect && random.one_in(4) { 100 } else { 1 };
            return argument.clone();
        }
        json!(sum)
    })
}

pub(crate) fn increments(random: &mut TestRandom, _: u64) -> (&'static str, Value) {
    if random.one_in(2) { ("read", Value::Null) } else { ("add", json!(random.below(7) as i64 - 2)) }
}

pub(crate) fn queue(defect: bool) -> Object {
    let mut inside = std::collections::VecDeque::new();
    Box::new(move |f, argument, random| match f {
        "enqueue" => {
            if !(defect && random.one_in(3)) {
                inside.push_back(argument.clone());
            }
            argument.clone()
        }
        "dequeue" => inside.pop_front().unwrap_or(Value::Null),
        _ => Value::Array(inside.drain(..).collect()),
    })
}

pub(crate) fn enqueues(random: &mut TestRandom, count: u64) -> (&'static str, Value) {
    if random.one_in(3) { ("dequeue", Value::Null) } else { ("enqueue", json!(count % 40)) }
}

pub(crate) fn ids(defect: bool) -> Object {
    let mut last = 0;
    Box::new(move |_, _, random| {
        last += i64::from(!(defect && random.one_in(5)));
        json!(last)
    })
}

pub(crate) fn generates(_: &mut TestRandom, _: u64) -> (&'static str, Value) {
    ("generate", Value::Null)
}

/// Keys that are written once; with the defect, a read sees each key as it was at a moment of its own.
pub(crate) fn keys(defect: bool) -> Object {
    let mut written: Vec<bool> = vec![false; 12];
    let mut stale = written.clone();
    Box::new(move |f, argument, random| {
        if f == "write" {
            let key = argument[0][1].as_u64().expect("a key") as usize;
            written[key] = true;
            if random.one_in(2) {
                stale[key] = true;
            }
            return argument.clone();
        }
        let pairs = argument.as_array().expect("micro-operations").iter().map(|micro| {
            let key = micro[1].as_u64().expect("a key") as usize;
            let seen = if defect && random.one_in(2) { stale[key] } else { written[key] };
            json!(["r", key, if seen { json!(1) } else { Value::Null }])
        });
        Value::Array(pairs.collect())
    })
}

pub(crate) fn groups(random: &mut TestRandom, count: u64) -> (&'static str, Value) {
    if random.one_in(4) && count < 40 {
        return ("write", json!([["w", random.below(12), 1]]));
    }
    let group = random.below(3) * 4;
    ("read", (0..4).map(|at| json!(["r", group + at, null])).collect())
}

/// A register that grows; with the defect, it is sometimes read as it was.
pub(crate) fn register(defect: bool) -> Object {
    let mut value = 0;
    Box::new(move |f, argument, random| {
        if f == "inc" {
            value += 1;
            return argument.clone();
        }
        json!(if defect && random.one_in(4) { value / 2 } else { value })
    })
}

pub(crate) fn grows(random: &mut TestRandom, _: u64) -> (&'static str, Value) {
    if random.one_in(2) { ("read", Value::Null) } else { ("inc", json!(1)) }
}

/// Two registers that grow in turn and are read together; with the defect, one of them is sometimes read as it was.
pub(crate) fn registers(defect: bool) -> Object {
    let mut values = [0, 0];
    Box::new(move |f, argument, random| {
        if f == "inc" {
            values[random.below(2)] += 1;
            return argument.clone();
        }
        let mut read = values;
        if defect && random.one_in(4) {
            read[random.below(2)] /= 2;
        }
        json!({"x": read[0], "y": read[1]})
    })
}

/// Rows that are inserted; with the defect, the latest is there before some that were.
pub(crate) fn rows(defect: bool) -> Object {
    let (mut late, mut rows): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    Box::new(move |f, argument, random| {
        if f == "insert" {
            if defect && random.one_in(3) {
                late.push(argument.clone())
            } else {
                rows.push(argument.clone())
            }
            return argument.clone();
        }
        let read = Value::Array(rows.clone());
        if random.one_in(2) {
            rows.append(&mut late);
        }
        read
    })
}

pub(crate) fn inserts(random: &mut TestRandom, count: u64) -> (&'static str, Value) {
    if random.one_in(3) { ("read", Value::Null) } else { ("insert", json!(count)) }
}
