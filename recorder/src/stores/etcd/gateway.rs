//! etcd's JSON gateway: its gRPC calls as POST requests, keys and values in base64, numbers as strings.

use crate::Failure;
use crate::stores::http::wire::{ExchangeError, HttpConnection, read_body};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use serde_json::{Value, json};
use std::time::Duration;

/// How long to wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_millis(300);

/// Codes of gRPC by which etcd says that it did not propose what was asked.
const DEFINITE: [i64; 5] = [3, 5, 8, 9, 11];

/// A connection to one member.
#[derive(Debug)]
pub(super) struct Gateway {
    address: String,
    connection: HttpConnection,
}

/// What is under a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RevisedValue {
    pub(super) bytes: Vec<u8>,
    /// The revision of the store at which it was written.
    pub(super) revision: i64,
}

impl Gateway {
    pub(super) async fn open(address: &str) -> Result<Self, Failure> {
        match tokio::time::timeout(CONNECT_PATIENCE, HttpConnection::open(address)).await {
            Ok(Ok(connection)) => Ok(Self { address: address.to_owned(), connection }),
            Ok(Err(error)) => Err(Failure::unreachable(format!("{address}: {error}"))),
            Err(_) => Err(Failure::unreachable(format!("{address}: no connection in time"))),
        }
    }

    /// Asks, and returns the answer if it is none of an error.
    pub(super) async fn post_json(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = hyper::Request::post(path)
            .header("host", &self.address)
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()));
        let request = request.map_err(|why| Failure::definite(why.to_string()))?;
        let broken = |broken| match broken {
            ExchangeError::Unsent(why) => Failure::unreachable(why),
            ExchangeError::Sent(why) => Failure::indefinite(why),
        };
        let response = self.connection.send_request(request).await.map_err(broken)?;
        let done = response.status().is_success();
        let body = read_body(response.into_body()).await.map_err(broken)?;
        let answer: Value =
            serde_json::from_slice(&body).map_err(|why| Failure::indefinite(format!("no JSON: {why}")))?;
        match done {
            // Every answer of etcd has one, and says with it that it was etcd that answered.
            true if answer.get("header").is_some_and(Value::is_object) => Ok(answer),
            true => {
                Err(Failure::indefinite(format!("an answer without a header: {}", shorten_answer(&answer))))
            }
            false => Err(classify_refusal(&answer)),
        }
    }

    pub(super) async fn get_value(
        &mut self,
        key: &str,
        serializable: bool,
    ) -> Result<Option<RevisedValue>, Failure> {
        let body = json!({"key": encode_base64(key.as_bytes()), "serializable": serializable});
        let answer = self.post_json("/v3/kv/range", &body).await?;
        let Some(found) = answer.pointer("/kvs/0") else {
            return match answer.get("kvs") {
                None => Ok(None),
                Some(list) if list.as_array().is_some_and(Vec::is_empty) => Ok(None),
                Some(other) => {
                    Err(Failure::indefinite(format!("no list of keys: {}", shorten_answer(other))))
                }
            };
        };
        if found.get("key").and_then(Value::as_str) != Some(encode_base64(key.as_bytes()).as_str()) {
            return Err(Failure::indefinite(format!(
                "asked for {key}, answered with {}",
                shorten_answer(found)
            )));
        }
        let text = found.get("value").and_then(Value::as_str).unwrap_or_default();
        let bytes = STANDARD.decode(text).map_err(|why| Failure::indefinite(format!("no base64: {why}")))?;
        Ok(Some(RevisedValue { bytes, revision: parse_number(found.get("mod_revision"))? }))
    }

    /// Writes, and returns the revision at which it was done.
    pub(super) async fn put_value(&mut self, key: &str, value: &[u8]) -> Result<i64, Failure> {
        let body = json!({"key": encode_base64(key.as_bytes()), "value": encode_base64(value)});
        let answer = self.post_json("/v3/kv/put", &body).await?;
        parse_number(answer.pointer("/header/revision"))
    }

    /// How many keys were deleted.
    pub(super) async fn delete_key(&mut self, key: &str) -> Result<i64, Failure> {
        let answer =
            self.post_json("/v3/kv/deleterange", &json!({"key": encode_base64(key.as_bytes())})).await?;
        // What is zero is left out.
        match answer.get("deleted").map_or(Ok(0), |deleted| parse_number(Some(deleted)))? {
            deleted @ 0.. => Ok(deleted),
            deleted => Err(Failure::indefinite(format!("{deleted} keys were deleted"))),
        }
    }

    /// Does the steps if all comparisons hold; whether they did.
    pub(super) async fn run_transaction(
        &mut self,
        compare: Vec<Value>,
        steps: Vec<Value>,
    ) -> Result<bool, Failure> {
        let answer = self.post_json("/v3/kv/txn", &json!({"compare": compare, "success": steps})).await?;
        match answer.get("succeeded") {
            // What is false is left out.
            None => Ok(false),
            Some(Value::Bool(succeeded)) => Ok(*succeeded),
            Some(other) => Err(Failure::indefinite(format!("succeeded: {}", shorten_answer(other)))),
        }
    }

    pub(super) async fn grant_lease(&mut self, seconds: i64) -> Result<i64, Failure> {
        let answer = self.post_json("/v3/lease/grant", &json!({"TTL": seconds.to_string()})).await?;
        parse_number(answer.get("ID"))
    }
}

/// A step that writes.
pub(super) fn build_put_step(key: &str, value: &[u8], lease: Option<i64>) -> Value {
    let mut step = json!({"key": encode_base64(key.as_bytes()), "value": encode_base64(value)});
    if let Some(lease) = lease {
        step["lease"] = json!(lease.to_string());
    }
    json!({"request_put": step})
}

/// A comparison for equality.
pub(super) fn build_comparison(key: &str, target: &str, field: &str, with: Value) -> Value {
    let mut compare = json!({"key": encode_base64(key.as_bytes()), "target": target, "result": "EQUAL"});
    compare[field] = with;
    compare
}

pub(super) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn parse_number(found: Option<&Value>) -> Result<i64, Failure> {
    let number = found.and_then(|found| found.as_str().map_or(found.as_i64(), |text| text.parse().ok()));
    number.ok_or_else(|| Failure::indefinite(format!("a number was expected, not {found:?}")))
}

/// The beginning of what was answered.
fn shorten_answer(answer: &Value) -> String {
    const SHOWN: usize = 80;
    answer.to_string().chars().take(SHOWN).collect()
}

/// See the table of [`super`].
fn classify_refusal(answer: &Value) -> Failure {
    let code = answer.get("code").and_then(Value::as_i64);
    let text = ["message", "error"].iter().find_map(|name| answer.get(*name)?.as_str());
    let text = text.map_or_else(|| answer.to_string(), str::to_owned);
    match code {
        Some(code) if DEFINITE.contains(&code) => Failure::definite(text),
        _ => Failure::indefinite(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_classified_by_their_code() {
        for (code, definite) in [(3, true), (8, true), (14, false), (4, false), (2, false)] {
            let failure = classify_refusal(
                &json!({"error": "etcdserver: x", "message": "etcdserver: x", "code": code}),
            );
            assert_eq!((failure.definite, failure.error.as_str()), (definite, "etcdserver: x"), "{code}");
        }
        assert!(!classify_refusal(&json!({})).definite);
    }

    #[test]
    fn numbers_are_strings_or_numbers() {
        assert_eq!((parse_number(Some(&json!("17"))), parse_number(Some(&json!(17)))), (Ok(17), Ok(17)));
        assert!(parse_number(None).is_err());
    }
}
