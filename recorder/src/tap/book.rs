//! The sessions that the tap has seen begin: their ids, their users, and what was written to them.
//!
//! The history names sessions as a driven run names them: `s-1`, and after a renewal `s-1.1`. The book knows which name an id stands
//! for, from the answer that gave the id out. An id that replaces another one without a renewal (a rolling cookie) stands for the
//! same session.
//!
//! **What the book does not know is not recorded.** A session that began before the tap has an unknown content, so requests with
//! its id are passed on and counted. The same holds from the moment at which something unrecognised may have changed a session:
//! a request with an unsafe method (RFC 9110, §9.2.1), or an answer that removes the id. Reads would otherwise be compared with a
//! content that the session no longer has to have. Such a session is *left*.

use super::actions::ActionBook;
use super::pattern::Captured;
use super::recognise::{Recogniser, StepMatch, StepRole};
use super::unrecorded::{IDS_MAX, Unrecorded};
use super::values::{TextDigest, ValueBook, WrittenValue, parse_driven_payload, version_before_first};
use crate::stores::http::template::TemplatePlace;
use histories::Function;
use std::collections::HashMap;
use std::sync::Arc;
use workloads::{ClientOperation, SessionPayload, Value};

/// The number of a session in the book.
pub(super) type SessionNumber = usize;

/// What an id stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum IdOwner {
    /// A login gave it out, and no value was written since.
    LoggedIn,
    Session(SessionNumber),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SessionLife {
    Alive,
    /// Its end was acknowledged. Reads with its id are recorded: they show whether it really ended.
    Ended,
    /// A login was asked for with its id, and is not answered. It may replace the session.
    LoggingIn,
    /// Something unrecognised may have changed it.
    Left,
}

impl SessionLife {
    /// Whether what its id shows is certain.
    fn is_left(self) -> bool {
        matches!(self, Self::LoggingIn | Self::Left)
    }
}

#[derive(Clone, Debug)]
struct FollowedSession {
    key: Arc<str>,
    user: Arc<str>,
    life: SessionLife,
}

/// One user of the history: one browser.
#[derive(Clone, Debug)]
struct KnownUser {
    /// Keys after the first one.
    later_keys: u64,
    /// The number of the last payload that the book gave out.
    version: u64,
    /// Whether a driven run made its payloads.
    driven: bool,
    /// The fields that were patched.
    patched: Vec<Arc<str>>,
}

/// Who uses an account, by the name that requests have at `{user}`.
#[derive(Clone, PartialEq, Eq, Debug)]
enum AccountUser {
    One(Arc<str>),
    Several,
}

/// An operation that a request asks for.
#[derive(Clone, Debug)]
pub(super) struct PlannedOperation {
    /// The number of its step.
    pub(super) step: usize,
    pub(super) user: Arc<str>,
    pub(super) operation: ClientOperation,
    /// The session that it is about, and for a renewal the session that follows it.
    session: Option<SessionNumber>,
    next: Option<SessionNumber>,
    sent_id: Option<String>,
    written: Option<WrittenValue>,
}

impl PlannedOperation {
    /// The id that the request sent.
    pub(super) fn sent_id(&self) -> Option<&str> {
        self.sent_id.as_deref()
    }
}

/// What a request means.
#[derive(Debug)]
pub(super) enum RequestMeaning {
    Operation(Box<PlannedOperation>),
    /// A part of a step that is recorded with another request. `login` is the step, if it is the last request of a login.
    Part {
        login: Option<usize>,
    },
    Unrecorded(Unrecorded),
}

/// How much of an answer's meaning is certain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AnswerStanding {
    Done,
    /// The operation had no effect.
    Failed,
    Unclear,
}

/// The sessions, users, values and actions of a recording.
#[derive(Debug)]
pub(super) struct SessionBook {
    /// Whether a login has requests before the first write of a session.
    logs_in_before: bool,
    digest: TextDigest,
    ids: HashMap<u128, IdOwner>,
    sessions: Vec<FollowedSession>,
    users: HashMap<Arc<str>, KnownUser>,
    accounts: HashMap<u128, AccountUser>,
    values: ValueBook,
    actions: ActionBook,
    begun: u64,
    unchanged_renewals: u64,
}

