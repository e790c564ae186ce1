//! What an engine and the second check take beyond the history, estimated before they begin.
//!
//! A check that would take more than its limit does not begin: the verdict is *unknown*, at once, instead of a process that
//! the operating system ends after an hour. Searches count what they hold in addition. The constants are measured; a test
//! compares them with the bytes that each engine really holds at its peak.
//!
//! The session guarantees and the causal levels have estimates of their own, because they depend on how many objects
//! are decided at once.

use claims::{IsolationLevel, Level, Limits, Model, Property};
use histories::{Function, History, Id};

/// Bytes for each operation, whatever its object, and for each operation of an object that is being decided.
struct ObjectMemory {
    everywhere: usize,
    deciding: usize,
}

impl ObjectMemory {
    fn of_model(model: Model) -> Self {
        match model {
            Model::Register | Model::CasRegister | Model::Kv | Model::Mutex => {
                Self { everywhere: 18, deciding: 65 }
            }
            Model::Stack => Self { everywhere: 20, deciding: 290 },
            Model::PriorityQueue => Self { everywhere: 20, deciding: 190 },
            _ => Self { everywhere: 20, deciding: 125 },
        }
    }
}

/// Whether there is memory to decide linearizability of as many objects at once as there are threads. If not, they are decided one
/// after the other.
pub(crate) fn several_objects_fit(history: &History, model: Model, limits: &Limits<'_>) -> bool {
    let memory = ObjectMemory::of_model(model);
    let at_once = largest_object(history, model).saturating_mul(rayon::current_num_threads());
    let bytes = history.len() * memory.everywhere + at_once.min(history.len()) * memory.deciding;
    bytes <= limits.bytes
}

/// The bytes that are needed to decide these properties, which one engine decides together. 0 where the engine has its own
/// estimate.
fn estimate_bytes(history: &History, model: Model, group: &[Property]) -> usize {
    let per_operation = |bytes: usize| history.len().saturating_mul(bytes);
    match group[0] {
        Property::Level(Level::Linearizable | Level::TwoAtomic | Level::BoundedStaleness) => {
            let memory = ObjectMemory::of_model(model);
            per_operation(memory.everywhere) + largest_object(history, model) * memory.deciding
        }
        Property::Level(_) => 0,
        Property::Isolation(_) => {
            let appends = history.micros().iter().any(|micro| micro.kind == histories::MicroKind::Append);
            let of_level = |property: &Property| match property {
                Property::Isolation(level) => bytes_of_isolation_level(*level, appends),
                _ => unreachable!("a group is of one kind"),
            };
            let needed = group.iter().map(of_level).map(|(transaction, micro)| {
                per_operation(transaction) + history.micros().len().saturating_mul(micro)
            });
            needed.max().unwrap_or(0)
        }
        Property::Finding(_) => per_operation(95),
        Property::Invariant(_) => per_operation(180),
    }
}

/// Whether to decide several groups of levels at once, one for each thread: the history is long enough, and there is memory for it.
pub(crate) fn should_decide_at_once(
    history: &History,
    model: Model,
    groups: &[Vec<Property>],
    limits: &Limits<'_>,
) -> bool {
    let of_group = |group: &Vec<Property>| match group[0] {
        Property::Level(Level::Linearizable | Level::TwoAtomic | Level::BoundedStaleness) => {
            let memory = ObjectMemory::of_model(model);
            memory.everywhere + memory.deciding
        }
        Property::Level(level) if level.is_session_guarantee() => SESSION_LEVELS_MOST,
        _ => OTHER_LEVEL_MOST,
    };
    let mut bytes: Vec<usize> = groups.iter().map(of_group).collect();
    bytes.sort_unstable_by(|a, b| b.cmp(a));
    let largest: usize = bytes.iter().take(rayon::current_num_threads()).sum();
    history.len() >= SEVERAL_LEVELS_FROM && history.len().saturating_mul(largest) <= limits.bytes
}

/// The levels of a history with fewer operations than this are decided one after the other, because starting other threads takes
/// longer.
const SEVERAL_LEVELS_FROM: usize = 20_000;

/// The most that the session guarantees take together, for each operation.
const SESSION_LEVELS_MOST: usize = 190;
/// The most that another level takes for each operation.
const OTHER_LEVEL_MOST: usize = 270;

/// Bytes for each transaction and for each of its operations.
fn bytes_of_isolation_level(level: IsolationLevel, appends: bool) -> (usize, usize) {
    match level {
        IsolationLevel::MonotonicAtomicView | IsolationLevel::ReadAtomic | IsolationLevel::Causal => (90, 45),
        IsolationLevel::SnapshotIsolation
        | IsolationLevel::StrongSnapshotIsolation
        | IsolationLevel::StrongSessionSnapshotIsolation
            if appends =>
        {
            (130, 57)
        }
        IsolationLevel::StrictSerializable if !appends => (140, 66),
        _ if appends => (40, 66),
        _ => (70, 52),
    }
}

/// The number of operations on the object that has the most.
fn largest_object(history: &History, model: Model) -> usize {
    if model == Model::MultiRegister || history.keys.len() == 1 {
        return history.len();
    }
    let mut sizes = vec![0u32; history.keys.len()];
    history
        .ids()
        .filter(|&id| history.function(id) != Function::TXN)
        .for_each(|id| sizes[history.key(id).index()] += 1);
    sizes.into_iter().max().unwrap_or(0) as usize
}

/// Why there is not enough memory for these properties, if so. O(n).
pub(crate) fn explain_lack_of_memory(
    history: &History,
    model: Model,
    group: &[Property],
    limits: &Limits<'_>,
) -> Option<String> {
    let needed = estimate_bytes(history, model, group);
    (needed > limits.bytes).then(|| {
        format!(
            "{} operations need about {needed} bytes beyond the history, and the limit is {}",
            history.len(),
            limits.bytes
        )
    })
}
