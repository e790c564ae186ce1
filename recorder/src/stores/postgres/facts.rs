//! Reads facts from PostgreSQL servers: roles, timelines, restarts and the state of replication.

use super::protocol::{PostgresConnection, TextRow};
use crate::StackFact;
use crate::stack_fact::{ask_together, told_in_time};
use std::sync::Arc;
use workloads::Value;

const OWN: &str = "SELECT pg_is_in_recovery(), (SELECT timeline_id FROM pg_control_checkpoint()), \
                   extract(epoch FROM pg_postmaster_start_time())::text";
const REPLICAS: &str = "SELECT application_name, state, sync_state FROM pg_stat_replication";

/// Asks all servers at the same time, and returns their facts.
pub(super) async fn read_facts_of(servers: &[(Arc<str>, String)]) -> Vec<StackFact> {
    let questions = servers.iter().cloned().map(|(name, address)| async move {
        let asked = name.clone();
        let ask = async move {
            let mut connection = PostgresConnection::open(&address).await.ok()?;
            let own = connection.run_query(OWN).await.ok()?.pop()?.rows.pop()?;
            let replicas = connection.run_query(REPLICAS).await.ok()?.pop()?.rows;
            parse_own_facts(&asked, &own).map(|facts| [facts, parse_replica_facts(&replicas)].concat())
        };
        told_in_time(&name, ask).await
    });
    ask_together(questions).await
}

/// Whether the server at an address is a standby; `None` if it does not answer. There is no timeout.
pub(crate) async fn is_in_recovery(address: &str) -> Option<bool> {
    let mut connection = PostgresConnection::open(address).await.ok()?;
    let done = connection.run_query("SELECT pg_is_in_recovery()").await.ok()?.pop()?;
    done.rows.first()?.first()?.as_deref().map(|told| told == "t")
}

fn parse_own_facts(node: &Arc<str>, row: &TextRow) -> Option<Vec<StackFact>> {
    let [Some(recovers), Some(timeline), Some(started)] = row.as_slice() else { return None };
    let role = if recovers == "t" { "replica" } else { "primary" };
    let mut facts =
        vec![StackFact::new(node, "process", started.as_str()), StackFact::new(node, "role", role)];
    // A standby shows the timeline of its last checkpoint, which may be older than that of its primary.
    if role == "primary" {
        facts.push(StackFact::new(node, "epoch", Value::Int(timeline.parse().ok()?)));
    }
    Some(facts)
}

/// The state of each replica, from the primary's view. Its `application_name` is the name of the node.
fn parse_replica_facts(rows: &[TextRow]) -> Vec<StackFact> {
    let fact = |row: &TextRow| match row.as_slice() {
        [Some(name), Some(state), Some(sync)] => {
            let node: Arc<str> = name.as_str().into();
            Some(StackFact::new(&node, "replication", format!("{state}, {sync}").as_str()))
        }
        _ => None,
    };
    rows.iter().filter_map(fact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promoted_standby_tells_a_new_timeline() {
        let row = |recovers: &str, timeline: &str| {
            [recovers, timeline, "17.5"].map(|text| Some(text.to_owned())).to_vec()
        };
        let told = |row: &TextRow| -> Vec<String> {
            let facts = parse_own_facts(&"p2".into(), row).expect("facts");
            facts.iter().map(|fact| format!("{}={}", fact.what, fact.value.to_json())).collect()
        };
        assert_eq!(told(&row("t", "1")), ["process=\"17.5\"", "role=\"replica\""]);
        assert_eq!(told(&row("f", "2")), ["process=\"17.5\"", "role=\"primary\"", "epoch=2"]);
        assert_eq!(parse_own_facts(&"p2".into(), &vec![None]), None);
    }
}
