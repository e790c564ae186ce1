//! Runs of the program on stores: what is recorded, judged and left behind, and how each run ends. A store, or a tool, that is not on
//! the machine is named, and its tests are skipped.

#![allow(clippy::print_stderr, reason = "says what was skipped")]

#[path = "../../recorder/tests/stores/tap/app.rs"]
mod app;
#[path = "../../recorder/tests/stores/tap/client.rs"]
mod client;
#[path = "../../recorder/tests/stores/tap/compare.rs"]
mod compare;
mod web {
    pub(crate) use testkit::WebRequest;
}

mod bad_input;
mod collect;
mod endings;
mod evidence;
mod exercised;
mod given;
mod haproxy;
mod http2;
mod live_connections;
mod live_express;
mod live_messages;
mod live_runs;
mod live_server;
mod live_trial;
mod outputs;
mod record;
mod scenarios;
mod scenarios_express;
mod spans_live;
mod stack_commands;
mod start;
mod tap;
mod tap_express;
mod tap_secure;
mod traces_otlp;
mod turned_away;
mod web_runs;
mod wire;
mod your_stack;
