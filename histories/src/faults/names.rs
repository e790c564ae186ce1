//! The meaning of the names of an injector's operations: a strike, or the end of certain strikes.

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

/// Faults that have no duration: first those of the recorder, then Jepsen's membership changes and damage to files.
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

/// The kind of fault of a strike's name: `delay` for `delay=50ms`, `partition` for `start-partition`.
pub(super) fn fault_kind(name: &str) -> &str {
    let name = name.split_once('=').map_or(name, |(kind, _)| kind);
    name.strip_prefix(START).unwrap_or(name)
}

/// Whether faults of this kind have no duration: `restart`.
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

/// Whether a name is of the form `heal-X`, which ends the faults of kind X.
pub(super) fn is_heal(name: &str) -> bool {
    name.starts_with(HEAL)
}

/// Whether only Jepsen's nemeses use this name. They write two events for each of their operations.
pub(super) fn is_jepsen_name(name: &str) -> bool {
    ["start", "stop", "resume", "heal"].contains(&name) || name.starts_with(START) || name.starts_with(STOP)
}

/// The kind of fault that an operation of this name ends: `partition` for `heal-partition` and `stop-partition`.
pub(super) fn ended_kind(name: &str) -> Option<&str> {
    match name {
        "stop" => Some("start"),
        _ => name.strip_prefix(HEAL).or_else(|| name.strip_prefix(STOP)).map(fault_kind),
    }
}
