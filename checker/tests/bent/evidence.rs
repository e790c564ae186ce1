//! Documents that differ a little from another: certificates in which something was changed, left out, swapped, repeated or taken from
//! elsewhere. Nothing here knows what evidence there is, so that new kinds are bent as the old ones are.

use serde_json::Value;
use testkit::TestRandom;

/// The document with one to three changes.
pub(crate) fn bend_document(document: &Value, other: &Value, random: &mut TestRandom) -> Value {
    let mut bent = document.clone();
    for _ in 0..1 + [0, 0, 0, 1, 2][random.below(5)] {
        bend_once(&mut bent, other, random);
    }
    bent
}

fn bend_once(document: &mut Value, other: &Value, random: &mut TestRandom) {
    let mut places = Vec::new();
    find_places(document, "", &mut places);
    // The names of properties and methods are no evidence.
    places.retain(|place| !["/property", "/method", "/model"].iter().any(|end| place.ends_with(end)));
    if places.is_empty() {
        return;
    }
    let place = places[random.below(places.len())].clone();
    let before = document.pointer(&place).cloned().unwrap_or_default();
    let bent = match &before {
        Value::Array(list) => bend_list(list, random),
        // An operation that takes the place of another everywhere, or both of each other.
        Value::Number(_) if random.chance(25) => {
            let after = like(&before, if random.chance(70) { document } else { other }, random);
            return exchange(document, &before, &after, random.chance(50));
        }
        Value::Number(number) if random.chance(30) => {
            Value::from(number.as_i64().unwrap_or(0) + random.one_of(&[1, -1, 2, 1_000_000]))
        }
        Value::Number(_) if random.chance(10) => Value::Null,
        Value::Null => any_number(document, random),
        Value::Bool(told) => Value::from(!told),
        _ => like(&before, if random.chance(70) { document } else { other }, random),
    };
    *document.pointer_mut(&place).expect("it is there") = bent;
}

fn bend_list(list: &[Value], random: &mut TestRandom) -> Value {
    let mut list = list.to_vec();
    if list.is_empty() {
        return Value::Array(list);
    }
    let (one, other) = (random.below(list.len()), random.below(list.len()));
    match random.below(8) {
        0 | 1 => _ = list.remove(one),
        2 => list.swap(one, other),
        3 => list.insert(other, list[one].clone()),
        4 => list.reverse(),
        5 => list.rotate_left(one),
        6 => list.truncate(one),
        _ => list[one] = list[other].clone(),
    }
    Value::Array(list)
}

/// A leaf of the same type from somewhere in a document.
fn like(before: &Value, document: &Value, random: &mut TestRandom) -> Value {
    let mut places = Vec::new();
    find_places(document, "", &mut places);
    let leaves: Vec<&Value> = (places.iter().filter_map(|place| document.pointer(place)))
        .filter(|leaf| std::mem::discriminant(*leaf) == std::mem::discriminant(before))
        .collect();
    if leaves.is_empty() { before.clone() } else { leaves[random.below(leaves.len())].clone() }
}

fn any_number(document: &Value, random: &mut TestRandom) -> Value {
    like(&Value::from(0), document, random)
}

/// Puts `after` where `before` is everywhere, and the other way around if `both`.
fn exchange(document: &mut Value, before: &Value, after: &Value, both: bool) {
    match document {
        Value::Array(list) => list.iter_mut().for_each(|element| exchange(element, before, after, both)),
        Value::Object(fields) => fields.values_mut().for_each(|field| exchange(field, before, after, both)),
        leaf if *leaf == *before => *leaf = after.clone(),
        leaf if both && *leaf == *after => *leaf = before.clone(),
        _ => {}
    }
}

/// The places of all leaves and lists.
fn find_places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                find_places(field, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(elements) => {
            found.push(at.to_owned());
            elements
                .iter()
                .enumerate()
                .for_each(|(n, element)| find_places(element, &format!("{at}/{n}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}
