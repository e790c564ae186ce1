//! Redis servers that the run did not start. Faults can be caused in those whose processes are given.
//!
//! A given process can be paused, and it is resumed whatever happens to this program ([`Given`]). A process may only
//! be killed if it can be started again. Only the user knows how, so this needs a command. The proxies before the
//! servers cause faults in links to clients ([`RedisFronts`]).

use super::{RedisFronts, RedisStore, find_primary};
use crate::system::{ForeignProcess, RunFolder};
use crate::{FaultEvidence, Nemesis};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use workloads::{Episode, Fault, Plan, Target};

/// How long a process may take to die, and how long the command may take to start it again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Servers by name, with the processes of some of them.
pub struct GivenServers {
    store: RedisStore,
    /// The proxies between clients and servers, for faults of links.
    fronts: Option<RedisFronts>,
    processes: BTreeMap<Arc<str>, ForeignProcess>,
    restart: Option<String>,
    broken: BTreeMap<usize, (Fault, Vec<Arc<str>>)>,
    folder: RunFolder,
}

impl GivenServers {
    /// Creates a nemesis for the servers of a store and their processes, as far as these are given. `restart` is a
    /// shell command that starts the server `$STEADFAST_NODE` and prints the number of its process as its last line.
    pub fn new(
        store: RedisStore,
        fronts: Option<RedisFronts>,
        processes: &[(String, i32)],
        restart: Option<String>,
    ) -> Result<Self, String> {
        let folder =
            RunFolder::create().map_err(|why| format!("failed to make a folder for notes: {why}"))?;
        let mut given = BTreeMap::new();
        for (name, process) in processes {
            let known = store.0.servers.iter().find(|(known, _)| **known == **name);
            let (name, _) = known.ok_or_else(|| {
                let names: Vec<&str> = store.0.servers.iter().map(|(name, _)| &**name).collect();
                format!("a process is given for {name:?}, but there are {}", names.join(", "))
            })?;
            given.insert(name.clone(), ForeignProcess::new(*process, folder.path())?);
        }
        Ok(Self { store, fronts, processes: given, restart, broken: BTreeMap::new(), folder })
    }

    /// Checks that every fault of a plan can be caused.
    ///
    /// # Errors
    /// What is missing for the first fault that cannot be caused.
    pub fn check_plan(&self, plan: &Plan) -> Result<(), String> {
        for episode in &plan.episodes {
            let fault = episode.fault;
            match fault {
                fault if fault.strikes_links() && self.fronts.is_some() => continue,
                Fault::Pause => {}
                Fault::Kill | Fault::Restart | Fault::Drain if self.restart.is_some() => {}
                Fault::Kill | Fault::Restart | Fault::Drain => {
                    return Err(format!(
                        "{fault}: pass --restart-command, because the run did not start the servers and cannot restart them"
                    ));
                }
                fault => {
                    return Err(format!("{fault} cannot be caused on servers that the run did not start"));
                }
            }
            for name in self.possible_targets(&episode.target) {
                if !self.processes.contains_key(&name) {
                    return Err(format!(
                        "{fault} may strike {name}, whose process is unknown: pass --pid {name}=NUMBER"
                    ));
                }
            }
        }
        Ok(())
    }

    /// All servers that a target may resolve to.
    fn possible_targets(&self, target: &Target) -> Vec<Arc<str>> {
        let servers = &self.store.0.servers;
        let names = || servers.iter().map(|(name, _)| name.clone());
        match target {
            // Without Sentinels the first server is the primary and stays it.
            Target::Primary if self.store.0.sentinels.is_empty() => names().take(1).collect(),
            Target::Replica if self.store.0.sentinels.is_empty() => names().skip(1).collect(),
            Target::Node(node) => names().filter(|name| **name == **node).collect(),
            _ => names().collect(),
        }
    }

    async fn resolve_target(&self, number: usize, target: &Target) -> Vec<Arc<str>> {
        let servers = &self.store.0.servers;
        let place = |name: &str| servers.iter().position(|(known, _)| **known == *name);
        let primary = match find_primary(&self.store.0, number).await {
            Ok((name, _)) => place(&name).unwrap_or(0),
            Err(_) => 0,
        };
        let count = servers.len();
        let struck = match target {
            Target::Primary => vec![primary],
            Target::Replica | Target::Random if count > 1 => {
                vec![(primary + 1 + number % (count - 1)) % count]
            }
            Target::All => (0..count).collect(),
            Target::Node(node) => place(node).into_iter().collect(),
            _ => Vec::new(),
        };
        struck.into_iter().map(|at| servers[at].0.clone()).collect()
    }

