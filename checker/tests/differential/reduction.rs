//! A disagreement, shrunk and saved.

use crate::near::EventList;
use crate::relations::Relation;
use crate::subjects::{Family, Subject};
use checker::Question;
use histories::History;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use testkit::draw_history;

/// Whatever was drawn by the seed is drawn anew of a smaller history. So some more seeds are tried.
const SEEDS: u64 = 12;

/// The result of a check, or the message of its panic as an error.
pub(crate) fn without_panic<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

/// Fails with a small history on which the two ways disagree as well, which is saved. Without a relation, the check itself failed.
pub(crate) fn fail(
    family: Family,
    history: &History,
    question: &Question,
    relation: Option<&Relation>,
    seed: u64,
    why: &str,
) -> ! {
    let disagrees = |list: &EventList| {
        let history = list.read()?;
        let checked = without_panic(|| Subject::new(family, history.clone(), question.clone()));
        match (checked, relation) {
            (Err(why), None) => Some((seed, why)),
            (Ok(Some(subject)), Some(relation)) => (0..SEEDS).find_map(|more| {
                let seed = seed.wrapping_add(more);
                without_panic(|| (relation.holds)(&subject, seed)).err().map(|why| (seed, why))
            }),
            _ => None,
        }
    };
    let (list, found) = reduce(EventList::from_history(history), &disagrees);
    let (seed, why) = found.unwrap_or((seed, why.to_owned()));
    let name = relation.map_or("check", |relation| relation.name);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("disagreements");
    let file = folder.join(format!("{name}-{seed}.jsonl"));
    let lines: Vec<String> = list.header.iter().chain(&list.events).map(|line| format!("{line}\n")).collect();
    let saved = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, lines.concat()));
    let told = list.read().map_or(String::new(), |history| draw_history(&history));
    let saved =
        saved.map_or_else(|why| format!("could not be saved: {why}"), |()| file.display().to_string());
    panic!("{name}, {family:?}, seed {seed}: {why}\n{question:?}\n{told}\nthe history: {saved}");
}

/// Leaves out one operation after another for as long as the ways disagree.
fn reduce(
    mut list: EventList,
    disagrees: &dyn Fn(&EventList) -> Option<(u64, String)>,
) -> (EventList, Option<(u64, String)>) {
    let mut found = disagrees(&list);
    let mut at = list.events.len();
    while at > 0 && found.is_some() {
        at -= 1;
        if at >= list.events.len() || !list.is_invocation(at) {
            continue;
        }
        let mut smaller = EventList { header: list.header.clone(), events: list.events.clone() };
        smaller.drop_operation(at);
        if let Some(still) = disagrees(&smaller) {
            (list, found) = (smaller, Some(still));
            at = list.events.len();
        }
    }
    (list, found)
}

/// The part that matters of a made-up disagreement is what is left.
#[test]
fn a_disagreement_is_shrunk_to_what_shows_it() {
    let history = histories::notation::parse("a: [w1] [r1]\nb: [w2] [w7] [r2]").expect("a drawing");
    let has_seven = |list: &EventList| {
        let mentions = list.events.iter().any(|event| event["value"] == 7);
        mentions.then(|| (0, "a seven".to_owned()))
    };
    let (list, found) = reduce(EventList::from_history(&history), &has_seven);
    assert_eq!(found, Some((0, "a seven".to_owned())));
    assert_eq!(list.read().expect("a history").len(), 1);
}
