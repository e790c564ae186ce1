//! An operation that is under way: its invocation is in the journal, and its completion will be, whatever happens.
//!
//! The answer is judged as the client of a driven run judges it (`stores/http`): by its status, and for some operations by its
//! body. If the operation is dropped before that, because the client has gone or the tap is stopped, its outcome is indeterminate.
//!
//! The completion is recorded before the last byte of the answer goes to the client. Otherwise the client could send its next
//! request first, and the history would show two operations at once that were not.

use super::TapState;
use super::book::{AnswerStanding, PlannedOperation};
use crate::client::Attempt;
use crate::journal::{Completed, Invoked, JournalLost};
use crate::stores::http::Acknowledged;
use crate::stores::http::cookies::CookieJar;
use crate::stores::http::description::{IdPlace, RequestStep};
use crate::stores::http::exchange::{HttpReply, parse_scalar, read_session_value};
use crate::{Failure, StoreAnswer, Trace};
use histories::Function;
use hyper::header::HeaderMap;
use serde_json::Value as Json;
use std::sync::Arc;
use workloads::Value;

/// The body of an answer, as far as it was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum SeenBody<'a> {
    Whole(&'a [u8]),
    /// It is longer than the tap looks at.
    TooLong,
    /// It is compressed, or not looked at for another reason.
    Unread(&'static str),
}

/// An operation whose completion is not yet recorded.
#[derive(Debug)]
pub(super) struct OpenOperation {
    tap: Arc<TapState>,
    process: u64,
    planned: PlannedOperation,
    reply: Option<HttpReply>,
    ended: bool,
}

impl OpenOperation {
    /// Records the invocation. The request may be passed on only after this.
    pub(super) fn begin(
        tap: &Arc<TapState>,
        planned: PlannedOperation,
        headers: &HeaderMap,
    ) -> Result<Box<Self>, JournalLost> {
        let process = tap.processes.take_number();
        let invoked = Invoked {
            process,
            session: &planned.user,
            operation: &planned.operation,
            intended_ns: None,
            trace: find_trace(headers),
        };
        tap.journal.record_invocation(&invoked).inspect_err(|lost| tap.note_journal_lost(lost))?;
        tap.counts.note_invocation();
        Ok(Box::new(Self { tap: tap.clone(), process, planned, reply: None, ended: false }))
    }

    fn step(&self) -> &RequestStep {
        &self.tap.recogniser.step(self.planned.step).step
    }

    fn function(&self) -> Function {
        self.planned.operation.function
    }

    /// Takes the headers of the answer. Returns whether the body has to be seen to its end.
    pub(super) fn take_headers(&mut self, status: u16, headers: &HeaderMap) -> bool {
        let reply = HttpReply::new(status, headers, None, &self.tap.description);
        let id_after = find_id_after(&self.tap.description.id, self.planned.sent_id(), &reply);
        let done = self.step().is_success_status(status);
        let failure = (!done).then(|| self.step().failure_for_status(status));
        let standing = match &failure {
            None => AnswerStanding::Done,
            Some(failure) if failure.definite => AnswerStanding::Failed,
            Some(_) => AnswerStanding::Unclear,
        };
        if !self.is_token_in_body() || !done {
            self.tap.book().note_answer(&self.planned, standing, id_after.as_deref());
        }
        self.reply = Some(reply);
        if let Some(failure) = failure {
            let absent = failure.says_no_such_session() && self.function() == Function::READ;
            self.end(if absent {
                Attempt::Ok(StoreAnswer::default())
            } else if failure.definite {
                Attempt::Fail(failure)
            } else {
                Attempt::Info(failure)
            });
            return false;
        }
        if self.function() == Function::CREATE && !self.is_token_in_body() && id_after.is_none() {
            self.end(Attempt::Info(Failure::indefinite(self.tap.description.id.describe_missing_id())));
            return false;
        }
        if self.step().acknowledged == Acknowledged::Headers && !self.looks_at_body() {
            self.end(Attempt::Ok(StoreAnswer::from_value(self.echoed_value())));
            return false;
        }
        true
    }

    /// Whether the content of the answer matters, and not only its end.
    pub(super) fn looks_at_body(&self) -> bool {
        matches!(self.function(), Function::READ | Function::ACTIONS) || self.is_token_in_body()
    }

    fn is_token_in_body(&self) -> bool {
        matches!(self.tap.description.id, IdPlace::Token(..))
            && matches!(self.function(), Function::CREATE | Function::RENEW)
    }

    /// The result of an operation that returns its argument.
    fn echoed_value(&self) -> Value {
        match self.function() {
            Function::TOUCH | Function::DESTROY => Value::Null,
            _ => self.planned.operation.value.clone(),
        }
    }

    /// Completes the operation with the body of the answer, which has come to its end.
    pub(super) fn end_with_body(mut self, body: SeenBody<'_>) {
        let attempt = match self.read_body_value(body) {
            Ok(value) => Attempt::Ok(StoreAnswer::from_value(value)),
            Err(why) => Attempt::Info(Failure::indefinite(why)),
        };
        self.end(attempt);
    }

    /// Completes the operation without an answer.
    pub(super) fn end_with_failure(mut self, failure: Failure) {
        self.end(if failure.definite { Attempt::Fail(failure) } else { Attempt::Info(failure) });
    }

    fn read_body_value(&mut self, body: SeenBody<'_>) -> Result<Value, String> {
        if !self.looks_at_body() {
            return Ok(self.echoed_value());
        }
        let bytes = match body {
            SeenBody::Whole(bytes) => bytes,
            SeenBody::TooLong => {
                let most = self.tap.settings.look_bytes_max;
                return self.end_token(None, &format!("the answer is longer than {most} bytes"));
            }
            SeenBody::Unread(why) => return self.end_token(None, why),
        };
        let json = serde_json::from_slice::<Json>(bytes);
        match self.function() {
            Function::READ => self.read_value(json.map_err(|_| "the body is no JSON")?),
            Function::ACTIONS => self.read_actions(&json.map_err(|_| "the body is no JSON")?),
            _ => {
                let IdPlace::Token(place, _) = &self.tap.description.id else {
                    return Ok(self.echoed_value());
                };
                let json = json.ok();
                let token = json.as_ref().and_then(|json| json.pointer(place)?.as_str());
                let why = self.tap.description.id.describe_missing_id();
                self.end_token(token, &why)
            }
        }
    }

    /// Notes the token of an answer. Without one, a login is indeterminate, unless the user had got a token before.
    fn end_token(&self, token: Option<&str>, why: &str) -> Result<Value, String> {
        if !self.is_token_in_body() {
            return Err(why.to_owned());
        }
        let had = self.planned.sent_id().filter(|_| self.function() == Function::CREATE);
        let standing = if token.or(had).is_some() { AnswerStanding::Done } else { AnswerStanding::Unclear };
        self.tap.book().note_answer(&self.planned, standing, token.or(had));
        match standing {
            AnswerStanding::Done => Ok(self.echoed_value()),
            _ => Err(why.to_owned()),
        }
    }

    fn read_value(&self, json: Json) -> Result<Value, String> {
        // An answer of another shape does not say that there is no session.
        if !(json.is_object() || json.is_null()) {
            return Err("the body is no JSON object".into());
        }
        let (book, mut unclear) = (self.tap.book(), None);
        if book.was_left(&self.planned) {
            return Err("an unrecognised request may have changed the session meanwhile".into());
        }
        let value = read_session_value(self.step(), &json, |field, text| {
            let found = book.find_read_value(&self.planned.user, field, text);
            found.unwrap_or_else(|why| {
                unclear = Some(why);
                Value::Null
            })
        });
        unclear.map_or(Ok(value), Err)
    }

    fn read_actions(&self, json: &Json) -> Result<Value, String> {
        let place = self.step().list.as_deref().unwrap_or_default();
        match json.pointer(place) {
            Some(Json::Array(elements)) => {
                let listed = elements.iter().map(parse_scalar).collect();
                Ok(self.tap.book().keep_known_actions(&self.planned.user, listed))
            }
            _ => Err(format!("no list at {place:?}")),
        }
    }

    /// Records the completion, once.
    fn end(&mut self, attempt: Attempt) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let attempt = self.doubt_absence(attempt);
        let standing = match &attempt {
            Attempt::Ok(_) => AnswerStanding::Done,
            Attempt::Fail(_) => AnswerStanding::Failed,
            Attempt::Info(_) => AnswerStanding::Unclear,
        };
        self.tap.book().note_end(&self.planned, standing);
        let notes = self.reply.as_ref().map(|reply| reply.history_notes(&self.tap.secrets));
        let (value, error) = match &attempt {
            Attempt::Ok(answer) => (Some(&answer.value), None),
            Attempt::Fail(failure) | Attempt::Info(failure) => (None, Some(failure.error.as_str())),
        };
        let clock_ns = self.reply.as_ref().and_then(|reply| reply.clock_ns);
        let event = Completed {
            process: self.process,
            session: &self.planned.user,
            operation: &self.planned.operation,
            outcome: attempt.outcome(),
            value,
            node: self.reply.as_ref().and_then(|reply| reply.node.as_deref()),
            version: None,
            clock_ns: clock_ns.filter(|_| error.is_none()),
            error,
            notes: notes.as_deref().unwrap_or_default(),
        };
        if let Err(lost) = self.tap.journal.record_completion(&event) {
            self.tap.note_journal_lost(&lost);
        }
        self.tap.counts.note_completion(attempt.outcome());
        if let Some(error) = error {
            self.tap.counts.note_error(error);
        }
        // A process whose operation may still take effect does nothing more.
        if !matches!(attempt, Attempt::Info(_)) {
            self.tap.processes.give_back(self.process);
        }
    }

    /// That there is no session says nothing if an unrecognised request may have ended it.
    fn doubt_absence(&self, attempt: Attempt) -> Attempt {
        match attempt {
            Attempt::Ok(answer)
                if self.function() == Function::READ
                    && answer.value == Value::Null
                    && self.tap.book().was_left(&self.planned) =>
            {
                let why = "an unrecognised request may have changed the session meanwhile";
                Attempt::Info(Failure::indefinite(why))
            }
            attempt => attempt,
        }
    }
}

