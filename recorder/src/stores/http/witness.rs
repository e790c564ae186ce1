//! What a client saw while it took a session through its life: each request and its answer, fit to be shown.
//!
//! A terminal or a log of a CI job is read by more people than may use the sessions. Therefore ids, tokens, taken values and
//! cookies appear as the digests that a history has, shortened, and a body appears as its shape: the places and lengths of its
//! values. The shape is also what a person needs to correct a description.

use super::secrets::Secrets;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most exchanges that one step keeps.
const EXCHANGES_MAX: usize = 64;
/// The most places of a JSON body, or fields of a form, that are shown.
const PLACES_MAX: usize = 12;
/// The greatest depth of a JSON body that is shown.
const DEPTH_MAX: usize = 6;
/// The most characters of a short text from an answer, such as the title of a page.
const TEXT_CHARS_MAX: usize = 60;
/// The characters of a digest that are shown: enough to see whether two are equal.
const DIGEST_CHARS: usize = "digest-".len() + 8;

/// One request and its answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SeenExchange {
    /// The method.
    pub method: String,
    /// The whole address, with digests in place of secrets.
    pub url: String,
    /// What was sent besides: cookies, the names of headers, the length of the body.
    pub sent: Vec<String>,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// Why there is no answer.
    pub failure: Option<String>,
    /// How long the answer took until its headers were complete.
    pub took: Duration,
    /// The node that answered.
    pub node: Option<String>,
    /// The cookies that the answer set, with digests in place of values.
    pub set_cookies: Vec<String>,
    /// The path that the answer redirects to.
    pub location: Option<String>,
    /// The shape of the body; empty if it was not read.
    pub body: String,
    /// The values that were taken from the answer: each name, its place, and its digest.
    pub taken: Vec<String>,
}

/// Collects exchanges. Clones share what they collect.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness(Arc<Mutex<Vec<SeenExchange>>>);

impl Witness {
    /// Adds an exchange that begins. Returns its number.
    pub(super) fn begin_exchange(&self, exchange: SeenExchange) -> usize {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = seen.len();
        if number < EXCHANGES_MAX {
            seen.push(exchange);
        }
        number
    }

    /// Changes an exchange.
    pub(super) fn complete_exchange(&self, number: usize, change: impl FnOnce(&mut SeenExchange)) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exchange) = seen.get_mut(number) {
            change(exchange);
        }
    }

    /// Removes and returns what was collected.
    pub(super) fn take_exchanges(&self) -> Vec<SeenExchange> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A secret as it is shown to people: a shortened digest, or itself where secrets are kept.
pub(super) fn show_secret(secrets: &Secrets, secret: &str) -> String {
    let text = secrets.represent_secret(secret);
    if text == secret { text } else { text.chars().take(DIGEST_CHARS).collect() }
}

/// A `Set-Cookie` header with its value as [`show_secret`] shows it.
pub(super) fn show_set_cookie(secrets: &Secrets, line: &str) -> String {
    let (pair, attributes) = line.split_once(';').map_or((line, ""), |(pair, rest)| (pair, rest));
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let value = match value.trim() {
        "" | "\"\"" => "(removed)".to_owned(),
        value => show_secret(secrets, value),
    };
    let kept: Vec<&str> = attributes.split(';').map(str::trim).filter(|text| !text.is_empty()).collect();
    [&[format!("{}={value}", name.trim()).as_str()][..], &kept].concat().join("; ")
}

/// The path of a redirect. Its query may hold a token.
pub(super) fn show_location(location: &str) -> String {
    let (path, query) = location.split_once('?').map_or((location, false), |(path, _)| (path, true));
    let path: String = path.chars().take(TEXT_CHARS_MAX * 2).collect();
    if query { format!("{path}?…") } else { path }
}

