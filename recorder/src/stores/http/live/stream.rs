//! An open live connection: a stream of server-sent events, or a WebSocket.

use super::message::{EventReader, LiveMessage, MESSAGE_BYTES_MAX};
use crate::stores::http::wire::ByteTransport;
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::time::Duration;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long a message to the application may take to be sent.
const SEND_PATIENCE: Duration = Duration::from_secs(1);

/// An open live connection.
pub(super) enum LiveStream {
    Events(Box<EventStream>),
    Socket(Box<WebSocketStream<Box<dyn ByteTransport>>>),
}

/// A stream of server-sent events.
pub(super) struct EventStream {
    body: Incoming,
    reader: EventReader,
    ready: VecDeque<LiveMessage>,
}

/// Why a WebSocket was not opened.
pub(super) enum SocketRefusal {
    /// The application answered with this status.
    Status(u16),
    Failed(String),
}

impl LiveStream {
    pub(super) fn of_events(body: Incoming) -> Self {
        let (reader, ready) = (EventReader::default(), VecDeque::new());
        LiveStream::Events(Box::new(EventStream { body, reader, ready }))
    }

    /// Asks an application to change to the protocol of WebSockets. The request has the headers of the session; those of the
    /// protocol are added.
    pub(super) async fn open_socket(
        transport: Box<dyn ByteTransport>,
        request: hyper::http::request::Builder,
    ) -> Result<Self, SocketRefusal> {
        let request: Request<()> = request
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .body(())
            .map_err(|why| SocketRefusal::Failed(why.to_string()))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        match client_async_with_config(request, transport, Some(config)).await {
            Ok((socket, _)) => Ok(LiveStream::Socket(Box::new(socket))),
            Err(Error::Http(response)) => Err(SocketRefusal::Status(response.status().as_u16())),
            Err(why) => Err(SocketRefusal::Failed(why.to_string())),
        }
    }

    /// Returns the next message, or nothing after another sign of life. Nothing is lost if this is dropped.
    ///
    /// # Errors
    /// Says why the connection is over.
    pub(super) async fn next_message(&mut self) -> Result<Option<LiveMessage>, String> {
        match self {
            LiveStream::Events(stream) => stream.next_message().await,
            LiveStream::Socket(socket) => match socket.next().await {
                None => Err("the connection ended".to_owned()),
                Some(Err(why)) => Err(why.to_string()),
                Some(Ok(Message::Text(text))) => Ok(Some(message_of_text(text.as_str()))),
                Some(Ok(Message::Binary(bytes))) => {
                    Ok(Some(message_of_text(&String::from_utf8_lossy(&bytes))))
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    Err(format!("the application closed the connection: {frame}"))
                }
                Some(Ok(Message::Close(None))) => Err("the application closed the connection".to_owned()),
                Some(Ok(_)) => Ok(None),
            },
        }
    }

    /// Sends a text.
    ///
    /// # Errors
    /// Says why the connection is over.
    pub(super) async fn send_text(&mut self, text: String) -> Result<(), String> {
        match self {
            LiveStream::Events(_) => Ok(()),
            LiveStream::Socket(socket) => send_in_time(socket, Message::text(text)).await,
        }
    }

    /// Asks for a sign of life, where the protocol can.
    pub(super) async fn send_ping(&mut self) -> Result<(), String> {
        match self {
            LiveStream::Events(_) => Ok(()),
            LiveStream::Socket(socket) => send_in_time(socket, Message::Ping(Default::default())).await,
        }
    }
}

impl EventStream {
    async fn next_message(&mut self) -> Result<Option<LiveMessage>, String> {
        if let Some(message) = self.ready.pop_front() {
            return Ok(Some(message));
        }
        match self.body.frame().await {
            Some(Ok(piece)) => {
                if let Some(data) = piece.data_ref() {
                    self.reader.read_bytes(data, &mut self.ready)?;
                }
                Ok(self.ready.pop_front())
            }
            Some(Err(why)) => Err(why.to_string()),
            None => Err("the connection ended".to_owned()),
        }
    }
}

async fn send_in_time(
    socket: &mut WebSocketStream<Box<dyn ByteTransport>>,
    message: Message,
) -> Result<(), String> {
    match tokio::time::timeout(SEND_PATIENCE, socket.send(message)).await {
        Ok(sent) => sent.map_err(|why| why.to_string()),
        Err(_) => Err("a message could not be sent in time".to_owned()),
    }
}

fn message_of_text(text: &str) -> LiveMessage {
    LiveMessage { text: text.to_owned(), data: text.to_owned(), id: None }
}
