//! The levels of transactions.
//!
//! Each formula says that some execution exists: a version order for each key, and for each read the write that it
//! returned. Levels with the same formula permit the same observations by clients; `EQUIVALENCES` has the reasons.

use super::{LevelDefinition, LevelFamily, of_transactions};
use crate::IsolationLevel::{self, *};

const BY_DEPENDENCIES: &str = "transactions: cycles of dependencies, then case by case";
const BY_CASES: &str = "transactions: serial orders, then case by case";
const BY_COMMIT_ORDER: &str = "transactions: commit orders, then case by case";
const BY_SNAPSHOTS: &str = "transactions: cycles of dependencies and snapshots, then case by case";
const BY_SERIAL_ORDERS: &str = "transactions: cycles of dependencies and serial orders, then case by case";

const SERIAL: &str = "acyclic(ww ∪ wr ∪ rw) ∧ Int";
const SERIAL_BY_SESSION: &str = "acyclic(ww ∪ wr ∪ rw ∪ so) ∧ Int";
const TWO_MISSES: &str = "acyclic(ww ∪ wr) ∧ sees((ww ∪ wr)⁺)";

const fn define(
    level: IsolationLevel,
    family: LevelFamily,
    formula: &'static str,
    source: &'static str,
    decided_by: &'static str,
) -> LevelDefinition {
    let mentions_real_time = matches!(
        level,
        StrongReadUncommitted | StrongReadCommitted | StrongSnapshotIsolation | StrictSerializable
    );
    LevelDefinition {
        property: of_transactions(level),
        family,
        formula,
        source,
        decided_by,
        mentions_real_time,
    }
}

