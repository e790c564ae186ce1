//! The levels of single objects.
//!
//! The implications follow from the definitions. An order of all operations that extends real time also extends session
//! order. A legal order of all operations answers each session and contains causal order. An order of all operations
//! that extends causal order orders the versions of each object so that no session goes back, as far as version tokens and
//! `--assume` allow: only the session guarantees take those into account. One version order for all four guarantees
//! serves each of them. Such a version order, with each read after the version that it returned, is a legal order of the
//! operations on one object. Only compare-and-sets separate `per-object-sequential` from `session`: a guarantee does not
//! forbid that two of them replaced one version.

use super::{LevelDefinition, LevelFamily, LevelImplication, of_objects};
use crate::{Level, Proviso};

const BY_CAUSALITY: &str = "causality: bad patterns where each value has one writer, otherwise cases";
const EACH_OBJECT: &str = "causality: inference, then cases, for each object";
const BY_REAL_TIME: &str = "regularity: one sweep in real time";
const BACKWARDS: &str = "regularity: the order of the writes, built from its end";
const BY_VERSION_GRAPH: &str = "sessions: a cycle in the graph of versions; a search where values repeat";

const fn define(
    level: Level,
    family: LevelFamily,
    formula: &'static str,
    source: &'static str,
    decided_by: &'static str,
) -> LevelDefinition {
    use Level::{
        BoundedStaleness, ConsistentPrefix, Linearizable, OrderedSequential, RealTimeCausal, Regular,
        RegularWriteOrder, Safe, TwoAtomic,
    };
    let mentions_real_time = matches!(
        level,
        Linearizable
            | TwoAtomic
            | BoundedStaleness
            | OrderedSequential
            | RealTimeCausal
            | RegularWriteOrder
            | Regular
            | Safe
            | ConsistentPrefix
    );
    LevelDefinition { property: of_objects(level), family, formula, source, decided_by, mentions_real_time }
}

