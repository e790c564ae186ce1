//! What is done to packets, seen by plain sockets in a network namespace of their own. Skipped, with the reason,
//! where none is to be had.

use recorder::StruckTargets;
use recorder::system::{Capabilities, FaultyNetwork, Means, NetworkIsolation, run_isolated};
use std::future::Future;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use workloads::Strike;

const MS: Duration = Duration::from_millis(1);
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 12);

/// A connection from one node to the other, and the network between them.
struct Pair {
    network: FaultyNetwork,
    names: Vec<String>,
    listener: TcpListener,
    here: TcpStream,
    there: TcpStream,
    strikes: usize,
}

impl Pair {
    async fn new() -> Self {
        let network = FaultyNetwork::of_packets(&[ONE, OTHER], Ipv4Addr::LOCALHOST, false);
        let listener = TcpListener::bind((OTHER, 0)).await.unwrap();
        let names = ["n1", "n2"].map(str::to_owned).to_vec();
        let here = connect(&listener).await.unwrap();
        let (there, _) = listener.accept().await.unwrap();
        here.set_nodelay(true).unwrap();
        there.set_nodelay(true).unwrap();
        Self { network, names, listener, here, there, strikes: 0 }
    }

    fn strike(&mut self, text: &str) -> usize {
        let strike: Strike = text.parse().unwrap();
        let struck = StruckTargets::resolve_among(&strike.target.unwrap(), &self.names, 0, 0);
        self.strikes += 1;
        self.network.strike(self.strikes, strike.fault, struck).unwrap();
        self.strikes
    }

    async fn round_trip(&mut self) -> Duration {
        let began = Instant::now();
        self.here.write_all(b"x").await.unwrap();
        self.there.read_u8().await.unwrap();
        self.there.write_all(b"y").await.unwrap();
        self.here.read_u8().await.unwrap();
        began.elapsed()
    }
}

async fn connect(listener: &TcpListener) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((ONE, 0).into())?;
    socket.connect(listener.local_addr()?).await
}

/// Runs a test in a namespace, if what it needs is to be had.
fn with<F: Future<Output = ()>>(test: &str, needs: &[&str], work: impl FnOnce(Pair) -> F + Send) {
    run_isolated(|isolation: NetworkIsolation| async move {
        let capabilities = Capabilities::probe_here(&isolation);
        for need in needs {
            let fault = need.parse::<Strike>().unwrap().fault;
            if let Err(why) = capabilities.check_fault(Means::Packets, fault) {
                eprintln!("skipped {test}: {why}");
                return;
            }
        }
        work(Pair::new().await).await;
    });
}

/// Also says how exact it is.
#[test]
fn delays_are_at_least_what_was_asked_one_way_or_both() {
    with("delays", &["delay"], |mut pair| async move {
        let peace = pair.round_trip().await;
        let one_way = pair.strike("delay=50ms:n1>n2");
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(pair.round_trip().await);
        }
        times.sort();
        eprintln!("round trip {peace:?}; 50 ms one way: {times:?}");
        assert!(times[0] >= 50 * MS && peace < 50 * MS);
        pair.network.heal(one_way).unwrap();
        let both = pair.strike("delay=30ms~5ms:n1-n2");
        let time = pair.round_trip().await;
        assert!(time >= 60 * MS, "{time:?}");
        pair.network.heal(both).unwrap();
        assert!(pair.round_trip().await < 50 * MS);
    });
}

#[test]
fn held_packets_are_lost_to_nobody_and_go_on_at_the_end() {
    with("hold", &["hold"], |mut pair| async move {
        let number = pair.strike("hold:n1>n2");
        pair.here.write_all(b"late").await.unwrap();
        assert!(tokio::time::timeout(100 * MS, pair.there.read_u8()).await.is_err());
        pair.there.write_all(b"meanwhile").await.unwrap();
        let mut text = [0; 9];
        pair.here.read_exact(&mut text).await.unwrap();
        let began = Instant::now();
        pair.network.heal(number).unwrap();
        let mut text = [0; 4];
        pair.there.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"late");
        // Not when TCP sends it once more, but at once.
        eprintln!("held bytes arrived {:?} after the end", began.elapsed());
    });
}

#[test]
fn with_losses_and_reordering_everything_still_arrives() {
    with("loss", &["loss", "reorder"], |mut pair| async move {
        pair.strike("loss=0.3:n1-n2");
        pair.strike("reorder=0.3:n1-n2");
        let bytes: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut read = vec![0; bytes.len()];
        let (here, there) = (&mut pair.here, &mut pair.there);
        let both = async { tokio::join!(here.write_all(&bytes), there.read_exact(&mut read)) };
        let (written, came) = tokio::time::timeout(60_000 * MS, both).await.expect("TCP gets through");
        written.unwrap();
        came.unwrap();
        assert!(read == bytes);
    });
}

#[test]
fn a_partition_is_silence_a_reset_is_one_for_both_and_a_refusal_is_one() {
    with("reset", &["reset", "refuse", "partition"], |mut pair| async move {
        let cut = pair.strike("partition:n1-n2");
        let tried = tokio::time::timeout(200 * MS, connect(&pair.listener)).await;
        assert!(tried.is_err(), "a cut way answers nothing");
        pair.network.heal(cut).unwrap();
        let refused = pair.strike("refuse:n1>n2");
        let why = connect(&pair.listener).await.unwrap_err();
        assert_eq!(why.kind(), ErrorKind::ConnectionRefused);
        assert!(pair.round_trip().await < 50 * MS, "what is there goes on");
        pair.network.heal(refused).unwrap();
        let reset = pair.strike("reset:n1-n2");
        pair.here.write_all(b"x").await.unwrap();
        assert_eq!(pair.here.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        pair.there.write_all(b"x").await.unwrap();
        assert_eq!(pair.there.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        pair.network.heal(reset).unwrap();
        connect(&pair.listener).await.unwrap();
    });
}

#[test]
fn a_throttled_way_takes_its_time() {
    with("throttle", &["throttle"], |mut pair| async move {
        pair.strike("throttle=100kB/s:n1>n2");
        let began = Instant::now();
        // Pieces of their own: what TCP joins is let through as one.
        for _ in 0..20 {
            pair.here.write_all(&[1; 1000]).await.unwrap();
            tokio::time::sleep(MS).await;
        }
        pair.there.read_exact(&mut [0; 20_000]).await.unwrap();
        assert!(began.elapsed() >= 150 * MS, "{:?}", began.elapsed());
    });
}

/// Rules and queue are gone with the namespace; the machine's own rules are as they were.
#[test]
fn nothing_is_left_in_the_machines_firewall() {
    let rules = || std::process::Command::new("iptables-legacy").args(["-w", "-S"]).output();
    let Ok(before) = rules() else {
        eprintln!("skipped: iptables-legacy is not installed");
        return;
    };
    with("left-overs", &["delay", "partition"], |mut pair| async move {
        pair.strike("delay=5ms:n1");
        pair.strike("partition:n1");
    });
    assert_eq!(rules().unwrap().stdout, before.stdout);
}
