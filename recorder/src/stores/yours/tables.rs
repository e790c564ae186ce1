//! Reads the nodes, links and roles of a stack file: what a run may strike, and by which commands.
//!
//! ```toml
//! [nodes.web1]
//! url = "http://127.0.0.1:8081"     # only needed for `ready`
//! ready = "GET /health 200"
//! role = "app"
//! unit = "docker:web1"
//!
//! [nodes.db1]
//! role = "primary"
//! kill = "docker kill db1"
//! start = "docker start db1"
//! state = "docker inspect -f '{{.State.Status}}' db1"
//!
//! [links.app-db]                    # the application is pointed at `listen`
//! listen = "127.0.0.1:15432"
//! to = "127.0.0.1:5432"
//!
//! [roles.primary]                   # finds the node that has the role at the moment
//! command = "./who-is-primary.sh"
//! ```
//!
//! A run strikes only nodes and links that the file names, and causes only faults that it can undo.

use super::ready::ReadyCheck;
use super::unit::{NodeCommands, NodeUnit, NodeVerb};
use crate::stores::http::TlsClient;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use workloads::{Fault, Strike, Target, parse_duration};

/// How long a node may take until it is ready, unless the file says otherwise.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Timeout of a command, unless the file says otherwise.
const COMMAND_PATIENCE: Duration = Duration::from_secs(20);
/// The longest time that a file may set, because a fault must be undone within a minute.
const PATIENCE_MAX: Duration = Duration::from_secs(50);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeTable {
    url: Option<String>,
    ready: Option<String>,
    ready_within: Option<String>,
    command_timeout: Option<String>,
    role: Option<String>,
    unit: Option<String>,
    replicas: Option<u32>,
    kill: Option<String>,
    pause: Option<String>,
    resume: Option<String>,
    stop: Option<String>,
    start: Option<String>,
    restart: Option<String>,
    replace: Option<String>,
    deploy: Option<String>,
    scale: Option<String>,
    state: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkTable {
    listen: String,
    to: String,
    from: Option<String>,
    node: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleTable {
    command: Option<String>,
    http: Option<String>,
    pointer: Option<String>,
    redis: Option<BTreeMap<String, String>>,
    postgres: Option<BTreeMap<String, String>>,
}

/// The validated nodes, links and roles of a stack file.
#[derive(Clone, Debug, Default)]
pub(crate) struct YourStack {
    pub(super) nodes: Vec<YourNode>,
    pub(super) links: Vec<YourLink>,
    pub(super) roles: BTreeMap<String, RoleSource>,
    /// How nodes with `https` are asked whether they are ready.
    pub(super) tls: Option<TlsClient>,
}

/// A node that a run may strike.
#[derive(Clone, Debug)]
pub(super) struct YourNode {
    pub(super) name: String,
    pub(super) role: Option<String>,
    pub(super) commands: NodeCommands,
    pub(super) ready: Option<ReadyCheck>,
    pub(super) ready_within: Duration,
    pub(super) patience: Duration,
}

/// A link that leads through a proxy of the run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct YourLink {
    pub(super) from: String,
    pub(super) node: String,
    pub(super) listen: String,
    pub(super) to: String,
}

/// How to find the node that has a role at the moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum RoleSource {
    /// A command that prints the name of the node.
    Command(String),
    /// An HTTP request: `host:port`, path, and the JSON pointer to the name of the node. With an empty pointer, the whole
    /// body is the name.
    Http(String, String, String),
    /// The addresses of Redis servers by node: the node whose server says that it is a primary.
    Redis(BTreeMap<String, String>),
    /// The addresses of PostgreSQL servers by node: the node whose server is not in recovery.
    Postgres(BTreeMap<String, String>),
}

