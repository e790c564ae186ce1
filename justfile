# One word to know: `just` lists what there is.
default:
    @just --list

# What must pass before a change lands.
gate:
    .ci/run

# The whole test suite.
test:
    cargo test --workspace

# Format, lint and document as the gate does.
tidy:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Check histories: just check run.jsonl
check *ARGS:
    cargo run --release --quiet -- check {{ARGS}}

# Look at changed snapshots and accept them.
snapshots:
    cargo insta review

# What takes minutes: each bug of the embedded store over 200 seeds, the sound one over 1,000, a million small histories.
thorough:
    STEADFAST_SEEDS=200 cargo test --release --test findings -- --nocapture each_bug whole_blob spoilt
    STEADFAST_SEEDS=1000 cargo test --release --test findings -- sound
    STEADFAST_SEEDS=10 cargo test --release -p benches --test databases -- many_clients
    STEADFAST_HISTORIES=330000 cargo test --release -p steadfast-checker --test continuity -- --nocapture

# A hundred runs of each store that can be started anywhere, killed at any moment: nothing lost, nothing left. About 20 minutes.
kills:
    STEADFAST_KILLS=100 cargo test --release --test kills -- --nocapture

# Which small mistakes the tests notice: draw N mutants of a folder by a seed, test each, write the row of docs/trust.md.
mutants MODULE SEED N *CRATES:
    cargo run --quiet -p mutants -- {{MODULE}} {{SEED}} {{N}} {{CRATES}}

# Draw the claims of checker/verifier/tests/standings again: those of tests that tell mutants of the verifier apart. SECONDS for each test.
collect SECONDS="240" *PROGRAMS="steadfast-checker/bent steadfast-checker/forgeries steadfast-checker/differential":
    cargo run --quiet -p mutants -- collect {{SECONDS}} {{PROGRAMS}}

# Every way to an answer beside every other, on fresh random histories, for so many seconds. The seed is printed; STEADFAST_SEED repeats it.
differ SECONDS="120":
    STEADFAST_SECONDS={{SECONDS}} cargo test -p steadfast-checker --test differential -- --nocapture every_way_to_an_answer_agrees

# How much of a folder random histories reach, by the same tool without a mutant.
reach MODULE *CRATES:
    cargo run --quiet -p mutants -- {{MODULE}} 1 0 {{CRATES}}

# How each engine grows, from 10,000 operations to MAX: the table of benches/README.md. CPU seconds; unknown verdicts included.
growth MAX="1000000" *ENGINES:
    cargo run --release --quiet -p benches --bin growth -- {{MAX}} {{ENGINES}}
