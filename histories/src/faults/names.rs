//! What the names of an injector's operations mean: a strike, or the end of which strikes.

/// Faults of this project's recorder that last until they are healed.
const LASTING: &[&str] = &[
    "kill",
    "pause",
    "partition",
    "isolate",
    "one-way",
    "bridge",
    "majorities-ring",
    "delay",
    "loss",
    "reorder",
    "hold",
    "reset",
    "refuse",
    "throttle",
    "slice",
    "skew",
    "slow-disk",
    "full-disk",
    "drain",
    "hang",
    "slow",
    "fail-first",
    "scale",
];

/// Faults that are over as soon as they have happened: the recorder's, then Jepsen's changes of membership and
/// damage to files.
const IMMEDIATE: &[&str] = &[
    "restart",
    "replace",
    "deploy",
    "half-close",
    "join",
    "leave",
    "join-node",
    "leave-node",
    "grow",
    "shrink",
    "bitflip",
    "truncate",
    "check-offsets",
    "check-clock-offsets",
];

const CLOCKS: &[&str] =
    &["skew", "clock", "clock-skew", "bump-clock", "strobe-clock", "reset-clock", "bump", "strobe"];

const HEAL: &str = "heal-";
const START: &str = "start-";
const STOP: &str = "stop-";

/// The kind of fault that a strike's name means: `delay` of `delay=50ms`, `partition` of `start-partition`.
pub(super) fn fault_kind(name: &str) -> &str {
    let name = name.split_once('=').map_or(name, |(kind, _)| kind);
    name.strip_prefix(START).unwrap_or(name)
}

/// Whether faults of this kind are over as soon as they have happened: `restart`.
pub fn is_immediate(kind: &str) -> bool {
    IMMEDIATE.contains(&kind)
}

/// Whether a strike of this name is known to last until it is ended.
pub(super) fn is_lasting(name: &str) -> bool {
    name == "start" || name.starts_with(START) || LASTING.contains(&fault_kind(name))
}

/// Whether faults of this kind change clocks.
pub(super) fn changes_clocks(kind: &str) -> bool {
    CLOCKS.contains(&kind)
}

/// Whether an operation ends the faults that its name names, as `heal-X` does.
pub(super) fn is_heal(name: &str) -> bool {
    name.starts_with(HEAL)
}

/// Whether only Jepsen's nemeses use such a name, which write two events for each of their operations.
pub(super) fn is_jepsen_name(name: &str) -> bool {
    ["start", "stop", "resume", "heal"].contains(&name) || name.starts_with(START) || name.starts_with(STOP)
}

/// The kind that a name says the end of: `partition` for `heal-partition` and `stop-partition`.
pub(super) fn ended_kind(name: &str) -> Option<&str> {
    match name {
        "stop" => Some("start"),
        _ => name.strip_prefix(HEAL).or_else(|| name.strip_prefix(STOP)).map(fault_kind),
    }
}
