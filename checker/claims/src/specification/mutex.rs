//! A lock: acquire and release.

use super::{Call, Refused, Specification};
use histories::Function;

/// A lock, free at first. Who holds it does not matter: what counts is that it is held once at a time.
#[derive(Clone, Copy, Debug)]
pub struct MutexSpecification;

impl Specification for MutexSpecification {
    /// Whether it is held.
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
