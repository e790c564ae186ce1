//! What can be asked of a history, what can be answered, and what proves an answer: all of it as data.
//!
//! # The crate in examples
#![doc = include_str!("../README.md")]

mod answer;
mod breach;
mod cases;
mod causal_order;
mod commit_order;
mod declared;
mod dependency;
mod error;
mod evidence_values;
mod finding;
mod forbidden;
mod invariant;
mod isolation;
mod level;
mod levels;
mod limits;
mod linearization;
mod model;
mod names;
mod phenomenon;
mod priority;
mod property;
mod question;
mod read_at;
mod recognise;
mod report;
mod session_rules;
pub mod specification;
mod staleness;
mod version_order;

pub use answer::{AnomalyName, Answer, Evidence, Reason, Verdict, Violation, Witness};
pub use breach::{Breach, BreachEvidence};
pub use cases::{CaseChoice, CaseEdge, CaseReason, CaseStep, ListPlace, ReadChoice};
pub use causal_order::{
    CausalLink, CausalOrders, CausalProofStep, CausalRefutation, Contradiction, InferenceRule, InferredOrder,
    LinkReason, SessionSerialization,
};
pub use commit_order::{
    MixedExecution, TransactionAction, TransactionExecution, TransactionPoint, TransactionWitness,
};
pub use declared::{declared_levels, describe_declared_levels};
pub use dependency::{
    CycleShape, Dependency, DependencyCycle, DependencyReason, OrderAssumption, OrderLemma, SeenThrough,
    TransactionAnomaly, TransactionEvidence, VersionEvidence, VersionStep,
};
pub use error::QuestionError;
pub use finding::{Finding, FindingKind, FindingProof};
pub use forbidden::{levels_ruled_out_by, weakest_levels_forbidding};
pub use invariant::{BankRules, Invariant};
pub use isolation::{IMPLICATIONS, Implication, IsolationLevel, IsolationSet, Proviso};
pub use level::Level;
pub use levels::{
    FORMULA_SYMBOLS, LevelDefinition, LevelFamily, LevelImplication, define_level, level_definitions,
    level_implications,
};
#[cfg(feature = "watched-stops")]
pub use limits::looks;
#[cfg(target_family = "wasm")]
pub use limits::set_stop_watcher;
pub use limits::{Limits, UntilStopped, is_stop_flag_set};
pub use linearization::{Core, Linearization};
pub use model::Model;
pub use phenomenon::{Axiom, CycleFamily, CycleKind, OrderExtent, Phenomenon};
pub use property::Property;
pub use question::{Assume, FailedCas, InitialValueIds, InitialValues, ObjectQuestion, Question};
pub use read_at::ReadAt;
pub use report::Report;
pub use session_rules::{RenewingOperations, SessionRules, TOLERANCE_NS};
pub use staleness::StalenessBound;
pub use version_order::{
    ConstraintReason, ReturnedWrite, VersionConstraint, VersionOrder, VersionProofStep, VersionRefutation,
};

/// The reason why a level that extends real time is *unknown* for a history without it.
pub const NO_REAL_TIME: &str = "the history tells what each session did and nothing of when, so that no operation is \
     known to have come before one of another session";
