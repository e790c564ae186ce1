//! The long help texts: what a person needs to know who has not read the manual.

pub(crate) const ABOUT: &str = "\
Verifies that stores keep their promises to sessions.

A history is a file of what clients did to a store and what they got back: one event a line, an `invoke` and \
then an `ok`, `fail` or `info`. steadfast decides whether any execution that a consistency level permits could \
have produced it, and shows the operations that rule it out if none could.";

pub(crate) const AFTER: &str = "\
Examples:
  steadfast check run.jsonl
      one history against the levels that its operations suggest
  steadfast check --consistency linearizable --timeout 30s jepsen/history.edn
      one level, a history from Jepsen, at most half a minute
  steadfast check --format json runs/*.jsonl | jq -c 'select(.verdict == \"violated\")'
      many histories, for a program
  steadfast check --certificate proof.json run.jsonl && steadfast verify proof.json run.jsonl
      a verdict that somebody else can check

Exit codes:
  0  every level that was asked for holds in every history
  1  some level is violated
  2  bad usage or bad input
  3  none is violated, some are unknown
  70 an internal error: evidence that did not stand up to its re-check";

pub(crate) const CHECK: &str = "\
Checks recorded histories against consistency levels.

A level is violated when no execution that it permits yields what the clients observed; it holds when one \
does. When a limit ended the search first, the verdict is unknown, never a guess. Every violation comes with \
the operations that show it, every level that holds with an order that explains it; both are checked again by \
other code before they are printed.

Read: JSON Lines, Jepsen's and Knossos' EDN, Jepsen's JSON, Porcupine's etcd and kv logs; each also \
compressed as .gz or .zst.";

pub(crate) const RUN: &str = "\
Drives a store under faults, records every invocation and completion, and checks what happened.

With no argument: the built-in replicated session store in simulated time, its primary cut off for a while. It \
replicates asynchronously, as most session stores do, so acknowledged writes are lost in the failover; with \
--replication quorum it survives the same faults.

The history is written as it happens and is valid whenever the program is stopped. Ctrl-C ends the load, heals \
and checks what there is; a second one leaves at once. Everything that was started or configured is undone \
in every case.";

pub(crate) const RUN_AFTER: &str = "\
Examples:
  steadfast run
      the built-in store, a partition, what was lost
  steadfast run --replication quorum --faults kill,pause,partition --timing random:2s --seed 7
      a sound store under whatever the seed says
  steadfast run --bug split-brain
      a known fault, found
  steadfast run redis-sentinel --faults partition --duration 20s
      Redis, started for the occasion (needs redis-server and redis-sentinel)
  steadfast run redis-sentinel --wait 1
      the same partition, with each write confirmed by a replica

Exit codes: those of `steadfast check`; 2 also if the run could not be done as asked.";

pub(crate) const RECORD: &str = "\
Drives a store under faults and writes the history, as `steadfast run` does, without checking it.";

pub(crate) const DIFF: &str = "\
Holds two systems against each other by what was measured of their runs: two configurations, two versions.

Everything that `steadfast objectives` lists is compared. Of single runs nobody can tell a difference from noise, and \
that is what it says. Of several runs each (`steadfast run --repeat 5`), a figure is better or worse if chance alone \
would put it so far apart no more than once in a hundred times (--significance), by an exact rank test, and if the \
medians differ by more than --tolerance.

Exit codes: 0 nothing is worse beyond noise; 1 something is; 2 bad usage or bad input.";

pub(crate) const VERIFY: &str = "\
Checks the evidence of an earlier verdict.

`steadfast check --certificate FILE` writes for every level why it holds or is violated: the orders, the \
version orders, the minimal sets of operations, the cycles, by the numbers that the history gives to its \
operations. This command checks each against the history, straight from the definitions, and shares no code \
with the search that found it.

Exit codes: 0 the evidence proves every verdict; 1 some evidence proves nothing; 2 bad usage or bad input; \
3 some verdict in it is unknown, which needs no evidence, and the rest is proved.";

pub(crate) const CONVERT: &str = "\
Rewrites a history in another format.

Everything that a check or a person needs is kept: sessions, keys, times, nodes, errors, the events of fault \
injectors. The names of the files tell the formats (with .gz or .zst they are compressed); - is standard input \
or output.";

/// What follows the options of `check`: the levels, a line each.
pub(crate) const CHECK_AFTER: &str = "\
`steadfast levels` and `steadfast models` list what can be asked, with a line each.

Examples:
  steadfast check run.jsonl
  steadfast check --model cas-register --init 0 --failed-cas observes etcd.log
  steadfast check --consistency read-your-writes,monotonic-reads run.edn.gz
  zcat run.jsonl.gz | steadfast check --format json -

Exit codes: 0 everything holds; 1 something is violated; 2 bad usage or bad input; 3 nothing violated, \
something unknown; 70 internal error.";

pub(crate) const EXPLAIN: &str = "\
Shows the smallest part of a history that still shows the violation.

The first level that is violated is explained, by its first anomaly; --consistency says which. Operations are left \
out, one after the other, as long as the rest shows the same anomaly. A write stays as long as a read of its value \
does, so that nothing is violated in the part that is not in the whole. The part is told as `steadfast check` tells \
a history, with the numbers that its operations have in the whole.

Exit codes: 1 a violation was explained; 0 there is none; 2 bad usage or bad input; 3 nothing violated, something \
unknown; 70 internal error.";

pub(crate) const EXPLAIN_AFTER: &str = "\
Examples:
  steadfast explain run.jsonl
  steadfast explain --report why.html --output small.jsonl run.jsonl
  steadfast explain --consistency monotonic-reads --dot cycle.dot run.jsonl && dot -Tsvg cycle.dot";

pub(crate) const COMPARE: &str = "\
Checks every level that applies to what the histories are about, and shows which hold: a row a level, the stronger \
above the weaker, a column a history.

A level implies those that its row names, and those that they imply. --consistency narrows the rows.

Exit codes: 0 every level has its verdict, whichever that is: a violated level is an answer here, and no failure; \
2 bad usage or bad input; 70 internal error.";
