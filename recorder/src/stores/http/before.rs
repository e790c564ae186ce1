//! The requests that a step sends before its own, for example to get a form and its token.
//!
//! A login often takes several requests, and each needs something from the previous answer: a hidden field (CSRF token),
//! a cookie, a token. They are sent in order, with the user's cookies. If one of them fails, the step's own request is not
//! sent, so the operation had no effect.

use super::cookies::CookieJar;
use super::description::{Description, IdPlace, RequestStep};
use super::exchange::{Filling, HttpReply};
use super::take::TakeFrom;
use super::template::NamedPlace;
use super::{HttpClient, RequestJar};
use crate::Failure;
use std::sync::Arc;

/// The maximum length of a taken value, in bytes. It goes into a header or a form.
const TAKEN_BYTES_MAX: usize = 16 << 10;

/// The value at the given place of an answer, if there is one that is not too long.
fn find_taken(from: &TakeFrom, reply: &HttpReply, body: &[u8], jar: &CookieJar) -> Option<String> {
    let found = match from {
        TakeFrom::Json(pointer) => {
            let json: serde_json::Value = serde_json::from_slice(body).ok()?;
            let found = json.pointer(pointer)?;
            found.as_str().map_or_else(|| found.to_string(), str::to_owned)
        }
        TakeFrom::Header(name) => reply.headers.get(name)?.to_str().ok()?.to_owned(),
        TakeFrom::Cookie(name) => jar.cookie_value(name)?.to_owned(),
        TakeFrom::Between(before, after) => {
            let text = String::from_utf8_lossy(body);
            let (_, rest) = text.split_once(before.as_str())?;
            rest.split_once(after.as_str())?.0.to_owned()
        }
    };
    (found.len() <= TAKEN_BYTES_MAX).then_some(found)
}

impl Description {
    /// Checks that each `{take.…}` is taken by an earlier request, and that each `{user.…}` is a column of the table of users.
    pub(super) fn names_make_sense(&self) -> Result<(), String> {
        let steps = [
            Some(&self.create),
            Some(&self.read),
            self.write.as_ref(),
            self.patch.as_ref(),
            self.touch.as_ref(),
            self.renew.as_ref(),
            self.destroy.as_ref(),
            self.act.as_ref(),
            self.actions.as_ref(),
        ];
        for step in steps.into_iter().flatten() {
            let all = || step.before.iter().chain([step]).flat_map(RequestStep::templates);
            let taken =
                |name: &str| step.before.iter().flat_map(|step| &step.take).any(|(known, _)| known == name);
            if let Some(name) = all().flat_map(|text| text.names(NamedPlace::Taken)).find(|name| !taken(name))
            {
                return Err(format!(
                    "[{}] has {{take.{name}}}, but none of its `before` requests takes it",
                    step.name
                ));
            }
            let known = |name: &str| self.users.has(name);
            if let Some(name) =
                all().flat_map(|text| text.names(NamedPlace::Column)).find(|name| !known(name))
            {
                return Err(format!(
                    "[{}] has {{user.{name}}}, but the table of users has no such column",
                    step.name
                ));
            }
        }
        Ok(())
    }
}

impl HttpClient {
    /// Sends the requests before a step. Returns the values for the step's templates and the user's cookies by then. `key` is
    /// the session that gets the cookies, or `None` before it exists.
    pub(super) async fn go_before(
        &mut self,
        step: &RequestStep,
        entry: usize,
        mut filling: Filling,
        mut held: RequestJar,
        key: Option<&Arc<str>>,
    ) -> Result<(Filling, RequestJar), Failure> {
        let unsent = |failure: Failure| Failure { definite: true, ..failure };
        for first in &step.before {
            let mut reply = self.send_step(first, entry, &filling, &held.jar).await.map_err(unsent)?;
            reply.store_in_jar(&mut held.jar);
            if let Some(key) = key.filter(|_| held.lives) {
                let browsers = &self.inner.browsers;
                browsers.change_jar(key, |jar| reply.store_in_jar(jar));
            }
            let (status, what) = (reply.status, format!("{} {}", first.method, first.path));
            if !first.is_success_status(status) {
                reply.dismiss_body().await;
                self.forget_connection(entry);
                return Err(match first.absent.contains(&status) {
                    true => Failure::no_such_session(),
                    false => {
                        Failure::definite(format!("the request before it, {what}, returned status {status}"))
                    }
                });
            }
            let body = reply.read_body().await.map_err(unsent)?;
            // The token of a login that comes before the first write of the session.
            if let (None, IdPlace::Token(pointer, _)) = (key, &self.inner.description.id)
                && let Some(token) = find_taken(&TakeFrom::Json(pointer.clone()), &reply, &body, &held.jar)
            {
                held.jar.token = Some(token);
            }
            for (name, from) in &first.take {
                let found = find_taken(from, &reply, &body, &held.jar).ok_or_else(|| {
                    Failure::definite(format!("the answer to the request before it, {what}, has no value to take as {name} ({from:?})"))
                })?;
                reply.note_taken(name, from, &found, &self.inner.secrets);
                filling.taken.insert(name.clone(), found);
            }
        }
        Ok((filling, held))
    }
}
