//! The evidence of an answer, checked again by code that shares nothing with the search.

use checker::Level;
use checker::check::{Answer, Question};
use histories::History;

/// Whether an answer's evidence proves its verdict. The error says what does not follow.
pub(crate) fn recheck(history: &History, question: &Question, answer: &Answer) -> Result<(), String> {
    match answer.level {
        Level::Linearizable => {
            checker::linearizability::recheck::verdict(history, question, &answer.verdict).map(|_| ())
        }
        Level::ReadYourWrites
        | Level::MonotonicReads
        | Level::MonotonicWrites
        | Level::WritesFollowReads
        | Level::Session => {
            checker::sessions::recheck::verdict(history, answer.level, question, &answer.verdict)
        }
    }
}
