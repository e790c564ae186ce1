//! Opens the live connection of a session, and waits until it shows that it belongs to it.

use super::LiveLine;
use super::message::LiveMessage;
use super::source::{LiveKind, LiveSource};
use super::stream::{LiveStream, SocketRefusal};
use crate::journal::JournalLost;
use crate::stores::http::HttpStoreState;
use crate::stores::http::cookies::CookieJar;
use crate::stores::http::exchange::Filling;
use crate::stores::http::template::{Escape, NamedPlace, Template, TemplatePlace};
use std::time::Duration;

/// How long a connection may take until it shows its session.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);

/// Why a connection is not open.
pub(super) enum NotOpen {
    /// The application says that there is no such session.
    Absent(String),
    Failed(String),
}

impl NotOpen {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, NotOpen::Absent(_))
    }

    pub(super) fn reason(&self) -> &str {
        let (NotOpen::Absent(why) | NotOpen::Failed(why)) = self;
        why
    }
}

/// What a connection is opened with.
struct LiveRequest {
    path: String,
    headers: Vec<(String, String)>,
    send: Option<String>,
    shows: Option<String>,
    jar: CookieJar,
}

/// What is done with a message, also with one that came before its connection counts as open.
pub(super) type TakeMessage<'a> =
    &'a (dyn Fn(&mut LiveLine, &LiveMessage) -> Result<(), JournalLost> + Send + Sync);

/// Opens connections.
pub(super) struct LiveOpening<'a> {
    pub(super) inner: &'a HttpStoreState,
    pub(super) source: &'a LiveSource,
    pub(super) take_message: TakeMessage<'a>,
}

impl LiveOpening<'_> {
    /// Opens the connection, and waits until it shows its session.
    pub(super) async fn open_connection(
        &self,
        line: &mut LiveLine,
    ) -> Result<Result<LiveStream, NotOpen>, JournalLost> {
        let opening = async {
            let request = match self.fill_request(line) {
                Ok(request) => request,
                Err(why) => return Ok(Err(why)),
            };
            let opened = match self.source.kind {
                LiveKind::Events => self.open_events(line, &request).await,
                LiveKind::WebSocket => self.open_socket(line, &request).await,
            };
            match opened {
                Ok(stream) => self.read_until_shown(line, stream, request).await,
                Err(why) => Ok(Err(why)),
            }
        };
        let opened = tokio::time::timeout(OPEN_PATIENCE, opening).await;
        opened.unwrap_or_else(|_| Ok(Err(NotOpen::Failed("no event showed the session in time".to_owned()))))
    }

    fn fill_request(&self, line: &LiveLine) -> Result<LiveRequest, NotOpen> {
        let Some(held) = self.inner.browsers.jar_for_session(&line.session) else {
            return Err(NotOpen::Failed("the session has no cookie".to_owned()));
        };
        let mut filling = Filling::of_session(line.user(), &line.session);
        filling.taken = line.taken();
        filling.columns = self.inner.description.users.line_of(line.user());
        let id = self.inner.id_in_jar(&held.jar);
        let get = |place: TemplatePlace| filling.place_value(place, id.as_deref());
        let named = |of: NamedPlace, name: &str| match of {
            NamedPlace::Cookie => held.jar.cookie_value(name).unwrap_or_default().to_owned(),
            NamedPlace::Taken => filling.taken.get(name).cloned().unwrap_or_default(),
            NamedPlace::Column => filling.columns.get(name).cloned().unwrap_or_default(),
        };
        let fill = |text: &Template, escape| text.fill_places(escape, get, named);
        let headers = self.source.headers.iter();
        let headers = headers.map(|(name, text)| (name.clone(), fill(text, Escape::Nothing)));
        Ok(LiveRequest {
            path: fill(&self.source.path, Escape::Percent),
            headers: headers.collect(),
            send: self.source.send.as_ref().map(|text| fill(text, Escape::Json)),
            shows: self.source.shows.as_ref().map(|text| fill(text, Escape::Nothing)),
            jar: held.jar.clone(),
        })
    }

    /// Asks for a stream of events, and for what came after the last one, as a browser does.
    async fn open_events(&self, line: &mut LiveLine, request: &LiveRequest) -> Result<LiveStream, NotOpen> {
        let mut headers = vec![("accept".to_owned(), "text/event-stream".to_owned())];
        headers.extend(line.last_id.clone().map(|id| ("last-event-id".to_owned(), id)));
        headers.extend(request.headers.iter().cloned());
        let user = line.user().to_owned();
        let sent = line.client.open_live_stream(&user, &request.path, headers, &request.jar).await;
        let (status, body) = sent.map_err(|failure| NotOpen::Failed(failure.error))?;
        if self.source.absent.contains(&status) {
            return Err(NotOpen::Absent(format!("status {status}")));
        }
        let body = body.filter(|_| status == 200);
        body.map(LiveStream::of_events).ok_or_else(|| NotOpen::Failed(format!("status {status}")))
    }

    async fn open_socket(&self, line: &mut LiveLine, request: &LiveRequest) -> Result<LiveStream, NotOpen> {
        let (user, apart) = (line.user().to_owned(), self.source.apart.as_ref());
        let opened = line.client.open_live_socket(&user, apart, &request.path, &request.jar).await;
        let (transport, mut head) = opened.map_err(|failure| NotOpen::Failed(failure.error))?;
        for (name, value) in &request.headers {
            head = head.header(name, value);
        }
        LiveStream::open_socket(transport, head).await.map_err(|refusal| match refusal {
            SocketRefusal::Status(status) if self.source.absent.contains(&status) => {
                NotOpen::Absent(format!("status {status}"))
            }
            SocketRefusal::Status(status) => NotOpen::Failed(format!("status {status}")),
            SocketRefusal::Failed(why) => NotOpen::Failed(why),
        })
    }

    /// Reads messages until one shows the session. A WebSocket that need not show anything is open as it is: it may stay silent
    /// until there are news.
    async fn read_until_shown(
        &self,
        line: &mut LiveLine,
        mut stream: LiveStream,
        request: LiveRequest,
    ) -> Result<Result<LiveStream, NotOpen>, JournalLost> {
        if let Some(text) = request.send
            && let Err(why) = stream.send_text(text).await
        {
            return Ok(Err(NotOpen::Failed(why)));
        }
        if request.shows.is_none() && self.source.kind == LiveKind::WebSocket {
            return Ok(Ok(stream));
        }
        loop {
            match stream.next_message().await {
                Ok(None) => {}
                Ok(Some(message)) => {
                    (self.take_message)(line, &message)?;
                    if request.shows.as_ref().is_none_or(|shows| message.text.contains(shows)) {
                        return Ok(Ok(stream));
                    }
                }
                Err(why) => {
                    return Ok(Err(NotOpen::Failed(format!("{why} before an event showed the session"))));
                }
            }
        }
    }
}
