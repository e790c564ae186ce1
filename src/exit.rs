//! Exit codes: a contract that scripts rely on.

use std::process::ExitCode;

/// How a call ends, from best to worst. The worst outcome of all histories in a call decides, so that the bad file of one
/// history never hides the violation in another.
///
/// *Choices.* In other tools that take many files, a bad file takes precedence over a finding. A script that reads 2 as
/// "could not run, try again" would then lose a violation. The message about the bad file is on standard error either
/// way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Exit {
    /// Every level that was asked for holds in every history.
    Holds,
    /// No level is violated, and some are unknown or untested.
    Unknown,
    /// Bad usage or bad input.
    BadInput,
    /// Some level is violated.
    Violated,
    /// A bug of this program: the second check refuted evidence of the first, or the program panicked.
    Internal,
}

impl Exit {
    /// The numeric code; that of the last one follows sysexits(3).
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Holds => 0,
            Exit::Violated => 1,
            Exit::BadInput => 2,
            Exit::Unknown => 3,
            Exit::Internal => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
