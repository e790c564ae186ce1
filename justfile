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
