//! Messages under way, and what becomes of them.
//!
//! Every message takes a time drawn for its link; links can be cut in one direction, slowed down, held up, or
//! made to lose messages. A message that is under way when its link is cut is lost, as packets in a severed cable
//! are. Messages of one link may overtake one another only if `reorders` is asked for: what is simulated is a
//! stream (TCP) between two ends, which delivers in order or not at all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use workloads::Stream;

/// How messages go from one end to another.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SimulatedLink {
    /// The least time a message takes.
    pub least_ns: u64,
    /// The mean of what comes on top, exponentially.
    pub jitter_ns: u64,
    /// The share of messages that are lost.
    pub loss: f64,
    /// Whether anything comes through at all.
    pub cut: bool,
    /// Whether messages wait at its end until it is let go.
    pub held: bool,
    /// Whether messages may overtake one another.
    pub reorders: bool,
}

/// All messages under way between ends that are numbered from zero.
pub struct SimulatedNetwork<M> {
    ends: usize,
    links: Vec<SimulatedLink>,
    /// When the last message of each link arrives.
    last_ns: Vec<u64>,
    under_way: BinaryHeap<Reverse<MessageInFlight<M>>>,
    /// Messages that have arrived at the end of a link that is held, in order.
    held: Vec<MessageInFlight<M>>,
    sent: u64,
    stream: Stream,
}

struct MessageInFlight<M> {
    at_ns: u64,
    order: u64,
    from: usize,
    to: usize,
    body: M,
}

impl<M> PartialEq for MessageInFlight<M> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ns, self.order) == (other.at_ns, other.order)
    }
}

impl<M> Eq for MessageInFlight<M> {}

impl<M> PartialOrd for MessageInFlight<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> Ord for MessageInFlight<M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.order).cmp(&(other.at_ns, other.order))
    }
}

impl<M> SimulatedNetwork<M> {
    /// A network of so many ends, each link alike.
    pub fn new(ends: usize, link: SimulatedLink, stream: Stream) -> Self {
        let links = vec![link; ends * ends];
        let last_ns = vec![0; ends * ends];
        Self { ends, links, last_ns, under_way: BinaryHeap::new(), held: Vec::new(), sent: 0, stream }
    }

    /// The link from one end to another, to change it.
    pub fn link_mut(&mut self, from: usize, to: usize) -> &mut SimulatedLink {
        &mut self.links[from * self.ends + to]
    }

    /// Sends a message. It arrives, or not.
    pub fn send_message(&mut self, now_ns: u64, from: usize, to: usize, body: M) {
        let index = from * self.ends + to;
        let link = self.links[index];
        let lost = self.stream.draw_chance(link.loss);
        let late_ns = self.stream.draw_exponential(link.jitter_ns as f64).round() as u64;
        if lost || link.cut {
            return;
        }
        let mut at_ns = now_ns + link.least_ns + late_ns;
        if !link.reorders {
            at_ns = at_ns.max(self.last_ns[index]);
            self.last_ns[index] = at_ns;
        }
        self.sent += 1;
        self.under_way.push(Reverse(MessageInFlight { at_ns, order: self.sent, from, to, body }));
    }

    /// When the next message arrives.
    pub fn next_arrival_ns(&self) -> Option<u64> {
        self.under_way.peek().map(|Reverse(message)| message.at_ns)
    }

    /// The next message that has arrived by now: from, to, and what it says.
    pub fn receive_next(&mut self, now_ns: u64) -> Option<(usize, usize, M)> {
        while self.next_arrival_ns().is_some_and(|at_ns| at_ns <= now_ns) {
            let Reverse(message) = self.under_way.pop().expect("peeked");
            let link = self.links[message.from * self.ends + message.to];
            if link.held {
                self.held.push(message);
            } else if !link.cut {
                return Some((message.from, message.to, message.body));
            }
        }
        None
    }

    /// Lets what waits on links that are held no longer arrive now, before what is sent later.
    pub fn release_held(&mut self, now_ns: u64) {
        for mut message in std::mem::take(&mut self.held) {
            if self.links[message.from * self.ends + message.to].held {
                self.held.push(message);
            } else {
                message.at_ns = now_ns;
                self.under_way.push(Reverse(message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> SimulatedNetwork<u32> {
        let link = SimulatedLink {
            least_ns: 100,
            jitter_ns: 1000,
            loss: 0.0,
            cut: false,
            held: false,
            reorders: false,
        };
        SimulatedNetwork::new(2, link, Stream::new(1, "network"))
    }

    fn all(network: &mut SimulatedNetwork<u32>) -> Vec<u32> {
        std::iter::from_fn(|| network.receive_next(u64::MAX)).map(|(_, _, body)| body).collect()
    }

    #[test]
    fn a_stream_keeps_its_order_and_takes_its_time() {
        let mut network = network();
        for n in 0..100 {
            network.send_message(u64::from(n), 0, 1, n);
        }
        assert!(network.next_arrival_ns().unwrap() >= 100);
        assert!(network.receive_next(99).is_none());
        assert_eq!(all(&mut network), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn datagrams_overtake() {
        let mut network = network();
        network.link_mut(0, 1).reorders = true;
        for n in 0..100 {
            network.send_message(0, 0, 1, n);
        }
        let mut seen = all(&mut network);
        assert_ne!(seen, (0..100).collect::<Vec<_>>());
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_cut_loses_what_is_under_way_in_its_direction() {
        let mut network = network();
        network.send_message(0, 0, 1, 1);
        network.send_message(0, 1, 0, 2);
        network.link_mut(0, 1).cut = true;
        network.send_message(0, 0, 1, 3);
        assert_eq!(all(&mut network), [2]);
    }

    #[test]
    fn what_is_held_arrives_in_order_when_it_is_let_go() {
        let mut network = network();
        network.send_message(0, 0, 1, 1);
        network.send_message(0, 1, 0, 9);
        network.link_mut(0, 1).held = true;
        network.send_message(0, 0, 1, 2);
        assert_eq!(all(&mut network), [9]);
        network.release_held(u64::MAX);
        assert!(all(&mut network).is_empty());
        network.link_mut(0, 1).held = false;
        network.release_held(1_000_000);
        network.send_message(1_000_000, 0, 1, 3);
        assert_eq!(all(&mut network), [1, 2, 3]);
    }

    #[test]
    fn losses_come_at_their_share() {
        let mut network = network();
        network.link_mut(0, 1).loss = 0.3;
        for n in 0..10_000 {
            network.send_message(0, 0, 1, n);
        }
        let arrived = all(&mut network).len() as f64;
        assert!((arrived - 7000.0).abs() < 4.0 * f64::sqrt(10_000.0 * 0.3 * 0.7), "{arrived}");
    }
}