/// The shape of a body: the places of its values, the title and fields of a page, or its length.
pub(super) fn describe_body(content_type: &str, body: &[u8]) -> String {
    if body.is_empty() {
        return "no body".to_owned();
    }
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
        let mut places = Vec::new();
        list_places(&json, "", 0, &mut places);
        let rest = if places.len() > PLACES_MAX { ", and others" } else { "" };
        places.truncate(PLACES_MAX);
        return format!("JSON: {}{rest}", places.join(", "));
    }
    let text = String::from_utf8_lossy(body);
    if content_type.contains("html") || text.trim_start().starts_with('<') {
        let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        let title: String =
            title.map_or("", |(title, _)| title.trim()).chars().take(TEXT_CHARS_MAX).collect();
        return match title.as_str() {
            "" => format!("HTML page of {} bytes", body.len()),
            title => format!("HTML page {title:?} of {} bytes", body.len()),
        };
    }
    let kind = if content_type.is_empty() { "no content-type" } else { content_type };
    format!("{} bytes of {kind}", body.len())
}

/// Lists the JSON pointers of the values in a document.
fn list_places(json: &serde_json::Value, at: &str, depth: usize, places: &mut Vec<String>) {
    use serde_json::Value as Json;
    let shown = |what: &str| format!("{} ({what})", if at.is_empty() { "\"\"" } else { at });
    // One more than is shown, so that it is known that there are others.
    if places.len() > PLACES_MAX {
        return;
    }
    match json {
        Json::Object(members) if depth < DEPTH_MAX && !members.is_empty() => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                list_places(member, &format!("{at}/{name}"), depth + 1, places);
            }
        }
        Json::Object(members) => places.push(shown(&format!("object of {}", members.len()))),
        Json::Array(elements) => places.push(shown(&format!("list of {}", elements.len()))),
        Json::String(text) => places.push(shown(&format!("text of {} characters", text.chars().count()))),
        Json::Number(_) => places.push(shown("number")),
        Json::Bool(_) => places.push(shown("true or false")),
        Json::Null => places.push(shown("null")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that is printed must help to find the value, and not show it: it can hold a token.
    #[test]
    fn bodies_are_shown_by_their_shape() {
        let body = br#"{"access":{"token":"s3cret","a/b":[1,2]},"cart":null}"#;
        let shape = describe_body("application/json", body);
        assert_eq!(
            shape,
            "JSON: /access/a~1b (list of 2), /access/token (text of 6 characters), /cart (null)"
        );
        assert_eq!(describe_body("", b""), "no body");
        let page = b"<html><title> Log in </title><input value=s3cret>";
        assert_eq!(describe_body("text/html", page), "HTML page \"Log in\" of 49 bytes");
        assert_eq!(describe_body("text/plain", b"s3cret"), "6 bytes of text/plain");
        let many: Vec<String> = (0..40).map(|number| format!("\"k{number}\":1")).collect();
        let shape = describe_body("", format!("{{{}}}", many.join(",")).as_bytes());
        assert!(shape.ends_with(", and others") && shape.len() < 250, "{shape}");
        // A document of any depth and size costs a bounded number of places.
        let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
        assert!(describe_body("", deep.as_bytes()).contains("/a/a/a/a/a/a (object of 1)"));
    }

    #[test]
    fn secrets_are_shown_as_short_digests() {
        let secrets = Secrets::with_digests();
        let line = show_set_cookie(&secrets, "sid=s3cret; Path=/;HttpOnly");
        assert!(line.starts_with("sid=digest-") && line.ends_with("; Path=/; HttpOnly"), "{line}");
        assert!(line.len() == "sid=digest-01234567; Path=/; HttpOnly".len(), "{line}");
        assert_eq!(show_set_cookie(&secrets, "sid=; Max-Age=0"), "sid=(removed); Max-Age=0");
        assert_eq!(show_set_cookie(&Secrets::without_digests(), "sid=1"), "sid=1");
        assert_eq!(show_location("/login?token=s3cret"), "/login?…");
    }
}
