//! Evidence of the levels of causality on disk: orders of operations, and proofs that there are none.

use super::FileReturned;
use super::read::Reader;
use checker::causality::{Contradiction, Inferred, Link, Orders, Refutation, Rule, SessionOrder, Step, Why};
use checker::sessions::Returned;
use histories::{History, OpId, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Orders that explain what was observed.
#[derive(Serialize, Deserialize)]
pub(super) struct FileOrders {
    orders: Vec<FileSessionOrder>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    returned: Vec<FileReturned>,
}

#[derive(Serialize, Deserialize)]
struct FileSessionOrder {
    /// Whose reads it explains; none for everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<Value>,
    operations: Vec<u64>,
}

/// A proof in preorder.
#[derive(Serialize, Deserialize)]
pub(super) struct FileRefutation {
    proof: Vec<FileStep>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FileStep {
    /// A read returned one of these writes; a proof for each of them follows.
    Split { read: u64, writes: Vec<Option<u64>> },
    /// One of two writes comes first; a proof for either case follows.
    Order { a: u64, b: u64 },
    /// Each operation would have to come before the next, and the last before the first.
    Contradiction(FileContradiction),
}

#[derive(Serialize, Deserialize)]
struct FileContradiction {
    /// In whose order, for levels that have an order a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<Value>,
    inferred: Vec<FileInferred>,
    cycle: Vec<FileLink>,
}

#[derive(Serialize, Deserialize)]
struct FileInferred {
    read: u64,
    /// What it returned; none for the initial value.
    source: Option<u64>,
    other: u64,
    /// `not-between` or `not-yet`.
    rule: FileRule,
    path: Vec<FileLink>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileRule {
    NotBetween,
    NotYet,
}

#[derive(Serialize, Deserialize)]
struct FileLink {
    from: Option<u64>,
    to: Option<u64>,
    because: FileWhy,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileWhy {
    SessionOrder,
    ReadsFrom,
    Initial,
    Assumed,
    /// Which of what was inferred, from zero.
    Inferred(usize),
}

pub(super) fn orders(history: &History, found: &Orders) -> FileOrders {
    let number = |&op: &OpId| history.index(op);
    let one = |order: &SessionOrder| FileSessionOrder {
        session: order.session.map(|session| name(history, session)),
        operations: order.operations.iter().map(number).collect(),
    };
    let returned = |one: &Returned| FileReturned {
        read: history.index(one.read),
        write: one.write.map(|write| history.index(write)),
    };
    FileOrders {
        orders: found.orders.iter().map(one).collect(),
        returned: found.returned.iter().map(returned).collect(),
    }
}

/// A session by its name as JSON; by `process N` where the history names none.
fn name(history: &History, session: SessionId) -> Value {
    let text = history.sessions.text(session);
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

pub(super) fn refutation(history: &History, found: &Refutation) -> FileRefutation {
    let number = |op: OpId| history.index(op);
    let step = |step: &Step| match step {
        Step::Split { read, writes } => FileStep::Split {
            read: number(*read),
            writes: writes.iter().map(|write| write.map(number)).collect(),
        },
        Step::Order { a, b } => FileStep::Order { a: number(*a), b: number(*b) },
        Step::Contradiction(found) => FileStep::Contradiction(contradiction(history, found)),
    };
    FileRefutation { proof: found.proof.iter().map(step).collect() }
}

fn contradiction(history: &History, found: &Contradiction) -> FileContradiction {
    let number = |op: OpId| history.index(op);
    let links = |links: &[Link]| -> Vec<FileLink> {
        let because = |why: Why| match why {
            Why::SessionOrder => FileWhy::SessionOrder,
            Why::ReadsFrom => FileWhy::ReadsFrom,
            Why::Initial => FileWhy::Initial,
            Why::Assumed => FileWhy::Assumed,
            Why::Inferred(at) => FileWhy::Inferred(at),
        };
        let one = |link: &Link| FileLink {
            from: link.from.map(number),
            to: link.to.map(number),
            because: because(link.why),
        };
        links.iter().map(one).collect()
    };
    let inferred = |one: &Inferred| FileInferred {
        read: number(one.read),
        source: one.source.map(number),
        other: number(one.other),
        rule: match one.rule {
            Rule::NotBetween => FileRule::NotBetween,
            Rule::NotYet => FileRule::NotYet,
        },
        path: links(&one.path),
    };
    FileContradiction {
        session: found.session.map(|session| name(history, session)),
        inferred: found.inferred.iter().map(inferred).collect(),
        cycle: links(&found.cycle),
    }
}

impl Reader<'_> {
    pub(super) fn causal_orders(&self, file: FileOrders) -> Result<Orders, String> {
        let one = |order: FileSessionOrder| {
            Ok(SessionOrder {
                session: self.session(order.session)?,
                operations: self.ops(&order.operations)?,
            })
        };
        let returned =
            |one: FileReturned| Ok(Returned { read: self.op(one.read)?, write: self.some_op(one.write)? });
        Ok(Orders {
            orders: file.orders.into_iter().map(one).collect::<Result<_, String>>()?,
            returned: file.returned.into_iter().map(returned).collect::<Result<_, String>>()?,
        })
    }

    fn session(&self, file: Option<Value>) -> Result<Option<SessionId>, String> {
        let Some(file) = file else { return Ok(None) };
        let plain = file.as_str().and_then(|text| self.history.sessions.get(text));
        let found = self.history.sessions.get(&file.to_string()).or(plain);
        found.map(Some).ok_or_else(|| format!("the history has no session {file}"))
    }

    pub(super) fn refutation(&self, file: FileRefutation) -> Result<Refutation, String> {
        let step = |step: FileStep| match step {
            FileStep::Split { read, writes } => Ok(Step::Split {
                read: self.op(read)?,
                writes: writes.into_iter().map(|write| self.some_op(write)).collect::<Result<_, String>>()?,
            }),
            FileStep::Order { a, b } => Ok(Step::Order { a: self.op(a)?, b: self.op(b)? }),
            FileStep::Contradiction(found) => Ok(Step::Contradiction(self.contradiction(found)?)),
        };
        Ok(Refutation { proof: file.proof.into_iter().map(step).collect::<Result<_, String>>()? })
    }

    fn contradiction(&self, file: FileContradiction) -> Result<Contradiction, String> {
        let inferred = |one: FileInferred| {
            Ok(Inferred {
                read: self.op(one.read)?,
                source: self.some_op(one.source)?,
                other: self.op(one.other)?,
                rule: match one.rule {
                    FileRule::NotBetween => Rule::NotBetween,
                    FileRule::NotYet => Rule::NotYet,
                },
                path: self.links(one.path)?,
            })
        };
        Ok(Contradiction {
            session: self.session(file.session)?,
            inferred: file.inferred.into_iter().map(inferred).collect::<Result<_, String>>()?,
            cycle: self.links(file.cycle)?,
        })
    }

    fn links(&self, files: Vec<FileLink>) -> Result<Vec<Link>, String> {
        let why = |file: FileWhy| match file {
            FileWhy::SessionOrder => Why::SessionOrder,
            FileWhy::ReadsFrom => Why::ReadsFrom,
            FileWhy::Initial => Why::Initial,
            FileWhy::Assumed => Why::Assumed,
            FileWhy::Inferred(at) => Why::Inferred(at),
        };
        let one = |file: FileLink| {
            Ok(Link { from: self.some_op(file.from)?, to: self.some_op(file.to)?, why: why(file.because) })
        };
        files.into_iter().map(one).collect()
    }
}
