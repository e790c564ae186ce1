//! How a node of a user's stack is killed, paused, stopped, started and inspected: by signals to its process, through its
//! supervisor, or by commands of the stack file.
//!
//! | unit | kill | pause, resume | stop (drain) | start | state |
//! | --- | --- | --- | --- | --- | --- |
//! | `pid:N`, `pidfile:PATH` | SIGKILL | SIGSTOP, SIGCONT | SIGTERM | a command of the file | `/proc` |
//! | `systemd:NAME` | `systemctl kill -s KILL` | `… -s STOP`, `… -s CONT` | `systemctl stop` | `systemctl start` | `systemctl show` |
//! | `docker:NAME` | `docker kill` | `docker pause`, `unpause` | `docker stop` | `docker start` | `docker inspect` |
//! | `compose:NAME` | `docker compose kill` | `… pause`, `… unpause` | `… stop` | `… start` | `… ps` |
//! | `kubernetes:KIND/NAME` | a command of the file | – | `kubectl scale --replicas=0` | `kubectl scale` | `kubectl get` |
//!
//! A command in the stack file takes precedence over the command of the unit.

use std::collections::BTreeMap;

/// An action on a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verb {
    Kill,
    Pause,
    Resume,
    /// An orderly shutdown.
    Stop,
    Start,
    Restart,
    /// Replacement by a node with an empty disk.
    Replace,
    /// Start of another version. The command contains `{version}`.
    Deploy,
    /// Another number of instances. The command contains `{count}`.
    Scale,
    /// Prints one word about the state of the node.
    State,
}

impl Verb {
    /// All verbs, with their keys in stack files.
    pub(super) const ALL: [(&'static str, Verb); 10] = [
        ("kill", Verb::Kill),
        ("pause", Verb::Pause),
        ("resume", Verb::Resume),
        ("stop", Verb::Stop),
        ("start", Verb::Start),
        ("restart", Verb::Restart),
        ("replace", Verb::Replace),
        ("deploy", Verb::Deploy),
        ("scale", Verb::Scale),
        ("state", Verb::State),
    ];

    pub(super) fn name(self) -> &'static str {
        Verb::ALL.iter().find(|(_, verb)| *verb == self).map_or("", |(name, _)| name)
    }
}

/// The process or the supervisor of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// None: the stack file has a command for each verb.
    Commands,
    Process(i32),
    /// A file whose first line is the process id.
    ProcessFile(String),
    Systemd(String),
    Docker(String),
    Compose(String),
    /// `deploy/web`.
    Kubernetes(String),
}

impl Unit {
    /// Reads `docker:web1`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let kinds =
            "pid:NUMBER, pidfile:PATH, systemd:NAME, docker:NAME, compose:SERVICE or kubernetes:KIND/NAME";
        let wrong = || format!("{text:?} is not a unit. Write {kinds}");
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        let is_plain = |sign: char| sign.is_ascii_alphanumeric() || "-_./@".contains(sign);
        if name.is_empty() || !name.chars().all(is_plain) || name.starts_with('-') {
            return Err(format!(
                "{text:?}: the name after the colon may have letters, digits and -_./@ only"
            ));
        }
        let name = name.to_owned();
        Ok(match kind {
            "pid" => Unit::Process(
                name.parse().map_err(|_| format!("{text:?}: pid: takes the number of a process"))?,
            ),
            "pidfile" => Unit::ProcessFile(name),
            "systemd" => Unit::Systemd(name),
            "docker" => Unit::Docker(name),
            "compose" => Unit::Compose(name),
            "kubernetes" | "kubectl" if name.contains('/') => Unit::Kubernetes(name),
            _ => return Err(wrong()),
        })
    }

    /// Whether the node is a process with a known id, which takes signals.
    pub(super) fn is_process(&self) -> bool {
        matches!(self, Unit::Process(_) | Unit::ProcessFile(_))
    }

    /// The unit's shell command for a verb; `None` if it has none. `replicas` is the usual number of instances.
    pub(super) fn command(&self, verb: Verb, replicas: u32) -> Option<String> {
        match self {
            Unit::Commands | Unit::Process(_) | Unit::ProcessFile(_) => None,
            Unit::Systemd(name) => Some(match verb {
                Verb::Kill => format!("systemctl kill -s KILL {name}"),
                Verb::Pause => format!("systemctl kill -s STOP {name}"),
                Verb::Resume => format!("systemctl kill -s CONT {name}"),
                Verb::Stop => format!("systemctl stop {name}"),
                Verb::Start => format!("systemctl start {name}"),
                Verb::Restart => format!("systemctl restart {name}"),
                Verb::State => format!("systemctl show -p ActiveState --value {name}"),
                Verb::Replace | Verb::Deploy | Verb::Scale => return None,
            }),
            Unit::Docker(name) => Some(match verb {
                Verb::Kill => format!("docker kill {name}"),
                Verb::Pause => format!("docker pause {name}"),
                Verb::Resume => format!("docker unpause {name}"),
                Verb::Stop => format!("docker stop {name}"),
                Verb::Start => format!("docker start {name}"),
                Verb::Restart => format!("docker restart -t 0 {name}"),
                Verb::State => format!("docker inspect -f '{{{{.State.Status}}}}' {name}"),
                Verb::Replace | Verb::Deploy | Verb::Scale => return None,
            }),
            Unit::Compose(name) => Some(match verb {
                Verb::Kill => format!("docker compose kill {name}"),
                Verb::Pause => format!("docker compose pause {name}"),
                Verb::Resume => format!("docker compose unpause {name}"),
                Verb::Stop => format!("docker compose stop {name}"),
                Verb::Start => format!("docker compose start {name}"),
                Verb::Restart => format!("docker compose restart -t 0 {name}"),
                Verb::Replace => {
                    format!("docker compose up -d --no-deps --force-recreate --renew-anon-volumes {name}")
                }
                Verb::Scale => {
                    format!("docker compose up -d --no-deps --no-recreate --scale {name}={{count}} {name}")
                }
                Verb::State => format!("docker compose ps -a --format '{{{{.State}}}}' {name}"),
                Verb::Deploy => return None,
            }),
            Unit::Kubernetes(name) => Some(match verb {
                Verb::Stop => format!("kubectl scale {name} --replicas=0"),
                Verb::Start => format!("kubectl scale {name} --replicas={replicas}"),
                Verb::Restart => format!("kubectl rollout restart {name}"),
                Verb::Scale => format!("kubectl scale {name} --replicas={{count}}"),
                Verb::State => format!("kubectl get {name} -o 'jsonpath={{.status.readyReplicas}}'"),
                Verb::Kill | Verb::Pause | Verb::Resume | Verb::Replace | Verb::Deploy => return None,
            }),
        }
    }
}