impl SessionBook {
    pub(super) fn new(logs_in_before: bool) -> Self {
        Self {
            logs_in_before,
            digest: TextDigest::default(),
            ids: HashMap::new(),
            sessions: Vec::new(),
            users: HashMap::new(),
            accounts: HashMap::new(),
            values: ValueBook::default(),
            actions: ActionBook::default(),
            begun: 0,
            unchanged_renewals: 0,
        }
    }

    /// The number of sessions that were recorded, those after renewals included.
    pub(super) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// The number of sessions that something unrecognised may have changed.
    pub(super) fn left_count(&self) -> usize {
        self.sessions.iter().filter(|session| session.life.is_left()).count()
    }

    /// The number of acknowledged renewals that gave out no new id.
    pub(super) fn unchanged_renewals(&self) -> u64 {
        self.unchanged_renewals
    }

    fn owner_of(&self, id: Option<&str>) -> Option<IdOwner> {
        self.ids.get(&self.digest.of_text(id?)).copied()
    }

    /// Decides what a request means. `matches` are the steps that it fits, the best first; `body_bytes` is the length of a body that
    /// was not looked at.
    pub(super) fn interpret_request(
        &mut self,
        recogniser: &Recogniser,
        matches: &[StepMatch],
        sent_id: Option<&str>,
        body_bytes: u64,
    ) -> RequestMeaning {
        let sent =
            sent_id.or_else(|| matches.iter().find_map(|found| found.captured.text_at(TemplatePlace::Id)));
        let owner = self.owner_of(sent);
        let mut refused = None;
        for (at, found) in matches.iter().enumerate() {
            let function = match recogniser.step(found.step).role {
                StepRole::Operation(function) => function,
                StepRole::Before { function, last } => {
                    let is_login = last && function == Function::CREATE;
                    if is_login {
                        self.note_login_request(owner, SessionLife::LoggingIn);
                    }
                    return RequestMeaning::Part { login: is_login.then_some(found.step) };
                }
                StepRole::Beside => return RequestMeaning::Part { login: None },
            };
            let planned = match function {
                Function::CREATE => {
                    let others = matches[at + 1..].iter();
                    let mut others = others.map(|other| recogniser.step(other.step).role);
                    let alone = !others.any(|role| matches!(role, StepRole::Operation(_)));
                    if !self.begins_session(owner, alone) {
                        refused = Some(self.refuse_create(owner, alone));
                        continue;
                    }
                    self.plan_create(found, body_bytes)
                }
                Function::ACTIONS => self.plan_actions(found, owner),
                _ => self.plan_on_session(function, found, owner, body_bytes),
            };
            match planned {
                Ok(planned) => {
                    if function == Function::CREATE {
                        self.note_login_request(owner, SessionLife::Left);
                    }
                    if let (Function::CREATE, Some(IdOwner::LoggedIn), Some(number)) =
                        (function, owner, planned.session)
                    {
                        // A second request with this id belongs to the same session, even before the answer to the first.
                        self.give_out(sent, number);
                    }
                    let sent_id = sent.map(str::to_owned);
                    let step = found.step;
                    return RequestMeaning::Operation(Box::new(PlannedOperation {
                        step,
                        sent_id,
                        ..planned
                    }));
                }
                Err(why) => {
                    refused = Some(why);
                    if let (Function::ACT, Some(id)) =
                        (function, found.captured.text_at(TemplatePlace::Action))
                    {
                        self.actions.note_unrecorded_request(&self.digest, id);
                    }
                }
            }
        }
        RequestMeaning::Unrecorded(refused.unwrap_or(Unrecorded::Incomplete))
    }

    /// A login may replace the session that its browser has, while other requests are open.
    fn note_login_request(&mut self, owner: Option<IdOwner>, life: SessionLife) {
        if let Some(IdOwner::Session(number)) = owner
            && self.sessions[number].life == SessionLife::Alive
        {
            self.sessions[number].life = life;
        }
    }