impl YourStack {
    /// Validates the tables. `entries` are the names of the entries of the stack.
    ///
    /// # Errors
    /// Says which table is wrong, and why.
    pub(crate) fn from_tables(
        nodes: BTreeMap<String, NodeTable>,
        links: BTreeMap<String, LinkTable>,
        roles: BTreeMap<String, RoleTable>,
        entries: &[String],
    ) -> Result<Self, String> {
        let of_table = |(name, table): (String, NodeTable)| {
            parse_node(&name, table).map_err(|why| format!("[nodes.{name}]: {why}"))
        };
        let mut stack =
            Self { nodes: nodes.into_iter().map(of_table).collect::<Result<_, _>>()?, ..Self::default() };
        for name in stack.nodes.iter().map(|node| &node.name) {
            if let Some(odd) = explain_invalid_name(name) {
                return Err(format!("[nodes.{name}]: {odd}"));
            }
        }
        for (name, table) in links {
            let known = stack.end_names(entries);
            let link = parse_link(&name, table, &known).map_err(|why| format!("[links.{name}]: {why}"))?;
            stack.links.push(link);
        }
        for (name, table) in roles {
            let source = stack.parse_role_source(&table).map_err(|why| format!("[roles.{name}]: {why}"))?;
            stack.roles.insert(name, source);
        }
        stack.check_names_of_roles()?;
        Ok(stack)
    }

    /// Whether a node is asked with TLS.
    pub(crate) fn has_secure_nodes(&self) -> bool {
        self.secure_checks().next().is_some()
    }

    /// Takes the certificates that nodes are asked with.
    ///
    /// # Errors
    /// Names a host that no certificate can have.
    pub(crate) fn use_tls(&mut self, tls: Option<&TlsClient>) -> Result<(), String> {
        if let Some(tls) = tls {
            for (node, host) in self.secure_checks() {
                tls.name_for_host(host).map_err(|why| format!("[nodes.{node}]: {why}"))?;
            }
        }
        self.tls = tls.cloned();
        Ok(())
    }

