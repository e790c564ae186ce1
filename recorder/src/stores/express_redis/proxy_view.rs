//! Reads from HAProxy's socket in which state the proxy has each node of the application.

use crate::StackFact;
use crate::stack_fact::told_in_time;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 18;

/// The state that the proxy has each node in.
pub(super) async fn proxy_facts(socket: &Path) -> Vec<StackFact> {
    let ask = async {
        let mut stream = UnixStream::connect(socket).await.ok()?;
        stream.write_all(b"show stat\n").await.ok()?;
        let mut text = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text).await.ok()?;
        parse_proxy_facts(&text)
    };
    told_in_time(&"proxy".into(), ask).await
}

/// The facts in the table that `show stat` prints: names of the columns after `# `, then a line for each server.
fn parse_proxy_facts(text: &str) -> Option<Vec<StackFact>> {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next()?.strip_prefix("# ")?.split(',').collect();
    let place = |name| columns.iter().position(|column| *column == name);
    let (name_at, status_at) = (place("svname")?, place("status")?);
    let facts = lines.filter_map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let (name, status) = (*cells.get(name_at)?, *cells.get(status_at)?);
        if ["FRONTEND", "BACKEND"].contains(&name) {
            return None;
        }
        // While health checks are being counted the status is `UP 1/2`. The state changes only when the count is full.
        let status = status.split(' ').next().unwrap_or(status);
        let node: Arc<str> = name.into();
        Some(StackFact::new(&node, "proxy-sees", status))
    });
    Some(facts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_the_state_that_the_table_says() {
        let text = "# pxname,svname,qcur,status\nstack,FRONTEND,,OPEN\nstack,a1,0,UP\nstack,a2,0,DOWN 1/2\n\
                    stack,BACKEND,0,UP\n\n";
        let facts = parse_proxy_facts(text).expect("a table");
        let told: Vec<String> =
            facts.iter().map(|fact| format!("{} {}", fact.node, fact.value.to_json())).collect();
        assert_eq!(told, ["a1 \"UP\"", "a2 \"DOWN\""]);
        assert_eq!(parse_proxy_facts("nonsense"), None);
    }
}