    /// Whether a request that fits `[create]` begins a session. `alone`: it fits no other operation.
    fn begins_session(&self, owner: Option<IdOwner>, alone: bool) -> bool {
        match owner {
            Some(IdOwner::LoggedIn) => true,
            // A login without requests before it is complete in itself.
            None => !self.logs_in_before,
            Some(IdOwner::Session(number)) => {
                !self.logs_in_before && (alone || self.sessions[number].life == SessionLife::Ended)
            }
        }
    }

    /// Says why a request that fits `[create]` begins no session. If it can be nothing else, it may change the session that its
    /// browser has.
    fn refuse_create(&mut self, owner: Option<IdOwner>, alone: bool) -> Unrecorded {
        match owner {
            Some(IdOwner::Session(number)) if alone => {
                self.leave_session(number);
                Unrecorded::LeftSession
            }
            _ => Unrecorded::UnknownSession,
        }
    }

    fn plan_create(&mut self, found: &StepMatch, body_bytes: u64) -> Result<PlannedOperation, Unrecorded> {
        if self.ids.len() >= IDS_MAX {
            return Err(Unrecorded::Full);
        }
        let text = found.captured.text_at(TemplatePlace::Value);
        let (user, key) = self.name_session(text);
        if let Some(account) = found.captured.text_at(TemplatePlace::User) {
            let account = self.digest.of_text(account);
            let known = self.accounts.entry(account).or_insert_with(|| AccountUser::One(user.clone()));
            if *known != AccountUser::One(user.clone()) {
                *known = AccountUser::Several;
            }
        }
        let written = self.note_write(&user, None, text, body_bytes);
        let session = self.add_session(key.clone(), user.clone());
        let value = Value::Payload(written.payload.clone());
        let operation = ClientOperation::on_key(&key, Function::CREATE, value);
        let written = Some(written);
        Ok(PlannedOperation {
            step: 0,
            user,
            operation,
            session: Some(session),
            next: None,
            sent_id: None,
            written,
        })
    }

    /// The user of a new session, and its name. A payload of a driven run says whose it is.
    fn name_session(&mut self, text: Option<&str>) -> (Arc<str>, Arc<str>) {
        let driven = text.filter(|text| self.values.is_unwritten(text)).and_then(parse_driven_payload);
        if let Some(payload) = driven.filter(|payload| payload.field.is_none()) {
            let user = payload.session;
            return match self.users.contains_key(&user) {
                true => (user.clone(), self.next_key(&user)),
                false => (self.add_user(user.clone(), true), user),
            };
        }
        loop {
            self.begun += 1;
            let user: Arc<str> = format!("s-{}", self.begun).into();
            if !self.users.contains_key(&user) {
                return (self.add_user(user.clone(), false), user);
            }
        }
    }

    fn add_user(&mut self, user: Arc<str>, driven: bool) -> Arc<str> {
        let version = version_before_first(driven);
        self.users.insert(user.clone(), KnownUser { later_keys: 0, version, driven, patched: Vec::new() });
        user
    }

    fn next_key(&mut self, user: &Arc<str>) -> Arc<str> {
        let known = self.users.get_mut(user).expect("each session has a user");
        known.later_keys += 1;
        format!("{user}.{}", known.later_keys).into()
    }

    fn add_session(&mut self, key: Arc<str>, user: Arc<str>) -> SessionNumber {
        self.sessions.push(FollowedSession { key, user, life: SessionLife::Alive });
        self.sessions.len() - 1
    }

    fn note_write(
        &mut self,
        user: &Arc<str>,
        field: Option<Arc<str>>,
        text: Option<&str>,
        bytes: u64,
    ) -> WrittenValue {
        let known = self.users.get_mut(user).expect("each session has a user");
        self.values.note_write(user, field, text, bytes, &mut known.version)
    }

