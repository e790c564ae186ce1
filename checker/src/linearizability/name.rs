//! The anomaly's name, read off a minimal core.

use super::register::{self, Access, RegisterStep};
use claims::{Core, FailedCas};
use histories::{History, ValueId};

/// What the definitions call a core of a register.
///
/// `future-read`: a read that completed before every write of its value was invoked. `lost-update`: two
/// compare-and-sets that found the same version. Anything else that no order explains has some operation that
/// found a value which others show to have been overwritten: `stale-read`.
pub(super) fn name_core(history: &History, core: &Core, initial: ValueId) -> &'static str {
    let mut steps = register::collect_register_steps(history, &core.operations, FailedCas::Observes);
    register::drop_unwanted_steps(&mut steps);
    let certain = |step: &&RegisterStep| step.is_certain();
    let written_later = |read: &RegisterStep| {
        let counts_whole = !core.writes_only.contains(&read.id);
        let Some(value) = read.wanted_value().filter(|&value| counts_whole && value != initial) else {
            return false;
        };
        let mut writers = steps.iter().filter(|step| step.written_value() == Some(value)).peekable();
        writers.peek().is_some() && writers.all(|write| read.returned < write.invoked)
    };
    if core.from.is_none() && steps.iter().filter(certain).any(written_later) {
        return "future-read";
    }
    let updates = |value: ValueId| {
        let found = |step: &&RegisterStep| matches!(step.access, Access::Cas(old, _) if old == value);
        steps.iter().filter(found).filter(|step| !core.writes_only.contains(&step.id)).count()
    };
    let writers = |value: ValueId| steps.iter().filter(|step| step.written_value() == Some(value)).count();
    if steps
        .iter()
        .filter_map(RegisterStep::wanted_value)
        .any(|value| updates(value) > 1 && writers(value) <= 1)
    {
        return "lost-update";
    }
    "stale-read"
}
