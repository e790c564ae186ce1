//! Connections that leave HTTP: after an answer of 101, bytes go both ways as they come. Nothing in them is recorded.

use super::TapState;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::OwnedSemaphorePermit;

/// How long a tunnel may be silent in both directions. WebSockets send a sign of life more often.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// How long the two sides may take to leave HTTP after the answer.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(10);

/// The size of the buffer for each direction.
const BUFFER_BYTES: usize = 16 << 10;

/// Carries bytes between two connections until one of them ends, both are silent for too long, or the tap is stopped. The permit
/// counts the tunnel among the connections.
pub(super) fn start_tunnel(
    tap: Arc<TapState>,
    client: OnUpgrade,
    server: OnUpgrade,
    permit: Arc<OwnedSemaphorePermit>,
) {
    tokio::spawn(async move {
        let _permit = permit;
        let carried = async {
            let both = tokio::time::timeout(UPGRADE_PATIENCE, async { tokio::try_join!(client, server) });
            if let Ok(Ok((client, server))) = both.await {
                carry_both_ways(client, server).await;
            }
        };
        tokio::select! {
            () = carried => {}
            () = tap.stop.wait_until_requested() => {}
        }
    });
}

async fn carry_both_ways(client: Upgraded, server: Upgraded) {
    let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
    let (from_server, to_server) = tokio::io::split(TokioIo::new(server));
    let last_piece = tokio::sync::watch::channel(()).0;
    let _ = tokio::select! {
        done = async { tokio::try_join!(
            carry_pieces(from_client, to_server, &last_piece),
            carry_pieces(from_server, to_client, &last_piece),
        ) } => done.map(drop),
        () = wait_for_silence(&last_piece) => Ok(()),
    };
}

/// Carries bytes in one direction until its end, which is passed on too.
async fn carry_pieces(
    mut from: ReadHalf<TokioIo<Upgraded>>,
    mut to: WriteHalf<TokioIo<Upgraded>>,
    last_piece: &tokio::sync::watch::Sender<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        last_piece.send_replace(());
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// Returns when nothing was carried for [`SILENCE_MAX`].
async fn wait_for_silence(last_piece: &tokio::sync::watch::Sender<()>) {
    let mut pieces = last_piece.subscribe();
    while tokio::time::timeout(SILENCE_MAX, pieces.changed()).await.is_ok_and(|changed| changed.is_ok()) {}
}