/// The state of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NodeState {
    Runs,
    Stands,
    Gone,
}

impl NodeState {
    /// Recognises the words that systemd, docker, compose and kubectl use; `None` for any other word. A node with several
    /// instances runs if one of them runs.
    pub(super) fn of_words(text: &str) -> Option<Self> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let any = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
        let count = words.first().and_then(|word| word.parse::<u32>().ok());
        if any(&["running", "active", "up", "ready", "runs"]) || count.is_some_and(|count| count > 0) {
            return Some(NodeState::Runs);
        }
        if any(&["paused", "stopped-by-signal", "stands"]) {
            return Some(NodeState::Stands);
        }
        let gone =
            ["exited", "inactive", "failed", "dead", "down", "stopped", "created", "gone", "deactivating"];
        (words.is_empty() || any(&gone) || count == Some(0)).then_some(NodeState::Gone)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            NodeState::Runs => "running",
            NodeState::Stands => "paused",
            NodeState::Gone => "gone",
        }
    }
}

/// The commands of a node: those of the stack file and, for the other verbs, those of its unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NodeCommands {
    pub(super) unit: Unit,
    pub(super) given: BTreeMap<Verb, String>,
    pub(super) replicas: u32,
}

impl NodeCommands {
    /// The command for a verb, with `{version}` and `{count}` replaced by the number.
    pub(super) fn of(&self, verb: Verb, number: u64) -> Option<String> {
        let command = self.given.get(&verb).cloned().or_else(|| self.unit.command(verb, self.replicas))?;
        Some(command.replace("{version}", &number.to_string()).replace("{count}", &number.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_have_their_commands() {
        let command = |unit: &str, verb| Unit::parse(unit).expect("a unit").command(verb, 3);
        assert_eq!(command("docker:web1", Verb::Kill).as_deref(), Some("docker kill web1"));
        let state = command("docker:web1", Verb::State);
        assert_eq!(state.as_deref(), Some("docker inspect -f '{{.State.Status}}' web1"));
        assert_eq!(
            command("kubernetes:deploy/web", Verb::Start).as_deref(),
            Some("kubectl scale deploy/web --replicas=3")
        );
        assert_eq!(command("pid:17", Verb::Kill), None);
        for (text, says) in [
            ("web1", "is not a unit"),
            ("docker:", "may have letters"),
            ("docker:web1; rm -rf x", "may have letters"),
            ("docker:-f", "may have letters"),
            ("pid:many", "the number of a process"),
            ("kubernetes:web", "is not a unit"),
            ("podman:web", "is not a unit"),
        ] {
            let why = Unit::parse(text).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        }
    }

    #[test]
    fn words_of_supervisors_are_understood() {
        for (words, state) in [
            ("running\n", Some(NodeState::Runs)),
            ("active", Some(NodeState::Runs)),
            ("2", Some(NodeState::Runs)),
            ("exited\nrunning", Some(NodeState::Runs)),
            ("paused", Some(NodeState::Stands)),
            ("exited", Some(NodeState::Gone)),
            ("inactive", Some(NodeState::Gone)),
            ("0", Some(NodeState::Gone)),
            ("", Some(NodeState::Gone)),
            ("wibble", None),
        ] {
            assert_eq!(NodeState::of_words(words), state, "{words:?}");
        }
    }

    #[test]
    fn a_given_command_wins_and_numbers_are_filled_in() {
        let given = [(Verb::Deploy, "deploy-to web1 v{version}".to_owned())].into();
        let commands = NodeCommands { unit: Unit::Docker("web1".into()), given, replicas: 1 };
        assert_eq!(commands.of(Verb::Deploy, 2).as_deref(), Some("deploy-to web1 v2"));
        assert_eq!(commands.of(Verb::Stop, 0).as_deref(), Some("docker stop web1"));
        assert_eq!(commands.of(Verb::Replace, 0), None);
    }
}
