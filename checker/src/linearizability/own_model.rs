//! Linearizability with respect to a specification that the caller provides.

use super::decide::{collect_calls, combine_objects, decide_specification, group_operations_by_key};
use claims::specification::{CallValues, Specification};
use claims::{Limits, Verdict};
use histories::{History, Outcome};
use verifier::{Standing, UNCHECKED, verify_specification};

/// Why nothing could have contradicted a specification: there was nothing.
const NO_OPERATIONS: &str = "the history has no operations";
/// Why nothing could have contradicted a specification: operations that failed did not happen, and indeterminate ones need not have.
const NOTHING_SUCCEEDED: &str = "no operation succeeded, so that the model could not have refused any";

/// Decides whether each object of a history (each key) is linearizable with respect to a sequential specification, and
/// has the answer verified.
///
/// The search is Lowe's (*Testing for linearizability*, CCPE 2017), on calls and returns, with a memo of states and
/// open calls. It is exponential in the number of overlapping operations at worst. The answer is *unknown* if a limit
/// is reached. It is *untested* if no operation succeeded, because a specification refuses only what completed. In a violation,
/// only a core of one operation is called minimal.
///
/// ```
/// use checker::specification::{Call, Refused, Specification};
/// use checker::{Limits, linearizability::check_model};
/// use histories::{Function, ValueId};
///
/// /// A register that can be written once.
/// struct WriteOnce;
///
/// impl Specification for WriteOnce {
///     type State = ValueId;
///     fn initial(&self) -> ValueId {
///         ValueId::NULL
///     }
///     fn step(&self, state: &ValueId, call: &Call) -> Result<ValueId, Refused> {
///         match call.function {
///             Function::WRITE if *state != ValueId::NULL => Err(Refused("it was written before")),
///             Function::WRITE => Ok(call.value()),
///             _ if call.returns(*state) => Ok(*state),
///             _ => Err(Refused("it holds another value")),
///         }
///     }
/// }
///
/// let once = histories::notation::parse("a: [w1] [r1]").unwrap();
/// let twice = histories::notation::parse("a: [w1] [w2]").unwrap();
/// assert_eq!(check_model(&once, &WriteOnce, &Limits::unbounded()).unwrap().name(), "holds");
/// assert_eq!(check_model(&twice, &WriteOnce, &Limits::unbounded()).unwrap().name(), "violated");
/// ```
///
/// # Errors
/// The reason why the verifier refuted the answer. This is a bug of this crate, or the answers of the specification
/// depend on more than its state and the call.
pub fn check_model<S: Specification>(
    history: &History,
    specification: &S,
    limits: &Limits<'_>,
) -> Result<Verdict, String> {
    let verdict = match history.ids().any(|id| history.outcome(id) == Outcome::Ok) {
        true => decide_objects(history, specification, limits),
        false => Verdict::untested(if history.is_empty() { NO_OPERATIONS } else { NOTHING_SUCCEEDED }),
    };
    match verify_specification(history, specification, &verdict, limits) {
        Standing::Confirmed | Standing::ConfirmedExcept(_) | Standing::Partly(_) => Ok(verdict),
        Standing::Unchecked => Ok(Verdict::unknown(UNCHECKED)),
        Standing::Refuted(why) => Err(why),
    }
}

/// Decides the objects without having the answer verified.
fn decide_objects<S: Specification>(history: &History, specification: &S, limits: &Limits<'_>) -> Verdict {
    let mut values = CallValues::new(history);
    let objects = group_operations_by_key(history, limits);
    if limits.stop_requested() {
        return Verdict::unknown(Limits::STOPPED);
    }
    let parts = objects
        .into_iter()
        .map(|(key, operations)| {
            let calls = collect_calls(&mut values, history, &operations);
            // Any operation of another's specification may change the state, so that none but a single one is known to be needed.
            decide_specification(specification, key, calls, limits).without_claim_of_minimality()
        })
        .collect();
    combine_objects(parts)
}
