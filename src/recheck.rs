//! The evidence of an answer, checked again by code that shares nothing with the search.

use checker::Level;
use checker::check::{Answer, Question};
use checker::linearizability::recheck::Recheck;
use histories::History;

/// Whether an answer's evidence proves its verdict. The error says what does not follow;
/// [`Recheck::TooLarge`] that all of it follows that could be checked in a moment.
pub(crate) fn recheck(history: &History, question: &Question, answer: &Answer) -> Result<Recheck, String> {
    match answer.level {
        Level::Linearizable => checker::linearizability::recheck::verdict(history, question, &answer.verdict),
        Level::ReadYourWrites
        | Level::MonotonicReads
        | Level::MonotonicWrites
        | Level::WritesFollowReads
        | Level::Session => {
            checker::sessions::recheck::verdict(history, answer.level, question, &answer.verdict)
                .map(|()| Recheck::Confirmed)
        }
        Level::Sequential | Level::CausalConvergence | Level::CausalMemory | Level::Causal | Level::Pram => {
            checker::causality::recheck::verdict(history, answer.level, question, &answer.verdict)
        }
    }
}
