//! Takes one session through its life, and compares each answer with what the description promises.
//!
//! Two kinds of surprise are kept apart. A *misfit* means that the description is wrong or that the application is not there: a
//! run would record only failures. A *possible bug* means that the application answered as described and broke a promise, for
//! example by showing a session after its end: the run counts such answers, so they are no reason to refuse it.

mod live;

use super::HttpStore;
use super::advice::{advise_on_failure, advise_on_value, describe_expected_statuses, describe_request};
use super::description::{RequestStep, Spread};
use super::witness::{SeenExchange, Witness, show_secret};
use crate::stores::document;
use crate::{Client, Failure, Store, StoreAnswer, StoreRequest, Trace};
use histories::Function;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use workloads::{ClientOperation, SessionPayload, Value};

/// The most entries at which the session is read.
const ENTRIES_MAX: usize = 8;
/// How long another entry may take to show what was written, and how often it is asked.
const LAG_PATIENCE: Duration = Duration::from_secs(1);
/// How many nodes behind one entry are tried by repeating a request.
const NODES_TRIED_MAX: usize = 8;
const LAG_POLL: Duration = Duration::from_millis(100);
/// The field that a `patch` sets.
const FIELD: &str = "cart";

/// How a session is taken through its life.
#[derive(Clone, Debug)]
pub struct WalkSettings {
    /// The name of the user; `s-2` has the second line of the table of users. `None` for a name that was never used.
    pub user: Option<String>,
    /// How long one operation may take.
    pub patience: Duration,
    /// How long the whole walk may take.
    pub limit: Duration,
}

/// One step in the life of a session.
#[derive(Clone, Debug)]
pub struct LifeStep {
    /// The operation.
    pub operation: &'static str,
    /// The entry that the request used.
    pub entry: String,
    /// What the description promises.
    pub promised: String,
    /// What the application did.
    pub did: String,
    /// How the two compare.
    pub outcome: StepOutcome,
    /// What to do about it.
    pub advice: Option<String>,
    /// The requests and answers.
    pub exchanges: Vec<SeenExchange>,
    /// Whether the session has ended before this step.
    pub(super) after_end: bool,
}

/// How a step compares with the description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepOutcome {
    /// The application did what was promised.
    Kept,
    /// The description fits, and the application broke a promise.
    PossibleBug,
    /// The description does not fit the application.
    Misfit,
    /// The description has no such request.
    NotTried,
}

/// How much of a life is walked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WalkScope {
    /// What a run needs to know before it begins: the first entry only.
    FirstEntry,
    /// Every entry, every operation, and the id that a renewal replaced.
    Everything,
}

/// Says that a step did not fit, so that the following ones would say nothing new.
pub(super) struct WalkEnded;

/// Walks everything. Returns whether the description fits.
pub(super) async fn walk_session_life(
    store: &HttpStore,
    settings: &WalkSettings,
    tell: &mut (dyn FnMut(&LifeStep) + Send),
) -> bool {
    let mut fits = true;
    let mut tell = |step: &LifeStep| {
        fits &= step.outcome != StepOutcome::Misfit;
        tell(step);
    };
    let mut walker = LifeWalker::new(store, settings, Some(Witness::default()), &mut tell);
    let _ = walker.walk(WalkScope::Everything).await;
    fits
}

/// A user who goes through the life of one session.
pub(super) struct LifeWalker<'a> {
    store: &'a HttpStore,
    user: Arc<str>,
    /// A number that distinguishes the trace ids of this walk from those of others.
    run: u64,
    number: u64,
    patience: Duration,
    ends: Instant,
    limit: Duration,
    ended: bool,
    /// Whether some answers showed a value and others did not, so that the nodes behind an entry differ.
    nodes_differ: bool,
    witness: Option<Witness>,
    tell: &'a mut (dyn FnMut(&LifeStep) + Send),
}

