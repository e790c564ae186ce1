//! The long help texts, and which options the short help of each command shows.

/// The options that `-h` shows, by command: the five that most calls need. `--help` shows all.
pub(crate) const USUAL_OPTIONS: &[(&str, &[&str])] = &[
    ("run", &["store", "workload", "scenario", "faults", "duration", "report"]),
    ("record", &["store", "workload", "scenario", "faults", "duration", "output"]),
    ("check", &["histories", "consistency", "model", "format", "report", "timeout"]),
    ("diff", &["before", "after", "format", "report", "significance", "tolerance"]),
    ("explain", &["histories", "consistency", "output", "report", "format", "timeout"]),
    ("compare", &["histories", "consistency", "report", "format", "timeout", "threads"]),
    ("enumerate", &["shape", "keys", "model", "satisfies", "violates", "real_time"]),
    ("generate", &["output", "model", "isolation", "defect", "transactions", "seed"]),
    ("convert", &["input", "output", "to", "from", "force"]),
    ("verify", &["certificate", "history"]),
];

/// What follows the short help.
pub(crate) const MORE_OPTIONS: &str = "These are the usual options. --help lists all options, with examples.";

pub(crate) const ABOUT: &str = "\
Verifies that stores keep their promises to sessions.

A history is a file that records what clients asked of a store and what the store answered. It has one event per line: \
an `invoke`, and later an `ok`, `fail` or `info`. steadfast decides whether the history satisfies a consistency level. \
If it does not, steadfast shows the few operations that prove it.";

