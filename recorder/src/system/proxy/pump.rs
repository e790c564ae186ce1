//! One connection: bytes pass from one socket to another in order, as the current settings of the link determine.
//!
//! Each direction reads into a queue and writes from its head. Each piece carries its arrival time and its share of
//! the jitter, and *its due time is computed again whenever the link changes*. When a delay ends, the delayed pieces
//! therefore pass at once. The end of a stream is a piece like any other and waits for its turn.
//!
//! Memory: at most [`WAITING_BYTES_MAX`] in each direction. When the queue is full, nothing is read, and the sender's
//! own socket fills: the back-pressure of TCP.

use super::link::{Direction, Flow, LinkSettings, ProxyLink, SentPiece};
use super::messages::MessageCounter;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use workloads::Stream;

/// How many bytes may wait in one direction of one connection.
pub(super) const WAITING_BYTES_MAX: usize = 1 << 20;
/// How many pieces may wait, however small they are.
const WAITING_PIECES_MAX: usize = 4096;
/// How many bytes are read at once.
const BLOCK_BYTES: usize = 64 << 10;
/// A new block is allocated when less than this much room remains.
const ROOM_BYTES_MIN: usize = 4 << 10;
/// At a limited rate, a piece has at most the bytes of this fraction of a second, so that the rate also holds over
/// short times.
const PIECES_PER_SECOND: u64 = 100;

/// The connection was broken, and both ends must see that.
struct ConnectionBroken;

/// Carries bytes in both directions until both have ended or the connection breaks. `number` is the number of the
/// connection on its link.
pub(super) async fn carry_connection(
    mut client: TcpStream,
    mut server: TcpStream,
    link: &ProxyLink,
    begun: LinkSettings,
    number: u64,
) {
    // Small pieces are sent at once. Only the link's settings may delay them.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let one = |direction| Pump::new(link, direction, &begun, number);
        let (there, back) = (one(Direction::ToServer), one(Direction::ToClient));
        let both = async {
            let (there, back) =
                tokio::try_join!(there.run(from_client, to_server), back.run(from_server, to_client))?;
            if there == DirectionEnd::Early || back == DirectionEnd::Early {
                Err(ConnectionBroken)
            } else {
                Ok(())
            }
        };
        tokio::select! {
            ended = both => ended,
            () = wait_until_reset(link.subscribe(), begun.resets) => Err(ConnectionBroken),
        }
    };
    if ended.is_err() {
        link.count_broken_connection();
        // With no time to linger, closing sends RST.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Returns when the link's connections are broken again.
async fn wait_until_reset(mut watch: watch::Receiver<LinkSettings>, resets: u64) {
    // An error means that the link is gone and can no longer be broken.
    if watch.wait_for(|state| state.resets != resets).await.is_err() {
        std::future::pending().await
    }
}

/// How a direction ended, if it was not broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DirectionEnd {
    /// The receiver was told that the stream has ended.
    Orderly,
    /// The receiver is gone. The opposite direction will end as well; what the receiver had sent is carried until
    /// then.
    Early,
}

enum StreamPiece {
    Bytes(Bytes),
    Closed,
    Reset,
}

struct WaitingPiece {
    piece: StreamPiece,
    came: Instant,
    /// The piece's jitter, as a multiple of the mean.
    luck: f64,
}

impl WaitingPiece {
    fn due_time(&self, flow: &Flow) -> Instant {
        self.came + flow.delay + flow.jitter.mul_f64(self.luck)
    }
}

struct Pump<'a> {
    link: &'a ProxyLink,
    direction: Direction,
    closings: u64,
    watch: watch::Receiver<LinkSettings>,
    counter: Box<dyn MessageCounter>,
    stream: Stream,
    queue: VecDeque<WaitingPiece>,
    bytes: usize,
    reads: bool,
}

impl<'a> Pump<'a> {
    fn new(link: &'a ProxyLink, direction: Direction, begun: &LinkSettings, number: u64) -> Self {
        let stream = Stream::new(number * 2 + direction.index() as u64, "jitter");
        Self {
            link,
            direction,
            closings: begun.closings[direction.index()],
            watch: link.subscribe(),
            counter: link.new_counter(),
            stream,
            queue: VecDeque::new(),
            bytes: 0,
            reads: true,
        }
    }

