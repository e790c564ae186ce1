//! Finds out which node has a role at the moment, by asking the stack itself.

use super::shell::run_command;
use super::tables::{RoleSource, YourStack};
use crate::stores::http::wire::{HttpConnection, read_body};
use crate::stores::postgres::is_in_recovery;
use crate::stores::redis::resp::{RespConnection, RespReply};
use bytes::Bytes;
use http_body_util::Full;
use std::collections::BTreeMap;
use std::time::Duration;

/// Timeout of finding the node that has a role.
const PATIENCE: Duration = Duration::from_secs(5);
/// Timeout of one server's answer about its own role.
const SERVER_PATIENCE: Duration = Duration::from_millis(500);

impl YourStack {
    /// The names of the nodes that have a role now. If the stack file has `[roles.ROLE]`, this is the one node that it
    /// finds. Otherwise these are the nodes with `role = "ROLE"`.
    pub(super) async fn find_nodes_with_role(&self, role: &str) -> Result<Vec<String>, String> {
        let Some(source) = self.roles.get(role) else {
            let borne = self.nodes.iter().filter(|node| node.role.as_deref() == Some(role));
            return Ok(borne.map(|node| node.name.clone()).collect());
        };
        let found = tokio::time::timeout(PATIENCE, ask_role_source(source)).await;
        let found = found.unwrap_or_else(|_| Err("no answer within 5 s".to_owned()));
        let name = found.map_err(|why| format!("[roles.{role}]: {why}"))?;
        match self.nodes.iter().any(|node| node.name == name) {
            true => Ok(vec![name]),
            false => Err(format!("[roles.{role}] found {name:?}, which is not a node of the stack file")),
        }
    }
}

async fn ask_role_source(source: &RoleSource) -> Result<String, String> {
    match source {
        RoleSource::Command(command) => {
            let ran = run_command(command, PATIENCE).await.into_result()?;
            Ok(ran.printed.lines().next().unwrap_or_default().trim().to_owned())
        }
        RoleSource::Http(address, path, pointer) => read_name_over_http(address, path, pointer).await,
        RoleSource::Redis(servers) => {
            find_only_primary(servers, |address| async move {
                let mut connection = RespConnection::open(&address).await.ok()?;
                match connection.run_command(&["ROLE"]).await.ok()? {
                    RespReply::Array(Some(parts)) => {
                        Some(matches!(parts.first(), Some(RespReply::Bulk(Some(role))) if role == b"master"))
                    }
                    _ => None,
                }
            })
            .await
        }
        RoleSource::Postgres(servers) => {
            find_only_primary(servers, |address| async move {
                is_in_recovery(&address).await.map(|recovers| !recovers)
            })
            .await
        }
    }
}

/// The only server that answers yes; an error if none or several do.
async fn find_only_primary<F: Future<Output = Option<bool>>>(
    servers: &BTreeMap<String, String>,
    asks: impl Fn(String) -> F,
) -> Result<String, String> {
    let mut found = Vec::new();
    for (name, address) in servers {
        let told = tokio::time::timeout(SERVER_PATIENCE, asks(address.clone())).await;
        if matches!(told, Ok(Some(true))) {
            found.push(name.as_str());
        }
    }
    match found.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err("no server says that it is the primary".to_owned()),
        several => Err(format!("several servers say that they are the primary: {}", several.join(", "))),
    }
}

async fn read_name_over_http(address: &str, path: &str, pointer: &str) -> Result<String, String> {
    let told = async {
        let mut connection = HttpConnection::open(address).await.map_err(|why| why.to_string())?;
        let request = hyper::Request::get(path).header("host", address).body(Full::<Bytes>::default());
        let request = request.map_err(|why| why.to_string())?;
        let response = connection.send_request(request).await.map_err(|broken| broken.reason())?;
        let status = response.status();
        let body = read_body(response.into_body()).await.map_err(|broken| broken.reason())?;
        if !status.is_success() {
            return Err(format!("status {}", status.as_u16()));
        }
        if pointer.is_empty() {
            return Ok(String::from_utf8_lossy(&body).trim().to_owned());
        }
        let json: serde_json::Value =
            serde_json::from_slice(&body).map_err(|why| format!("the answer is not JSON: {why}"))?;
        let name = json.pointer(pointer).and_then(serde_json::Value::as_str);
        name.map(str::to_owned).ok_or_else(|| format!("the answer has no string at {pointer}"))
    };
    told.await.map_err(|why| format!("http://{address}{path}: {why}"))
}
