//! Connections to the application: one for each connection of a client, so that the application sees the connections that its
//! clients make.
//!
//! A request is sent once. Only if a kept connection turns out to be closed, and nothing of the request was sent, does the request go
//! out on a new connection. What was sent and not answered is never repeated: the application may have done it.

use super::body::SentBody;
use crate::stores::http::wire::{ExchangeError, describe_error_chain};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long to wait for a connection to the application.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// The most bytes of the headers of an answer. Their number is limited by hyper: 100.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The size of the buffer of a connection.
const BUFFER_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;

/// A slot for the connection to the application that belongs to one client.
#[derive(Debug, Default)]
pub(super) struct UpstreamSlot {
    sender: Option<SendRequest<SentBody>>,
}

impl UpstreamSlot {
    /// Sends a request and returns when the headers of the answer are complete.
    pub(super) async fn send_request(
        &mut self,
        address: &str,
        request: Request<SentBody>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        let mut request = request;
        if let Some(mut kept) = self.sender.take()
            && kept.ready().await.is_ok()
        {
            match kept.try_send_request(request).await {
                Ok(response) => {
                    self.sender = Some(kept);
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ExchangeError::Sent(describe_error_chain(error.error()))),
                },
            }
        }
        let mut fresh = open_connection(address).await.map_err(ExchangeError::Unsent)?;
        match fresh.try_send_request(request).await {
            Ok(response) => {
                self.sender = Some(fresh);
                Ok(response)
            }
            Err(mut error) => Err(match error.take_message() {
                Some(_) => ExchangeError::Unsent(describe_error_chain(error.error())),
                None => ExchangeError::Sent(describe_error_chain(error.error())),
            }),
        }
    }
}

async fn open_connection(address: &str) -> Result<SendRequest<SentBody>, String> {
    let connected = tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await;
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("no connection in time".to_owned()),
    };
    let begun = async {
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let mut builder = Builder::new();
        builder.max_header_size(HEAD_BYTES_MAX).max_buf_size(BUFFER_BYTES_MAX).preserve_header_case(true);
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| describe_error_chain(&error))
    };
    let (sender, connection) = begun.await?;
    // The task ends by itself when the sender is gone and the last body was read or dropped.
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    Ok(sender)
}
