//! Reads facts from Redis servers and Sentinels: roles, replication, restarts and epochs.

use super::resp::{RespConnection, RespReply};
use super::{GROUP, RedisOptions};
use crate::StackFact;
use crate::stack_fact::{ask_together, told_in_time};
use std::sync::Arc;
use workloads::Value;

/// The lag of a replica is only reported in these steps. A replica is always a few bytes behind, and each exact figure would
/// be a change of its own.
const LAG_STEPS: [(u64, &str); 4] = [
    (64 << 20, "64MiB or more"),
    (1 << 20, "1MiB or more"),
    (64 << 10, "64KiB or more"),
    (0, "less than 64KiB"),
];

/// Asks all servers and Sentinels at the same time, and returns their facts.
pub(crate) async fn read_facts_of(servers: &[(Arc<str>, String)], sentinels: &[String]) -> Vec<StackFact> {
    let of_servers = servers.iter().cloned().map(|(name, address)| {
        let question = async move {
            let asked = name.clone();
            told_in_time(&name, async move { parse_server_facts(&asked, &fetch_info(&address).await?) }).await
        };
        Box::pin(question) as std::pin::Pin<Box<dyn Future<Output = Vec<StackFact>> + Send>>
    });
    let names: Arc<[(Arc<str>, String)]> = servers.into();
    let of_sentinels = sentinels.iter().cloned().zip(1..).map(|(address, number)| {
        let names = names.clone();
        let question = async move {
            let node: Arc<str> = format!("sentinel {number}").into();
            let asked = node.clone();
            told_in_time(&node, async move {
                parse_sentinel_facts(&asked, &fetch_sentinel_view(&address).await?, &names)
            })
            .await
        };
        Box::pin(question) as _
    });
    ask_together(of_servers.chain(of_sentinels).collect::<Vec<_>>()).await
}

impl RedisOptions {
    pub(super) async fn read_all_facts(&self) -> Vec<StackFact> {
        read_facts_of(&self.servers, &self.sentinels).await
    }
}

async fn fetch_info(address: &str) -> Option<String> {
    let mut connection = RespConnection::open(address).await.ok()?;
    let commands = ["server", "replication"].map(|part| vec![b"INFO".to_vec(), part.as_bytes().to_vec()]);
    let mut text = String::new();
    for reply in connection.run_commands(&commands).await.ok()? {
        let RespReply::Bulk(Some(bytes)) = reply else { return None };
        text += &String::from_utf8_lossy(&bytes);
        text += "\n";
    }
    Some(text)
}

/// Reads the facts of a server from its answer to `INFO`.
fn parse_server_facts(node: &Arc<str>, text: &str) -> Option<Vec<StackFact>> {
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value.trim())
    };
    let role = match field("role")? {
        "master" => "primary",
        "slave" => "replica",
        other => other,
    };
    // Eight of the forty digits suffice to distinguish two processes.
    let process: String = field("run_id")?.chars().take(8).collect();
    let mut facts =
        vec![StackFact::new(node, "process", process.as_str()), StackFact::new(node, "role", role)];
    if let Some(link) = field("master_link_status") {
        facts.push(StackFact::new(node, "replication-link", link));
    }
    if role == "primary" {
        let count = field("connected_slaves").and_then(|count| count.parse().ok()).unwrap_or(0);
        facts.push(StackFact::new(node, "replicas", Value::Int(count)));
        if let Some(lag) = largest_replica_lag(text, field("master_repl_offset")?.parse().ok()?) {
            facts.push(StackFact::new(node, "replica-lag", lag));
        }
    }
    Some(facts)
}

/// The lag of the replica that is furthest behind, in the steps of [`LAG_STEPS`]. The primary lists its replicas as
/// `slave0:ip=…,port=…,state=online,offset=…,lag=…`.
fn largest_replica_lag(text: &str, own_offset: u64) -> Option<&'static str> {
    let replicas = text.lines().filter(|line| line.starts_with("slave") && line.contains(",offset="));
    let offsets = replicas.filter_map(|line| line.split(',').find_map(|part| part.strip_prefix("offset=")));
    let least = offsets.filter_map(|offset| offset.parse::<u64>().ok()).min()?;
    let behind = own_offset.saturating_sub(least);
    LAG_STEPS.iter().find(|(from, _)| behind >= *from).map(|(_, name)| *name)
}

async fn fetch_sentinel_view(sentinel: &str) -> Option<Vec<String>> {
    let mut connection = RespConnection::open(sentinel).await.ok()?;
    let RespReply::Array(Some(fields)) = connection.run_command(&["SENTINEL", "master", GROUP]).await.ok()?
    else {
        return None;
    };
    let text = |field| match field {
        RespReply::Bulk(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    };
    Some(fields.into_iter().map(text).collect())
}

/// Reads the facts from a Sentinel's answer about the primary, which alternates names and values.
fn parse_sentinel_facts(
    node: &Arc<str>,
    fields: &[String],
    servers: &[(Arc<str>, String)],
) -> Option<Vec<StackFact>> {
    let field = |name: &str| fields.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair.get(1));
    let address = format!("{}:{}", field("ip")?, field("port")?);
    let name = servers.iter().find(|(_, known)| *known == address).map_or(address.as_str(), |(name, _)| name);
    let epoch = field("config-epoch")?.parse().ok()?;
    let down =
        ["o_down", "s_down"].into_iter().find(|flag| field("flags").is_some_and(|all| all.contains(flag)));
    Some(vec![
        StackFact::new(node, "primary", name),
        StackFact::new(node, "epoch", Value::Int(epoch)),
        StackFact::new(node, "sees-primary", down.unwrap_or("up")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(facts: Option<Vec<StackFact>>) -> Vec<String> {
        let facts = facts.expect("facts");
        facts.iter().map(|fact| format!("{}={}", fact.what, fact.value.to_json())).collect()
    }

    #[test]
    fn a_primary_tells_its_role_and_how_far_its_replicas_are() {
        let node: Arc<str> = "n1".into();
        let text = "run_id:0123456789abcdef\r\nrole:master\r\nconnected_slaves:2\r\n\
                    slave0:ip=127.0.0.12,port=1,state=online,offset=900,lag=0\r\n\
                    slave1:ip=127.0.0.13,port=2,state=online,offset=100,lag=0\r\nmaster_repl_offset:70000\r\n";
        let expected =
            ["process=\"01234567\"", "role=\"primary\"", "replicas=2", "replica-lag=\"64KiB or more\""];
        assert_eq!(told(parse_server_facts(&node, text)), expected);
        let text = "run_id:ff\r\nrole:slave\r\nmaster_link_status:down\r\n";
        let expected = ["process=\"ff\"", "role=\"replica\"", "replication-link=\"down\""];
        assert_eq!(told(parse_server_facts(&node, text)), expected);
        assert_eq!(parse_server_facts(&node, "loading"), None);
    }

    #[test]
    fn a_sentinel_tells_the_primary_by_its_name() {
        let node: Arc<str> = "sentinel 1".into();
        let fields =
            ["name", "g", "ip", "127.0.0.12", "port", "7", "flags", "s_down,master", "config-epoch", "3"];
        let fields: Vec<String> = fields.map(str::to_owned).to_vec();
        let servers = [("n2".into(), "127.0.0.12:7".to_owned())];
        let expected = ["primary=\"n2\"", "epoch=3", "sees-primary=\"s_down\""];
        assert_eq!(told(parse_sentinel_facts(&node, &fields, &servers)), expected);
    }
}