pub(crate) const AFTER: &str = "\
Examples:
  steadfast run
      Run the built-in session store, cut off its primary, and show what the failover lost
  steadfast check run.jsonl
      Check a history against the levels that fit its operations
  steadfast check --consistency linearizable --timeout 30s jepsen/history.edn
      Check one level of a Jepsen history, for at most half a minute
  steadfast check --format json runs/*.jsonl | jq -c 'select(.verdict == \"violated\")'
      Check many histories from a script
  steadfast check --certificate proof.json run.jsonl && steadfast verify proof.json run.jsonl
      Write the evidence to a file, and check that evidence

Exit codes:
  0   every level holds in every history
  1   a level is violated, or an objective is missed
  2   bad usage or bad input
  3   no level is violated, and some are unknown or untested
  70  internal error: the second check refuted the evidence of the first

`steadfast help COMMAND` describes a command.";

pub(crate) const CHECK: &str = "\
Checks recorded histories against consistency levels.

A level holds if an execution that the level permits explains what the clients observed. It is violated if no such \
execution exists. It is untested if nothing in the history could have contradicted it. It is unknown if a limit ended \
the search.

Each violation comes with the operations that show it. Each level that holds comes with an order that explains the \
history. Independent code checks this evidence before it is printed.

Input formats: JSON Lines, Jepsen and Knossos EDN, Jepsen JSON, Porcupine logs, Plume, AWDIT, dbcop, Cobra, Chronos, \
S2, OpenTelemetry spans, and CSV tables. Each may be compressed as .gz or .zst.";

pub(crate) const RUN: &str = "\
Drives a store under faults, records every operation, and checks the history.

Without arguments, the command runs the built-in replicated session store in simulated time and cuts off its primary \
for four seconds. The store replicates asynchronously, as most session stores do, so the failover loses acknowledged \
writes. With --replication quorum the store survives the same fault.

The history is written during the run and is valid at any moment. Ctrl-C ends the load, heals the faults and checks the \
history so far. A second Ctrl-C ends the program at once. The program undoes everything that it started or configured.";

pub(crate) const RUN_AFTER: &str = "\
Examples:
  steadfast run
      Run the built-in store with a partition
  steadfast run --replication quorum --faults kill,pause,partition --timing random:2s --seed 7
      Run a correct store under random faults
  steadfast run --bug split-brain
      Run the built-in store with a known bug
  steadfast run redis-sentinel --faults partition --duration 20s
      Start a real Redis with Sentinels and cut off its primary (needs redis-server and redis-sentinel)
  steadfast run redis-sentinel --wait 1
      Run the same with each write confirmed by a replica

The exit codes are those of `steadfast check`. Code 3 is also returned if the run did not test the store as asked.";

pub(crate) const RECORD: &str = "\
Drives a store under faults and writes the history, without checking it.

`steadfast run` does the same and then checks the history.";

pub(crate) const DIFF: &str = "\
Compares two runs, or two groups of runs, and reports significant differences.

The command compares every figure that `steadfast objectives` lists. One run on each side is not enough to tell a \
difference from noise, and the report says so. Record at least five runs on each side (`steadfast run --repeat 5`).

A figure counts as better or worse under two conditions. An exact rank test finds that chance alone explains the \
difference in at most 1 % of cases (--significance). The medians differ by more than 5 % (--tolerance).

Exit codes: 0 if no figure is significantly worse; 1 if one is; 2 for bad usage or bad input.";

pub(crate) const VERIFY: &str = "\
Checks the evidence of an earlier verdict.

`steadfast check --certificate FILE` writes the evidence for every verdict: orders of operations, version orders, \
minimal sets of operations, and cycles. This command checks that evidence against the history, directly from the \
definitions. It shares no code with the search that found the evidence.

Exit codes: 0 if the evidence proves every verdict; 1 if some evidence is refuted; 2 for bad usage or bad input; 3 if a \
verdict is unknown or untested and the rest is proved.";

pub(crate) const CONVERT: &str = "\
Rewrites a history in another format.

The result keeps everything that a check or a reader needs: sessions, keys, times, nodes, errors and fault events. The \
file names determine the formats. A name that ends in .gz or .zst is compressed. The name - means standard input or \
standard output.";

/// What follows the options of `check`.
pub(crate) const CHECK_AFTER: &str = "\
`steadfast levels` lists the levels, and `steadfast models` lists the models.

Examples:
  steadfast check run.jsonl
  steadfast check --model cas-register --init 0 --failed-cas observes etcd.log
  steadfast check --consistency read-your-writes,monotonic-reads run.edn.gz
  zcat run.jsonl.gz | steadfast check --format json -

Exit codes: 0 if every level holds; 1 if one is violated or an objective is missed; 2 for bad usage or bad input; 3 if \
none is violated and some are unknown or untested; 70 for an internal error.";

pub(crate) const EXPLAIN: &str = "\
Shows the smallest part of a history that still shows the violation.

The command explains the first anomaly of the first violated level; --consistency selects the level. It leaves out one \
operation after another while the rest still shows the same anomaly. A write stays as long as a read of its value \
stays, so the part violates nothing that the whole does not violate. The report has the form of `steadfast check`, with \
the operation numbers of the whole history.

Exit codes: 1 if a violation was explained; 0 if there is none; 2 for bad usage or bad input; 3 if none is violated and \
some are unknown or untested; 70 for an internal error.";

pub(crate) const EXPLAIN_AFTER: &str = "\
Examples:
  steadfast explain run.jsonl
  steadfast explain --report why.html --output small.jsonl run.jsonl
  steadfast explain --consistency monotonic-reads --dot cycle.dot run.jsonl && dot -Tsvg cycle.dot";

pub(crate) const COMPARE: &str = "\
Checks every level that applies, and shows which levels hold in which history.

The table has a row per level, stronger levels first, and a column per history. Each row names the levels that its \
level implies directly. --consistency selects rows.

Exit codes: 0 if every level has a verdict, even if that is a violation; 2 for bad usage or bad input; 70 for an \
internal error.";

pub(crate) const ENUMERATE: &str = "\
Checks all small histories of a shape against the levels of their model.

Histories that differ only in the names of sessions, keys and values are visited once. Every operation ends `ok`, and \
every write of a key has a value of its own. A read returns the initial value or a value that is written in the history.

Without --satisfies and --violates, the command prints how many histories satisfy each level. For each implication it \
also prints how many histories satisfy the weaker level only. With these options, it searches for a smallest history \
of at most that shape. If there is none, all histories of that size were checked.

The exit code is 0 if a history was found or counted, 1 if none exists up to that size, and 3 if verdicts are unknown.";

pub(crate) const ENUMERATE_AFTER: &str = "\
Examples:
  steadfast enumerate --shape 2+2
      Count the histories of two sessions with two operations each, by level
  steadfast enumerate --shape 2+2 --satisfies causal --violates sequential
      Show a smallest history that is causal and not sequential
  steadfast enumerate --shape 1+1 --model rw-register --satisfies snapshot-isolation --violates serializable
      Show the smallest write skew";

pub(crate) const GENERATE: &str = "\
Writes the history that clients of a simulated database record.

Each isolation level is implemented by the mechanism that it is named for. Each defect breaks exactly one rule, and it \
determines the isolation level. The same options and seed give the same history on every machine.

The name of OUT may end in .gz or .zst to compress the file.";

pub(crate) const GENERATE_AFTER: &str = "\
Examples:
  steadfast generate history.jsonl --isolation snapshot-isolation --transactions 2000
      Write the history of a database with snapshot isolation
  steadfast generate - --defect write-skew --model rw-register --seed 7
      Write a history of registers to standard output; the database permits write skew";

pub(crate) const STACK: &str = "\
Describes a web application of your own, and tries the description.

A stack file names the requests that create, read, write, renew and end a session. `steadfast run http --stack FILE` \
drives the application with it. docs/web-application.md describes the file.";

pub(crate) const STACK_TEST: &str = "\
Takes one session through its life, and shows each request and answer.

The session is created, read, written, read at every other entry, renewed, ended, and read after its end. Operations \
that the file does not describe are left out. For each step the command prints what the description promises and what \
the application did. Ids, tokens, cookies and taken values are shown as digests; equal digests mean equal secrets.

A broken promise, such as a session that survives its logout, may be a bug of the application. It is shown as `bug?` \
and does not change the exit code, because a run reports it as a finding.

Exit codes: 0 if the description fits the application; 2 if it does not, or for bad usage or bad input.";

pub(crate) const STACK_TEST_AFTER: &str = "\
Examples:
  steadfast stack test app.toml
  steadfast stack test app.toml --session s-2 --timeout 10s
      Log in as the second user of the table of users, and end after ten seconds in any case";

pub(crate) const TAP: &str = "\
Records what other clients do to a web application, as a proxy in front of it.

The clients can be scripts of a load generator, tests in a browser, or people. Point them at --listen. The tap passes \
each request on to --to, and recognises the requests that the stack file describes. It records which of them create, \
read, write, renew and end which session. SIGINT or SIGTERM ends the recording; then check it with `steadfast check`.

Requests that the file does not describe are passed on unchanged and counted. If such a request may change a session \
(POST, PUT, PATCH, DELETE), the session is not recorded any further. Sessions that began before the tap are not \
recorded. Values should be unique: if a session writes the same value twice, reads of that value are indeterminate.

Exit codes: 0 if operations were recorded; 2 for bad usage or bad input; 3 if no operation succeeded.";

pub(crate) const TAP_AFTER: &str = "\
Examples:
  steadfast tap --stack app.toml --listen 127.0.0.1:9000 --to 127.0.0.1:8080 --output run.jsonl
      Record until Ctrl-C what clients of 127.0.0.1:9000 do
  steadfast tap --stack app.toml --listen 127.0.0.1:9000 --to 127.0.0.1:8080 --output run.jsonl --harmless \"POST /metrics/*\"
      Record sessions although their pages send figures to /metrics";

pub(crate) const COLLECT: &str = "\
Receives the spans of a traced application over OTLP, and writes them to a file.

Point the exporter of the application at --listen. One address takes OTLP/gRPC, and OTLP/HTTP in protobuf and JSON, each \
also with gzip. An exporter gets its success after its spans are in the file. SIGINT or SIGTERM ends the command; then \
read the file with `steadfast check FILE --map MAP` (docs/traces.md). Metrics and logs are refused.

The file is OTLP/JSON, one request per line, without links and instrumentation scopes. An existing file is never \
replaced.

Exit codes: 0 if spans were received; 2 for bad usage, or if the file cannot be written; 3 if no spans came.";

pub(crate) const COLLECT_AFTER: &str = "\
Examples:
  steadfast collect --listen 127.0.0.1:4318 --output spans.jsonl
      Receive until Ctrl-C what an application with OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 sends
  steadfast collect --listen 127.0.0.1:4317 --output spans.jsonl --duration 10m
      The same over gRPC, for ten minutes";

pub(crate) const STACK_INIT: &str = "\
Writes a description of an application, by trying it, and then tests the description.

The command finds the login form with its hidden fields, logs in, and sees which cookie or token the session has. It \
writes a value to the session, finds it in the answer to a read, and looks for a logout. On a terminal it asks for \
what it cannot find. Without a terminal, it names the option that is missing. Each guess is a comment in the file.

Requests that change something are sent only to the login, to the requests that you name, and to the logout that a \
page offers. Use a test account.

Exit codes: 0 if the file was written and fits the application; 2 if not, or for bad usage or bad input.";

pub(crate) const STACK_INIT_AFTER: &str = "\
Examples:
  steadfast stack init http://127.0.0.1:8080
      Ask for what cannot be found
  steadfast stack init http://127.0.0.1:8080 --login-field username=alice --login-field password=secret \\
      --write \"POST /cart\" --read /cart
      Describe an application with a login form without asking";