impl Drop for OpenOperation {
    fn drop(&mut self) {
        let why = match self.tap.stop.is_requested() {
            true => "the tap was stopped before the answer was complete",
            false => "the client broke off before the answer was complete",
        };
        self.end(Attempt::Info(Failure::indefinite(why)));
    }
}

/// The id that a user has after an answer: what a browser would have in its jar.
pub(super) fn find_id_after(place: &IdPlace, sent: Option<&str>, reply: &HttpReply) -> Option<String> {
    match place {
        IdPlace::Cookie(name) => {
            if reply.set_cookies.is_empty() {
                return sent.map(str::to_owned);
            }
            let mut jar = CookieJar::default();
            if let Some(sent) = sent {
                jar.apply_set_cookie(&format!("{name}={sent}"));
            }
            reply.set_cookies.iter().for_each(|line| jar.apply_set_cookie(line));
            jar.cookie_value(name).filter(|id| !id.is_empty()).map(str::to_owned)
        }
        IdPlace::Header(..) | IdPlace::Token(..) => {
            reply.header_id.clone().or_else(|| sent.map(str::to_owned))
        }
    }
}

/// The trace id of a request (W3C trace context): the second part of its `traceparent`.
fn find_trace(headers: &HeaderMap) -> Option<Trace> {
    let line = headers.get("traceparent")?.to_str().ok()?;
    let id = line.split('-').nth(1).filter(|id| id.len() == 32)?;
    let (run, number) = (id.get(..16)?, id.get(16..)?);
    let read = |digits| u64::from_str_radix(digits, 16).ok();
    Some(Trace { run: read(run)?, number: read(number)? })
}
