//! Writes histories session by session: as Plume's text, AWDIT's text, dbcop's JSON or dbcop's bincode.
//!
//! Sessions are written one after another. If all sessions have different process numbers from zero up, these are their
//! numbers; else they are numbered from zero. Aborted transactions keep their writes; their reads mean nothing and are
//! left out.

use super::by_session::TransactionsBySession;
use super::dbcop;
use super::sayable::RepresentableHistory;
use super::{TargetFormat, began_unix_ns, write, write_otlp};
use rustc_hash::FxHashSet;
use std::io::{self, Write};

impl RepresentableHistory<'_> {
    /// Writes the history.
    ///
    /// # Errors
    /// The error of the writer.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        match self.target {
            TargetFormat::Native => return write::write_native(self.history, to),
            TargetFormat::Edn => return write::write_edn(self.history, to),
            #[cfg(feature = "parquet")]
            TargetFormat::Parquet => return super::columns::write_parquet(self.history, to),
            #[cfg(not(feature = "parquet"))]
            TargetFormat::Parquet => return Err(super::input::not_built("parquet")),
            TargetFormat::Otlp => {
                return write_otlp(self.history, began_unix_ns(self.history).unwrap_or(0), to);
            }
            TargetFormat::Plume => write_plume(&self.told, &mut to)?,
            TargetFormat::Awdit => write_awdit(&self.told, &mut to)?,
            TargetFormat::DbcopJson => dbcop::write_json(&self.told, &mut to)?,
            TargetFormat::DbcopBincode => dbcop::write_bincode(&self.told, &mut to)?,
        }
        to.flush()
    }
}

fn write_plume(told: &TransactionsBySession, to: &mut impl Write) -> io::Result<()> {
    let names = number_sessions(told);
    let mut number = 0_u64;
    for ((_, transactions), session) in told.sessions.iter().zip(names) {
        for transaction in transactions {
            for step in told.steps_of(*transaction) {
                let (kind, value) = (if step.writes { 'w' } else { 'r' }, step.value.unwrap_or(0));
                write!(to, "{kind}({},{value},{session},", step.key)?;
                match transaction.committed {
                    true => writeln!(to, "{number})")?,
                    false => to.write_all(b"-1)\n")?,
                }
            }
            number += u64::from(transaction.committed);
        }
    }
    Ok(())
}

/// Returns the number of each session.
fn number_sessions(told: &TransactionsBySession) -> Vec<i64> {
    let own: Vec<i64> = told.sessions.iter().map(|(name, _)| *name).collect();
    let distinct: FxHashSet<i64> = own.iter().copied().filter(|&name| name >= 0).collect();
    if distinct.len() == own.len() { own } else { (0..own.len() as i64).collect() }
}

fn write_awdit(told: &TransactionsBySession, to: &mut impl Write) -> io::Result<()> {
    let mut separator = "";
    for (_, transactions) in told.sessions.iter().filter(|(_, transactions)| !transactions.is_empty()) {
        for transaction in transactions.iter().filter(|transaction| transaction.len > 0) {
            to.write_all(separator.as_bytes())?;
            for step in told.steps_of(*transaction) {
                let kind = if step.writes { 'w' } else { 'r' };
                let value = step.value.expect("a read of the initial value was refused");
                writeln!(to, "{kind} {} {value}", step.key)?;
            }
            separator = "-----\n";
        }
        separator = "=====\n";
    }
    Ok(())
}