    fn given_process(&self, name: &Arc<str>) -> Result<&ForeignProcess, String> {
        self.processes.get(name).ok_or_else(|| format!("the process of {name} was not given"))
    }

    async fn kill_server(&self, name: &Arc<str>) -> Result<(), String> {
        self.given_process(name)?.kill()?;
        self.wait_until_gone(name).await
    }

    async fn wait_until_gone(&self, name: &Arc<str>) -> Result<(), String> {
        let (process, began) = (self.given_process(name)?, Instant::now());
        while process.is_running() {
            if began.elapsed() > PATIENCE {
                return Err(format!("process {} does not die", process.process_id()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn restart_server(&mut self, name: &Arc<str>) -> Result<(), String> {
        let command = self.restart.as_deref().ok_or("there is no command to start it again")?;
        let path = self.folder.path().join("restarted");
        // The output goes to a file and not to a pipe, because the started server may keep it open for as long as it
        // runs.
        let output = std::fs::File::create(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        let mut shell = tokio::process::Command::new("sh");
        shell.args(["-c", command]).env("STEADFAST_NODE", &**name).stdin(Stdio::null()).stdout(output);
        // The server gets its own process group, so that a Ctrl-C goes to this program only.
        shell.process_group(0);
        let failed = |why: String| format!("the command that starts {name} again {why}");
        let ended = tokio::time::timeout(PATIENCE, shell.status()).await;
        match ended {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => return Err(failed(format!("failed: {status}"))),
            Ok(Err(why)) => return Err(failed(format!("could not be run: {why}"))),
            Err(_) => return Err(failed(format!("did not end in {} s", PATIENCE.as_secs()))),
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let last = text.lines().next_back().unwrap_or_default();
        let process = last
            .trim()
            .parse()
            .map_err(|_| failed(format!("printed {last:?} last, and not the number of the process")))?;
        self.processes.insert(name.clone(), ForeignProcess::new(process, self.folder.path())?);
        Ok(())
    }
}

impl Nemesis for GivenServers {
    async fn observe_fault(&mut self, number: usize, _episode: &Episode) -> Option<FaultEvidence> {
        let (fault, struck) = self.broken.get(&number)?;
        let seen = struck.iter().filter_map(|name| {
            FaultEvidence::from_process_state(
                fault,
                name,
                self.processes.get(name).and_then(ForeignProcess::kernel_state),
            )
        });
        FaultEvidence::combine_parts(seen.collect())
    }

    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        if let (true, Some(fronts)) = (episode.fault.strikes_links(), &mut self.fronts) {
            return fronts.strike(number, episode).await;
        }
        let struck = self.resolve_target(number, &episode.target).await;
        for name in &struck {
            match episode.fault {
                Fault::Pause => self.given_process(name)?.pause()?,
                Fault::Kill => self.kill_server(name).await?,
                Fault::Drain => {
                    self.given_process(name)?.ask_to_end()?;
                    self.wait_until_gone(name).await?;
                }
                Fault::Restart => {
                    self.kill_server(name).await?;
                    self.restart_server(name).await?;
                }
                fault => {
                    return Err(format!("{fault} cannot be caused on servers that the run did not start"));
                }
            }
        }
        let names = struck.iter().map(|name| name.to_string()).collect();
        self.broken.insert(number, (episode.fault, struck));
        Ok(names)
    }

    async fn heal(&mut self, number: usize, episode: &Episode) -> Result<(), String> {
        if let (true, Some(fronts)) = (episode.fault.strikes_links(), &mut self.fronts) {
            return fronts.heal(number, episode).await;
        }
        let Some((fault, struck)) = self.broken.remove(&number) else { return Ok(()) };
        for name in &struck {
            match fault {
                Fault::Pause => self.given_process(name)?.resume()?,
                Fault::Kill | Fault::Drain => self.restart_server(name).await?,
                _ => {}
            }
        }
        Ok(())
    }
}
