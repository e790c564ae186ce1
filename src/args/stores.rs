//! The stores by name, and what is particular to each before it runs.

use super::given::is_of_processes;
use recorder::stores::embedded;
use recorder::stores::etcd::{EtcdCluster, EtcdStore};
use recorder::stores::express_redis::{self, ExpressCluster};
use recorder::stores::http::Description;
use recorder::stores::memcached::{self, MemcachedCluster, MemcachedStore};
use recorder::stores::postgres::{self, PostgresCluster, PostgresStore};
use recorder::stores::redis_sentinel::SentinelCluster;
use recorder::stores::switches::{Switch, Switches};
use recorder::system::Means;
use std::path::{Path, PathBuf};
use std::time::Duration;
use workloads::{Fault, Kind, Strike, Target};

/// The stores by the names that users type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum StoreName {
    /// the built-in replicated session store, in simulated time
    Embedded,
    /// Redis servers that are there already (--address); faults of their links to clients
    Redis,
    /// a Redis primary, two replicas and three Sentinels, started for the run
    RedisSentinel,
    /// a web application that is there already, as a file describes it (--stack); faults of its links to users
    Http,
    /// two Express nodes, HAProxy and Redis Sentinel, started for the run
    ExpressRedis,
    /// a PostgreSQL primary and a standby, started for the run
    Postgres,
    /// three members of etcd, started for the run
    Etcd,
    /// nodes of memcached, without replication, started for the run
    Memcached,
}

impl StoreName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            StoreName::Embedded => "embedded",
            StoreName::Redis => "redis",
            StoreName::RedisSentinel => "redis-sentinel",
            StoreName::Http => "http",
            StoreName::ExpressRedis => "express-redis",
            StoreName::Postgres => "postgres",
            StoreName::Etcd => "etcd",
            StoreName::Memcached => "memcached",
        }
    }

    /// How it can be configured by `--stack-option`.
    pub(crate) fn switches(self) -> &'static [Switch] {
        match self {
            StoreName::ExpressRedis => express_redis::SWITCHES,
            StoreName::Postgres => postgres::SWITCHES,
            StoreName::Memcached => memcached::SWITCHES,
            _ => &[],
        }
    }

    /// Whether its servers are ours to break.
    pub(crate) fn is_ours(self) -> bool {
        !matches!(self, StoreName::Redis | StoreName::Http)
    }

    /// The workloads that it can be driven with, the usual one first; none: all, registers first.
    fn kinds(self) -> &'static [Kind] {
        match self {
            StoreName::Http | StoreName::ExpressRedis => &[Kind::Session],
            StoreName::Postgres => PostgresStore::KINDS,
            StoreName::Etcd => EtcdStore::KINDS,
            StoreName::Memcached => MemcachedStore::KINDS,
            StoreName::Embedded | StoreName::Redis | StoreName::RedisSentinel => &[],
        }
    }

    /// The fault unless said: one that it has reason to fear.
    pub(crate) fn usual_fault(self) -> &'static str {
        if matches!(self, StoreName::Memcached | StoreName::Postgres) { "kill" } else { "partition" }
    }

    /// Whether a fault may be caused on it at all, whatever this machine permits; if not, why.
    pub(crate) fn lets(self, strike: &Strike) -> Result<(), String> {
        let fault = strike.fault;
        let between_servers = match &strike.target {
            Some(Target::Link { from, to, .. }) => **from != Target::Client && **to != Target::Client,
            _ => matches!(fault, Fault::OneWay | Fault::Bridge | Fault::MajoritiesRing),
        };
        match self {
            StoreName::Redis if between_servers && fault.is_of_links() => Err(format!(
                "{fault} cannot be caused on redis: the links between its servers are not ours, only those to \
                 clients are"
            )),
            StoreName::Redis if fault.is_of_links() => {
                Means::Proxies.can(fault).map_err(|why| format!("{fault} cannot be caused on redis: {why}"))
            }
            StoreName::Redis if is_of_processes(fault) => Ok(()),
            StoreName::Redis => Err(format!(
                "{fault}: the servers are not ours to break, only their links to clients are \
                 (redis-sentinel starts servers of its own)"
            )),
            StoreName::Http if fault.is_of_links() && !between_servers => {
                Means::Proxies.can(fault).map_err(|why| format!("{fault} cannot be caused on http: {why}"))
            }
            StoreName::Http => Err(format!(
                "{fault}: what is behind the entries is not ours to break, only their links to clients are \
                 (express-redis starts servers of its own)"
            )),
            StoreName::Embedded => embedded::can_cause(fault)
                .map_err(|why| format!("{fault} cannot be caused on embedded: {why}")),
            StoreName::RedisSentinel
            | StoreName::ExpressRedis
            | StoreName::Postgres
            | StoreName::Etcd
            | StoreName::Memcached => Ok(()),
        }
    }

    /// How long the load stays on after the last fault, unless said.
    pub(crate) fn after_heal(self) -> Duration {
        Duration::from_secs(match self {
            StoreName::Embedded | StoreName::Postgres | StoreName::Etcd | StoreName::Memcached => 2,
            StoreName::Redis | StoreName::Http => 0,
            StoreName::RedisSentinel | StoreName::ExpressRedis => 16,
        })
    }
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct StackArgs {
    /// http: the TOML file that says how the application is used (docs/stacks.md)
    #[arg(long, value_name = "FILE", help_heading = "Store")]
    stack: Option<PathBuf>,
    /// How a stack is configured, well or badly (`steadfast stores` lists what each has)
    #[arg(long, value_name = "NAME=VALUE,..", value_delimiter = ',', help_heading = "Store")]
    stack_option: Vec<String>,
    /// redis, redis-sentinel: with --wait, as many replicas must have all that a read can show before it counts
    #[arg(long, requires = "wait", conflicts_with = "replica_reads", help_heading = "Store")]
    confirm_reads: bool,
}