    fn plan_on_session(
        &mut self,
        function: Function,
        found: &StepMatch,
        owner: Option<IdOwner>,
        body_bytes: u64,
    ) -> Result<PlannedOperation, Unrecorded> {
        let Some(IdOwner::Session(number)) = owner else { return Err(Unrecorded::UnknownSession) };
        let FollowedSession { key, user, life } = self.sessions[number].clone();
        if life.is_left() {
            return Err(Unrecorded::LeftSession);
        }
        let mut planned = PlannedOperation {
            step: 0,
            user: user.clone(),
            operation: ClientOperation::on_key(&key, function, Value::Null),
            session: Some(number),
            next: None,
            sent_id: None,
            written: None,
        };
        let captured = &found.captured;
        match function {
            Function::WRITE | Function::PATCH => {
                let field = match function {
                    Function::PATCH => Some(self.note_patch(&user, captured)?),
                    _ => None,
                };
                let text = captured.text_at(TemplatePlace::Value);
                let written = self.note_write(&user, field, text, body_bytes);
                planned.operation.value = Value::Payload(written.payload.clone());
                planned.operation.based_on = self.find_base(&user, captured).map(Value::Payload);
                planned.written = Some(written);
            }
            Function::RENEW => {
                let new = self.next_key(&user);
                planned.operation.value = Value::Text(new.clone());
                planned.next = Some(self.add_session(new, user));
            }
            Function::ACT => {
                let action = captured.text_at(TemplatePlace::Action).ok_or(Unrecorded::Incomplete)?;
                planned.operation.value = self.actions.note_request(&self.digest, &user, action)?;
            }
            _ => {}
        }
        Ok(planned)
    }

    fn note_patch(&mut self, user: &Arc<str>, captured: &Captured) -> Result<Arc<str>, Unrecorded> {
        let field: Arc<str> = captured.text_at(TemplatePlace::Field).ok_or(Unrecorded::Incomplete)?.into();
        let known = self.users.get_mut(user).expect("each session has a user");
        if !known.patched.contains(&field) {
            known.patched.push(field.clone());
        }
        Ok(field)
    }

    /// What the user had read and changed into the value that a request writes.
    fn find_base(&self, user: &Arc<str>, captured: &Captured) -> Option<SessionPayload> {
        let base = captured.text_at(TemplatePlace::Base).filter(|base| !base.is_empty())?;
        self.values.find_write(user, None, base).ok()
    }

    /// Plans a list of the actions of a user: of the account that the request names, or of the session's own user.
    fn plan_actions(
        &mut self,
        found: &StepMatch,
        owner: Option<IdOwner>,
    ) -> Result<PlannedOperation, Unrecorded> {
        let named = found.captured.text_at(TemplatePlace::User);
        let user = match named.map(|account| self.accounts.get(&self.digest.of_text(account))) {
            Some(Some(AccountUser::One(user))) => user.clone(),
            Some(_) => return Err(Unrecorded::UnknownSession),
            None => match owner {
                Some(IdOwner::Session(number)) => self.sessions[number].user.clone(),
                _ => return Err(Unrecorded::UnknownSession),
            },
        };
        let operation = ClientOperation::on_key(&user, Function::ACTIONS, Value::Null);
        Ok(PlannedOperation {
            step: 0,
            user,
            operation,
            session: None,
            next: None,
            sent_id: None,
            written: None,
        })
    }

    /// The actions of a list that the user had requested.
    pub(super) fn keep_known_actions(&self, user: &Arc<str>, listed: Vec<Value>) -> Value {
        self.actions.keep_known_actions(&self.digest, user, listed)
    }

    /// The value that a read of this text shows.
    ///
    /// # Errors
    /// Says why that is not certain.
    pub(super) fn find_read_value(
        &self,
        user: &Arc<str>,
        field: Option<&str>,
        text: &str,
    ) -> Result<Value, String> {
        let found = self.values.find_write(user, field, text);
        let known = self.users.get(user);
        match found {
            Ok(payload) => Ok(Value::Payload(payload)),
            // All values of a driven run are its own, so any other text is a torn value.
            Err(_) if known.is_some_and(|known| known.driven) => {
                Ok(SessionPayload::from_bytes(text.as_bytes()))
            }
            // A field that the application set by itself says nothing.
            Err(_) if field.is_some_and(|field| !known.is_some_and(|known| has_patched(known, field))) => {
                Ok(Value::Null)
            }
            Err(why) => Err(why),
        }
    }

