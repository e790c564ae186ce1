//! Finds lost updates: two requests that each save a session without the change of the other.
//!
//! A request that changes a session reads all of it, changes its copy, and saves the whole copy. When two such requests
//! overlap, the one that saves last undoes what the other saved, although both were acknowledged. A register allows
//! that, so no other finding covers it; for the user, a change is gone. Most session stores behave this way: PHP
//! without locks, express-session, Spring Session, Laravel.
//!
//! A *save* is a write of a whole session, and its *base* is the version from which it was made. The base is what the
//! history states (`based_on`), or else what the same process read just before. The second rule applies under two
//! conditions only. The history has no header: recorders that write one use clients that serve any session in turn. And
//! *every* whole write follows such a read: otherwise the reads and writes of one process are not requests. Two
//! acknowledged saves of one session are a finding if
//!
//! - both have the same base, so that neither contains the other; or
//! - one began after the base of the other had been read, and was acknowledged before the other began.
//!
//! The requests must overlap. If one read after the other had been acknowledged and still found the old version, that
//! read was stale, which is another finding. A request begins with the read of its base. The history may state the base
//! without the read. Then the request begins with the last read, by anybody, that returned the base and was over before the save began. An
//! earlier read would make the request longer, and could make a false alarm. If nobody read the base, the request begins with the save. Patches of single fields and compare-and-sets do not save the
//! whole session. O(n log n); for the second rule at most [`CANDIDATES_MAX`] saves are tried for each save.

