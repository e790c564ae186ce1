//! How long after a fault replicas hold the same data again.
//!
//! The recorder asks all replicas for a few keys, again and again (`recorder`, `look`), and records what they hold
//! where they differ (`apart`). Under load, replicas always differ a little, because a write takes time to reach them
//! all. So a difference counts only if the fault left it behind. It does not count if a write of that key was in
//! progress since the previous look. It does not count either if everything that the replicas hold was written after
//! the fault was over, because then each replica has caught up with that moment.
//!
//! The replicas have converged at the first look that does not count as apart, if no later look does before the next
//! fault strikes or the recording ends. Looks are periodic, so the true time lies between that look and the one before
//! it. Both are reported. O(looks · log n + n).
//!
//! If the store gives out ids, a client whose creation was not answered was never told the id, and no replica can be
//! asked for it. Such an id is left out and counted.

use super::faults::MeasuredFault;
use super::in_time::{TimeOver, UntilStopped, in_time};
use super::state::read_time_to_live;
use histories::{Function, History, Note, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

/// Why there is no time: named, because it is the worst that there is.
pub const NEVER: &str = "the replicas still differed when they were last read";
const NOT_LOOKED: &str = "the replicas were not read after it";

/// When the replicas had converged after a fault, in ns since its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ConvergenceTime {
    /// The first look that found them to hold the same.
    pub(super) seen: i64,
    /// How long before it the previous look was, or the end of the fault: the uncertainty.
    pub(super) within: i64,
}

/// What each replica holds under a key: pairs of node and value.
type ReplicaValues = Vec<(String, String)>;

/// One look at all replicas.
#[derive(Default)]
struct ReplicaLook {
    time: i64,
    position: u32,
    /// Whether it is the read of everything in the end.
    is_last: bool,
    /// Whether some replica did not answer.
    silent: bool,
    /// Whether some id was out of reach, so that a replica was not asked for all keys. Then the look cannot show that
    /// they agree.
    partial: bool,
    /// The keys of which replicas differed, with what the replicas held, as JSON.
    apart: Vec<(String, ReplicaValues)>,
}

/// All looks of a history. The last one is the read of everything in the end.
pub(super) struct ReplicaLooks<'a> {
    history: &'a History,
    looks: Vec<ReplicaLook>,
    /// For each key of which replicas differed, the writes that may have taken effect: the times of their invocations
    /// and completions.
    writes: FxHashMap<String, Vec<(i64, i64)>>,
    /// When the write of each value began.
    began: FxHashMap<ValueId, i64>,
    /// The number of ids that no replica could be asked for.
    pub(super) out_of_reach: usize,
}

/// The end of the error of a look at an id that the store never told.
const OUT_OF_REACH: &str = "nobody was told the id of this session";

impl<'a> ReplicaLooks<'a> {
    /// Reads all looks. O(n).
    ///
    /// # Errors
    /// The time limit was reached.
    pub(super) fn from_history(history: &'a History, stop: &AtomicBool) -> Result<Self, TimeOver> {
        let (mut looks, out_of_reach) = read_looks(history);
        let (mut writes, mut began) = (FxHashMap::default(), FxHashMap::default());
        for (key, _) in looks.iter().flat_map(|look| &look.apart) {
            writes.entry(key.clone()).or_insert_with(Vec::new);
        }
        if !writes.is_empty() {
            let operations = history.operations().until_stopped(stop);
            for op in operations.filter(|op| op.outcome != Outcome::Fail) {
                let reads = matches!(op.function, Function::READ | Function::GET | Function::ACTIONS);
                let Some(from) = history.invoked_at(op.id).filter(|_| !reads) else { continue };
                began.entry(op.value()).or_insert(from);
                if let Some(known) = writes.get_mut(history.keys.text(op.key)) {
                    known.push((from, history.completed_at(op.id).unwrap_or(from)));
                }
            }
        }
        in_time(stop)?;
        let end = looks.last_mut().filter(|look| look.is_last);
        if let (Some(lives), Some(end)) = (read_time_to_live(history), end) {
            // Reading everything in the end takes time, and a session may expire meanwhile.
            let last_write =
                |key: &str| writes.get(key).and_then(|known| known.iter().map(|write| write.0).max());
            let may_expire =
                |key: &str| last_write(key).is_none_or(|from: i64| from.saturating_add(lives) <= end.time);
            let lacks = |held: &ReplicaValues| held.iter().any(|one| one.1 == "null");
            end.apart.retain(|(key, held)| !(lacks(held) && may_expire(key)));
        }
        Ok(Self { history, looks, writes, began, out_of_reach })
    }