    fn secure_checks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().filter_map(|node| {
            let host = node.ready.as_ref()?.secure_host.as_deref()?;
            Some((node.name.as_str(), host))
        })
    }

    /// The names of the nodes.
    pub(crate) fn node_names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// Whether there is nothing to strike except for the entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.links.is_empty()
    }

    /// The names of roles that nodes have or that `[roles]` finds, without `primary` and `replica`.
    pub(crate) fn role_names(&self) -> Vec<String> {
        let borne = self.nodes.iter().filter_map(|node| node.role.clone());
        let usual = ["primary", "replica"];
        let mut names: Vec<String> =
            borne.chain(self.roles.keys().cloned()).filter(|name| !usual.contains(&name.as_str())).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of all ends of links: first the entries, then the nodes, then further ends that only links name.
    pub(crate) fn end_names(&self, entries: &[String]) -> Vec<String> {
        let of_links = self.links.iter().flat_map(|link| [link.from.clone(), link.node.clone()]);
        let mut names = Vec::new();
        for name in entries.iter().cloned().chain(self.node_names()).chain(of_links) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Checks that a fault can be caused, and undone, on each node that it may strike.
    ///
    /// # Errors
    /// Says which node lacks what.
    pub(crate) fn check_strike_of_nodes(&self, strike: &Strike) -> Result<(), String> {
        let fault = strike.fault;
        let target = strike.target.clone().unwrap_or(Target::Primary);
        let nodes = self.possible_nodes(&target);
        if nodes.is_empty() {
            return Err(format!(
                "{fault}: no node of the stack file has the name or the role {target}. Add one, as in [nodes.web1]"
            ));
        }
        nodes.iter().try_for_each(|node| node.check_fault(fault))
    }

    /// Checks that a fault of links has a link that it can strike.
    ///
    /// # Errors
    /// Lists the links that exist.
    pub(crate) fn check_strike_of_links(&self, strike: &Strike, entries: &[String]) -> Result<(), String> {
        let fault = strike.fault;
        crate::system::Means::Proxies
            .check_fault(fault)
            .map_err(|why| format!("{fault} cannot be caused on http: {why}"))?;
        let of_entries = entries.iter().map(|entry| ("client", entry.as_str()));
        let links: Vec<(&str, &str)> = of_entries
            .chain(self.links.iter().map(|link| (link.from.as_str(), link.node.as_str())))
            .collect();
        let target = strike.target.clone().unwrap_or(Target::Primary);
        let is = |end: &Target, name: &str| match end {
            Target::Client => name == "client",
            Target::Node(known) if known == name => true,
            end => self.possible_nodes(end).iter().any(|node| node.name == name),
        };
        let hit = |(from, to): &(&str, &str)| match &target {
            Target::Link { from: one, to: other, .. } => {
                (is(one, from) && is(other, to)) || (is(one, to) && is(other, from))
            }
            target => is(target, from) || is(target, to),
        };
        if links.iter().any(hit) {
            return Ok(());
        }
        let shown: Vec<String> = links.iter().map(|(from, to)| format!("{from}-{to}")).collect();
        Err(format!(
            "{fault}: {target} is not a link with a proxy; the links with one are {}. To add one, write \
             [links.app-db]",
            shown.join(", ")
        ))
    }

    /// The nodes that a target may stand for when it is resolved.
    pub(super) fn possible_nodes(&self, target: &Target) -> Vec<&YourNode> {
        let role = |name: &str| {
            self.nodes.iter().filter(|node| node.role.as_deref() == Some(name)).collect::<Vec<_>>()
        };
        match target {
            Target::Node(name) => match self.nodes.iter().find(|node| node.name == *name) {
                Some(node) => vec![node],
                None if self.roles.contains_key(name) => self.nodes.iter().collect(),
                None => role(name),
            },
            Target::Primary if !self.roles.contains_key("primary") && !role("primary").is_empty() => {
                role("primary")
            }
            Target::Link { .. } | Target::Client => Vec::new(),
            _ => self.nodes.iter().collect(),
        }
    }

    fn parse_role_source(&self, table: &RoleTable) -> Result<RoleSource, String> {
        let named = |servers: &BTreeMap<String, String>| match servers
            .keys()
            .find(|name| !self.nodes.iter().any(|node| node.name == **name))
        {
            Some(odd) => Err(format!("{odd:?} is not a node of this file")),
            None => Ok(servers.clone()),
        };
        match (&table.command, &table.http, &table.redis, &table.postgres) {
            (Some(command), None, None, None) => Ok(RoleSource::Command(command.clone())),
            (None, Some(url), None, None) => {
                let (address, path) = split_http_url(url)?;
                let pointer = table.pointer.clone().unwrap_or_default();
                if !pointer.is_empty() && !pointer.starts_with('/') {
                    return Err(format!("pointer = {pointer:?} must begin with /"));
                }
                Ok(RoleSource::Http(address, path, pointer))
            }
            (None, None, Some(servers), None) => named(servers).map(RoleSource::Redis),
            (None, None, None, Some(servers)) => named(servers).map(RoleSource::Postgres),
            _ => Err("say how to find the node with exactly one of command = \"…\", http = \"http://…\", redis = { \
                      NODE = \"HOST:PORT\" }, postgres = { NODE = \"HOST:PORT\" }"
                .to_owned()),
        }
    }

    fn check_names_of_roles(&self) -> Result<(), String> {
        let names = self.node_names();
        match self.role_names().into_iter().find(|role| names.contains(role)) {
            Some(role) => Err(format!("{role:?} is the name of a node and of a role. Rename one of them")),
            None => Ok(()),
        }
    }
}

impl YourNode {
    /// Checks that a fault of this node can be caused and undone.
    ///
    /// # Errors
    /// Says which command is missing.
    pub(super) fn check_fault(&self, fault: Fault) -> Result<(), String> {
        let (name, unit) = (&self.name, &self.commands.unit);
        let has = |verb: NodeVerb| {
            let by_signal = matches!(
                verb,
                NodeVerb::Kill | NodeVerb::Pause | NodeVerb::Resume | NodeVerb::Stop | NodeVerb::State
            );
            (unit.is_process() && by_signal) || self.commands.command_for(verb, 1).is_some()
        };
        let needed: &[NodeVerb] = match fault {
            Fault::Kill => &[NodeVerb::Kill, NodeVerb::Start],
            Fault::Pause => &[NodeVerb::Pause, NodeVerb::Resume],
            Fault::Drain => &[NodeVerb::Stop, NodeVerb::Start],
            Fault::Restart if has(NodeVerb::Restart) => &[],
            Fault::Restart => &[NodeVerb::Kill, NodeVerb::Start],
            Fault::Replace => &[NodeVerb::Replace],
            Fault::Deploy { .. } => &[NodeVerb::Deploy],
            Fault::Scale { .. } => &[NodeVerb::Scale],
            fault => {
                return Err(format!(
                    "{fault} is a fault of links or machines, not of nodes of a stack file. For a link, write \
                     [links.app-db] and use {}:app-db",
                    fault.name()
                ));
            }
        };
        match needed.iter().find(|verb| !has(**verb)) {
            None => Ok(()),
            Some(verb) => Err(format!(
                "{fault} of {name} needs a command for {0}: add {0} = \"…\" to [nodes.{name}]",
                verb.name()
            )),
        }
    }
}

fn parse_node(name: &str, table: NodeTable) -> Result<YourNode, String> {
    let unit = table.unit.as_deref().map_or(Ok(NodeUnit::Commands), NodeUnit::parse)?;
    let given = [
        (NodeVerb::Kill, table.kill),
        (NodeVerb::Pause, table.pause),
        (NodeVerb::Resume, table.resume),
        (NodeVerb::Stop, table.stop),
        (NodeVerb::Start, table.start),
        (NodeVerb::Restart, table.restart),
        (NodeVerb::Replace, table.replace),
        (NodeVerb::Deploy, table.deploy),
        (NodeVerb::Scale, table.scale),
        (NodeVerb::State, table.state),
    ];
    let given: BTreeMap<NodeVerb, String> =
        given.into_iter().filter_map(|(verb, command)| Some((verb, command?))).collect();
    for (verb, command) in &given {
        check_command(*verb, command)?;
    }
    if unit == NodeUnit::Commands && given.is_empty() {
        return Err(
            "the node has neither a unit nor commands: add unit = \"docker:NAME\" or, for one, kill = \"…\""
                .into(),
        );
    }
    let time = |text: Option<String>, usual: Duration, key: &str| match text {
        None => Ok(usual),
        Some(text) => match parse_duration(&text) {
            Ok(time) if time <= PATIENCE_MAX => Ok(time),
            Ok(_) => Err(format!(
                "{key} = {text:?} is too long: at most {}",
                workloads::format_duration(PATIENCE_MAX)
            )),
            Err(why) => Err(format!("{key} {why}")),
        },
    };
    let ready = match (&table.ready, &table.url) {
        (None, _) => None,
        (Some(_), None) => {
            return Err("ready needs url = \"http://HOST:PORT\" or \"https://HOST:PORT\"".to_owned());
        }
        (Some(text), Some(url)) => Some(ReadyCheck::parse(text, url)?),
    };
    Ok(YourNode {
        name: name.to_owned(),
        role: table.role,
        commands: NodeCommands { unit, given, replicas: table.replicas.unwrap_or(1) },
        ready,
        ready_within: time(table.ready_within, READY_WITHIN, "ready_within")?,
        patience: time(table.command_timeout, COMMAND_PATIENCE, "command_timeout")?,
    })
}

/// Checks the placeholders of a command, and that its program exists.
fn check_command(verb: NodeVerb, command: &str) -> Result<(), String> {
    let key = verb.name();
    let first = command.split_whitespace().next().ok_or_else(|| format!("{key} is empty"))?;
    for (place, of) in [("{version}", NodeVerb::Deploy), ("{count}", NodeVerb::Scale)] {
        if command.contains(place) && verb != of {
            return Err(format!(
                "{key} = {command:?}: only {} commands have the placeholder {place}",
                of.name()
            ));
        }
        if verb == of && !command.contains(place) {
            return Err(format!("{key} = {command:?} lacks the placeholder {place}"));
        }
    }
    // Builtins of the shell, and commands that do not begin with a plain word, are not looked up.
    let is_plain = first.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_./".contains(sign));
    let of_shell = [
        "cd", "test", "if", "for", "exec", "exit", "kill", "true", "false", "echo", "printf", "set", "export",
    ];
    let is_there = || match first.contains('/') {
        true => std::path::Path::new(first).is_file(),
        false => crate::system::find_program(first, first).is_ok(),
    };
    if is_plain && !of_shell.contains(&first) && !is_there() {
        return Err(format!("{key} = {command:?}: there is no program {first}"));
    }
    Ok(())
}

/// Splits a URL into `host:port` and the path.
fn split_http_url(url: &str) -> Result<(String, String), String> {
    let wrong = || format!("{url:?}: expected http://HOST[:PORT][/PATH]");
    let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    if authority.is_empty() || authority.contains('@') {
        return Err(wrong());
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    Ok((address, format!("/{path}")))
}

fn parse_link(name: &str, table: LinkTable, known: &[String]) -> Result<YourLink, String> {
    table.listen.parse::<SocketAddr>().map_err(|_| {
        format!("listen = {:?}: expected ADDRESS:PORT, as in \"127.0.0.1:15432\"", table.listen)
    })?;
    let has_port = table.to.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !has_port {
        return Err(format!("to = {:?}: expected HOST:PORT", table.to));
    }
    let split = || {
        let splits = name.match_indices('-').map(|(at, _)| (&name[..at], &name[at + 1..]));
        let of_known = splits
            .clone()
            .find(|(from, to)| [from, to].into_iter().any(|end| known.iter().any(|known| known == end)));
        of_known.or_else(|| splits.clone().next())
    };
    let (from, node) = match (&table.from, &table.node) {
        (Some(from), Some(node)) => (from.clone(), node.clone()),
        (None, None) => match split() {
            Some((from, node)) if !from.is_empty() && !node.is_empty() => (from.to_owned(), node.to_owned()),
            _ => {
                return Err(
                    "the ends of the link are unknown: name it FROM-TO, as in [links.app-db], or set from and node"
                        .to_owned()
                );
            }
        },
        _ => return Err("set both from and node, or neither".to_owned()),
    };
    if let Some(odd) = explain_invalid_name(&from).or_else(|| explain_invalid_name(&node)) {
        return Err(odd);
    }
    if from == node {
        return Err("the link leads from a node to itself".to_owned());
    }
    Ok(YourLink { from, node, listen: table.listen, to: table.to })
}

/// Says what is wrong with the name of a node or of an end of a link; `None` if the name is valid.
fn explain_invalid_name(name: &str) -> Option<String> {
    let reserved = ["primary", "replica", "random", "all", "client"];
    if reserved.contains(&name) {
        return Some(format!("{name:?} has a fixed meaning as a target of faults. Choose another name"));
    }
    let odd = name.chars().find(|sign| !(sign.is_ascii_alphanumeric() || "-_.".contains(*sign)));
    odd.map(|odd| format!("{name:?}: {odd:?} is not allowed; a name may have letters, digits and -_."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        nodes: BTreeMap<String, NodeTable>,
        #[serde(default)]
        links: BTreeMap<String, LinkTable>,
        #[serde(default)]
        roles: BTreeMap<String, RoleTable>,
    }

    fn read(text: &str) -> Result<YourStack, String> {
        let file: File = toml::from_str(text).map_err(|why| why.to_string())?;
        YourStack::from_tables(file.nodes, file.links, file.roles, &["front".to_owned()])
    }

    const STACK: &str = "
        [nodes.web1]
        url = 'http://127.0.0.1:8081'
        ready = 'GET /health 200'
        role = 'app'
        unit = 'docker:web1'
        [nodes.db1]
        role = 'primary'
        kill = 'sh kill.sh'
        start = 'sh start.sh'
        [links.web1-db1]
        listen = '127.0.0.1:15432'
        to = '127.0.0.1:5432'
        [roles.leader]
        command = 'sh who.sh'
        ";

    #[test]
    fn a_stack_is_read() {
        let stack = read(STACK).unwrap();
        assert_eq!(stack.end_names(&["front".to_owned()]), ["front", "db1", "web1"]);
        assert_eq!(stack.role_names(), ["app", "leader"]);
        let web1 = stack.nodes.iter().find(|node| node.name == "web1").unwrap();
        let ready = web1.ready.clone().unwrap();
        assert_eq!(
            (ready.address.as_str(), ready.path.as_str(), ready.status),
            ("127.0.0.1:8081", "/health", 200)
        );
        assert_eq!((stack.links[0].from.as_str(), stack.links[0].node.as_str()), ("web1", "db1"));
    }

    #[test]
    fn what_cannot_be_undone_is_not_armed() {
        let stack = read(STACK).unwrap();
        let lets = |text: &str| {
            let strike: Strike = text.parse().unwrap();
            let target = strike.target.map(|target| target.resolve_names(&stack.end_names(&[])));
            stack.check_strike_of_nodes(&Strike { target, ..strike })
        };
        for text in ["kill:web1", "pause:app", "drain:web1", "kill:db1", "kill:primary", "restart:db1"] {
            assert_eq!(lets(text), Ok(()), "{text}");
        }
        for (text, says) in [
            ("pause:db1", "pause of db1 needs a command for pause: add pause"),
            ("replace:web1", "add replace"),
            ("deploy=2:app", "add deploy"),
            // The leader is only known when the fault strikes: each node can be it.
            ("pause:leader", "add pause"),
            ("kill:cache", "no node of the stack file has the name or the role cache"),
            ("skew=1s:web1", "is a fault of links or machines"),
        ] {
            let why = lets(text).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        }
    }

    #[test]
    fn a_file_that_makes_no_sense_is_refused_with_the_place() {
        for (text, says) in [
            ("[nodes.a]\nunits = 'docker:a'", "unknown field `units`"),
            ("[nodes.a]\nunit = 'podman:a'", "[nodes.a]: \"podman:a\" is not a unit"),
            ("[nodes.a]", "[nodes.a]: the node has neither a unit nor commands"),
            ("[nodes.primary]\nunit = 'docker:a'", "has a fixed meaning"),
            (
                "[nodes.a]\nkill = 'no-such-program-here a'\nstart = 'true'",
                "there is no program no-such-program-here",
            ),
            ("[nodes.a]\ndeploy = 'sh x'", "lacks the placeholder {version}"),
            ("[nodes.a]\nkill = 'sh x {version}'", "only deploy commands have the placeholder {version}"),
            ("[nodes.a]\nunit = 'docker:a'\nready = 'GET /x 200'", "ready needs url"),
            (
                "[nodes.a]\nunit = 'docker:a'\nurl = 'http://h'\nready = 'x'",
                "expected a request and its status",
            ),
            ("[nodes.a]\nunit = 'docker:a'\nready_within = '1h'", "at most 50s"),
            ("[links.app]\nlisten = '127.0.0.1:1'\nto = 'h:2'", "the ends of the link are unknown"),
            ("[links.app-db]\nlisten = 'here'\nto = 'h:2'", "expected ADDRESS:PORT"),
            ("[links.app-db]\nlisten = '127.0.0.1:1'\nto = 'h'", "expected HOST:PORT"),
            ("[roles.primary]", "exactly one of"),
            ("[roles.primary]\nredis = { x = 'h:1' }", "\"x\" is not a node"),
            ("[nodes.a]\nunit = 'docker:a'\nrole = 'a'", "is the name of a node and of a role"),
        ] {
            let why = read(text).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
