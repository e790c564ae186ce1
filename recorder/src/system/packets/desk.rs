//! The thread that decides on packets. It waits until a packet arrives or is due, and carries out the shaper's
//! decisions.

use super::super::network::Condition;
use super::queue::PacketQueue;
use super::shaper::{Shaper, Way, WayCounts};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The number of the queue. Any number is free, because the namespace is used by this program only.
pub(super) const NUMBER: u16 = 0;
/// Packets are lost and overtaken by chance. Which ones does not follow from the run's seed, because their arrival
/// times do not follow from it either.
const SEED: u64 = 0;

/// The deciding thread, in the namespace of the thread that started it. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct PacketDecider {
    changes: Option<Sender<Vec<(Way, Condition)>>>,
    bell: UnixStream,
    counts: Counts,
    thread: Option<JoinHandle<()>>,
}

/// The counts of each way, as of the thread's last round.
type Counts = Arc<Mutex<BTreeMap<Way, WayCounts>>>;

impl PacketDecider {
    /// Opens the queue and starts the thread.
    pub(super) fn start_thread() -> io::Result<Self> {
        let queue = PacketQueue::open(NUMBER)?;
        let (bell, rung) = UnixStream::pair()?;
        rung.set_nonblocking(true)?;
        let (changes, changed) = channel();
        let counts = Counts::default();
        let shared = counts.clone();
        let thread = std::thread::Builder::new().name("packets".to_owned());
        let thread = thread.spawn(move || decide_on_packets(queue, rung, &changed, &shared))?;
        Ok(Self { changes: Some(changes), bell, counts, thread: Some(thread) })
    }

    /// The present counts of a way.
    pub(super) fn counts(&self, way: Way) -> WayCounts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&way).copied().unwrap_or_default()
    }

    /// Sets the condition of each way.
    ///
    /// # Errors
    /// The thread's socket has failed. Packets then pass without a decision.
    pub(super) fn set_conditions(&self, conditions: Vec<(Way, Condition)>) -> Result<(), String> {
        let sent = self.changes.as_ref().is_some_and(|changes| changes.send(conditions).is_ok());
        self.wake_thread();
        if sent { Ok(()) } else { Err("the thread that decides on packets has ended".to_owned()) }
    }

    fn wake_thread(&self) {
        let _ = (&self.bell).write(&[1]);
    }
}

impl Drop for PacketDecider {
    fn drop(&mut self) {
        self.changes = None;
        self.wake_thread();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn decide_on_packets(
    mut queue: PacketQueue,
    mut rung: UnixStream,
    changed: &Receiver<Vec<(Way, Condition)>>,
    counts: &Counts,
) {
    let zero = Instant::now();
    let mut shaper = Shaper::new(SEED);
    let (mut packets, mut decisions) = (Vec::new(), Vec::new());
    let mut next_ns = None;
    loop {
        if wait_for_work(&queue, &rung, next_ns, zero).is_err() {
            return;
        }
        while matches!(rung.read(&mut [0; 64]), Ok(count) if count > 0) {}
        loop {
            match changed.try_recv() {
                Ok(conditions) => shaper.set_conditions(&conditions),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            }
        }
        let now_ns = zero.elapsed().as_nanos() as u64;
        if queue.receive_packets(&mut packets).is_err() {
            return;
        }
        for packet in packets.drain(..) {
            shaper.accept_packet(now_ns, packet, &mut decisions);
        }
        next_ns = shaper.release_due(now_ns, &mut decisions);
        for decision in decisions.drain(..) {
            // A packet that the kernel has given up meanwhile is not there any more.
            let _ = queue.send_verdict(decision.id, decision.fate);
        }
        shaper.write_counts(&mut counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Waits until a packet has arrived, the thread is woken, or the next packet is due.
fn wait_for_work(
    queue: &PacketQueue,
    rung: &UnixStream,
    next_ns: Option<u64>,
    zero: Instant,
) -> io::Result<()> {
    let left =
        next_ns.map(|at_ns| (zero + Duration::from_nanos(at_ns)).saturating_duration_since(Instant::now()));
    let mut ready =
        [PollFd::new(queue.as_fd(), PollFlags::POLLIN), PollFd::new(rung.as_fd(), PollFlags::POLLIN)];
    match ppoll(&mut ready, left.map(TimeSpec::from_duration), None) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