    /// When the replicas had converged after a fault, considering the looks until the next fault strikes.
    pub(super) fn convergence_after(
        &self,
        fault: &MeasuredFault,
        next: Option<u32>,
    ) -> Result<ConvergenceTime, &'static str> {
        let over = fault.end_time();
        let began = fault.positions.1.unwrap_or(fault.positions.0);
        let until = next.unwrap_or(u32::MAX);
        let own = self.looks.iter().filter(|look| look.position > began && look.position < until);
        let (mut together, mut before) = (Err(NOT_LOOKED), over);
        for look in own {
            let apart = |(key, held): &(String, ReplicaValues)| {
                self.is_left_by_fault(key, held, [over, before, look.time])
            };
            if look.silent || look.apart.iter().any(apart) {
                together = Err(NEVER);
            } else if look.partial {
                continue;
            } else if together.is_err() {
                together = Ok(ConvergenceTime { seen: look.time - over, within: look.time - before });
            }
            before = look.time;
        }
        together
    }

    /// Whether the fault left a difference behind. `over`: when the fault ended; `before`: the time of the previous
    /// look.
    fn is_left_by_fault(&self, key: &str, held: &ReplicaValues, [over, before, now]: [i64; 3]) -> bool {
        let writes = self.writes.get(key).map_or(&[][..], Vec::as_slice);
        if writes.iter().any(|&(from, to)| from <= now && to >= before) {
            return false;
        }
        !held.iter().all(|(_, value)| self.write_began_at(value).is_some_and(|began| began > over))
    }

    /// When the write of a value began. For several fields, the earliest of their writes.
    fn write_began_at(&self, value: &str) -> Option<i64> {
        let fields: Option<BTreeMap<&str, BTreeMap<&str, &RawValue>>> =
            value.starts_with("{\"fields\"").then(|| serde_json::from_str(value).ok()).flatten();
        let parts: Vec<&str> = match &fields {
            Some(object) => object.get("fields")?.values().map(|part| part.get()).collect(),
            None => vec![value],
        };
        let began = |part: &str| self.began.get(&self.history.values.get(part)?).copied();
        parts.into_iter().filter(|part| *part != "null").map(began).min().flatten()
    }
}

/// Reads all looks, and the greatest number of ids that were out of reach.
fn read_looks(history: &History) -> (Vec<ReplicaLook>, usize) {
    let (mut looks, mut apart) = (Vec::new(), Vec::new());
    let mut last: BTreeMap<String, ReplicaValues> = BTreeMap::new();
    let mut end: Option<ReplicaLook> = None;
    let mut out_of_reach: FxHashSet<String> = FxHashSet::default();
    let mut left_out = 0;
    for event in history.actor_events() {
        let Some(time) = event.time else { continue };
        let error = || history.note(event.position).filter(|note| note.fields.contains("\"error\""));
        let within_reach = |note: &Note<'_>| !note.fields.contains(OUT_OF_REACH);
        match (event.actor.as_str(), event.function.as_str()) {
            ("recorder", "apart") => apart.extend(parse_difference(&event.value)),
            ("recorder", "look") => {
                let apart = std::mem::take(&mut apart);
                let silent = error().is_some_and(|note| within_reach(&note));
                let partial = error().is_some_and(|note| !within_reach(&note));
                left_out = left_out.max(parse_ids_left_out(&event.value)).max(usize::from(partial));
                let position = event.position;
                looks.push(ReplicaLook { time, position, is_last: false, silent, partial, apart });
            }
            ("replica", "read") => {
                let told: Option<[&RawValue; 3]> = serde_json::from_str(&event.value).ok();
                let key = told.map_or("", |[_, key, _]| key.get());
                if error().is_some_and(|note| !within_reach(&note)) {
                    out_of_reach.insert(key.to_owned());
                    continue;
                }
                let failed = error().is_some();
                let end = end.get_or_insert_default();
                (end.time, end.position, end.silent) = (time, event.position, end.silent | failed);
                if let Some([node, key, held]) = told.filter(|_| !failed) {
                    let known = last.entry(key.get().to_owned()).or_default();
                    known.push((node.get().to_owned(), held.get().to_owned()));
                }
            }
            _ => {}
        }
    }
    // Without periodic looks, the time of convergence is not known.
    if let Some(mut end) = end.filter(|_| !looks.is_empty()) {
        let differ = |held: &ReplicaValues| held.iter().any(|one| one.1 != held[0].1);
        end.apart = last.into_iter().filter(|(_, held)| differ(held)).collect();
        end.is_last = true;
        looks.push(end);
    }
    (looks, out_of_reach.len().max(left_out))
}