pub(super) const OBJECT_LEVELS: &[LevelDefinition] = {
    use LevelFamily::{CausalOrder, SessionGuarantee, SingleOrder, SingleReads};
    &[
        define(
            Level::Linearizable,
            SingleOrder,
            "∀x ∃ar of the operations on x: rt ⊆ ar ∧ legal(ar)",
            "Herlihy & Wing, Linearizability, ACM TOPLAS 12(3), 1990, §2.2; local: §3.1",
            "linearizability: zones where each value has one writer, otherwise a search",
        ),
        define(
            Level::TwoAtomic,
            SingleOrder,
            "∀x ∃ar of the operations on x: rt ⊆ ar ∧ each read returns one of the last two versions before it in ar",
            "Aiyer, Alvisi & Bazzi, On the Availability of Non-strict Quorum Systems, DISC 2005 (k-atomicity, k = 2)",
            "linearizability: the engines of registers, then a search",
        ),
        define(
            Level::BoundedStaleness,
            SingleOrder,
            "∀x ∃ar of the operations on x, for a bound of k versions: rt ⊆ ar ∧ each read returns one of the last k versions \
             before it in ar; for a bound of T seconds: rt(T) ⊆ ar ∧ legal(ar), where rt(T) is rt as if each read had begun T \
             earlier",
            "Golab, Li & Shah, Analyzing Consistency Properties for Fun and Profit, PODC 2011 (Δ-atomicity); Aiyer, Alvisi & \
             Bazzi, DISC 2005 (k-atomicity); Azure Cosmos DB (bounded staleness)",
            "linearizability: the engines of registers, and for more than one version a search",
        ),
        define(
            Level::OrderedSequential,
            SingleOrder,
            "∃ar of all operations: so ⊆ ar ∧ (a rt b ∧ b ∈ L ⇒ a ar b) ∧ legal(ar), where L has the writes and what declares \
             to be linearizable, without what declares to be sequential",
            "Lev-Ari, Bortnikov, Keidar & Shraer, Composing Ordered Sequential Consistency, IPL 123, 2017, pp. 47–50; here the writes \
             are the ordered operations",
            "causality: inference with real time, then cases",
        ),
        define(
            Level::Sequential,
            SingleOrder,
            "∃ar of all operations: so ⊆ ar ∧ legal(ar)",
            "Lamport, How to Make a Multiprocessor Computer …, IEEE ToC C-28(9), 1979",
            "causality: inference, then cases",
        ),
        define(
            Level::CausalConvergence,
            CausalOrder,
            "∃ar: co ⊆ ar ∧ each read of x returns the write that is last by ar among {w ∈ W of x : w co read}",
            "Bouajjani, Enea, Guerraoui & Hamza, On Verifying Causal Consistency, POPL 2017, §3 (CCv)",
            BY_CAUSALITY,
        ),
        define(
            Level::CausalMemory,
            CausalOrder,
            "∀s ∃ar of W ∪ R(s): co ⊆ ar ∧ legal(ar, R(s))",
            "Ahamad et al., Causal Memory, Distributed Computing 9, 1995; Bouajjani et al., §3 (CM)",
            BY_CAUSALITY,
        ),
        define(
            Level::RealTimeCausal,
            CausalOrder,
            "co is acyclic ∧ no read r of w has a write w′ ≠ w of its object with w co w′ co r ∧ (a co b ⇒ not b rt a)",
            "Mahajan, Alvisi & Dahlin, Consistency, Availability, and Convergence, UT Austin TR-11-22, 2011; here for registers, \
             with the causal order of Bouajjani et al.",
            BY_CAUSALITY,
        ),
        define(
            Level::Causal,
            CausalOrder,
            "co is acyclic ∧ no read r of w has a write w′ ≠ w of its object with w co w′ co r",
            "Bouajjani, Enea, Guerraoui & Hamza, POPL 2017, §3 (CC)",
            BY_CAUSALITY,
        ),
        define(
            Level::Pram,
            CausalOrder,
            "∀s ∃ar of W ∪ R(s): so ⊆ ar ∧ legal(ar, R(s))",
            "Lipton & Sandberg, PRAM: A Scalable Shared Memory, Princeton CS-TR-180-88, 1988",
            BY_CAUSALITY,
        ),
        define(
            Level::PerObjectSequential,
            SingleOrder,
            "∀x ∃ar of the operations on x: so ⊆ ar ∧ legal(ar)",
            "Goodman, Cache Consistency and Sequential Consistency, IEEE SCI Committee TR 61, 1989 (cache consistency)",
            EACH_OBJECT,
        ),
        define(
            Level::SlowMemory,
            CausalOrder,
            "∀s ∀x ∃ar of (W ∪ R(s)) on x: so ⊆ ar ∧ legal(ar, R(s))",
            "Hutto & Ahamad, Slow Memory: Weakening Consistency to Enhance Concurrency …, ICDCS 1990",
            EACH_OBJECT,
        ),
        define(
            Level::RegularWriteOrder,
            SingleReads,
            "∀x ∃≪ of W on x: rt ⊆ ≪ ∧ ∀r ∈ R on x ∃ar of W on x and r: rt ⊆ ar ∧ legal(ar, {r}) ∧ ar orders \
             {w ∈ W on x : w ≠ r, not r rt w} as ≪ does",
            "Shao, Welch, Pierce & Lee, SIAM J. Comput. 40(1), 2011 (MWRegWO); compare-and-set as at regular",
            BACKWARDS,
        ),
        define(
            Level::Regular,
            SingleReads,
            "∀x ∀r ∈ R on x ∃ar of W on x and r: rt ⊆ ar ∧ legal(ar, {r})",
            "Shao, Welch, Pierce & Lee, Multiwriter Consistency Conditions for Shared Memory Registers, SIAM J. Comput. \
             40(1), 2011 (MWRegWeak); Lamport, On Interprocess Communication, Distributed Computing 1, 1986, part II",
            BY_REAL_TIME,
        ),
        define(
            Level::Safe,
            SingleReads,
            "∀x ∀r ∈ R on x: some w ∈ W on x, w ≠ r, is neither rt-before nor rt-after r ∨ ∃ar of W on x and r: rt ⊆ ar ∧ \
             legal(ar, {r})",
            "Lamport, On Interprocess Communication, Distributed Computing 1, 1986, part II (one writer); for many writers, \
             a read without overlap is as in MWRegWeak",
            BY_REAL_TIME,
        ),
        define(
            Level::ConsistentPrefix,
            SingleReads,
            "∀x ∀r ∈ R on x ∃ar of W on x and r: (∀w ∈ W on x: r rt w ⇒ r ar w) ∧ legal(ar, {r})",
            "Terry, Replicated Data Consistency Explained Through Baseball, CACM 56(12), 2013; Azure Cosmos DB, for reads of \
             single items",
            BY_REAL_TIME,
        ),
        define(
            Level::DatabaseWritesFollowReads,
            CausalOrder,
            "∃ar of W: (a reads u, b writes v, a so b or a = b ⇒ u ar v)",
            "Terry et al., Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994; for all objects together",
            BY_CAUSALITY,
        ),
        define(
            Level::ReadYourWrites,
            SessionGuarantee,
            "∃≪: a writes u, b reads v, a so b, same object ⇒ u ≪ v ∨ u = v",
            "Terry et al., Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994; here for each object",
            BY_VERSION_GRAPH,
        ),
        define(
            Level::MonotonicReads,
            SessionGuarantee,
            "∃≪: a reads u, b reads v, a so b, same object ⇒ u ≪ v ∨ u = v",
            "Terry et al., PDIS 1994; here for each object",
            BY_VERSION_GRAPH,
        ),
        define(
            Level::MonotonicWrites,
            SessionGuarantee,
            "∃≪: a writes u, b writes v, a so b, same object ⇒ u ≪ v",
            "Terry et al., PDIS 1994; here for each object",
            BY_VERSION_GRAPH,
        ),
        define(
            Level::WritesFollowReads,
            SessionGuarantee,
            "∃≪: a reads u, b writes v, a so b, same object ⇒ u ≪ v",
            "Terry et al., PDIS 1994; here for each object",
            BY_VERSION_GRAPH,
        ),
        define(
            Level::Session,
            SessionGuarantee,
            "∃≪: the conditions of all four session guarantees",
            "Terry et al., PDIS 1994, the four guarantees together; here for each object",
            BY_VERSION_GRAPH,
        ),
    ]
};

