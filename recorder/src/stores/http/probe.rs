//! Checks that a description fits the application, before anything is recorded.

use super::HttpStore;
use super::description::RequestStep;
use crate::{Client, Failure, Store, StoreAnswer, StoreRequest, Trace};
use histories::Function;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use workloads::{ClientOperation, SessionPayload, Value};

/// How long each request of the probe may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes one session through its life, from the login to a read after the logout. Returns remarks about possible bugs of
/// the application.
///
/// # Errors
/// Says which step does not fit the description.
pub(super) async fn probe_session_life(store: &HttpStore) -> Result<Vec<String>, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let user: Arc<str> = format!("probe-{now}").into();
    let (mut asker, first, second) = (
        ProbeClient { store, user: &user, run: now as u64, number: 0 },
        probe_payload(&user, 1),
        probe_payload(&user, 2),
    );
    let description = &store.0.description;
    asker.expect_success(&user, Function::CREATE, first.clone()).await?;
    asker.expect_value(&user, &first, "after the login with it").await?;
    if description.write.is_some() {
        asker.expect_success(&user, Function::WRITE, second.clone()).await?;
        asker.expect_value(&user, &second, "after it was written").await?;
    }
    if description.touch.is_some() {
        asker.expect_success(&user, Function::TOUCH, Value::Null).await?;
    }
    let mut key = user.clone();
    if description.renew.is_some() {
        let new: Arc<str> = format!("{user}.1").into();
        asker.expect_success(&key, Function::RENEW, Value::Text(new.clone())).await?;
        key = new;
        let expected = if description.write.is_some() { &second } else { &first };
        asker.expect_value(&key, expected, "after the renewal").await?;
    }
    let mut suspicions = Vec::new();
    if description.destroy.is_some() {
        asker.expect_success(&key, Function::DESTROY, Value::Null).await?;
        if let Err(why) = asker.expect_value(&key, &Value::Null, "after the logout").await {
            // Everything before the logout fits the description, so this may be a bug of the application.
            suspicions.push(format!(
                "after the logout the session is still there. If the description is right, this is a bug that the run \
                 reports as resurrected-session. Otherwise: {why}"
            ));
        }
    }
    Ok(suspicions)
}

fn probe_payload(user: &Arc<str>, version: u64) -> Value {
    Value::Payload(SessionPayload { session: user.clone(), field: None, version, bytes: 64 })
}

struct ProbeClient<'a> {
    store: &'a HttpStore,
    user: &'a Arc<str>,
    /// A number that distinguishes the trace ids of this probe from those of others.
    run: u64,
    number: u64,
}

impl ProbeClient<'_> {
    async fn execute_operation(
        &mut self,
        key: &Arc<str>,
        function: Function,
        value: Value,
    ) -> Result<StoreAnswer, Failure> {
        self.number += 1;
        let operation = ClientOperation::on_key(key, function, value);
        let trace = Trace { run: self.run, number: self.number };
        let request =
            StoreRequest { session: self.user, operation: &operation, deadline_ns: u64::MAX, trace };
        let execute = async { self.store.connect(0).await?.execute(&request).await };
        let ended = tokio::time::timeout(PATIENCE, execute).await;
        ended.unwrap_or_else(|_| Err(Failure::indefinite("no answer within 5 s")))
    }

    async fn expect_success(
        &mut self,
        key: &Arc<str>,
        function: Function,
        value: Value,
    ) -> Result<(), String> {
        match self.execute_operation(key, function, value).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.describe_misfit(function, &failure)),
        }
    }

    async fn expect_value(&mut self, key: &Arc<str>, expected: &Value, when: &str) -> Result<(), String> {
        let read = &self.store.0.description.read;
        match self.execute_operation(key, Function::READ, Value::Null).await {
            Ok(answer) if answer.value == *expected => Ok(()),
            Ok(answer) => Err(format!(
                "[read] {} returns {2} {when}; expected {1}. Correct the places of the value in the answer (value, \
                 fields) or the statuses that mean that there is no session (absent)",
                describe_request(read),
                describe_value(expected),
                describe_value(&answer.value),
            )),
            Err(failure) => Err(self.describe_misfit(Function::READ, &failure)),
        }
    }

    fn describe_misfit(&self, function: Function, failure: &Failure) -> String {
        let Ok(step) = self.store.0.description.step_for_function(function) else {
            return failure.error.clone();
        };
        let expected = match step.ok.is_empty() {
            true => "200 to 299".to_owned(),
            false => step.ok.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
        };
        format!(
            "[{}] {} does not do what the description says: {}; expected a status of {expected}. Look into the \
             application's log, or correct the description",
            step.name,
            describe_request(step),
            failure.error,
        )
    }
}

fn describe_request(step: &RequestStep) -> String {
    format!("({} {})", step.method, step.path)
}

fn describe_value(value: &Value) -> String {
    if *value == Value::Null { "nothing".to_owned() } else { value.to_json() }
}
