//! Examines live connections a second time: which were not resumed, and which numbers came twice or never.

use super::{Examination, found_no_session, found_session};
use crate::findings::live::{LiveConnection, LiveRecord};
use ::claims::FindingKind;
use histories::{Function, Operation, Outcome};
use std::collections::HashMap;

/// The operations on one session that did not fail, and those that created it or gave out its id.
#[derive(Default)]
struct SessionOperations {
    all: Vec<Operation>,
    births: Vec<Operation>,
}

impl Examination<'_> {
    pub(super) fn examine_live_connections(&self) {
        let history = self.survey.history;
        let live = LiveRecord::from_history(history);
        let mut operations: HashMap<&str, SessionOperations> = HashMap::new();
        for (session, connection) in &live.connections {
            self.examine_numbers(session, connection);
            if !connection.final_losses().is_empty() {
                operations.insert(session, SessionOperations::default());
            }
        }
        if operations.is_empty() {
            return;
        }
        for op in history.operations().filter(|op| op.outcome != Outcome::Fail) {
            if op.function == Function::RENEW
                && let Some(session) = operations.get_mut(history.value_text(op.value()))
            {
                session.births.push(op.clone());
            }
            if let Some(session) = operations.get_mut(history.keys.text(op.key)) {
                if op.function == Function::CREATE {
                    session.births.push(op.clone());
                }
                session.all.push(op);
            }
        }
        for (session, operations) in &operations {
            for (lost, end) in live.connections[*session].final_losses() {
                self.examine_lost_connection(session, operations, [lost, end]);
            }
        }
    }

    fn examine_numbers(&self, session: &str, connection: &LiveConnection) {
        let Some(&(_, base)) = connection.numbers.first() else { return };
        let counts = connection.count_numbers();
        if counts.values().any(|&count| count > 1) {
            let why = format!("the live connection of {session} brought a message twice");
            self.report_contradiction(&[FindingKind::DuplicatedMessage], None, &why);
        }
        let numbers = counts.range(base..).map(|(&number, _)| i128::from(number));
        if let Some((expected, _)) =
            (i128::from(base)..).zip(numbers).find(|(expected, number)| expected != number)
        {
            let why = format!("the live connection of {session} never brought message {expected}");
            self.report_contradiction(&[FindingKind::LostMessage], None, &why);
        }
    }

    fn examine_lost_connection(
        &self,
        session: &str,
        SessionOperations { all, births }: &SessionOperations,
        [lost, end]: [u32; 2],
    ) {
        let kind = &[FindingKind::ConnectionNotResumed];
        let ends = |op: &Operation| matches!(op.function, Function::DESTROY | Function::RENEW);
        if all.iter().any(|op| ends(op) && op.invoked < end) {
            return;
        }
        let once = births.len() == 1 && births[0].outcome == Outcome::Ok && births[0].completed < lost;
        let later = || all.iter().filter(|op| op.invoked > end);
        let found = later().find(|op| found_session(op) && !self.is_wrong(op));
        let gone = later().any(found_no_session);
        match found {
            Some(op) if once => {
                let why = "found a session whose live connection could not be opened again";
                self.report_contradiction(kind, Some(op.id), why);
            }
            None if once && gone => {}
            _ => self.report_undecided(
                kind,
                &format!("nothing shows whether {session} existed when its live connection was not resumed"),
            ),
        }
    }
}
