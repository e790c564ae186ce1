//! `steadfast stores`: what can be driven, what is missing here, and how each can be configured.

use crate::args::StoreName;
use crate::exit::Exit;
use clap::ValueEnum;
use recorder::stores::embedded::Bug;
use recorder::stores::{express_redis, postgres};
use recorder::system::{ServerError, find_program};

pub(crate) fn run() -> Exit {
    let lines: Vec<(&str, String)> = StoreName::value_variants()
        .iter()
        .map(|&store| {
            let line = match missing(store) {
                Ok(()) => line(store).to_owned(),
                Err(why) => format!("{}; not possible here: {why}", line(store)),
            };
            (store.name(), line)
        })
        .collect();
    let mut text = super::listing(lines.iter().map(|(name, line)| (*name, line.as_str())));
    for store in StoreName::value_variants().iter().filter(|store| !store.switches().is_empty()) {
        let switches = store.switches().iter();
        let rows: Vec<(String, &str)> =
            switches.map(|(name, usual, line)| (format!("{name}={usual}"), *line)).collect();
        let rows = rows.iter().map(|(name, line)| (name.as_str(), *line));
        text += &format!("\nSwitches of {} (--stack-option):\n{}", store.name(), super::listing(rows));
    }
    let bugs: Vec<_> =
        (Bug::ALL.iter()).map(|(_, name, line, finding)| (*name, format!("{line} ({finding})"))).collect();
    let bugs = bugs.iter().map(|(name, line)| (*name, line.as_str()));
    super::print(&format!("{text}\nBugs of the embedded store (--bug):\n{}", super::listing(bugs)))
}

fn line(store: StoreName) -> &'static str {
    match store {
        StoreName::Embedded => "the built-in replicated session store, under a simulated network and clock",
        StoreName::Redis => "servers that are there already (--address), as they are",
        StoreName::RedisSentinel => "a primary, two replicas and three Sentinels, started for the run",
        StoreName::Http => "a web application that is there already, as a file describes it (--stack)",
        StoreName::ExpressRedis => "two Express nodes behind HAProxy, sessions in Redis under Sentinels",
        StoreName::Postgres => "a primary and a standby that is promoted, started for the run",
        StoreName::Etcd => "three members, started for the run: the control that keeps its promise",
        StoreName::Memcached => "nodes without replication, started for the run: the control that makes none",
    }
}

/// What a store needs that is not here.
fn missing(store: StoreName) -> Result<(), ServerError> {
    let programs: &[(&str, &str)] = match store {
        StoreName::Embedded | StoreName::Redis | StoreName::Http => &[],
        StoreName::RedisSentinel => &[("redis-server", "redis-server"), ("redis-sentinel", "redis-sentinel")],
        StoreName::ExpressRedis => &[
            ("redis-server", "redis-server"),
            ("redis-sentinel", "redis-sentinel"),
            ("haproxy", "haproxy"),
            ("node", "nodejs"),
        ],
        StoreName::Postgres => return postgres::programs(),
        StoreName::Etcd => &[("etcd", "etcd-server")],
        StoreName::Memcached => &[("memcached", "memcached")],
    };
    programs.iter().try_for_each(|(program, package)| find_program(program, package).map(drop))?;
    if store == StoreName::ExpressRedis { express_redis::packages().map(drop) } else { Ok(()) }
}