/// Stronger level, weaker level, and the reason.
pub(super) const OBJECT_IMPLICATIONS: &[(Level, Level, &str)] = &[
    (
        Level::Linearizable,
        Level::OrderedSequential,
        "linearizability is local, and real time contains session order",
    ),
    (Level::Linearizable, Level::TwoAtomic, "the last version is one of the last two"),
    (
        Level::Linearizable,
        Level::RegularWriteOrder,
        "the writes in the one order are an order that all reads agree with",
    ),
    (Level::Linearizable, Level::RealTimeCausal, "the one order contains causal order and real time"),
    (Level::TwoAtomic, Level::ConsistentPrefix, "each read comes after the write that it returned"),
    (Level::OrderedSequential, Level::Sequential, "the same, without the demand on writes"),
    (
        Level::Sequential,
        Level::CausalConvergence,
        "a legal order contains causal order and arbitrates for all",
    ),
    (Level::Sequential, Level::CausalMemory, "the one order serves each session"),
    (Level::Sequential, Level::PerObjectSequential, "the part of the order on each object is legal"),
    (Level::CausalConvergence, Level::Session, "the arbitration orders the versions of each object"),
    (
        Level::CausalConvergence,
        Level::Causal,
        "Bouajjani et al.: the same condition on reads, with an arbitration",
    ),
    (Level::CausalMemory, Level::Causal, "Bouajjani et al.: an overwritten read is never legal"),
    (Level::CausalMemory, Level::Pram, "causal order contains session order"),
    (Level::RealTimeCausal, Level::Causal, "the same, without the demand on real time"),
    (Level::RealTimeCausal, Level::ConsistentPrefix, "no read comes before the write that it returned"),
    (Level::Causal, Level::MonotonicWrites, "causal order contains session order and has no cycle"),
    (
        Level::Causal,
        Level::DatabaseWritesFollowReads,
        "causal order puts the write that was read before the later write, without a cycle",
    ),
    (
        Level::DatabaseWritesFollowReads,
        Level::WritesFollowReads,
        "the order of the writes orders the versions of each object",
    ),
    (Level::Pram, Level::SlowMemory, "the part of each order on each object is legal"),
    (Level::PerObjectSequential, Level::SlowMemory, "the one order of an object serves each session"),
    (Level::PerObjectSequential, Level::Session, "the writes in that order are a version order"),
    (Level::RegularWriteOrder, Level::Regular, "the one order of the writes serves each read"),
    (Level::Regular, Level::Safe, "the same, of fewer reads"),
    (Level::Regular, Level::ConsistentPrefix, "the same, without the demand on writes before the read"),
    (Level::Session, Level::ReadYourWrites, "one of the four conditions"),
    (Level::Session, Level::MonotonicReads, "one of the four conditions"),
    (Level::Session, Level::MonotonicWrites, "one of the four conditions"),
    (Level::Session, Level::WritesFollowReads, "one of the four conditions"),
];

pub(super) fn as_implication(edge: &(Level, Level, &'static str)) -> LevelImplication {
    let &(stronger, weaker, reason) = edge;
    let proviso = match (stronger, weaker) {
        (Level::CausalConvergence | Level::PerObjectSequential, Level::Session)
        | (Level::Causal, Level::MonotonicWrites)
        | (Level::DatabaseWritesFollowReads, Level::WritesFollowReads) => Proviso::TokensAside,
        _ => Proviso::None,
    };
    LevelImplication { stronger: of_objects(stronger), weaker: of_objects(weaker), proviso, reason }
}