use super::faults::find_note_field;
use super::index::ValueWriter;
use super::{Judge, is_ok};
use claims::{FindingKind as Kind, FindingProof as Proof};
use histories::{Function, History, KeyId, OpId, ProcessId, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;

/// How many earlier saves are tried as the one between the read and the save of another request.
const CANDIDATES_MAX: usize = 64;

/// A save and the version from which it was made.
#[derive(Clone, Copy)]
struct SaveWithBase {
    save: OpId,
    /// The read that returned the base, with which the request began.
    read: Option<OpId>,
    base: ValueId,
    /// Whether the history states the base. Otherwise it was inferred from a read of the same process.
    is_stated: bool,
}

/// Judges the saves of whole sessions. Returns why it could not, if no base is known.
pub(super) fn judge_lost_updates(judge: &mut Judge<'_>) -> Option<String> {
    let history = judge.facts.history;
    let saves = collect_saves(history);
    if saves.is_empty() {
        return Some("no whole write says which version it was made from".to_owned());
    }
    let mut by_key: FxHashMap<KeyId, Vec<SaveWithBase>> = FxHashMap::default();
    for save in saves.into_iter().filter(|save| is_ok(history, save.save)) {
        if save.read.is_none_or(|read| !judge.is_excluded(read)) {
            by_key.entry(history.key(save.save)).or_default().push(save);
        }
    }
    let mut keys: Vec<(KeyId, Vec<SaveWithBase>)> = by_key.into_iter().collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    for (_, saves) in keys {
        judge_saves_of_session(judge, &saves);
    }
    None
}

/// All saves whose base is known, in order of invocation.
fn collect_saves(history: &History) -> Vec<SaveWithBase> {
    let mut saves = read_stated_bases(history);
    if history.header().is_none() {
        saves.extend(infer_bases_from_reads(history));
        saves.sort_unstable_by_key(|save| save.save);
    }
    saves
}

/// The version that a save states as its base, as text.
fn stated_base(history: &History, save: OpId) -> Option<String> {
    find_note_field(history, history.invocation_position(save), "based_on")
}

/// The saves whose base the history states. A base that no operation mentions says nothing.
fn read_stated_bases(history: &History) -> Vec<SaveWithBase> {
    let mut saves = Vec::new();
    for save in history.ids().filter(|&id| history.function(id) == Function::WRITE) {
        let base = stated_base(history, save).and_then(|base| history.values.get(&base));
        saves.extend(base.map(|base| SaveWithBase { save, read: None, base, is_stated: true }));
    }
    let wanted: FxHashSet<(KeyId, ValueId)> =
        saves.iter().map(|save| (history.key(save.save), save.base)).collect();
    let mut reads = find_reads_of_bases(history, &wanted);
    reads.sort_unstable();
    for save in &mut saves {
        let (key, began) = (history.key(save.save), history.invocation_position(save.save));
        let after = reads.partition_point(|&(of, base, _)| (of, base) <= (key, save.base));
        let of_base =
            reads[..after].iter().rev().take_while(|&&(of, base, _)| (of, base) == (key, save.base));
        let over = |read: &OpId| history.completion_position(*read) < began;
        save.read = of_base.map(|&(_, _, read)| read).find(over);
    }
    saves
}

/// The reads that returned one of these bases of an id. Most reads return a payload; what the others show is parsed once for each value.
fn find_reads_of_bases(
    history: &History,
    wanted: &FxHashSet<(KeyId, ValueId)>,
) -> Vec<(KeyId, ValueId, OpId)> {
    let mut reads = Vec::new();
    let mut parts: FxHashMap<ValueId, Vec<ValueId>> = FxHashMap::default();
    let is_read = |id: &OpId| history.function(*id) == Function::READ && is_ok(history, *id);
    for read in history.ids().filter(is_read).filter(|_| !wanted.is_empty()) {
        let (key, shown) = (history.key(read), history.result(read));
        if !history.value_text(shown).starts_with(FIELDS) {
            reads.extend(Some((key, shown, read)).filter(|_| wanted.contains(&(key, shown))));
            continue;
        }
        let shown = parts.entry(shown).or_insert_with(|| find_parts(history, shown));
        let bases = shown.iter().filter(|part| wanted.contains(&(key, **part)));
        reads.extend(bases.map(|&part| (key, part, read)));
    }
    reads
}

/// How a value with fields begins.
const FIELDS: &str = "{\"fields\"";

/// The payloads that a read returned: the value itself, or those of its fields.
fn find_parts(history: &History, value: ValueId) -> Vec<ValueId> {
    let text = history.value_text(value);
    if !text.starts_with(FIELDS) {
        return vec![value];
    }
    let object: Option<FxHashMap<&str, FxHashMap<String, &RawValue>>> = serde_json::from_str(text).ok();
    let fields = object.iter().filter_map(|object| object.get("fields")).flat_map(FxHashMap::values);
    fields.filter_map(|part| history.values.get(part.get())).collect()
}

/// The saves that state no base, with what each process read just before. Empty if some whole write follows no such read.
fn infer_bases_from_reads(history: &History) -> Vec<SaveWithBase> {
    let mut last: FxHashMap<(ProcessId, KeyId), OpId> = FxHashMap::default();
    let mut saves = Vec::new();
    for op in history.operations() {
        let before = last.insert((op.process, op.key), op.id);
        if op.function == Function::WRITE {
            let found = |&id: &OpId| {
                let read = history.operation(id);
                read.function == Function::READ && is_ok(history, id) && read.result != ValueId::NULL
            };
            let Some(read) = before.filter(found) else { return Vec::new() };
            if stated_base(history, op.id).is_none() {
                let base = history.result(read);
                saves.push(SaveWithBase { save: op.id, read: Some(read), base, is_stated: false });
            }
        }
    }
    saves
}

/// Judges the saves of one id, which are in order of invocation.
fn judge_saves_of_session(judge: &mut Judge<'_>, saves: &[SaveWithBase]) {
    let mut of_base: FxHashMap<ValueId, SaveWithBase> = FxHashMap::default();
    for (at, &save) in saves.iter().enumerate() {
        let known = matches!(judge.facts.index.writer_of(save.base), ValueWriter::One(_));
        let same = of_base
            .insert(save.base, save)
            .filter(|&other| known && requests_overlap(judge.facts.history, save, other));
        let is_one_version = known || !save.is_stated;
        let between =
            || find_save_between(judge.facts.history, &saves[..at], save).filter(|_| is_one_version);
        if let Some(other) = same.or_else(between) {
            let proof = Proof::Overwritten {
                save: save.save,
                read: save.read,
                other: other.save,
                other_read: other.read,
            };
            let operations = [Some(save.save), Some(other.save), save.read, other.read];
            judge.record_finding_without_exclusion(
                Kind::LostUpdate,
                operations.into_iter().flatten().collect(),
                proof,
            );
        }
    }
}

/// Whether the two requests overlap.
fn requests_overlap(history: &History, one: SaveWithBase, other: SaveWithBase) -> bool {
    let began = |save: SaveWithBase| history.invocation_position(save.read.unwrap_or(save.save));
    let over = |save: SaveWithBase| history.completion_position(save.save);
    began(one) < over(other) && began(other) < over(one)
}

/// Finds an earlier save that began after the base of this one had been read, and was over before this one began.
fn find_save_between(
    history: &History,
    earlier: &[SaveWithBase],
    save: SaveWithBase,
) -> Option<SaveWithBase> {
    let (read, began) = (history.completion_position(save.read?), history.invocation_position(save.save));
    let other = |other: &&SaveWithBase| {
        let op = history.operation(other.save);
        op.invoked > read && op.completed < began && other.read != save.read
    };
    earlier.iter().rev().take(CANDIDATES_MAX).find(other).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use claims::{Limits, Model, Property, Question, Verdict};
    use histories::format::{Format, from_text};

    /// Builds a history from one line for each event: process, type, operation, and the version that is written or
    /// returned (0: nothing). All events are of one session, which was created with version 1. `<3` after a version: it
    /// was made from version 3.
    fn judged(header: &str, text: &str) -> String {
        let value = |version: &str| match version {
            "0" => "null".to_owned(),
            "f1" => format!(r#"{{"fields":{{"all":{}}}}}"#, r#"{"bytes":10,"session":"alice","version":1}"#),
            version => format!(r#"{{"bytes":10,"session":"alice","version":{version}}}"#),
        };
        let mut lines = vec![header.to_owned()];
        let created = "9 invoke create 1\n9 ok create 1\n";
        for line in created.lines().chain(text.lines()).map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [process, kind, function, version] = words[..] else { panic!("four words: {line}") };
            let (version, base) = version.split_once('<').unzip();
            let version = version.unwrap_or(words[3]);
            let base = base.map_or(String::new(), |base| format!(",\"based_on\":{}", value(base)));
            let field = if function == "patch" { ",\"field\":\"cart\"" } else { "" };
            let value = value(version).replacen(",\"session\"", &format!("{field},\"session\""), 1);
            lines.push(format!(
                r#"{{"process":{process},"session":"alice","type":"{kind}","f":"{function}","key":"s","value":{value}{base}}}"#
            ));
        }
        let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        let history = from_text(Format::Native, &lines.join("\n")).unwrap_or_else(|why| panic!("{why}"));
        let asked = Some(vec![Property::Finding(Kind::LostUpdate)]);
        let question = Question { asked, ..Question::about(Model::Session) };
        let report = crate::check(&history, &question, &Limits::unbounded()).expect("what was found stands");
        match &report.answers[0].verdict {
            Verdict::Violated(found) => format!("{} found", found.len()),
            other => other.name().to_owned(),
        }
    }

    fn verdict(text: &str) -> String {
        judged("", text)
    }

    const BOTH_READ: &str = "1 invoke read 0
        1 ok read 1
        2 invoke read 0
        2 ok read 1
        ";

    /// Two tabs read version 1, and each saved the whole session. The change of the first was gone, although both saves
    /// were acknowledged. Every other finding held, because a register allows this.
    #[test]
    fn two_requests_that_save_what_they_made_of_one_version_are_found() {
        let one_after_the_other = "1 invoke write 2
            1 ok write 2
            2 invoke write 3
            2 ok write 3";
        assert_eq!(verdict(&format!("{BOTH_READ}{one_after_the_other}")), "1 found");
        // At once: the save that took effect last undid the other.
        let at_once = "1 invoke write 2
            2 invoke write 3
            2 ok write 3
            1 ok write 2";
        assert_eq!(verdict(&format!("{BOTH_READ}{at_once}")), "1 found");
    }

    /// Process 2 read version 1. Process 1 saved 2, read it, and saved 3, made from 2. Then process 2 saved what it had
    /// made from 1. The bases differ, and 3 is lost all the same.
    #[test]
    fn a_save_between_the_read_and_the_save_of_another_request_is_undone() {
        let text = format!(
            "{BOTH_READ}
             1 invoke write 2
             1 ok write 2
             1 invoke read 0
             1 ok read 2
             1 invoke write 3
             1 ok write 3
             2 invoke write 4
             2 ok write 4"
        );
        assert_eq!(verdict(&text), "1 found");
    }

    #[test]
    fn requests_one_after_the_other_undo_nothing() {
        let text = "1 invoke read 0
            1 ok read 1
            1 invoke write 2
            1 ok write 2
            2 invoke read 0
            2 ok read 2
            2 invoke write 3
            2 ok write 3";
        assert_eq!(verdict(text), "holds");
        // The second request was shown the old version. That is a stale read, which is another finding.
        assert_eq!(verdict(&text.replace("2 ok read 2", "2 ok read 1")), "holds");
    }

    /// A failed save undid nothing. A save that timed out may have taken effect or not.
    #[test]
    fn a_save_that_was_not_acknowledged_is_no_save() {
        for end in ["fail", "info"] {
            let text = format!(
                "{BOTH_READ}
                 1 invoke write 2
                 1 {end} write 2
                 2 invoke write 3
                 2 ok write 3"
            );
            assert_eq!(verdict(&text), "holds", "{end}");
        }
    }

    /// Single fields are written without the others, so nothing is undone and there is nothing to judge.
    #[test]
    fn patches_of_fields_are_no_saves_of_everything() {
        let text = format!(
            "{BOTH_READ}
             1 invoke patch 2
             1 ok patch 2
             2 invoke patch 3
             2 ok patch 3"
        );
        assert_eq!(verdict(&text), "untested");
    }

    /// If some whole write follows no read, reads and writes are not parts of requests: a client that serves any
    /// session writes whatever is next.
    #[test]
    fn writes_that_nobody_read_for_are_made_from_nothing() {
        let text = format!(
            "{BOTH_READ}
             1 invoke write 2
             1 ok write 2
             2 invoke write 3
             2 ok write 3
             1 invoke write 4
             1 ok write 4"
        );
        assert_eq!(verdict(&text), "untested");
    }

    /// The clients of this program's recorder serve any session, so an earlier read of the same client is not a base. A
    /// base that the history states is one.
    #[test]
    fn of_this_programs_recordings_only_what_is_told_is_a_base() {
        let header = r#"{"steadfast":1}"#;
        let saves = |bases: [&str; 2]| {
            format!(
                "{BOTH_READ}
                 1 invoke write 2{}
                 1 ok write 2
                 2 invoke write 3{}
                 2 ok write 3",
                bases[0], bases[1]
            )
        };
        assert_eq!(judged(header, &saves(["", ""])), "untested");
        assert_eq!(judged(header, &saves(["<1", "<1"])), "1 found");
        assert_eq!(judged(header, &saves(["<1", "<2"])), "holds");
    }

    /// Process 2 read version 1 seconds after version 2 had been acknowledged, and saved what it made of it. That read was stale. The check
    /// reported a lost update as well, because a request that stated its base was taken to have begun before everything else.
    #[test]
    fn a_request_that_states_its_base_begins_with_the_read_of_it() {
        let text = "1 invoke write 2<1
            1 ok write 2
            2 invoke read 0
            2 ok read 1
            2 invoke write 3<1
            2 ok write 3";
        let header = r#"{"steadfast":1}"#;
        assert_eq!(judged(header, text), "holds");
        // Without that read, the second request began when it saved.
        let writes: Vec<&str> = text.lines().filter(|line| !line.contains("read")).collect();
        let unread = format!("{}\n3 invoke read 0\n3 ok read 3", writes.join("\n"));
        assert_eq!(judged(header, &unread), "holds");
        // It read before version 2 was acknowledged.
        let in_time = format!("2 invoke read 0\n2 ok read 1\n{unread}");
        assert_eq!(judged(header, &in_time), "1 found");
        // A session of several fields shows its payload among them.
        let fields = in_time.replacen("ok read 1", "ok read f1", 1);
        assert_eq!(judged(header, &fields), "1 found");
    }

    /// Without a header, two overlapping writes that both state version 1 as their base were *untested*: only reads counted.
    #[test]
    fn a_stated_base_counts_without_a_header() {
        let text = "1 invoke write 2<1
            2 invoke write 3<1
            1 ok write 2
            2 ok write 3";
        assert_eq!(verdict(text), "1 found");
        assert_eq!(verdict(&text.replace("3<1", "3")), "untested", "a single base, and nothing was answered");
        // What a save states is more than what its process read last.
        let other = format!("{BOTH_READ}{}", text.replace("3<1", "3<2"));
        assert_eq!(verdict(&other), "holds");
    }
}