pub(super) const TRANSACTION_LEVELS: &[LevelDefinition] = {
    use LevelFamily::{AtomicVisibility, ReadPhenomena, Serializability, SnapshotReads};
    &[
        define(
            ReadUncommitted,
            ReadPhenomena,
            "acyclic(ww)",
            "Adya, Weak Consistency, MIT 1999, ch. 3 (PL-1)",
            BY_DEPENDENCIES,
        ),
        define(
            ReadCommitted,
            ReadPhenomena,
            "acyclic(ww ∪ wr) ∧ no G1a, G1b",
            "Adya, ch. 3 (PL-2)",
            BY_DEPENDENCIES,
        ),
        define(
            CursorStability,
            ReadPhenomena,
            "read-committed ∧ a transaction that reads a key and writes it overwrites the version that it read",
            "Adya, ch. 4 (PL-CS, G-cursor)",
            BY_DEPENDENCIES,
        ),
        define(
            MonotonicView,
            ReadPhenomena,
            "read-committed ∧ no read misses a write of a transaction that (ww ∪ wr)⁺ led to its own before the read",
            "Adya, ch. 4 (PL-2L, G-monotonic)",
            BY_DEPENDENCIES,
        ),
        define(
            MonotonicSnapshotRead,
            ReadPhenomena,
            "∃ar of reads, writes and commits: each read returns the state committed before it, or an own write, and no other transaction commits a write of the key between a write and its commit",
            "Adya, ch. 4 (PL-MSR)",
            BY_DEPENDENCIES,
        ),
        define(
            MonotonicAtomicView,
            AtomicVisibility,
            "acyclic(ww ∪ wr ∪ so) ∧ no read misses a write of a transaction from which its own had read earlier",
            "Bailis et al., Highly Available Transactions, VLDB 2013; Biswas & Enea, OOPSLA 2019, §2",
            BY_COMMIT_ORDER,
        ),
        define(
            ReadAtomic,
            AtomicVisibility,
            "acyclic(ww ∪ wr ∪ so) ∧ sees(wr ∪ so) ∧ Int",
            "Cerone, Bernardi & Gotsman, CONCUR 2015, §3; Biswas & Enea, OOPSLA 2019, §2",
            BY_COMMIT_ORDER,
        ),
        define(
            Causal,
            AtomicVisibility,
            "acyclic(ww ∪ wr ∪ so) ∧ sees((wr ∪ so)⁺) ∧ Int",
            "Cerone, Bernardi & Gotsman, CONCUR 2015, §3; Biswas & Enea, OOPSLA 2019, §2",
            BY_COMMIT_ORDER,
        ),
        define(
            CausalCerone,
            AtomicVisibility,
            "acyclic(ww ∪ wr) ∧ sees(wr⁺) ∧ Int",
            "Cerone, Bernardi & Gotsman, CONCUR 2015, §3, without sessions",
            BY_DEPENDENCIES,
        ),
        define(
            UpdateAtomic,
            AtomicVisibility,
            "acyclic(ww ∪ wr) ∧ sees(ww ∪ wr) ∧ Int",
            "Cerone, Bernardi & Gotsman, CONCUR 2015, §3; Liu et al., ROLA, FASE 2018",
            BY_DEPENDENCIES,
        ),
        define(
            Prefix,
            SnapshotReads,
            "acyclic with ww: C→C, wr: C→B, rw: B→C; Int",
            "Cerone, Bernardi & Gotsman, CONCUR 2015, §3",
            BY_SNAPSHOTS,
        ),
        define(
            ParallelSnapshotIsolation,
            SnapshotReads,
            "acyclic(ww ∪ wr) ∧ sees((ww ∪ wr)⁺) ∧ Int",
            "Sovran et al., SOSP 2011; Cerone, Gotsman & Yang, CONCUR 2017",
            BY_DEPENDENCIES,
        ),
        define(ConsistentView, ReadPhenomena, TWO_MISSES, "Adya, ch. 4 (PL-2+)", BY_DEPENDENCIES),
        define(ForwardConsistentView, ReadPhenomena, TWO_MISSES, "Adya, ch. 4 (PL-FCV)", BY_DEPENDENCIES),
        define(
            SnapshotIsolation,
            SnapshotReads,
            "acyclic with ww: C→B, wr: C→B, rw: B→C; Int",
            "Berenson et al., SIGMOD 1995; Adya, ch. 4 (PL-SI); Cerone & Gotsman, PODC 2016",
            BY_SNAPSHOTS,
        ),
        define(RepeatableRead, Serializability, SERIAL, "Adya, ch. 3 (PL-2.99)", BY_SERIAL_ORDERS),
        define(
            UpdateSerializable,
            Serializability,
            "for each read-only transaction: acyclic(ww ∪ wr ∪ rw) of it and all writing transactions; Int",
            "Adya, ch. 4 (PL-3U)",
            BY_SERIAL_ORDERS,
        ),
        define(
            ViewSerializable,
            Serializability,
            SERIAL,
            "Bernstein, Hadzilacos & Goodman, Concurrency Control and Recovery, 1987, ch. 2",
            BY_SERIAL_ORDERS,
        ),
        define(
            OneCopySerializable,
            Serializability,
            SERIAL,
            "Bernstein, Hadzilacos & Goodman, 1987, ch. 8",
            BY_SERIAL_ORDERS,
        ),
        define(
            SessionSerializable,
            Serializability,
            SERIAL_BY_SESSION,
            "Zuikeviciute & Pedone, Correctness Criteria for Database Replication, 2008",
            BY_SERIAL_ORDERS,
        ),
        define(
            Mixed,
            Serializability,
            "acyclic(ww ∪ wr ∪ rw), where each transaction declares which count: none of its reads (read-uncommitted); wr (read-committed); wr and rw (repeatable-read, serializable); both at its B, with ww: C→B (snapshot-isolation); Int unless read-uncommitted",
            "Adya, Liskov & O'Neil, ICDE 2000, §5.5 (mixing-correct); Bouajjani, Enea & Román-Calvo, CAV 2025",
            BY_CASES,
        ),
        define(
            Serializable,
            Serializability,
            SERIAL,
            "Papadimitriou, JACM 26(4), 1979; Adya, ch. 3 (PL-3)",
            BY_SERIAL_ORDERS,
        ),
        define(
            StrongSessionReadUncommitted,
            ReadPhenomena,
            "acyclic(ww ∪ so)",
            "Kingsbury & Alvaro, Elle, VLDB 2020 (G0-process)",
            BY_DEPENDENCIES,
        ),
        define(
            StrongSessionReadCommitted,
            ReadPhenomena,
            "acyclic(ww ∪ wr ∪ so) ∧ no G1a, G1b",
            "Kingsbury & Alvaro, Elle, VLDB 2020 (G1c-process)",
            BY_DEPENDENCIES,
        ),
        define(
            StrongSessionSnapshotIsolation,
            SnapshotReads,
            "acyclic with ww: C→B, wr: C→B, rw: B→C, so: C→B; Int",
            "Daudjee & Salem, Lazy Database Replication with Snapshot Isolation, VLDB 2006",
            BY_SNAPSHOTS,
        ),
        define(
            StrongSessionSerializable,
            Serializability,
            SERIAL_BY_SESSION,
            "Daudjee & Salem, Lazy Database Replication with Ordering Guarantees, ICDE 2004",
            BY_SERIAL_ORDERS,
        ),
        define(
            StrongReadUncommitted,
            ReadPhenomena,
            "acyclic(ww ∪ rt)",
            "Kingsbury & Alvaro, Elle, VLDB 2020 (G0-realtime)",
            BY_DEPENDENCIES,
        ),
        define(
            StrongReadCommitted,
            ReadPhenomena,
            "acyclic(ww ∪ wr ∪ rt) ∧ no G1a, G1b",
            "Kingsbury & Alvaro, Elle, VLDB 2020 (G1c-realtime)",
            BY_DEPENDENCIES,
        ),
        define(
            StrongSnapshotIsolation,
            SnapshotReads,
            "acyclic with ww: C→B, wr: C→B, rw: B→C, rt: C→B; Int",
            "Daudjee & Salem, VLDB 2006",
            BY_SNAPSHOTS,
        ),
        define(
            StrictSerializable,
            Serializability,
            "acyclic(ww ∪ wr ∪ rw ∪ rt) ∧ Int",
            "Papadimitriou, JACM 26(4), 1979; Adya, ch. 4 (PL-SS)",
            BY_SERIAL_ORDERS,
        ),
    ]
};