    /// Notes the id that a user has after the answer to an operation.
    pub(super) fn note_answer(
        &mut self,
        planned: &PlannedOperation,
        standing: AnswerStanding,
        id_after: Option<&str>,
    ) {
        let (Some(number), failed) = (planned.session, standing == AnswerStanding::Failed) else { return };
        let function = planned.operation.function;
        let changed = id_after.filter(|id| Some(*id) != planned.sent_id());
        match function {
            Function::CREATE if failed => {
                if let Some(sent) = planned.sent_id()
                    && self.owner_of(Some(sent)) == Some(IdOwner::Session(number))
                {
                    self.ids.insert(self.digest.of_text(sent), IdOwner::LoggedIn);
                }
            }
            Function::CREATE => self.give_out(id_after, number),
            Function::RENEW if failed => self.give_out(changed, number),
            Function::RENEW => {
                if changed.is_none() && standing == AnswerStanding::Done {
                    self.unchanged_renewals += 1;
                }
                let new = if standing == AnswerStanding::Done { id_after } else { changed };
                self.give_out(new, planned.next.unwrap_or(number));
            }
            Function::DESTROY => {}
            _ => self.give_out(changed, number),
        }
    }

    /// Notes how an operation ended.
    pub(super) fn note_end(&mut self, planned: &PlannedOperation, standing: AnswerStanding) {
        if let (AnswerStanding::Failed, Some(written)) = (standing, &planned.written) {
            self.values.forget_write(written);
        }
        if (standing, planned.operation.function) == (AnswerStanding::Done, Function::ACT) {
            self.actions.note_acknowledged(&self.digest, &planned.operation.value);
        }
        if let (AnswerStanding::Done, Some(number)) = (standing, planned.session)
            && planned.operation.function == Function::DESTROY
            && self.sessions[number].life == SessionLife::Alive
        {
            self.sessions[number].life = SessionLife::Ended;
        }
    }

    /// Whether something unrecognised may have changed the session of an operation since it began.
    pub(super) fn was_left(&self, planned: &PlannedOperation) -> bool {
        planned.session.is_some_and(|number| self.sessions[number].life.is_left())
    }

    /// Notes the id that a user has after the last request of a login.
    pub(super) fn note_login(&mut self, sent_id: Option<&str>, id_after: Option<&str>) {
        let Some(id) = id_after else { return };
        if let Some(IdOwner::Session(number)) = self.owner_of(Some(id))
            && Some(id) == sent_id
            && matches!(self.sessions[number].life, SessionLife::Alive | SessionLife::LoggingIn)
        {
            // The user was logged in before, and still has the same session.
            self.sessions[number].life = SessionLife::Alive;
            return;
        }
        if self.ids.len() < IDS_MAX {
            self.ids.insert(self.digest.of_text(id), IdOwner::LoggedIn);
        }
    }

    /// Notes an answer to a request that is no operation: an id that replaces a known one stands for the same session.
    pub(super) fn note_other_answer(&mut self, sent_id: Option<&str>, id_after: Option<&str>) {
        let Some(owner) = self.owner_of(sent_id) else { return };
        match (owner, id_after) {
            (IdOwner::Session(number), None) if self.sessions[number].life == SessionLife::Alive => {
                self.leave_session(number);
            }
            (_, Some(id)) if Some(id) != sent_id && self.ids.len() < IDS_MAX => {
                self.ids.insert(self.digest.of_text(id), owner);
            }
            _ => {}
        }
    }

    /// Notes that an unrecognised request may change the session of this id.
    pub(super) fn note_unsafe_request(&mut self, sent_id: Option<&str>) {
        if let Some(IdOwner::Session(number)) = self.owner_of(sent_id) {
            self.leave_session(number);
        }
    }