/// A stack as it is to be driven.
#[derive(Clone, Debug)]
pub(crate) struct StackPlan {
    /// The description of a web application, and where it is from.
    pub(crate) description: Option<(PathBuf, Description)>,
    pub(crate) switches: Switches,
}

impl StackPlan {
    /// The entries of a web application.
    pub(super) fn entry_names(&self) -> Vec<String> {
        self.description.iter().flat_map(|(_, description)| description.entry_names()).collect()
    }
}

impl StackArgs {
    /// The file that describes an application.
    pub(super) fn file(&self) -> Option<&Path> {
        self.stack.as_deref()
    }

    /// Whether reads are to be confirmed, where that means something.
    pub(super) fn confirms_reads(&self, store: StoreName) -> Result<bool, String> {
        match store {
            StoreName::Redis | StoreName::RedisSentinel => Ok(self.confirm_reads),
            StoreName::ExpressRedis if self.confirm_reads => {
                Err("on express-redis reads are confirmed by --stack-option reads=confirmed".to_owned())
            }
            _ if self.confirm_reads => Err(format!("{} has no reads to confirm (WAIT)", store.name())),
            _ => Ok(false),
        }
    }

    /// What is meant; `replica_reads` and `wait` are switches where a stack has them.
    pub(super) fn plan(
        &self,
        store: StoreName,
        replica_reads: bool,
        wait: Option<u32>,
    ) -> Result<StackPlan, String> {
        let known = store.switches();
        let has = |name: &str| known.iter().any(|(switch, ..)| *switch == name);
        let mut words = Vec::new();
        words.extend((replica_reads && has("replica-reads")).then(|| "replica-reads=yes".to_owned()));
        words.extend(wait.filter(|_| has("wait")).map(|count| format!("wait={count}")));
        words.extend(self.stack_option.iter().cloned());
        let switches = Switches::parse(known, &words).map_err(|why| format!("{}: {why}", store.name()))?;
        Ok(StackPlan { description: self.description(store)?, switches })
    }

    fn description(&self, store: StoreName) -> Result<Option<(PathBuf, Description)>, String> {
        match (store, &self.stack) {
            (StoreName::Http, Some(file)) => read(file).map(|description| Some((file.clone(), description))),
            (StoreName::Http, None) => {
                Err("http needs --stack FILE: how the application is used (docs/stacks.md has an example)"
                    .into())
            }
            (_, Some(_)) => Err(format!("--stack describes an application for http, not {}", store.name())),
            (_, None) => Ok(None),
        }
    }
}

fn read(file: &Path) -> Result<Description, String> {
    let text =
        std::fs::read_to_string(file).map_err(|why| format!("failed to read {}: {why}", file.display()))?;
    Description::from_toml(&text).map_err(|why| format!("{}: {why}", file.display()))
}

/// The names of the hosts of a store that is started for the run.
pub(super) fn node_names(store: StoreName, switches: &Switches) -> Result<Vec<String>, String> {
    match store {
        StoreName::RedisSentinel => Ok(SentinelCluster::node_names()),
        StoreName::ExpressRedis => Ok(ExpressCluster::node_names()),
        StoreName::Postgres => Ok(PostgresCluster::node_names()),
        StoreName::Etcd => Ok(EtcdCluster::node_names()),
        StoreName::Memcached => MemcachedCluster::node_names(switches),
        StoreName::Embedded | StoreName::Redis | StoreName::Http => Ok(Vec::new()),
    }
}

/// What is done on a store: what was typed, else what it is there for.
pub(super) fn kind(store: StoreName, typed: Option<Kind>) -> Result<Kind, String> {
    let kinds = store.kinds();
    match typed {
        Some(kind) if !kinds.is_empty() && !kinds.contains(&kind) => {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            Err(format!(
                "{} cannot be driven with {}; it can with {}",
                store.name(),
                kind.name(),
                names.join(", ")
            ))
        }
        Some(kind) => Ok(kind),
        None => Ok(kinds.first().copied().unwrap_or(Kind::Register)),
    }
}