impl<'a> LifeWalker<'a> {
    pub(super) fn new(
        store: &'a HttpStore,
        settings: &WalkSettings,
        witness: Option<Witness>,
        tell: &'a mut (dyn FnMut(&LifeStep) + Send),
    ) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let user = settings.user.clone().unwrap_or_else(|| format!("probe-{now}"));
        Self {
            store,
            user: user.into(),
            run: now as u64,
            number: 0,
            patience: settings.patience,
            ends: Instant::now() + settings.limit,
            limit: settings.limit,
            ended: false,
            nodes_differ: false,
            witness,
            tell,
        }
    }

    /// From the login to the reads after the end. Each step is told as soon as it is over.
    pub(super) async fn walk(&mut self, scope: WalkScope) -> Result<(), WalkEnded> {
        let (first, second) = (self.payload(1, None), self.payload(2, None));
        let user = self.user.clone();
        self.expect_done(&user, Function::CREATE, first.clone(), "the login returns a session's id").await?;
        self.expect_value(&user, &first, "after the login with it").await?;
        let mut held = first;
        if self.describes(Function::WRITE, scope) {
            self.expect_done(&user, Function::WRITE, second.clone(), "the value is written").await?;
            self.expect_value(&user, &second, "after it was written").await?;
            held = second;
        }
        if scope == WalkScope::Everything {
            self.expect_value_elsewhere(&user, &held).await?;
            held = self.walk_patch(&user, held).await?;
            self.walk_live(&user).await?;
        }
        if self.describes(Function::TOUCH, scope) {
            self.expect_done(&user, Function::TOUCH, Value::Null, "the session gets its full time again")
                .await?;
        }
        let mut key = user.clone();
        if self.describes(Function::RENEW, scope) {
            let new: Arc<str> = format!("{user}.1").into();
            let renewed = Value::Text(new.clone());
            self.expect_done(&key, Function::RENEW, renewed, "the session gets another id").await?;
            self.expect_value(&new, &held, "after the renewal").await?;
            if scope == WalkScope::Everything {
                self.expect_nothing(&key, 0, "with the id before the renewal", "old-id-alive").await?;
            }
            key = new;
        }
        if scope == WalkScope::Everything {
            self.walk_actions(&key).await?;
        }
        if self.describes(Function::DESTROY, scope) {
            self.expect_done(&key, Function::DESTROY, Value::Null, "the session ends").await?;
            self.ended = true;
            for entry in 0..if scope == WalkScope::Everything { self.walked_entries() } else { 1 } {
                self.expect_nothing(&key, entry, "after the logout", "resurrected-session").await?;
            }
            if scope == WalkScope::Everything {
                self.expect_no_live_connection(&key).await;
            }
        }
        match scope {
            WalkScope::FirstEntry => Ok(()),
            WalkScope::Everything => self.walk_audit().await,
        }
    }

    fn payload(&self, version: u64, field: Option<&str>) -> Value {
        let field = field.map(Into::into);
        Value::Payload(SessionPayload { session: self.user.clone(), field, version, bytes: 64 })
    }

    /// The entries that a user's requests use.
    fn walked_entries(&self) -> usize {
        let description = &self.store.0.description;
        match description.spread {
            Spread::Seat => description.entries.len().min(ENTRIES_MAX),
            Spread::User => 1,
        }
    }

    /// Whether the file has a request for an operation. Tells that it has none.
    fn describes(&mut self, function: Function, scope: WalkScope) -> bool {
        let described = self.store.0.description.step_for_function(function).is_ok();
        if !described && scope == WalkScope::Everything {
            let name = workloads::function_name(function);
            self.tell_untried(name, format!("the file has no [{name}]; a run does not ask for it"));
        }
        described
    }

    fn tell_untried(&mut self, operation: &'static str, why: String) {
        let step = self.seen_step(operation, 0, String::new());
        (self.tell)(&LifeStep { did: why, outcome: StepOutcome::NotTried, ..step });
    }

    /// Reads at each other entry. Sessions that are not shared, or late, are bugs that a run reports.
    async fn expect_value_elsewhere(&mut self, key: &Arc<str>, expected: &Value) -> Result<(), WalkEnded> {
        let description = &self.store.0.description;
        if self.walked_entries() == 1 {
            let why = match description.spread {
                Spread::User if description.entries.len() > 1 => {
                    "spread = \"user\": a user's requests never use another entry"
                }
                _ => "the file has no other entry to read at",
            };
            self.tell_untried("read", why.to_owned());
            return Ok(());
        }
        for entry in 1..self.walked_entries() {
            let began = Instant::now();
            let mut answer = self.execute(key, Function::READ, Value::Null, entry).await;
            let mut took = None;
            while let Ok(answered) = &answer
                && answered.value != *expected
                && began.elapsed() < LAG_PATIENCE
            {
                tokio::time::sleep(LAG_POLL).await;
                answer = self.execute(key, Function::READ, Value::Null, entry).await;
                took = Some(began.elapsed());
            }
            let promised = format!("the read here shows {}", describe_value(expected));
            let step = &self.store.0.description.read;
            match (answer, took) {
                (Err(failure), _) => return self.tell_failure(step, entry, promised, &failure),
                (Ok(answer), None) if answer.value == *expected => {
                    self.tell_kept(step.name, entry, promised, "it does".to_owned());
                }
                (Ok(answer), took) => {
                    let (did, advice) = match took.filter(|_| answer.value == *expected) {
                        Some(took) => (
                            format!("it does only after {} ms", took.as_millis()),
                            "If nothing else is late, a run reports stale-session.",
                        ),
                        None => (
                            format!("it shows {}", describe_value(&answer.value)),
                            "The entries do not share their sessions, or share them late: a run reports lost-session or \
                             stale-session. If a user always returns to one entry, set spread = \"user\".",
                        ),
                    };
                    self.tell_bug(step.name, entry, promised, did, advice.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Sets a field, and returns what the session holds then.
    async fn walk_patch(&mut self, key: &Arc<str>, held: Value) -> Result<Value, WalkEnded> {
        if !self.describes(Function::PATCH, WalkScope::Everything) {
            return Ok(held);
        }
        let patch = self.payload(3, Some(FIELD));
        self.expect_done(key, Function::PATCH, patch.clone(), "one field of the session is set").await?;
        if self.store.0.description.read.fields.is_none() {
            self.tell_untried(
                "read",
                "[read] has no fields = \"/POINTER\", so fields are not seen".to_owned(),
            );
            return Ok(held);
        }
        let held = document::combine_fields(held, [(FIELD, patch)]);
        self.expect_value(key, &held, "after a field was set").await?;
        Ok(held)
    }

    /// Does an action, and looks for it in the list of actions.
    async fn walk_actions(&mut self, key: &Arc<str>) -> Result<(), WalkEnded> {
        if !self.describes(Function::ACT, WalkScope::Everything) {
            return Ok(());
        }
        let (user, action) = (self.user.clone(), Value::Text(format!("{}/1", self.user).into()));
        self.expect_done(key, Function::ACT, action.clone(), "the action is done once").await?;
        if !self.describes(Function::ACTIONS, WalkScope::Everything) {
            return Ok(());
        }
        let promised = "the list has the action once".to_owned();
        let description = self.store.0.clone();
        let step = description.description.step_for_function(Function::ACTIONS).map_err(|_| WalkEnded)?;
        let answer = match self.execute(&user, Function::ACTIONS, Value::Null, 0).await {
            Ok(answer) => answer,
            Err(failure) => return self.tell_failure(step, 0, promised, &failure),
        };
        let listed = match &answer.value {
            Value::List(all) => all.iter().filter(|one| **one == action).count(),
            _ => 0,
        };
        let advice = match listed {
            1 => {
                self.tell_kept(step.name, 0, promised, "it does".to_owned());
                return Ok(());
            }
            0 => "If list = \"…\" names the right place, a run reports lost-action.",
            _ => "A run reports duplicated-action.",
        };
        let did = format!("it has the action {listed} times");
        self.tell_bug(step.name, 0, promised, did, advice.to_owned());
        Ok(())
    }

    async fn walk_audit(&mut self) -> Result<(), WalkEnded> {
        let store = self.store.0.clone();
        let Some(step) = &store.description.audit else { return Ok(()) };
        let promised = "the application's own record can be read".to_owned();
        match self.store.read_audit_trail().await {
            Ok(entries) => {
                let did = format!("it has {} entries", entries.map_or(0, |entries| entries.len()));
                self.tell_kept(step.name, 0, promised, did);
                Ok(())
            }
            Err(failure) => self.tell_failure(step, 0, promised, &failure),
        }
    }

    /// Executes one operation on a new connection to an entry.
    async fn execute(
        &mut self,
        key: &Arc<str>,
        function: Function,
        value: Value,
        entry: usize,
    ) -> Result<StoreAnswer, Failure> {
        self.number += 1;
        let operation = ClientOperation::on_key(key, function, value);
        let trace = Trace { run: self.run, number: self.number };
        let request =
            StoreRequest { session: &self.user, operation: &operation, deadline_ns: u64::MAX, trace };
        let left = self.ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::definite(format!("not sent: the limit of {:?} is over", self.limit)));
        }
        let patience = self.patience.min(left);
        let execute = async {
            let mut client = self.store.connect(entry).await?;
            client.witness.clone_from(&self.witness);
            client.execute(&request).await
        };
        let ended = tokio::time::timeout(patience, execute).await;
        ended.unwrap_or_else(|_| {
            let seconds = (patience.as_secs_f64() * 10.0).round() / 10.0;
            Err(Failure::indefinite(format!("no answer within {seconds} s")))
        })
    }

    async fn expect_done(
        &mut self,
        key: &Arc<str>,
        function: Function,
        value: Value,
        promised: &str,
    ) -> Result<(), WalkEnded> {
        let store = self.store.0.clone();
        let step = store.description.step_for_function(function).map_err(|_| WalkEnded)?;
        let mut done = self.execute(key, function, value.clone(), 0).await;
        for _ in 0..NODES_TRIED_MAX {
            if !self.nodes_differ || done.is_ok() {
                break;
            }
            // A node without the session refuses. The next request goes to the next node.
            done = self.execute(key, function, value.clone(), 0).await;
        }
        if let Err(failure) = done {
            return self.tell_failure(step, 0, promised.to_owned(), &failure);
        }
        let named = match &value {
            Value::Text(new) if function == Function::RENEW => self.store.session_id_of(new),
            _ if function == Function::CREATE => self.store.session_id_of(key),
            _ => None,
        };
        let did = named.map_or_else(
            || "it does".to_owned(),
            |id| {
                format!(
                    "it does: {} = {}",
                    store.description.id.describe_place(),
                    show_secret(&store.secrets, &id)
                )
            },
        );
        self.tell_kept(step.name, 0, promised.to_owned(), did);
        Ok(())
    }

    async fn expect_value(&mut self, key: &Arc<str>, expected: &Value, when: &str) -> Result<(), WalkEnded> {
        let promised = format!("the read shows {} {when}", describe_value(expected));
        let store = self.store.0.clone();
        let read = &store.description.read;
        match self.execute(key, Function::READ, Value::Null, 0).await {
            Ok(answer) if answer.value == *expected => {
                self.tell_kept(read.name, 0, promised, "it does".to_owned());
                Ok(())
            }
            Ok(answer) if self.is_shown_by_another_node(key, expected).await => {
                self.nodes_differ = true;
                let did =
                    format!("one answer shows {}, and a later one shows it", describe_value(&answer.value));
                let advice = "The nodes behind this entry do not share their sessions, or share them late: a run reports \
                              lost-session or stale-session.";
                self.tell_bug(read.name, 0, promised, did, advice.to_owned());
                Ok(())
            }
            Ok(answer) => {
                let did = format!(
                    "[read] {} returns {} {when}; expected {}",
                    describe_request(read),
                    describe_value(&answer.value),
                    describe_value(expected),
                );
                let seen = self.seen_step(read.name, 0, promised);
                let advice = advise_on_value(read, expected, &answer.value, &seen.exchanges);
                Err(self.tell_misfit(seen, did, advice))
            }
            Err(failure) => self.tell_failure(read, 0, promised, &failure),
        }
    }

    /// Whether one of the next reads shows a value. A balancer sends them to one node after another.
    async fn is_shown_by_another_node(&mut self, key: &Arc<str>, expected: &Value) -> bool {
        for _ in 0..NODES_TRIED_MAX {
            let answer = self.execute(key, Function::READ, Value::Null, 0).await;
            if answer.is_ok_and(|answer| answer.value == *expected) {
                return true;
            }
        }
        false
    }

    /// Reads with an id that is no longer valid. An answer with a value is a bug that a run reports under this name.
    async fn expect_nothing(
        &mut self,
        key: &Arc<str>,
        entry: usize,
        when: &str,
        finding: &str,
    ) -> Result<(), WalkEnded> {
        let promised = format!("the read shows nothing {when}");
        let store = self.store.0.clone();
        let read = &store.description.read;
        match self.execute(key, Function::READ, Value::Null, entry).await {
            Ok(answer) if answer.value == Value::Null => {
                self.tell_kept(read.name, entry, promised, "it does".to_owned());
                Ok(())
            }
            Ok(answer) => {
                let did = format!("it shows {}", describe_value(&answer.value));
                let advice = format!(
                    "If the description is right, this is a bug of the application: a run reports {finding}. If the read \
                     needs no session, choose a path that does."
                );
                self.tell_bug(read.name, entry, promised, did, advice);
                Ok(())
            }
            Err(failure) => self.tell_failure(read, entry, promised, &failure),
        }
    }

    fn tell_failure(
        &mut self,
        step: &RequestStep,
        entry: usize,
        promised: String,
        failure: &Failure,
    ) -> Result<(), WalkEnded> {
        let seen = self.seen_step(step.name, entry, promised);
        let did = format!(
            "[{}] {} does not do what the description says: {}; expected a status of {}",
            step.name,
            describe_request(step),
            failure.error,
            describe_expected_statuses(step),
        );
        let advice = advise_on_failure(step, &self.store.0.description, entry, failure, &seen.exchanges);
        Err(self.tell_misfit(seen, did, advice))
    }

    fn tell_misfit(&mut self, seen: LifeStep, did: String, advice: String) -> WalkEnded {
        (self.tell)(&LifeStep { did, outcome: StepOutcome::Misfit, advice: Some(advice), ..seen });
        WalkEnded
    }

    fn tell_kept(&mut self, operation: &'static str, entry: usize, promised: String, did: String) {
        let step = self.seen_step(operation, entry, promised);
        (self.tell)(&LifeStep { did, ..step });
    }

    fn tell_bug(
        &mut self,
        operation: &'static str,
        entry: usize,
        promised: String,
        did: String,
        advice: String,
    ) {
        let step = self.seen_step(operation, entry, promised);
        (self.tell)(&LifeStep { did, outcome: StepOutcome::PossibleBug, advice: Some(advice), ..step });
    }

    /// A step that did what was promised, with the exchanges since the last step.
    fn seen_step(&self, operation: &'static str, entry: usize, promised: String) -> LifeStep {
        LifeStep {
            operation,
            entry: self.store.0.description.entries[entry].name.to_string(),
            promised,
            did: String::new(),
            outcome: StepOutcome::Kept,
            advice: None,
            exchanges: self.take_exchanges(),
            after_end: self.ended,
        }
    }

    fn take_exchanges(&self) -> Vec<SeenExchange> {
        self.witness.as_ref().map_or_else(Vec::new, Witness::take_exchanges)
    }
}

/// A value as a person reads it: which one of this walk it is, or what it is instead.
pub(super) fn describe_value(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Payload(payload) => format!("value {} of {}", payload.version, payload.session),
        Value::Torn { bytes, .. } => format!("another text of {bytes} bytes"),
        Value::Fields(fields) => {
            let all: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}: {}", describe_value(value))).collect();
            all.join(", ")
        }
        other => other.to_json(),
    }
}
