//! Single requests to an application that nothing is known of yet.

use super::step::StepDraft;
use crate::stores::http::cookies::CookieJar;
use crate::stores::http::entry::EntryPoint;
use crate::stores::http::template::{Escape, NamedPlace, Template, TemplatePlace};
use crate::stores::http::tls::TlsClient;
use crate::stores::http::wire::{HttpConnection, HttpVersions, read_body};
use crate::stores::http::witness::{describe_body, show_location};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HeaderMap;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The most redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// Sends requests to one entry.
#[derive(Debug)]
pub(super) struct DraftBrowser {
    pub(super) entry: EntryPoint,
    pub(super) tls: Option<TlsClient>,
    /// How long one request may take.
    pub(super) patience: Duration,
    /// When the last request must be over.
    pub(super) ends: Instant,
}

/// A user of the application: cookies, and the values for the places of templates.
#[derive(Clone, Debug, Default)]
pub(super) struct DraftUser {
    pub(super) jar: CookieJar,
    /// The header that sends the session's token, if it has one.
    pub(super) token_header: Option<(String, String)>,
    pub(super) taken: BTreeMap<String, String>,
    pub(super) columns: BTreeMap<String, String>,
    pub(super) name: String,
    pub(super) value: String,
}

/// An answer, with its whole body.
#[derive(Clone, Debug)]
pub(super) struct FetchedPage {
    /// The path that was asked for, below the base of the entry.
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl FetchedPage {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The `Set-Cookie` headers.
    pub(super) fn set_cookies(&self) -> impl Iterator<Item = &str> {
        self.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok())
    }

    /// The status, the redirect and the shape of the body.
    pub(super) fn describe(&self) -> String {
        let to = self
            .header("location")
            .map_or(String::new(), |to| format!(", redirects to {}", show_location(to)));
        let body = describe_body(self.header("content-type").unwrap_or_default(), self.body.as_bytes());
        format!("status {}{to}, {body}", self.status)
    }
}

impl DraftBrowser {
    /// Fetches a page, and follows redirects within the application.
    pub(super) async fn get_page(&self, user: &mut DraftUser, path: &str) -> Result<FetchedPage, String> {
        let mut page = self.send_request(user, "GET", path, &[], String::new()).await?;
        for _ in 0..REDIRECTS_MAX {
            let next = page.header("location").filter(|_| (300..400).contains(&page.status));
            let Some(next) = next.and_then(|to| self.resolve_path(&page.path, to)) else { break };
            page = self.send_request(user, "GET", &next, &[], String::new()).await?;
        }
        Ok(page)
    }

    /// Sends a step with its places filled in.
    pub(super) async fn send_step(
        &self,
        user: &mut DraftUser,
        step: &StepDraft,
    ) -> Result<FetchedPage, String> {
        let kind = step.header("content-type").unwrap_or_default();
        let path = user.fill(&step.path, Escape::Percent)?;
        let body = step.body.as_deref().map(|body| user.fill(body, Escape::for_content_type(kind)));
        let mut headers = Vec::new();
        for (name, text) in &step.headers {
            headers.push((name.clone(), user.fill(text, Escape::Nothing)?));
        }
        let body = body.transpose()?.unwrap_or_default();
        self.send_request(user, &step.method, &path, &headers, body).await
    }

    async fn send_request(
        &self,
        user: &mut DraftUser,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: String,
    ) -> Result<FetchedPage, String> {
        let what = format!("{method} {}{}{}", self.entry.origin(), self.entry.base, show_location(path));
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.entry.base))
            .header("host", &self.entry.address);
        if let Some(cookies) = user.jar.cookie_header() {
            request = request.header("cookie", cookies);
        }
        for (name, value) in headers.iter().chain(&user.token_header) {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|why| format!("{what}: {why}"))?;
        let left = self.ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("{what}: not sent, because the time is over. Raise --timeout"));
        }
        let exchange = async {
            let opened = match (&self.tls, &self.entry.secure_host) {
                (Some(tls), Some(host)) => {
                    let versions = HttpVersions::Negotiated;
                    HttpConnection::open_secure(&self.entry.address, tls, host, versions).await
                }
                _ => HttpConnection::open(&self.entry.address).await,
            };
            let mut connection = opened.map_err(|why| {
                format!("{what}: cannot connect: {why}. Start the application, or correct the address.")
            })?;
            let response =
                connection.send_request(request).await.map_err(|why| format!("{what}: {}", why.reason()))?;
            let (head, body) = response.into_parts();
            let body = read_body(body).await.map_err(|why| format!("{what}: {}", why.reason()))?;
            Ok::<_, String>((head, body))
        };
        let patience = self.patience.min(left);
        let exchanged = tokio::time::timeout(patience, exchange).await;
        let (head, body) = exchanged.map_err(|_| format!("{what}: no answer within {patience:.1?}"))??;
        let page = FetchedPage {
            path: path.to_owned(),
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        page.set_cookies().for_each(|line| user.jar.apply_set_cookie(line));
        Ok(page)
    }

    /// The path that a link or a redirect leads to; `None` if it leads out of the application.
    pub(super) fn resolve_path(&self, from: &str, target: &str) -> Option<String> {
        let target = target.split('#').next().unwrap_or_default();
        let own = [self.entry.origin(), format!("//{}", self.entry.address)];
        let target = own.iter().find_map(|own| target.strip_prefix(own.as_str())).unwrap_or(target);
        let from = from.split('?').next().unwrap_or_default();
        if target.is_empty() {
            return Some(from.to_owned());
        }
        if target.starts_with("//")
            || target.split(['/', '?']).next().is_some_and(|first| first.contains(':'))
        {
            return None;
        }
        if target.starts_with('/') {
            let below = target.strip_prefix(self.entry.base.as_str()).filter(|rest| rest.starts_with('/'));
            return Some(below.unwrap_or(target).to_owned());
        }
        let folder = from.rfind('/').map_or("/", |slash| &from[..=slash]);
        Some(format!("{folder}{target}"))
    }
}

