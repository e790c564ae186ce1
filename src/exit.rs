//! How a call ends: the exit codes that scripts hold on to.

use std::process::ExitCode;

/// The end of a call, from best to worst. Of several histories in one call the worst decides, so that a
/// violation is never hidden behind another history's bad file.
///
/// *Choices.* Other tools that take many files let a bad file win over a finding. A script that takes 2 for
/// "could not run, try again" would then drop a violation on the floor; the message about the bad file is on
/// standard error either way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Exit {
    /// Every level that was asked for holds in every history.
    Holds,
    /// None is violated, some are unknown.
    Unknown,
    /// Bad usage or bad input.
    BadInput,
    /// Some level is violated.
    Violated,
    /// A bug of this program: evidence that its own re-check refuses, or a panic.
    Internal,
}

impl Exit {
    /// The code, as sysexits(3) has it for the last one.
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