/// The last number of `[keys, replicas, keys of which they differ, ids left out]`.
fn parse_ids_left_out(value: &str) -> usize {
    serde_json::from_str::<[usize; 4]>(value).map_or(0, |numbers| numbers[3])
}

/// Parses `[key, [node, held], …]`.
fn parse_difference(value: &str) -> Option<(String, ReplicaValues)> {
    let told: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    let (key, held) = told.split_first()?;
    let one = |told: &&RawValue| {
        let [node, held]: [&RawValue; 2] = serde_json::from_str(told.get()).ok()?;
        Some((node.get().to_owned(), held.get().to_owned()))
    };
    Some((key.get().to_owned(), held.iter().filter_map(one).collect()))
}

#[cfg(test)]
mod tests {
    use super::NEVER;
    use crate::measurements::tests::history;
    use crate::measurements::{
        Measurements, MetricValues, find_metric, measure_history, measure_register_losses,
    };
    use histories::ValueId;

    fn measured(text: &str) -> Measurements {
        let history = history(text);
        measure_history(&history, ValueId::NULL, &measure_register_losses(&history, ValueId::NULL))
    }

    /// The time of convergence and its uncertainty, in ms.
    fn together(values: &MetricValues) -> Result<(f64, f64), &'static str> {
        let of = |name| values.get(find_metric(name).expect("a metric")).expect("every fault has it");
        let ms = |seconds: f64| (seconds * 1e3).round();
        let exact = |name| of(name).map(|figure| figure.exact_value().expect("known exactly"));
        Ok((ms(exact("convergence_seconds")?), ms(exact("convergence_uncertainty_seconds")?)))
    }

    /// Partitioned until 100; n2 lacks what was written meanwhile, and has it between the looks at 130 and at 140.
    const CUT: &str = "
        10-11 alice write a 1 ok
        50 nemesis partition \"n2\"
        60-61 alice write a 2 ok
        100 nemesis heal-partition \"n2\"
        120 recorder apart [\"a\",[\"n1\",2],[\"n2\",1]]
        120.1 recorder look [1,2,1]
        130 recorder apart [\"a\",[\"n1\",2],[\"n2\",1]]
        130.1 recorder look [1,2,1]
        140 recorder look [1,2,0]
        150 recorder look [1,2,0]";

    #[test]
    fn replicas_are_together_at_the_first_look_after_which_none_finds_them_apart() {
        let found = measured(CUT);
        assert_eq!(together(&found.faults[0].values), Ok((40.0, 10.0)));
        assert_eq!(together(&found.run), Ok((40.0, 10.0)));
        let again = measured(&format!(
            "{CUT}
            160 recorder apart [\"a\",[\"n1\",2],[\"n2\",1]]
            160.1 recorder look [1,2,1]
            190 recorder look [1,2,0]"
        ));
        assert_eq!(together(&again.run), Ok((90.0, 30.0)), "they did not stay so");
        let at_once = measured(
            "10 nemesis kill \"n1\"\n20-21 a read a null ok\n30 nemesis heal-kill \"n1\"\n37 recorder look [1,2,0]",
        );
        assert_eq!(together(&at_once.run), Ok((7.0, 7.0)), "nobody knows since when");
    }

    #[test]
    fn never_and_nobody_looked_are_named() {
        let apart = "
            160 recorder apart [\"a\",[\"n1\",2],[\"n2\",1]]
            160.1 recorder look [1,2,1]";
        assert_eq!(together(&measured(&format!("{CUT}{apart}")).run), Err(NEVER));
        let silent = "\n160 recorder look [1,2,0] n2";
        assert_eq!(together(&measured(&format!("{CUT}{silent}")).run), Err(NEVER), "n2 did not answer");
        let end = "\n200 replica read [\"n1\",\"a\",2]\n201 replica read [\"n2\",\"a\",1]";
        assert_eq!(
            together(&measured(&format!("{CUT}{end}")).run),
            Err(NEVER),
            "when all was read in the end"
        );
        let (before, _) = CUT.split_once("120 recorder").expect("looks");
        assert_eq!(together(&measured(before).run), Err(super::NOT_LOOKED));
        assert!(together(&measured("10-11 alice write a 1 ok").run).is_err());
    }

    /// A replica that lacks a session in the end has not converged, unless the session may have expired meanwhile. Every recording has a time to
    /// live, and all such differences used to be dropped.
    #[test]
    fn a_session_that_only_one_replica_has_in_the_end_is_a_difference() {
        let end = "\n200 replica read [\"n1\",\"a\",2]\n201 replica read [\"n2\",\"a\",null]";
        let with_lives = |lives: &str| {
            let mut lines = crate::measurements::tests::lines(&format!("{CUT}{end}"));
            lines.insert(0, format!("{{\"steadfast\":1,\"time_to_live_ms\":{lives}}}"));
            let text = lines.join("\n");
            let read = histories::format::from_text(histories::format::Format::Native, &text);
            let history = read.expect("a history");
            let losses = measure_register_losses(&history, ValueId::NULL);
            together(&measure_history(&history, ValueId::NULL, &losses).run)
        };
        assert_eq!(with_lives("1800000"), Err(NEVER));
        assert_eq!(with_lives("100"), Ok((40.0, 10.0)), "the write at 60 may have been forgotten at 160");
    }

    /// A write in progress makes replicas differ for a moment, long after they have converged.
    #[test]
    fn what_the_fault_did_not_do_does_not_count() {
        let on_its_way = "
            155-157 alice write a 3 ok
            160 recorder apart [\"a\",[\"n1\",3],[\"n2\",2]]
            160.1 recorder look [1,2,1]
            170 recorder look [1,2,0]";
        assert_eq!(together(&measured(&format!("{CUT}{on_its_way}")).run), Ok((40.0, 10.0)));
        let both_after = "
            155-157 alice write a 3 ok
            161-162 alice write a 4 ok
            170 recorder look [1,2,0]
            180 recorder apart [\"a\",[\"n1\",4],[\"n2\",3]]
            180.1 recorder look [1,2,1]";
        assert_eq!(together(&measured(&format!("{CUT}{both_after}")).run), Ok((40.0, 10.0)));
        let left_behind = "
            155-157 alice write a 3 ok
            170 recorder look [1,2,0]
            180 recorder apart [\"a\",[\"n1\",3],[\"n2\",2]]
            180.1 recorder look [1,2,1]";
        assert_eq!(together(&measured(&format!("{CUT}{left_behind}")).run), Err(NEVER));
    }

    /// Each fault is measured until the next one strikes, and the worst one is that of the run.
    #[test]
    fn each_fault_has_its_own() {
        let found = measured(&format!(
            "{CUT}
            300 nemesis kill \"n1\"
            400 nemesis heal-kill \"n1\"
            420 recorder look [1,2,0] n1
            440 recorder look [1,2,0]"
        ));
        let each: Vec<_> = found.faults.iter().map(|fault| together(&fault.values)).collect();
        assert_eq!(
            (each, together(&found.run)),
            (vec![Ok((40.0, 10.0)), Ok((40.0, 20.0))], Ok((40.0, 20.0)))
        );
    }

    /// Express gives out ids. An id whose creation timed out was told to no client, so no replica can be asked for it.
    /// This used to be reported as *never*. Such an id is left out and counted. A look in which a replica was not asked
    /// for the other keys does not show convergence either.
    #[test]
    fn an_id_that_was_told_to_nobody_is_left_out_and_counted() {
        let found = measured(&format!(
            "{CUT}
            160 recorder look [1,2,0,2]
            200 replica read [\"n1\",\"a\",2]
            201 replica read [\"n2\",\"a\",2]"
        ));
        assert_eq!((together(&found.run), found.ids_out_of_reach), (Ok((40.0, 10.0)), 2));
        let (before, _) = CUT.split_once("120 recorder").expect("looks");
        let text = format!("{before}160 recorder look [2,2,0]");
        let mut lines = crate::measurements::tests::lines(&text);
        let error = ",\"error\":\"n2: nobody was told the id of this session\"}";
        let look = lines.iter_mut().find(|line| line.contains("look")).expect("a look");
        *look = look.replace('}', error);
        let text = lines.join("\n");
        let history =
            histories::format::from_text(histories::format::Format::Native, &text).expect("a history");
        let found =
            measure_history(&history, ValueId::NULL, &measure_register_losses(&history, ValueId::NULL));
        assert_eq!((together(&found.run), found.ids_out_of_reach), (Err(super::NOT_LOOKED), 1));
    }
}
