//! The state of a user's browser: its cookies, or the token that replaces them.
//!
//! A user has one browser, which stays the same through all reconnects and in all tabs. It sends what it holds *now*,
//! whatever was renewed in the meantime, and takes every `Set-Cookie` of every answer, even of late ones. That is how
//! the answer to a slow request brings back an id that a renewal had replaced. A replaced or ended id is kept aside,
//! as an attacker would keep it, to test whether it still gives access.
//!
//! Only the name and the value of a cookie are evaluated, and whether it is removed (`Max-Age` of zero or less,
//! `Expires` in 1970). Path, domain and `Secure` are ignored, because all requests go to one application.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cookies by name, and the session's id if the application does not use a cookie for it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct CookieJar {
    cookies: BTreeMap<String, String>,
    pub(crate) token: Option<String>,
}

impl CookieJar {
    /// The `Cookie` header to send; `None` if there are no cookies.
    pub(super) fn cookie_header(&self) -> Option<String> {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    pub(crate) fn cookie_value(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// All cookies, by name.
    pub(super) fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cookies.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Applies a `Set-Cookie` header.
    pub(crate) fn apply_set_cookie(&mut self, line: &str) {
        let mut parts = line.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let removes = parts.any(|attribute| {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "max-age" => value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                "expires" => value.contains("1970"),
                _ => false,
            }
        });
        if removes {
            self.cookies.remove(name.trim());
        } else {
            self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
}

/// One user's browser.
#[derive(Clone, Debug)]
struct Browser {
    /// The name of its present session; `None` after the session has ended.
    current: Option<Arc<str>>,
    jar: CookieJar,
    /// The jars that it held when a session was renewed or ended, by the name of that session.
    dead: HashMap<Arc<str>, CookieJar>,
}

/// The jar that a request starts with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RequestJar {
    pub(super) jar: CookieJar,
    /// Whether the browser itself sends the request. If so, cookies of the answer go into the browser.
    pub(super) lives: bool,
}

/// All browsers, by the names of all sessions that they ever had.
#[derive(Debug, Default)]
pub(super) struct Browsers(Mutex<KnownBrowsers>);

#[derive(Debug, Default)]
struct KnownBrowsers {
    browsers: Vec<Browser>,
    by_session: HashMap<Arc<str>, usize>,
}

impl Browsers {
    /// The jar to send for a session; `None` if its id was never sent to a user.
    pub(super) fn jar_for_session(&self, session: &str) -> Option<RequestJar> {
        let known = self.lock();
        let browser = &known.browsers[*known.by_session.get(session)?];
        if browser.current.as_deref() == Some(session) {
            return Some(RequestJar { jar: browser.jar.clone(), lives: true });
        }
        browser.dead.get(session).map(|jar| RequestJar { jar: jar.clone(), lives: false })
    }

    /// The names of all sessions that a browser has now. O(n) in browsers.
    pub(super) fn living_sessions(&self) -> Vec<Arc<str>> {
        self.lock().browsers.iter().filter_map(|browser| browser.current.clone()).collect()
    }

    /// Starts a browser for a new session.
    pub(super) fn begin_session(&self, session: &Arc<str>, jar: CookieJar) {
        let mut known = self.lock();
        let number = known.browsers.len();
        known.browsers.push(Browser { current: Some(session.clone()), jar, dead: HashMap::new() });
        known.by_session.insert(session.clone(), number);
    }

    /// Changes the jar of the browser that a session belongs to now, after an answer to a request of the session.
    pub(super) fn change_jar(&self, session: &str, change: impl FnOnce(&mut CookieJar)) {
        let mut known = self.lock();
        if let Some(&number) = known.by_session.get(session) {
            change(&mut known.browsers[number].jar);
        }
    }

    /// Ends a session, or replaces it with another, and keeps the jar that its browser held before.
    pub(super) fn end_session(&self, session: &Arc<str>, held: CookieJar, next: Option<&Arc<str>>) {
        let mut known = self.lock();
        let Some(&number) = known.by_session.get(session) else { return };
        let browser = &mut known.browsers[number];
        browser.dead.insert(session.clone(), held);
        browser.current = next.cloned();
        if let Some(next) = next {
            known.by_session.insert(next.clone(), number);
        }
    }

    /// Finds the first session whose id contains this text. `id_of` returns the id in a jar.
    pub(super) fn find_session(
        &self,
        id: &str,
        id_of: impl Fn(&CookieJar) -> Option<String>,
    ) -> Option<Arc<str>> {
        let known = self.lock();
        known.browsers.iter().find_map(|browser| {
            let current = browser.current.iter().map(|session| (session, &browser.jar));
            let mut all = browser.dead.iter().chain(current);
            let found = all.find(|(_, jar)| id_of(jar).is_some_and(|held| held.contains(id)));
            found.map(|(session, _)| session.clone())
        })
    }

    /// A poisoned lock is safe to use: each use leaves the content consistent.
    fn lock(&self) -> MutexGuard<'_, KnownBrowsers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(lines: &[&str]) -> CookieJar {
        let mut jar = CookieJar::default();
        lines.iter().for_each(|line| jar.apply_set_cookie(line));
        jar
    }

    #[test]
    fn cookies_are_kept_replaced_and_removed() {
        let held = jar(&["sid=a=b; Path=/; HttpOnly", "lang=de", "sid=c; Max-Age=60"]);
        assert_eq!(held.cookie_header().as_deref(), Some("lang=de; sid=c"));
        for removal in ["sid=; Max-Age=0", "sid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/"] {
            assert_eq!(jar(&["sid=c", removal]).cookie_header(), None, "{removal}");
        }
    }

    /// The answer to a slow request with the old id arrives after the renewal and restores the old id.
    #[test]
    fn a_late_answer_restores_what_a_renewal_replaced() {
        let (browsers, old, new): (_, Arc<str>, Arc<str>) = (Browsers::default(), "s".into(), "s.1".into());
        browsers.begin_session(&old, jar(&["sid=1"]));
        let held = browsers.jar_for_session("s").unwrap();
        browsers.end_session(&old, held.jar.clone(), Some(&new));
        browsers.change_jar("s.1", |jar| jar.apply_set_cookie("sid=2"));
        assert_eq!(
            browsers.jar_for_session("s.1").unwrap(),
            RequestJar { jar: jar(&["sid=2"]), lives: true }
        );
        assert_eq!(browsers.jar_for_session("s").unwrap(), RequestJar { jar: held.jar, lives: false });
        browsers.change_jar("s", |jar| jar.apply_set_cookie("sid=1"));
        assert_eq!(browsers.jar_for_session("s.1").unwrap().jar, jar(&["sid=1"]));
    }

    #[test]
    fn after_the_end_only_what_was_kept_aside_is_sent() {
        let (browsers, session): (_, Arc<str>) = (Browsers::default(), "s".into());
        browsers.begin_session(&session, jar(&["sid=1"]));
        browsers.end_session(&session, jar(&["sid=1"]), None);
        browsers.change_jar("s", |jar| jar.apply_set_cookie("sid=; Max-Age=0"));
        assert_eq!(browsers.jar_for_session("s").unwrap(), RequestJar { jar: jar(&["sid=1"]), lives: false });
        assert_eq!(browsers.jar_for_session("t"), None);
        let id = |jar: &CookieJar| jar.cookie_value("sid").map(str::to_owned);
        assert_eq!(browsers.find_session("1", id).as_deref(), Some("s"));
    }
}
