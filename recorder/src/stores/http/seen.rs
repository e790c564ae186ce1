//! Notes each exchange of a client for the witness, if there is one.

use super::HttpClient;
use super::cookies::CookieJar;
use super::description::{IdPlace, RequestStep};
use super::exchange::{Filling, HttpReply};
use super::template::{Escape, NamedPlace, Template, TemplatePlace};
use super::witness::{SeenExchange, show_location, show_secret, show_set_cookie};
use crate::Failure;
use bytes::Bytes;
use http_body_util::Full;
use std::time::Instant;

impl HttpClient {
    /// Notes that a step is about to be sent. Returns the number of the exchange.
    pub(super) fn begin_seen_exchange(
        &self,
        step: &RequestStep,
        entry: usize,
        filling: &Filling,
        jar: &CookieJar,
        id: Option<&str>,
    ) -> Option<usize> {
        let witness = self.witness.as_ref()?;
        let secrets = &self.inner.secrets;
        // The same texts as in the request, with digests in place of what the user's secrets are.
        let fill = |template: &Template, escape| {
            template.fill_places(
                escape,
                |place| match (place, id) {
                    (TemplatePlace::Id, Some(id)) => show_secret(secrets, id),
                    _ => filling.place_value(place, id),
                },
                |of, name| match of {
                    NamedPlace::Taken => {
                        show_secret(secrets, filling.taken.get(name).map_or("", |text| text))
                    }
                    NamedPlace::Cookie => show_secret(secrets, jar.cookie_value(name).unwrap_or_default()),
                    NamedPlace::Column => format!("user.{name}"),
                },
            )
        };
        let mut sent = self.describe_sent_identity(jar);
        if !step.headers.is_empty() {
            let names: Vec<&str> = step.headers.iter().map(|(name, _)| name.as_str()).collect();
            sent.push(format!("headers {}", names.join(", ")));
        }
        if step.body.is_some() {
            sent.push("a body".to_owned());
        }
        let url = self.show_url(entry, &fill(&step.path, Escape::Percent));
        let method = step.method.clone();
        Some(witness.begin_exchange(SeenExchange { method, url, sent, ..SeenExchange::default() }))
    }

    /// Notes that a page is about to be fetched.
    pub(super) fn begin_seen_page(&self, entry: usize, path: &str, jar: &CookieJar) -> Option<usize> {
        let witness = self.witness.as_ref()?;
        let url = self.show_url(entry, &show_location(path));
        let sent = self.describe_sent_identity(jar);
        Some(witness.begin_exchange(SeenExchange {
            method: "GET".to_owned(),
            url,
            sent,
            ..SeenExchange::default()
        }))
    }

    /// Sends a request, and notes its answer under the number of its exchange.
    pub(super) async fn send_seen_request(
        &mut self,
        entry: usize,
        request: hyper::Request<Full<Bytes>>,
        seen: Option<usize>,
    ) -> Result<HttpReply, Failure> {
        let Some((witness, number)) = self.witness.clone().zip(seen) else {
            return self.send_request(entry, request).await;
        };
        let began = Instant::now();
        let sent = self.send_request(entry, request).await;
        let took = began.elapsed();
        let secrets = &self.inner.secrets;
        match sent {
            Ok(mut reply) => {
                witness.complete_exchange(number, |exchange| {
                    exchange.took = took;
                    exchange.status = Some(reply.status);
                    exchange.node = reply.node.as_ref().map(ToString::to_string);
                    exchange.location = reply.location.as_deref().map(show_location);
                    let lines = reply.set_cookies.iter();
                    exchange.set_cookies = lines.map(|line| show_set_cookie(secrets, line)).collect();
                });
                reply.seen = Some((witness, number));
                Ok(reply)
            }
            Err(failure) => {
                witness.complete_exchange(number, |exchange| {
                    exchange.took = took;
                    exchange.failure = Some(failure.error.clone());
                });
                Err(failure)
            }
        }
    }

    fn show_url(&self, entry: usize, path: &str) -> String {
        let entry = &self.inner.description.entries[entry];
        format!("{}{}{path}", entry.origin(), entry.base)
    }

    /// The cookies that a request sends, and the header with the session's id.
    fn describe_sent_identity(&self, jar: &CookieJar) -> Vec<String> {
        let secrets = &self.inner.secrets;
        let cookies: Vec<String> =
            jar.cookies().map(|(name, value)| format!("{name}={}", show_secret(secrets, value))).collect();
        let mut sent = Vec::new();
        if !cookies.is_empty() {
            sent.push(format!("cookies {}", cookies.join(", ")));
        }
        if let (IdPlace::Header(_, (name, _)) | IdPlace::Token(_, (name, _)), Some(token)) =
            (&self.inner.description.id, &jar.token)
        {
            sent.push(format!("{name} with {}", show_secret(secrets, token)));
        }
        sent
    }
}