    fn leave_session(&mut self, number: SessionNumber) {
        self.sessions[number].life = SessionLife::Left;
    }

    fn give_out(&mut self, id: Option<&str>, number: SessionNumber) {
        let Some(id) = id else { return };
        if self.ids.len() < IDS_MAX {
            self.ids.insert(self.digest.of_text(id), IdOwner::Session(number));
        }
    }
}

fn has_patched(user: &KnownUser, field: &str) -> bool {
    user.patched.iter().any(|known| &**known == field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::http::Description;
    use AnswerStanding::{Done, Failed, Unclear};

    const SHOP: &str = r#"
        entries = { main = "http://127.0.0.1:1" }
        session = { cookie = "sid" }
        create = { method = "POST", path = "/cart", body = "{value}" }
        read = { path = "/cart", value = "/cart" }
        write = { method = "POST", path = "/cart", body = "{value}" }
        renew = { method = "POST", path = "/token" }
        destroy = { method = "POST", path = "/logout" }
        act = { method = "POST", path = "/order/{action}" }
    "#;
    const LOGIN: &str = r#"create = { before = [{ method = "POST", path = "/login" }], "#;

    struct Desk {
        recogniser: Recogniser,
        book: SessionBook,
    }

    impl Desk {
        fn open(description: &str) -> Self {
            let description = Description::from_toml(description).unwrap();
            let book = SessionBook::new(!description.create.before.is_empty());
            Self { recogniser: Recogniser::new(&description), book }
        }

        fn meaning(&mut self, line: &str, id: Option<&str>, body: &str) -> RequestMeaning {
            let (method, path) = line.split_once(' ').unwrap();
            let head = hyper::Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0;
            let mut matches = self.recogniser.match_head(&head);
            matches.retain_mut(|found| {
                self.recogniser.step(found.step).capture_body(body.as_bytes(), &mut found.captured)
            });
            self.book.interpret_request(&self.recogniser, &matches, id, 0)
        }

        fn plan(&mut self, line: &str, id: Option<&str>, body: &str) -> PlannedOperation {
            match self.meaning(line, id, body) {
                RequestMeaning::Operation(planned) => *planned,
                other => panic!("{line}: {other:?}"),
            }
        }

        /// A request whose answer is this one. Returns what stands in the history: operation, session, value.
        fn record(
            &mut self,
            line: &str,
            id: Option<&str>,
            body: &str,
            standing: AnswerStanding,
            after: Option<&str>,
        ) -> String {
            let planned = self.plan(line, id, body);
            self.book.note_answer(&planned, standing, after);
            self.book.note_end(&planned, standing);
            let value = match &planned.operation.value {
                Value::Payload(payload) => payload.version.to_string(),
                other => other.to_json(),
            };
            let name = workloads::function_name(planned.operation.function);
            format!("{name} {} {value}", planned.operation.key.unwrap())
        }

        fn refusal(&mut self, line: &str, id: Option<&str>) -> Unrecorded {
            match self.meaning(line, id, "") {
                RequestMeaning::Unrecorded(why) => why,
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn ids_lead_to_sessions_through_their_whole_life() {
        let mut desk = Desk::open(SHOP);
        assert_eq!(desk.refusal("GET /cart", Some("a")), Unrecorded::UnknownSession);
        assert_eq!(desk.record("POST /cart", None, "apples", Done, Some("a")), "create s-1 1");
        assert_eq!(desk.record("POST /cart", None, "apples", Done, Some("b")), "create s-2 1");
        assert_eq!(desk.record("POST /cart", Some("a"), "pears", Done, Some("a")), "write s-1 2");
        // A cookie that rolls on is the same session.
        assert_eq!(desk.record("GET /cart", Some("a"), "", Done, Some("a2")), "read s-1 null");
        assert_eq!(desk.record("GET /cart", Some("a2"), "", Done, Some("a2")), "read s-1 null");
        assert_eq!(desk.record("POST /token", Some("a2"), "", Done, Some("c")), "renew s-1 \"s-1.1\"");
        assert_eq!(desk.record("GET /cart", Some("a2"), "", Done, Some("a2")), "read s-1 null");
        assert_eq!(desk.record("GET /cart", Some("c"), "", Done, Some("c")), "read s-1.1 null");
        assert_eq!(desk.record("POST /logout", Some("c"), "", Done, None), "destroy s-1.1 null");
        assert_eq!(desk.record("GET /cart", Some("c"), "", Done, Some("c")), "read s-1.1 null");
        // After a logout, what looks like a write begins a session.
        assert_eq!(desk.record("POST /cart", Some("c"), "plums", Done, Some("d")), "create s-3 1");
        assert_eq!(
            (desk.book.session_count(), desk.book.left_count(), desk.book.unchanged_renewals()),
            (4, 0, 0)
        );
    }

    #[test]
    fn only_an_answer_that_may_be_a_login_gives_out_an_id() {
        let mut desk = Desk::open(SHOP);
        desk.record("POST /cart", None, "apples", Failed, Some("a"));
        assert_eq!(desk.refusal("GET /cart", Some("a")), Unrecorded::UnknownSession);
        desk.record("POST /cart", None, "pears", Unclear, Some("b"));
        assert_eq!(desk.record("GET /cart", Some("b"), "", Done, Some("b")), "read s-2 null");
        // A renewal that may have been done gives its new id to the new name, and one that was not done does not.
        desk.record("POST /token", Some("b"), "", Unclear, Some("c"));
        assert_eq!(desk.record("GET /cart", Some("c"), "", Done, Some("c")), "read s-2.1 null");
        desk.record("POST /token", Some("b"), "", Failed, Some("d"));
        assert_eq!(desk.record("GET /cart", Some("d"), "", Done, Some("d")), "read s-2 null");
        desk.record("POST /token", Some("b"), "", Done, Some("b"));
        assert_eq!(desk.book.unchanged_renewals(), 1);
        // An answer that removes the cookie gives out no id that the description knows.
        desk.record("POST /token", Some("b"), "", Done, None);
        assert_eq!(desk.book.unchanged_renewals(), 2);
    }

    /// With a login before it, the first write of a session is its creation, and nothing else is.
    #[test]
    fn a_login_of_several_requests_ends_with_the_first_write() {
        let mut desk = Desk::open(&SHOP.replacen("create = { ", LOGIN, 1));
        assert_eq!(desk.refusal("POST /cart", None), Unrecorded::UnknownSession);
        let login = |desk: &mut Desk, sent: Option<&str>, after: &str| {
            let meaning = desk.meaning("POST /login", sent, "user=ann");
            assert!(matches!(meaning, RequestMeaning::Part { login: Some(_) }), "{meaning:?}");
            desk.book.note_login(sent, Some(after));
        };
        login(&mut desk, None, "a");
        assert_eq!(desk.refusal("GET /cart", Some("a")), Unrecorded::UnknownSession);
        let first = desk.plan("POST /cart", Some("a"), "apples");
        // Before the answer to the first write, a second one is a write.
        assert_eq!(desk.record("POST /cart", Some("a"), "pears", Done, Some("a")), "write s-1 2");
        desk.book.note_answer(&first, Done, Some("a"));
        // Another login that keeps the id keeps the session. One with a new id begins another.
        login(&mut desk, Some("a"), "a");
        assert_eq!(desk.record("POST /cart", Some("a"), "plums", Done, Some("a")), "write s-1 3");
        login(&mut desk, Some("a"), "b");
        assert_eq!(desk.record("POST /cart", Some("b"), "figs", Failed, Some("b")), "create s-2 1");
        assert_eq!(desk.record("POST /cart", Some("b"), "figs", Done, Some("b")), "create s-3 1");
    }

    #[test]
    fn a_session_is_left_when_something_unseen_may_have_changed_it() {
        let mut desk = Desk::open(SHOP);
        for id in ["a", "b", "c"] {
            desk.record("POST /cart", None, id, Done, Some(id));
        }
        let read = desk.plan("GET /cart", Some("a"), "");
        desk.book.note_unsafe_request(Some("a"));
        assert!(desk.book.was_left(&read));
        assert_eq!(desk.refusal("GET /cart", Some("a")), Unrecorded::LeftSession);
        // An answer to another request takes the cookie away, or rolls it on.
        desk.book.note_other_answer(Some("b"), None);
        assert_eq!(desk.refusal("POST /logout", Some("b")), Unrecorded::LeftSession);
        desk.book.note_other_answer(Some("c"), Some("c2"));
        assert_eq!(desk.record("GET /cart", Some("c2"), "", Done, Some("c2")), "read s-3 null");
        desk.book.note_other_answer(Some("unknown"), Some("x"));
        assert_eq!(desk.refusal("GET /cart", Some("x")), Unrecorded::UnknownSession);
        assert_eq!(desk.book.left_count(), 2);
    }

    /// The application gave the browser another session while a read was open, and answered the read with 401: the first session
    /// seemed to be lost.
    #[test]
    fn a_second_login_in_the_same_browser_leaves_the_session() {
        let mut desk = Desk::open(&SHOP.replacen("POST\", path = \"/cart\"", "POST\", path = \"/login\"", 1));
        desk.record("POST /login", None, "ann", Done, Some("a"));
        let read = desk.plan("GET /cart", Some("a"), "");
        assert!(!desk.book.was_left(&read));
        assert_eq!(desk.record("POST /login", Some("a"), "ann", Done, Some("b")), "create s-2 1");
        assert!(desk.book.was_left(&read));
        assert_eq!(desk.refusal("GET /cart", Some("a")), Unrecorded::LeftSession);
        assert_eq!(desk.record("GET /cart", Some("b"), "", Done, Some("b")), "read s-2 null");
        // The same with a login of several requests, from the moment at which it is asked for.
        let mut desk = Desk::open(&SHOP.replacen("create = { ", LOGIN, 1));
        desk.meaning("POST /login", None, "user=ann");
        desk.book.note_login(None, Some("a"));
        desk.record("POST /cart", Some("a"), "apples", Done, Some("a"));
        let read = desk.plan("GET /cart", Some("a"), "");
        desk.meaning("POST /login", Some("a"), "user=ann");
        assert!(desk.book.was_left(&read), "the login is not answered");
        assert_eq!(desk.refusal("GET /cart", Some("a")), Unrecorded::LeftSession);
        desk.book.note_login(Some("a"), Some("b"));
        assert!(desk.book.was_left(&read));
        assert_eq!(desk.book.left_count(), 1);
    }

    #[test]
    fn an_action_is_recorded_once() {
        let mut desk = Desk::open(SHOP);
        desk.record("POST /cart", None, "apples", Done, Some("a"));
        assert_eq!(desk.record("POST /order/17", Some("a"), "", Done, Some("a")), "act s-1 17");
        assert_eq!(desk.record("POST /order/x-1", Some("a"), "", Done, Some("a")), "act s-1 \"x-1\"");
        assert_eq!(desk.refusal("POST /order/17", Some("a")), Unrecorded::Incomplete);
        let listed = vec![Value::Int(17), Value::Int(3), "x-1".into()];
        let known = desk.book.keep_known_actions(&"s-1".into(), listed.clone());
        assert_eq!(known, Value::List(vec![Value::Int(17), "x-1".into()]));
        // The client asked for 17 twice, so the application may do it twice. It was asked for x-1 once.
        let twice = vec![Value::Int(17), Value::Int(17), "x-1".into(), "x-1".into()];
        let known = desk.book.keep_known_actions(&"s-1".into(), twice);
        assert_eq!(known, Value::List(vec![Value::Int(17), "x-1".into(), "x-1".into()]));
        assert_eq!(desk.book.keep_known_actions(&"s-2".into(), listed), Value::List(vec![]));
    }
}
