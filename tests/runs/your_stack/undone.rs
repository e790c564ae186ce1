//! How often requests of a session undid each other, by the lines of a history alone.

use serde_json::Value;
use std::collections::HashMap;

/// The version that a patch set, and the lines in which it was asked for and acknowledged.
type AcknowledgedPatch = (u64, usize, usize);

/// How many answers show a version of a part of a session although a newer one, asked for after the shown one had been
/// acknowledged, was itself acknowledged before the answer was asked for. By the order of lines alone.
pub(crate) fn count_undone(events: &[Value]) -> usize {
    let mut open: HashMap<u64, (usize, &Value)> = HashMap::new();
    // By session and field.
    let mut patches: HashMap<(String, String), Vec<AcknowledgedPatch>> = HashMap::new();
    let mut undone = 0;
    for (at, event) in events.iter().enumerate() {
        let Some(process) = event["process"].as_u64() else { continue };
        if event["type"] == "invoke" {
            open.insert(process, (at, event));
            continue;
        }
        let Some((asked, invoked)) = open.remove(&process).filter(|_| event["type"] == "ok") else {
            continue;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if event["f"] == "patch" {
            let value = &invoked["value"];
            let part = (text(&value["session"]), text(&value["field"]));
            patches.entry(part).or_default().push((value["version"].as_u64().expect("a version"), asked, at));
        }
        for (field, shown) in
            event["value"]["fields"].as_object().into_iter().flatten().filter(|_| event["f"] == "read")
        {
            let part = (text(&shown["session"]), field.clone());
            let known = patches.get(&part).map_or(&[][..], Vec::as_slice);
            let Some(own) = known.iter().find(|patch| Some(patch.0) == shown["version"].as_u64()) else {
                continue;
            };
            undone += usize::from(known.iter().any(|patch| patch.1 > own.2 && patch.2 < asked));
        }
    }
    undone
}
