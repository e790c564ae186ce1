//! The stores by name, and how a stack is set up, as users type it. What is particular to each store is in its folder.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use recorder::stores::backend::{ALL, Backend};
use recorder::stores::http::Description;
use recorder::stores::switches::Switches;
use std::path::{Path, PathBuf};
use workloads::WorkloadKind;

/// A store that was chosen.
pub(crate) type StoreChoice = &'static dyn Backend;

/// Parses the name of a store.
pub(super) fn store() -> impl TypedValueParser<Value = StoreChoice> {
    let names = ALL.iter().map(|store| PossibleValue::new(store.name()).help(store.summary()));
    PossibleValuesParser::new(names).map(|name| find(&name).expect("one of the possible values"))
}

/// The store unless said.
pub(super) fn usual() -> &'static str {
    ALL[0].name()
}

fn find(name: &str) -> Option<StoreChoice> {
    ALL.into_iter().find(|store| store.name() == name)
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct StackArgs {
    /// http: the TOML file that says how the application is used (docs/stacks.md)
    #[arg(long, value_name = "FILE", help_heading = "Store")]
    stack: Option<PathBuf>,
    /// http: begin without trying the description on the life of one session first
    #[arg(long, requires = "stack", help_heading = "Store")]
    skip_probe: bool,
    /// http: print every command and signal that the faults would take, and how each is undone; do nothing
    #[arg(long, requires = "stack", help_heading = "Faults")]
    dry_run: bool,
    /// How a stack is configured, well or badly (`steadfast stores` lists what each has)
    #[arg(long, value_name = "NAME=VALUE,..", value_delimiter = ',', help_heading = "Store")]
    stack_option: Vec<String>,
    /// redis, redis-sentinel: with --wait, as many replicas must have all that a read can show before it counts
    #[arg(long, requires = "wait", conflicts_with = "replica_reads", help_heading = "Store")]
    confirm_reads: bool,
}

impl StackArgs {
    /// Whether the description is taken as it is.
    pub(super) fn skips_probe(&self) -> bool {
        self.skip_probe
    }

    /// Whether only the commands of the faults are to be shown.
    pub(super) fn is_dry(&self) -> bool {
        self.dry_run
    }

    /// The file that describes an application.
    pub(super) fn file(&self) -> Option<&Path> {
        self.stack.as_deref()
    }

    /// Whether reads are to be confirmed, where that means something.
    pub(super) fn confirms_reads(&self, store: StoreChoice) -> Result<bool, String> {
        if self.confirm_reads {
            store.can_confirm_reads()?;
        }
        Ok(self.confirm_reads)
    }

    /// What is meant; `replica_reads` and `wait` are switches where a stack has them.
    pub(super) fn switches(
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

    /// The description of an application, and where it is from.
    pub(super) fn description(&self, store: StoreChoice) -> Result<Option<(PathBuf, Description)>, String> {
        match &self.stack {
            Some(file) if store.is_described() => Ok(Some((file.clone(), read_description(file)?))),
            Some(_) => Err(format!("--stack describes an application, which {} is not", store.name())),
            None => Ok(None),
        }
    }

    /// Whether everything is there that the store needs to be told.
    pub(super) fn suffices(&self, store: StoreChoice) -> Result<(), String> {
        match store.is_described() && self.stack.is_none() {
            true => Err(format!(
                "{} needs --stack FILE: how the application is used (docs/stacks.md has an example)",
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

/// What is done on a store: what was typed, else what it is there for.
pub(super) fn kind(store: StoreChoice, typed: Option<WorkloadKind>) -> Result<WorkloadKind, String> {
    let kinds = store.workload_kinds();
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
        None => Ok(kinds.first().copied().unwrap_or(WorkloadKind::Register)),
    }
}
