//! A lock: acquire and release.

use super::{Call, Refused, Specification};
use histories::Function;

/// A lock that is free at first. The specification ignores the holder: the lock must not be held twice at a time.
#[derive(Clone, Copy, Debug)]
pub struct MutexSpecification;

impl Specification for MutexSpecification {
    /// Whether the lock is held.
    type State = bool;

    fn initial(&self) -> bool {
        false
    }

    fn step(&self, held: &bool, call: &Call) -> Result<bool, Refused> {
        match (call.function, held) {
            (Function::ACQUIRE, false) => Ok(true),
            (Function::ACQUIRE, true) => Err(Refused("the lock is held")),
            (Function::RELEASE, true) => Ok(false),
            (Function::RELEASE, false) => Err(Refused("the lock is free")),
            _ => Err(Refused("a lock knows acquire and release")),
        }
    }
}
