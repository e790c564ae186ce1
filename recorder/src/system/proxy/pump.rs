//! One connection: bytes from one socket to another, in order, as the link has it at the moment.
//!
//! Each direction reads into a queue and writes from its head. Every piece carries when it came and its share
//! of the jitter, and *when it is due is computed anew whenever the link changes*: so a delay that ends lets go
//! at once what it had made late. The end of a stream is a piece like any other: it waits for its turn.
//!
//! Memory: at most [`WAITING_BYTES_MAX`] in each direction. When the queue is full nothing is read, and the
//! sender's own socket fills: the back-pressure of TCP.

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
/// How much is read at once.
const BLOCK_BYTES: usize = 64 << 10;
/// Below so much room a new block is taken.
const ROOM_BYTES_MIN: usize = 4 << 10;
/// At a limited rate a piece is worth this share of a second, so that the rate is kept over short times too.
const PIECES_PER_SECOND: u64 = 100;

/// The connection was broken and both ends are to see that.
struct ConnectionBroken;

/// Carries bytes both ways until both have ended or the connection breaks. `number` is the connection's on its link.
pub(super) async fn carry_connection(
    mut client: TcpStream,
    mut server: TcpStream,
    link: &ProxyLink,
    begun: LinkSettings,
    number: u64,
) {
    // Small pieces leave as they are: waiting for more is what the link's flow is for.
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
        link.broke();
        // With no time to linger, closing sends RST.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Returns when the link's connections are broken once more.
async fn wait_until_reset(mut watch: watch::Receiver<LinkSettings>, resets: u64) {
    // An error says that the link is gone, and then nobody can break it any more.
    if watch.wait_for(|state| state.resets != resets).await.is_err() {
        std::future::pending().await
    }
}

/// How a direction ended, if not by a break.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DirectionEnd {
    /// The receiver was told that there is no more.
    Orderly,
    /// The receiver is gone. What comes from it will end as well, and what it had sent is carried until then.
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
    /// Its time of jitter, as a multiple of the mean.
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
                    Ok(_) if self.direction == Direction::ToServer && self.link.fails_now() => {
                        return Err(ConnectionBroken);
                    }
                    Ok(_) => StreamPiece::Bytes(block.split().freeze()),
                    Err(_) => StreamPiece::Reset,
                }),
            }
        }
    }

    /// When the head of the queue may go; none if there is none or it is held.
    fn head_due_time(&self, flow: &Flow) -> Option<Instant> {
        let due = self.queue.front().filter(|_| !flow.held)?.due_time(flow);
        let free = flow.rate.and_then(|_| self.link.next_send_time(self.direction));
        Some(free.map_or(due, |free| free.max(due)))
    }

    fn push_piece(&mut self, piece: StreamPiece) {
        match &piece {
            StreamPiece::Bytes(bytes) => {
                self.bytes += bytes.len();
                self.link.came(self.direction, bytes.len() as u64);
            }
            StreamPiece::Closed | StreamPiece::Reset => self.reads = false,
        }
        let luck = self.stream.draw_exponential(1.0);
        self.queue.push_back(WaitingPiece { piece, came: Instant::now(), luck });
    }

    /// Takes what was written off the head.
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
        self.link.forget(self.direction, self.bytes as u64);
    }
}

/// As much of a piece as may go at once.
fn limit_piece(bytes: &Bytes, flow: &Flow) -> Bytes {
    let worth = flow.rate.map_or(usize::MAX, |rate| (rate / PIECES_PER_SECOND).max(1) as usize);
    let most = flow.slice.unwrap_or(usize::MAX).max(1).min(worth);
    bytes.slice(..bytes.len().min(most))
}

/// Waits until a direction is not held, or the link's connections are broken.
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

/// How long the server may take to accept.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
