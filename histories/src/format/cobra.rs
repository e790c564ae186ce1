//! Cobra's logs: a folder with a file for each session, `T1.log`, `T2.log`, …, each a stream of records.
//!
//! | record | bytes |
//! | --- | --- |
//! | `S` | transaction begins: its number |
//! | `W` | write: its number, key, value |
//! | `R` | read: the transaction and the number of the write that it saw, key, value |
//! | `C`, `A` | transaction commits, aborts: its number |
//!
//! Each number, key and value is eight bytes, big-endian; keys and values are hashes. A read names the write that it saw,
//! so the number of a write is its value here: that is unique, and a hash need not be. Writes that came before the
//! recording have a number of their own ([`INITIAL`]). There is no real time between sessions. A transaction without
//! an end is indeterminate.

use super::chunk::Chunk;
use super::datum::{Datum, DatumKind, Flaw};
use super::event::{self, EventRules};

/// The write that reads of the initial state name.
const INITIAL: i64 = 0xbebe_ebee;
/// The write that reads of a key name which was deleted or never written.
const NOTHING: i64 = 0xdead_beef;
/// Writes that the collector of garbage did: what they replaced is not in the log.
const COLLECTED: [i64; 2] = [0x2333_2333, 0x6666_6666];

/// Adds the transactions of one session's log, each as a completion. Places are bytes of the log.
pub(super) fn add_session_log(session: i64, log: &[u8], chunk: &mut Chunk, rules: EventRules) {
    let mut reader = CobraReader { log, at: 0 };
    let mut open: Option<(usize, i64, Vec<Datum<'static>>)> = None;
    while reader.at < log.len() {
        let at = reader.at;
        let result = reader.next_record().and_then(|record| match (record, open.take()) {
            (CobraRecord::Start(number), None) => {
                open = Some((at, number, Vec::new()));
                Ok(())
            }
            (CobraRecord::Step(step), Some((start, number, mut steps))) => {
                steps.push(step);
                open = Some((start, number, steps));
                Ok(())
            }
            (CobraRecord::End(number, kind), Some((start, own, steps))) if number == own => {
                event::add_event(chunk, &transaction_event(session, start, number, kind, steps), rules);
                Ok(())
            }
            (CobraRecord::End(number, _), Some((_, own, _))) => Err(Flaw::new(
                at,
                format!("the end of transaction {number}"),
                format!("the end of transaction {own}"),
            )),
            (CobraRecord::Start(number), Some((_, own, _))) => {
                let found = format!("the beginning of transaction {number}");
                Err(Flaw::new(at, found, format!("the end of transaction {own} first")))
            }
            (_, None) => Err(Flaw::new(at, "a record outside of a transaction", "the beginning of one (S)")),
        });
        if let Err(flaw) = result {
            let process = chunk.intern_process(session);
            return chunk.add_broken_event(at, process, [flaw]);
        }
    }
    if let Some((start, number, steps)) = open {
        event::add_event(chunk, &transaction_event(session, start, number, "info", steps), rules);
    }
}

enum CobraRecord {
    Start(i64),
    Step(Datum<'static>),
    End(i64, &'static str),
}

struct CobraReader<'a> {
    log: &'a [u8],
    at: usize,
}

impl CobraReader<'_> {
    fn next_record(&mut self) -> Result<CobraRecord, Flaw> {
        let at = self.at;
        let kind = self.log[at];
        self.at += 1;
        Ok(match kind {
            b'S' => CobraRecord::Start(self.next_number()?),
            b'C' => CobraRecord::End(self.next_number()?, "ok"),
            b'A' => CobraRecord::End(self.next_number()?, "fail"),
            b'W' => {
                let [write, key, _] = [self.next_number()?, self.next_number()?, self.next_number()?];
                CobraRecord::Step(micro_datum(at, "w", key, DatumKind::Int(write)))
            }
            b'R' => {
                let [_, write, key, _] =
                    [self.next_number()?, self.next_number()?, self.next_number()?, self.next_number()?];
                if COLLECTED.contains(&write) {
                    let found = "a read of what the collector of garbage wrote";
                    return Err(Flaw::new(at, found, "a log of a run without garbage collection"));
                }
                let value =
                    if [INITIAL, NOTHING].contains(&write) { DatumKind::Null } else { DatumKind::Int(write) };
                CobraRecord::Step(micro_datum(at, "r", key, value))
            }
            other => {
                let found = format!("a record of kind {:?}", char::from(other));
                return Err(Flaw::new(at, found, "S, R, W, C or A"));
            }
        })
    }

    fn next_number(&mut self) -> Result<i64, Flaw> {
        let bytes = self.log.get(self.at..self.at + 8);
        let bytes: [u8; 8] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
            Flaw::new(self.log.len(), "the end of the log in the middle of a record", "the rest of it")
        })?;
        self.at += 8;
        Ok(i64::from_be_bytes(bytes))
    }
}

fn micro_datum(at: usize, kind: &'static str, key: i64, value: DatumKind<'static>) -> Datum<'static> {
    let parts = [DatumKind::Text(kind.into()), DatumKind::Int(key), value];
    Datum::new(at, DatumKind::List(parts.map(|part| Datum::new(at, part)).to_vec()))
}

fn transaction_event(
    session: i64,
    at: usize,
    number: i64,
    kind: &'static str,
    steps: Vec<Datum<'static>>,
) -> Datum<'static> {
    let fields = [
        ("process", DatumKind::Int(session)),
        ("type", DatumKind::Text(kind.into())),
        ("f", DatumKind::Text("txn".into())),
        ("value", DatumKind::List(steps)),
        ("transaction", DatumKind::Int(number)),
    ];
    let field = |(name, value): (&'static str, DatumKind<'static>)| {
        (Datum::new(at, DatumKind::Text(name.into())), Datum::new(at, value))
    };
    Datum::new(at, DatumKind::Map(fields.map(field).to_vec()))
}
