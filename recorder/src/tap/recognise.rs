//! Which step of a description a request is.
//!
//! A request is compared with the method, the path, the headers and the body of each step. More than one step can fit: in many
//! applications the write that follows a login is the request that a description calls `create`, and a later one with the same
//! path is a `write`. Which of them it is depends on the session, so all that fit are returned, the best first, and the book
//! of sessions decides.
//!
//! Headers of a step without places must be the same in the request, because they may be all that tells two steps apart.
//! `content-type` and `accept` are left out: clients word them differently.

use super::pattern::{BodyPattern, Captured, PathPattern, PlaceText, TextPattern};
use crate::stores::http::Description;
use crate::stores::http::description::{IdPlace, RequestStep, SendHeader};
use crate::stores::http::template::TemplatePlace;
use histories::Function;
use hyper::header::{COOKIE, HeaderMap, HeaderName};
use hyper::http::request::Parts;

/// Headers that clients word differently.
const UNCOMPARED_HEADERS: [&str; 2] = ["content-type", "accept"];

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StepRole {
    /// It is the operation.
    Operation(Function),
    /// It comes before the request of the operation, such as the login before the first value of a session. `last`: nothing else
    /// comes between them.
    Before { function: Function, last: bool },
    /// It is part of no operation: the first visit, or the audit trail.
    Beside,
}

/// A step that requests are compared with.
#[derive(Debug)]
pub(super) struct KnownStep {
    pub(super) role: StepRole,
    pub(super) step: RequestStep,
    path: PathPattern,
    headers: Vec<(HeaderName, TextPattern)>,
    body: BodyPattern,
}

impl KnownStep {
    fn new(role: StepRole, step: &RequestStep) -> Self {
        let content = step.headers.iter().find(|(name, _)| name == "content-type");
        let content = content.map_or(String::new(), |(_, value)| value.to_string());
        let headers = step.headers.iter().filter(|(name, _)| !UNCOMPARED_HEADERS.contains(&name.as_str()));
        let headers = headers.filter_map(|(name, text)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, TextPattern::from_template(text)))
        });
        Self {
            role,
            path: PathPattern::from_template(&step.path),
            headers: headers.collect(),
            body: BodyPattern::from_template(step.body.as_ref(), &content),
            step: step.clone(),
        }
    }

    /// Whether the body has to be compared.
    pub(super) fn looks_at_body(&self) -> bool {
        self.body != BodyPattern::Any
    }

    /// Compares everything but the body.
    fn capture_head(&self, head: &Parts, path: &str) -> Option<Captured> {
        if self.step.method != head.method.as_str() {
            return None;
        }
        let mut captured = Captured::default();
        let query = head.uri.query().unwrap_or_default();
        if !self.path.capture_path(path, query, &mut captured) {
            return None;
        }
        for (name, pattern) in &self.headers {
            let sent = head.headers.get(name).and_then(|sent| sent.to_str().ok());
            let fits = match sent {
                Some(sent) => pattern.capture_text(sent, PlaceText::Plain, &mut captured),
                // A page sends the token of its form in the body, where a description has it in a header.
                None => !pattern.is_literal(),
            };
            if !fits && pattern.is_literal() {
                return None;
            }
        }
        Some(captured)
    }

    /// Compares the body, and adds what it has at its places.
    pub(super) fn capture_body(&self, body: &[u8], captured: &mut Captured) -> bool {
        self.body.capture_body(body, captured)
    }
}

/// A step that fits a request so far.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct StepMatch {
    /// The number of the step.
    pub(super) step: usize,
    pub(super) captured: Captured,
}

/// All steps of a description, and the place of the session's id in requests.
#[derive(Debug)]
pub(super) struct Recogniser {
    steps: Vec<KnownStep>,
    id: IdInRequests,
    /// What all paths of the application begin with.
    base: String,
}

#[derive(Debug)]
enum IdInRequests {
    Cookie(String),
    Header(HeaderName, TextPattern),
}

