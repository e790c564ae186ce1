//! Requests that come before the one that counts: the page with the form, the token that it asks for.
//!
//! A login of a stock application takes several requests, each with something of the answer before it: a hidden field
//! against forged requests, a cookie, a token. They are sent in order with the user's cookies. Whatever is wrong with one of
//! them, the request that counts was not sent, so that nothing was done.

use super::cookies::CookieJar;
use super::description::{Description, RequestStep};
use super::exchange::{Filling, HttpReply};
use super::take::TakeFrom;
use super::template::NamedPlace;
use super::{HttpClient, RequestJar};
use crate::Failure;
use std::sync::Arc;

/// The longest value that is taken, in bytes: it goes into a header or a form.
const TAKEN_BYTES_MAX: usize = 16 << 10;

/// The value that is to be taken, if it is there and short enough.
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
    /// Whether each value that is filled in by a name of the file's is taken before, or is a column of the users.
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
                return Err(format!("[{}] has {{take.{name}}}, which no request of before takes", step.name));
            }
            let known = |name: &str| self.users.has(name);
            if let Some(name) =
                all().flat_map(|text| text.names(NamedPlace::Column)).find(|name| !known(name))
            {
                return Err(format!("[{}] has {{user.{name}}}, which is no column of users", step.name));
            }
        }
        Ok(())
    }
}

impl HttpClient {
    /// Sends what comes before a step, and returns what is filled into the step and what the user holds by then. `key` is the
    /// session that the cookies go to; none: there is no session yet.
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
                reply.abandon_body();
                self.forget_connection(entry);
                return Err(match first.absent.contains(&status) {
                    true => Failure::no_such_session(),
                    false => Failure::definite(format!("before it, {what}: status {status}")),
                });
            }
            let body = reply.read_body().await.map_err(unsent)?;
            for (name, from) in &first.take {
                let found = find_taken(from, &reply, &body, &held.jar).ok_or_else(|| {
                    Failure::definite(format!("before it, {what}: nothing to take as {name} ({from:?})"))
                })?;
                filling.taken.insert(name.clone(), found);
            }
        }
        Ok((filling, held))
    }
}
