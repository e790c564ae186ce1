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
pub(super) enum NodeVerb {
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

impl NodeVerb {
    /// All verbs, with their keys in stack files.
    pub(super) const ALL: [(&'static str, NodeVerb); 10] = [
        ("kill", NodeVerb::Kill),
        ("pause", NodeVerb::Pause),
        ("resume", NodeVerb::Resume),
        ("stop", NodeVerb::Stop),
        ("start", NodeVerb::Start),
        ("restart", NodeVerb::Restart),
        ("replace", NodeVerb::Replace),
        ("deploy", NodeVerb::Deploy),
        ("scale", NodeVerb::Scale),
        ("state", NodeVerb::State),
    ];

    pub(super) fn name(self) -> &'static str {
        NodeVerb::ALL.iter().find(|(_, verb)| *verb == self).map_or("", |(name, _)| name)
    }
}

/// The process or the supervisor of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum NodeUnit {
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

impl NodeUnit {
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
            "pid" => NodeUnit::Process(
                name.parse().map_err(|_| format!("{text:?}: pid: takes the number of a process"))?,
            ),
            "pidfile" => NodeUnit::ProcessFile(name),
            "systemd" => NodeUnit::Systemd(name),
            "docker" => NodeUnit::Docker(name),
            "compose" => NodeUnit::Compose(name),
            "kubernetes" | "kubectl" if name.contains('/') => NodeUnit::Kubernetes(name),
            _ => return Err(wrong()),
        })
    }

    /// Whether the node is a process with a known id, which takes signals.
    pub(super) fn is_process(&self) -> bool {
        matches!(self, NodeUnit::Process(_) | NodeUnit::ProcessFile(_))
    }

    /// The unit's shell command for a verb; `None` if it has none. `replicas` is the usual number of instances.
    pub(super) fn own_command(&self, verb: NodeVerb, replicas: u32) -> Option<String> {
        match self {
            NodeUnit::Commands | NodeUnit::Process(_) | NodeUnit::ProcessFile(_) => None,
            NodeUnit::Systemd(name) => Some(match verb {
                NodeVerb::Kill => format!("systemctl kill -s KILL {name}"),
                NodeVerb::Pause => format!("systemctl kill -s STOP {name}"),
                NodeVerb::Resume => format!("systemctl kill -s CONT {name}"),
                NodeVerb::Stop => format!("systemctl stop {name}"),
                NodeVerb::Start => format!("systemctl start {name}"),
                NodeVerb::Restart => format!("systemctl restart {name}"),
                NodeVerb::State => format!("systemctl show -p ActiveState --value {name}"),
                NodeVerb::Replace | NodeVerb::Deploy | NodeVerb::Scale => return None,
            }),
            NodeUnit::Docker(name) => Some(match verb {
                NodeVerb::Kill => format!("docker kill {name}"),
                NodeVerb::Pause => format!("docker pause {name}"),
                NodeVerb::Resume => format!("docker unpause {name}"),
                NodeVerb::Stop => format!("docker stop {name}"),
                NodeVerb::Start => format!("docker start {name}"),
                NodeVerb::Restart => format!("docker restart -t 0 {name}"),
                NodeVerb::State => format!("docker inspect -f '{{{{.State.Status}}}}' {name}"),
                NodeVerb::Replace | NodeVerb::Deploy | NodeVerb::Scale => return None,
            }),
            NodeUnit::Compose(name) => Some(match verb {
                NodeVerb::Kill => format!("docker compose kill {name}"),
                NodeVerb::Pause => format!("docker compose pause {name}"),
                NodeVerb::Resume => format!("docker compose unpause {name}"),
                NodeVerb::Stop => format!("docker compose stop {name}"),
                NodeVerb::Start => format!("docker compose start {name}"),
                NodeVerb::Restart => format!("docker compose restart -t 0 {name}"),
                NodeVerb::Replace => {
                    format!("docker compose up -d --no-deps --force-recreate --renew-anon-volumes {name}")
                }
                NodeVerb::Scale => {
                    format!("docker compose up -d --no-deps --no-recreate --scale {name}={{count}} {name}")
                }
                NodeVerb::State => format!("docker compose ps -a --format '{{{{.State}}}}' {name}"),
                NodeVerb::Deploy => return None,
            }),
            NodeUnit::Kubernetes(name) => Some(match verb {
                NodeVerb::Stop => format!("kubectl scale {name} --replicas=0"),
                NodeVerb::Start => format!("kubectl scale {name} --replicas={replicas}"),
                NodeVerb::Restart => format!("kubectl rollout restart {name}"),
                NodeVerb::Scale => format!("kubectl scale {name} --replicas={{count}}"),
                NodeVerb::State => format!("kubectl get {name} -o 'jsonpath={{.status.readyReplicas}}'"),
                NodeVerb::Kill
                | NodeVerb::Pause
                | NodeVerb::Resume
                | NodeVerb::Replace
                | NodeVerb::Deploy => return None,
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
    pub(super) fn parse_words(text: &str) -> Option<Self> {
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
    pub(super) unit: NodeUnit,
    pub(super) given: BTreeMap<NodeVerb, String>,
    pub(super) replicas: u32,
}

impl NodeCommands {
    /// The command for a verb, with `{version}` and `{count}` replaced by the number.
    pub(super) fn command_for(&self, verb: NodeVerb, number: u64) -> Option<String> {
        let command =
            self.given.get(&verb).cloned().or_else(|| self.unit.own_command(verb, self.replicas))?;
        Some(command.replace("{version}", &number.to_string()).replace("{count}", &number.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_have_their_commands() {
        let command = |unit: &str, verb| NodeUnit::parse(unit).expect("a unit").own_command(verb, 3);
        assert_eq!(command("docker:web1", NodeVerb::Kill).as_deref(), Some("docker kill web1"));
        let state = command("docker:web1", NodeVerb::State);
        assert_eq!(state.as_deref(), Some("docker inspect -f '{{.State.Status}}' web1"));
        assert_eq!(
            command("kubernetes:deploy/web", NodeVerb::Start).as_deref(),
            Some("kubectl scale deploy/web --replicas=3")
        );
        assert_eq!(command("pid:17", NodeVerb::Kill), None);
        for (text, says) in [
            ("web1", "is not a unit"),
            ("docker:", "may have letters"),
            ("docker:web1; rm -rf x", "may have letters"),
            ("docker:-f", "may have letters"),
            ("pid:many", "the number of a process"),
            ("kubernetes:web", "is not a unit"),
            ("podman:web", "is not a unit"),
        ] {
            let why = NodeUnit::parse(text).expect_err(text);
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
            assert_eq!(NodeState::parse_words(words), state, "{words:?}");
        }
    }

    #[test]
    fn a_given_command_wins_and_numbers_are_filled_in() {
        let given = [(NodeVerb::Deploy, "deploy-to web1 v{version}".to_owned())].into();
        let commands = NodeCommands { unit: NodeUnit::Docker("web1".into()), given, replicas: 1 };
        assert_eq!(commands.command_for(NodeVerb::Deploy, 2).as_deref(), Some("deploy-to web1 v2"));
        assert_eq!(commands.command_for(NodeVerb::Stop, 0).as_deref(), Some("docker stop web1"));
        assert_eq!(commands.command_for(NodeVerb::Replace, 0), None);
    }
}
