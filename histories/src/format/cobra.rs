//! Reads Cobra's logs: a folder with one file per session, `T1.log`, `T2.log`, …, each a stream of records.
//!
//! | record | bytes |
//! | --- | --- |
//! | `S` | transaction begins: its number |
//! | `W` | write: its number, key, value |
//! | `R` | read: the transaction and the number of the write that it observed, key, value |
//! | `C`, `A` | transaction commits, aborts: its number |
//!
//! Each number, key and value has eight bytes, big-endian; keys and values are hashes. A read names the write that it
//! observed. So the number of a write is used as its value here: the number is unique, and a hash need not be. Writes
//! before the recording have a number of their own ([`INITIAL`]). There is no real time between sessions. A transaction
//! without an end is indeterminate.

use super::chunk::Chunk;
use super::datum::{Datum, Flaw, Kind};
use super::event::{self, Rules};

/// The write number in reads of the initial state.
const INITIAL: i64 = 0xbebe_ebee;
/// The write number in reads of a key that was deleted or never written.
const NOTHING: i64 = 0xdead_beef;
/// The numbers of writes by the garbage collector. The versions that they replaced are not in the log.
const COLLECTED: [i64; 2] = [0x2333_2333, 0x6666_6666];

/// Adds the transactions of one session's log to a chunk, each as a completion. Places are bytes of the log.
pub(super) fn add(session: i64, log: &[u8], chunk: &mut Chunk, rules: Rules) {
    let mut reader = Reader { log, at: 0 };
    let mut open: Option<(usize, i64, Vec<Datum<'static>>)> = None;
    while reader.at < log.len() {
        let at = reader.at;
        let result = reader.record().and_then(|record| match (record, open.take()) {
            (Record::Start(number), None) => {
                open = Some((at, number, Vec::new()));
                Ok(())
            }
            (Record::Step(step), Some((start, number, mut steps))) => {
                steps.push(step);
                open = Some((start, number, steps));
                Ok(())
            }
            (Record::End(number, kind), Some((start, own, steps))) if number == own => {
                event::add(chunk, &transaction(session, start, number, kind, steps), rules);
                Ok(())
            }
            (Record::End(number, _), Some((_, own, _))) => Err(Flaw::new(
                at,
                format!("the end of transaction {number}"),
                format!("the end of transaction {own}"),
            )),
            (Record::Start(number), Some((_, own, _))) => {
                let found = format!("the beginning of transaction {number}");
                Err(Flaw::new(at, found, format!("the end of transaction {own} first")))
            }
            (_, None) => Err(Flaw::new(at, "a record outside of a transaction", "the beginning of one (S)")),
        });
        if let Err(flaw) = result {
            let process = chunk.process(session);
            return chunk.broken(at, process, [flaw]);
        }
    }
    if let Some((start, number, steps)) = open {
        event::add(chunk, &transaction(session, start, number, "info", steps), rules);
    }
}

enum Record {
    Start(i64),
    Step(Datum<'static>),
    End(i64, &'static str),
}

struct Reader<'a> {
    log: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn record(&mut self) -> Result<Record, Flaw> {
        let at = self.at;
        let kind = self.log[at];
        self.at += 1;
        Ok(match kind {
            b'S' => Record::Start(self.number()?),
            b'C' => Record::End(self.number()?, "ok"),
            b'A' => Record::End(self.number()?, "fail"),
            b'W' => {
                let [write, key, _] = [self.number()?, self.number()?, self.number()?];
                Record::Step(step(at, "w", key, Kind::Int(write)))
            }
            b'R' => {
                let [_, write, key, _] = [self.number()?, self.number()?, self.number()?, self.number()?];
                if COLLECTED.contains(&write) {
                    let found = "a read of what the collector of garbage wrote";
                    return Err(Flaw::new(at, found, "a log of a run without garbage collection"));
                }
                let value = if [INITIAL, NOTHING].contains(&write) { Kind::Null } else { Kind::Int(write) };
                Record::Step(step(at, "r", key, value))
            }
            other => {
                let found = format!("a record of kind {:?}", char::from(other));
                return Err(Flaw::new(at, found, "S, R, W, C or A"));
            }
        })
    }

    fn number(&mut self) -> Result<i64, Flaw> {
        let bytes = self.log.get(self.at..self.at + 8);
        let bytes: [u8; 8] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
            Flaw::new(self.log.len(), "the end of the log in the middle of a record", "the rest of it")
        })?;
        self.at += 8;
        Ok(i64::from_be_bytes(bytes))
    }
}

fn step(at: usize, kind: &'static str, key: i64, value: Kind<'static>) -> Datum<'static> {
    let parts = [Kind::Text(kind.into()), Kind::Int(key), value];
    Datum::new(at, Kind::List(parts.map(|part| Datum::new(at, part)).to_vec()))
}

fn transaction(
    session: i64,
    at: usize,
    number: i64,
    kind: &'static str,
    steps: Vec<Datum<'static>>,
) -> Datum<'static> {
    let fields = [
        ("process", Kind::Int(session)),
        ("type", Kind::Text(kind.into())),
        ("f", Kind::Text("txn".into())),
        ("value", Kind::List(steps)),
        ("transaction", Kind::Int(number)),
    ];
    let field = |(name, value): (&'static str, Kind<'static>)| {
        (Datum::new(at, Kind::Text(name.into())), Datum::new(at, value))
    };
    Datum::new(at, Kind::Map(fields.map(field).to_vec()))
}