impl DraftUser {
    /// Fills in the places of a text.
    ///
    /// # Errors
    /// Names a place that has no value: a request with an empty place would say nothing of the application.
    fn fill(&self, text: &str, escape: Escape) -> Result<String, String> {
        let missing = RefCell::new(None);
        let miss = |what: String| {
            missing.borrow_mut().get_or_insert(what);
            String::new()
        };
        let place = |place| match place {
            TemplatePlace::Value => self.value.clone(),
            TemplatePlace::User | TemplatePlace::Key => self.name.clone(),
            TemplatePlace::Trace => format!("init-{}", self.name),
            _ => miss(
                "a place that only a run fills in. Use {value}, {user}, {user.COLUMN} or {cookie.NAME}"
                    .to_owned(),
            ),
        };
        let named = |of, name: &str| {
            match of {
            NamedPlace::Taken => self
                .taken
                .get(name)
                .cloned()
                .unwrap_or_else(|| miss(format!("{{take.{name}}}, which no page gave"))),
            NamedPlace::Cookie => match self.jar.cookie_value(name) {
                Some(value) => value.to_owned(),
                None => miss(format!("{{cookie.{name}}}, and the application set no cookie of this name")),
            },
            NamedPlace::Column => self.columns.get(name).cloned().unwrap_or_else(|| {
                miss(format!(
                    "{{user.{name}}}, and no column of this name was given: pass --users FILE with a column {name}"
                ))
            }),
        }
        };
        let filled = Template::parse(text)?.fill_places(escape, place, named);
        match missing.into_inner() {
            Some(what) => Err(format!("{text:?} has {what}")),
            None => Ok(filled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::http::entry::parse_entry;

    /// A login with an empty user was sent, refused by the application, and blamed on the password.
    #[test]
    fn a_place_without_a_value_is_named_and_not_sent_empty() {
        let mut user = DraftUser { value: "v".to_owned(), name: "s-1".to_owned(), ..DraftUser::default() };
        user.columns.insert("name".to_owned(), "ann".to_owned());
        let filled = user.fill("{user.name}={value}", Escape::Nothing);
        assert_eq!(filled.as_deref(), Ok("ann=v"));
        for (text, told) in [
            ("{user.mail}", "--users FILE"),
            ("{cookie.csrf}", "set no cookie of this name"),
            ("{take.token}", "which no page gave"),
            ("{new}", "only a run fills in"),
        ] {
            let why = user.fill(text, Escape::Nothing).expect_err("it has no value");
            assert!(why.contains(text) && why.contains(told), "{why}");
        }
    }

    #[test]
    fn links_are_resolved_within_the_application_only() {
        let entry = parse_entry("main", "http://h:81/shop").expect("an entry");
        let browser = DraftBrowser { entry, tls: None, patience: Duration::ZERO, ends: Instant::now() };
        for (from, target, path) in [
            ("/a/b?x=1", "", Some("/a/b")),
            ("/a/b", "c?d=e:f#g", Some("/a/c?d=e:f")),
            ("/a", "/shop/login", Some("/login")),
            ("/a", "http://h:81/shop/login", Some("/login")),
            ("/a", "/other", Some("/other")),
            ("/a", "http://elsewhere/login", None),
            ("/a", "//elsewhere/login", None),
            ("/a", "mailto:ann@h", None),
        ] {
            assert_eq!(browser.resolve_path(from, target).as_deref(), path, "{from} {target}");
        }
    }
}