    async fn run(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> Result<DirectionEnd, ConnectionBroken> {
        let mut block = BytesMut::new();
        loop {
            let state = *self.watch.borrow_and_update();
            let flow = state.flows[self.direction.index()];
            if self.reads && state.closings[self.direction.index()] != self.closings {
                self.push_piece(StreamPiece::Closed);
            }
            let now = Instant::now();
            let due = self.head_due_time(&flow);
            let ready = due.is_some_and(|due| due <= now);
            let head = match self.queue.front() {
                Some(WaitingPiece { piece: StreamPiece::Closed, .. }) if ready => {
                    let _ = to.shutdown().await;
                    return Ok(DirectionEnd::Orderly);
                }
                Some(WaitingPiece { piece: StreamPiece::Reset, .. }) if ready => {
                    return Err(ConnectionBroken);
                }
                Some(WaitingPiece { piece: StreamPiece::Bytes(bytes), .. }) if ready => {
                    limit_piece(bytes, &flow)
                }
                _ => Bytes::new(),
            };
            let room = self.bytes < WAITING_BYTES_MAX && self.queue.len() < WAITING_PIECES_MAX;
            let reads = self.reads && room;
            if reads && block.capacity() - block.len() < ROOM_BYTES_MIN {
                block.reserve(BLOCK_BYTES);
            }
            tokio::select! {
                biased;
                _ = self.watch.changed() => {}
                written = to.write(&head), if ready => match written {
                    Ok(count) => self.record_written(&head[..count], &flow),
                    Err(_) => return Ok(DirectionEnd::Early),
                },
                () = sleep_until(due.unwrap_or(now)), if due.is_some() && !ready => {}
                read = from.read_buf(&mut block), if reads => self.push_piece(match read {
                    Ok(0) => StreamPiece::Closed,
                    Ok(_) if self.direction == Direction::ToServer && self.link.take_request_to_break() => {
                        return Err(ConnectionBroken);
                    }
                    Ok(_) => StreamPiece::Bytes(block.split().freeze()),
                    Err(_) => StreamPiece::Reset,
                }),
            }
        }
    }

    /// When the head of the queue may pass; `None` if the queue is empty or held.
    fn head_due_time(&self, flow: &Flow) -> Option<Instant> {
        let due = self.queue.front().filter(|_| !flow.held)?.due_time(flow);
        let free = flow.rate.and_then(|_| self.link.next_send_time(self.direction));
        Some(free.map_or(due, |free| free.max(due)))
    }

    fn push_piece(&mut self, piece: StreamPiece) {
        match &piece {
            StreamPiece::Bytes(bytes) => {
                self.bytes += bytes.len();
                self.link.count_waiting_bytes(self.direction, bytes.len() as u64);
            }
            StreamPiece::Closed | StreamPiece::Reset => self.reads = false,
        }
        let luck = self.stream.draw_exponential(1.0);
        self.queue.push_back(WaitingPiece { piece, came: Instant::now(), luck });
    }

    /// Removes what was written from the head of the queue.
    fn record_written(&mut self, written: &[u8], flow: &Flow) {
        let messages = self.counter.count_messages(written);
        let late = self.queue.front().map_or(Duration::ZERO, |head| head.came.elapsed());
        let piece = SentPiece { bytes: written.len() as u64, messages, late };
        self.link.record_carried(self.direction, piece, flow.rate);
        self.bytes -= written.len();
        if let Some(WaitingPiece { piece: StreamPiece::Bytes(bytes), .. }) = self.queue.front_mut() {
            let _ = bytes.split_to(written.len());
            if bytes.is_empty() {
                self.queue.pop_front();
            }
        }
    }
}

impl Drop for Pump<'_> {
    fn drop(&mut self) {
        self.link.discount_waiting_bytes(self.direction, self.bytes as u64);
    }
}

/// As much of a piece as may go at once.
fn limit_piece(bytes: &Bytes, flow: &Flow) -> Bytes {
    let worth = flow.rate.map_or(usize::MAX, |rate| (rate / PIECES_PER_SECOND).max(1) as usize);
    let most = flow.slice.unwrap_or(usize::MAX).max(1).min(worth);
    bytes.slice(..bytes.len().min(most))
}

/// Waits until a direction is not held.
///
/// # Errors
/// The link's connections were broken.
pub(super) async fn wait_until_released(
    link: &ProxyLink,
    direction: Direction,
    resets: u64,
) -> Result<(), ()> {
    let mut watch = link.subscribe();
    let open = |state: &LinkSettings| state.resets != resets || !state.flows[direction.index()].held;
    match watch.wait_for(open).await {
        Ok(state) if state.resets == resets => Ok(()),
        _ => Err(()),
    }
}

/// How long the server may take to accept a connection.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
