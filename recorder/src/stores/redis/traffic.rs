//! What has reached Redis servers, by their own count.

use super::resp::{RespConnection, RespReply};
use super::{CONNECT_PATIENCE, RedisOptions};
use crate::Traffic;

/// What a server has counted since it started, and which start that was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ServerTraffic {
    pub(super) run: String,
    pub(super) traffic: Traffic,
}

/// What each server has counted; nothing if one of them does not answer.
pub(super) async fn query_server_traffic(options: &RedisOptions) -> Option<Vec<ServerTraffic>> {
    let mut all = Vec::new();
    for (_, address) in &options.servers {
        let ask = async {
            let mut connection = RespConnection::open(address).await.ok()?;
            connection.run_command(&["INFO", "everything"]).await.ok()
        };
        let Ok(Some(RespReply::Bulk(Some(text)))) = tokio::time::timeout(CONNECT_PATIENCE, ask).await else {
            return None;
        };
        all.push(parse_server_info(&String::from_utf8_lossy(&text))?);
    }
    Some(all)
}

/// The counts in what `INFO` says. Replication is counted apart by servers since Redis 7.
fn parse_server_info(text: &str) -> Option<ServerTraffic> {
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(known, _)| *known == name).map(|(_, value)| value).next()
    };
    let number = |name: &str| field(name)?.parse::<u64>().ok();
    let replicated = |name: &str| number(name).unwrap_or(0);
    Some(ServerTraffic {
        run: field("run_id")?.to_owned(),
        traffic: Traffic {
            commands: number("total_commands_processed")?,
            bytes_in: number("total_net_input_bytes")? + replicated("total_net_repl_input_bytes"),
            bytes_out: number("total_net_output_bytes")? + replicated("total_net_repl_output_bytes"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_with_those_of_replication() {
        let text = "# Server\r\nrun_id:abc\r\ntotal_commands_processed:7\r\ntotal_net_input_bytes:100\r\n\
                    total_net_output_bytes:200\r\ntotal_net_repl_input_bytes:30\r\n\
                    total_net_repl_output_bytes:40\r\n";
        let traffic = Traffic { commands: 7, bytes_in: 130, bytes_out: 240 };
        assert_eq!(parse_server_info(text), Some(ServerTraffic { run: "abc".to_owned(), traffic }));
        assert_eq!(parse_server_info("run_id:abc\r\ntotal_commands_processed:7\r\n"), None);
    }
}