impl Recogniser {
    pub(super) fn new(description: &Description) -> Self {
        let operations = [
            (Function::RENEW, description.renew.as_ref()),
            (Function::DESTROY, description.destroy.as_ref()),
            (Function::ACT, description.act.as_ref()),
            (Function::CREATE, Some(&description.create)),
            (Function::PATCH, description.patch.as_ref()),
            (Function::WRITE, description.write.as_ref()),
            (Function::READ, Some(&description.read)),
            (Function::ACTIONS, description.actions.as_ref()),
            (Function::TOUCH, description.touch.as_ref()),
        ];
        let mut steps = Vec::new();
        for (function, step) in operations.iter().filter_map(|(function, step)| Some((*function, (*step)?))) {
            steps.push(KnownStep::new(StepRole::Operation(function), step));
        }
        for (function, step) in operations.iter().filter_map(|(function, step)| Some((*function, (*step)?))) {
            let count = step.before.len();
            steps.extend(step.before.iter().zip(1..).map(|(first, number)| {
                KnownStep::new(StepRole::Before { function, last: number == count }, first)
            }));
        }
        let beside = [&description.visit, &description.audit].into_iter().flatten();
        steps.extend(beside.map(|step| KnownStep::new(StepRole::Beside, step)));
        // A path without places says more than one with places. The sort is stable: otherwise the order above decides.
        steps.sort_by_key(|step| step.path.place_count());
        let of_header = |(name, template): &SendHeader| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the description was checked");
            IdInRequests::Header(name, TextPattern::from_template(template))
        };
        let id = match &description.id {
            IdPlace::Cookie(name) => IdInRequests::Cookie(name.clone()),
            IdPlace::Header(_, send) | IdPlace::Token(_, send) => of_header(send),
        };
        Self { steps, id, base: description.entry_base().to_owned() }
    }

    pub(super) fn step(&self, number: usize) -> &KnownStep {
        &self.steps[number]
    }

    /// The steps that a request fits as far as its head says, the best first.
    pub(super) fn match_head(&self, head: &Parts) -> Vec<StepMatch> {
        let Some(path) = head.uri.path().strip_prefix(self.base.as_str()) else { return Vec::new() };
        let found = self.steps.iter().enumerate();
        found
            .filter_map(|(step, known)| Some(StepMatch { step, captured: known.capture_head(head, path)? }))
            .collect()
    }

    /// The session id that a request sends.
    pub(super) fn find_sent_id(&self, headers: &HeaderMap) -> Option<String> {
        match &self.id {
            IdInRequests::Cookie(name) => {
                let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
                let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
                pairs
                    .map(|(known, value)| (known.trim(), value.trim()))
                    .find(|(known, value)| known == name && !value.is_empty())
                    .map(|(_, value)| value.to_owned())
            }
            IdInRequests::Header(name, pattern) => {
                let sent = headers.get(name)?.to_str().ok()?;
                let mut captured = Captured::default();
                let fits = pattern.capture_text(sent, PlaceText::Plain, &mut captured);
                let id = captured.text_at(TemplatePlace::Id).filter(|id| fits && !id.is_empty())?;
                Some(id.to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = r#"
        entries = { main = "http://127.0.0.1:1" }
        session = { cookie = "sid" }
        create = { before = [{ method = "POST", path = "/login", headers = { content-type = "application/x-www-form-urlencoded" }, body = "user={user}" }], method = "POST", path = "/cart", body = "{value}" }
        read = { path = "/cart", value = "/cart" }
        write = { method = "POST", path = "/cart", body = "{value}" }
        patch = { method = "POST", path = "/me/{field}", body = "{value}" }
        touch = { method = "POST", path = "/me/ping" }
        renew = { method = "POST", path = "/token", headers = { x-do = "renew", x-csrf = "{cookie.csrf}" } }
        destroy = { method = "POST", path = "/token", headers = { x-do = "end" } }
    "#;

    fn recogniser() -> Recogniser {
        Recogniser::new(&Description::from_toml(SHOP).unwrap())
    }

    fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
        let request = hyper::Request::builder().method(method).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn roles(head: &Parts) -> Vec<StepRole> {
        let recogniser = recogniser();
        recogniser.match_head(head).iter().map(|found| recogniser.step(found.step).role).collect()
    }

    #[test]
    fn all_steps_that_fit_are_returned_the_best_first() {
        use StepRole::Operation;
        let login = StepRole::Before { function: Function::CREATE, last: true };
        let (create, write) = (Operation(Function::CREATE), Operation(Function::WRITE));
        assert_eq!(roles(&head("POST", "/cart", &[])), [create, write]);
        assert_eq!(roles(&head("GET", "/cart?x=1", &[])), [Operation(Function::READ)]);
        assert_eq!(roles(&head("POST", "/login", &[])), [login]);
        let (touch, patch) = (Operation(Function::TOUCH), Operation(Function::PATCH));
        assert_eq!(roles(&head("POST", "/me/ping", &[])), [touch, patch]);
        assert_eq!(roles(&head("POST", "/token", &[("x-do", "end")])), [Operation(Function::DESTROY)]);
        assert_eq!(roles(&head("POST", "/token", &[("x-do", "renew")])), [Operation(Function::RENEW)]);
        for (method, path) in [("PUT", "/cart"), ("GET", "/"), ("POST", "/token"), ("POST", "/me/a/b")] {
            assert_eq!(roles(&head(method, path, &[])), [], "{method} {path}");
        }
    }

    #[test]
    fn the_id_is_found_where_the_description_has_it() {
        let sent = |headers: &[(&str, &str)]| recogniser().find_sent_id(&head("GET", "/", headers).headers);
        assert_eq!(sent(&[("cookie", "lang=en; sid=a=b;x=1")]).as_deref(), Some("a=b"));
        assert_eq!(sent(&[("cookie", "lang=en"), ("cookie", "sid=7")]).as_deref(), Some("7"));
        assert_eq!(sent(&[("cookie", "asid=1; sid=")]), None);
        let bearer =
            SHOP.replace(r#"cookie = "sid""#, r#"token = "/t", send = "authorization: Bearer {id}""#);
        let bearer = Recogniser::new(&Description::from_toml(&bearer).unwrap());
        let sent = |value| bearer.find_sent_id(&head("GET", "/", &[("authorization", value)]).headers);
        assert_eq!(sent("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(sent("Basic abc"), None);
    }
}
