//! The names of stores and the options for stacks. What is specific to a store is in its folder in `recorder`.

use super::names::NameParser;
use super::suggest::{describe_unknown, find_name};
use clap::builder::PossibleValue;
use recorder::stores::backend::{ALL, Backend};
use recorder::stores::http::Description;
use recorder::stores::switches::Switches;
use std::path::{Path, PathBuf};
use workloads::WorkloadKind;

/// A store that was chosen.
pub(crate) type StoreChoice = &'static dyn Backend;

/// Parses the name of a store.
pub(super) fn store_parser() -> NameParser<StoreChoice> {
    NameParser::new(parse_store, || {
        ALL.iter().map(|store| PossibleValue::new(store.name()).help(store.summary())).collect()
    })
}

/// The store that is driven by default.
pub(super) fn default_store_name() -> &'static str {
    ALL[0].name()
}

fn parse_store(typed: &str) -> Result<StoreChoice, String> {
    let names: Vec<&str> = ALL.iter().map(|store| store.name()).collect();
    let found = find_name(typed, names.iter().copied());
    let store = found.and_then(|name| ALL.into_iter().find(|store| store.name() == name));
    store.ok_or_else(|| describe_unknown("store", typed, &names, Some("steadfast stores")))
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct StackArgs {
    /// http: TOML file that describes the application (docs/web-application.md)
    #[arg(long = "application", visible_alias = "stack", value_name = "FILE", help_heading = "Store")]
    stack: Option<PathBuf>,
    /// http: start without trying the description on one session first
    #[arg(long, requires = "stack", help_heading = "Store")]
    skip_probe: bool,
    /// Configuration of a stack; `steadfast stores` lists the options of each
    #[arg(long, value_name = "NAME=VALUE,..", value_delimiter = ',', help_heading = "Store")]
    stack_option: Vec<String>,
    /// redis, redis-sentinel: with --wait, that many replicas must also hold what a read returns
    #[arg(long, requires = "wait", conflicts_with = "replica_reads", help_heading = "Store")]
    confirm_reads: bool,
}

impl StackArgs {
    /// Whether the description is used without being tried first.
    pub(super) fn skips_probe(&self) -> bool {
        self.skip_probe
    }

    /// The file that describes the application.
    pub(super) fn description_file(&self) -> Option<&Path> {
        self.stack.as_deref()
    }

    /// Whether reads are confirmed. The error says that the store cannot do that.
    pub(super) fn confirm_reads_on(&self, store: StoreChoice) -> Result<bool, String> {
        if self.confirm_reads {
            store.can_confirm_reads()?;
        }
        Ok(self.confirm_reads)
    }

    /// Parses the configuration of a stack. `replica_reads` and `wait` are part of it if the stack has them.
    pub(super) fn parse_switches(
        &self,
        store: StoreChoice,
        replica_reads: bool,
        wait: Option<u32>,
    ) -> Result<Switches, String> {
        let known = store.switches();
        let has = |name: &str| known.iter().any(|(switch, ..)| *switch == name);
        let mut words = Vec::new();
        words.extend((replica_reads && has("replica-reads")).then(|| "replica-reads=yes".to_owned()));
        words.extend(wait.filter(|_| has("wait")).map(|count| format!("wait={count}")));
        words.extend(self.stack_option.iter().cloned());
        Switches::parse(known, &words).map_err(|why| format!("{}: {why}", store.name()))
    }

    /// Reads the description of the application, with its file.
    pub(super) fn read_description(
        &self,
        store: StoreChoice,
    ) -> Result<Option<(PathBuf, Description)>, String> {
        match &self.stack {
            Some(file) if store.is_described() => Ok(Some((file.clone(), read_description(file)?))),
            Some(_) => {
                Err(format!("--application has no effect on {}. Drive the store http with it.", store.name()))
            }
            None => Ok(None),
        }
    }

    /// Requires the description of the application if the store needs one.
    pub(super) fn require_description(&self, store: StoreChoice) -> Result<(), String> {
        match store.is_described() && self.stack.is_none() {
            true => Err(format!(
                "{} needs a description of the application. Pass --application FILE; docs/web-application.md has an example.",
                store.name()
            )),
            false => Ok(()),
        }
    }
}

/// Reads the description of an application.
pub(crate) fn read_description(file: &Path) -> Result<Description, String> {
    let text =
        std::fs::read_to_string(file).map_err(|why| format!("failed to read {}: {why}", file.display()))?;
    Description::from_toml(&text).map_err(|why| format!("{}: {why}", file.display()))
}

/// The workload: the typed one, or the default of the store.
pub(super) fn choose_workload(
    store: StoreChoice,
    typed: Option<WorkloadKind>,
) -> Result<WorkloadKind, String> {
    let kinds = store.workload_kinds();
    match typed {
        Some(kind) if !kinds.is_empty() && !kinds.contains(&kind) => {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            Err(format!(
                "{} does not support the workload {}. Pass --workload {}.",
                store.name(),
                kind.name(),
                names.join(" or ")
            ))
        }
        Some(kind) => Ok(kind),
        None => Ok(kinds.first().copied().unwrap_or(WorkloadKind::Register)),
    }
}
