//! What a proxy costs, and how exact delays are: `cargo run --release -p recorder --example link_speed`.
//!
//! Round trips of one byte, directly, through a proxy in peace, and through delays of a proxy and of packets; and
//! how many bytes a second go through a proxy.

#![allow(clippy::print_stdout, reason = "it is what this is for")]

use recorder::StruckTargets;
use recorder::system::{Capabilities, Direction, FaultyNetwork, Flow, Proxy, ProxyLink, run_isolated};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 12);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure_proxies());
    run_isolated(|isolation| async move {
        match Capabilities::probe_here(&isolation).queue {
            Ok(()) => measure_packets().await,
            Err(why) => println!("packets: {why}"),
        }
    });
}

/// A server that sends back what it gets.
async fn start_echo_server(address: Ipv4Addr) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).await.expect("a free port");
    let bound = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket");
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    bound
}

/// Times of round trips, sorted.
async fn measure_round_trips(stream: &mut TcpStream, count: usize) -> Vec<Duration> {
    stream.set_nodelay(true).expect("a socket");
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        stream.write_all(b"x").await.expect("it is sent");
        stream.read_u8().await.expect("it comes back");
        times.push(began.elapsed());
    }
    times.sort();
    times
}

fn print_round_trips(what: &str, times: &[Duration]) {
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{what}: least {:?}, median {:?}, 99 % within {:?}", at(0.0), at(0.5), at(0.99));
}

async fn measure_proxies() {
    let server = start_echo_server(Ipv4Addr::LOCALHOST).await;
    let link = ProxyLink::default();
    let proxy = Proxy::start("127.0.0.1:0", &server.to_string(), link.clone()).await.expect("a proxy");
    let mut direct = TcpStream::connect(server).await.expect("a server");
    let mut proxied = TcpStream::connect(proxy.address()).await.expect("a proxy");
    for _ in 0..3 {
        print_round_trips("direct", &measure_round_trips(&mut direct, 20_000).await);
        print_round_trips("through a proxy", &measure_round_trips(&mut proxied, 20_000).await);
    }
    for asked in [10, 50, 100] {
        let delay = Duration::from_millis(asked);
        link.set_flow(Direction::ToServer, Flow { delay, ..Flow::default() });
        print_round_trips(&format!("proxy, {delay:?} one way"), &measure_round_trips(&mut proxied, 50).await);
    }
    link.set_flow(Direction::ToServer, Flow::default());
    let (mut from, mut to) = proxied.into_split();
    const BYTES: usize = 1 << 30;
    let sender = tokio::spawn(async move {
        let block = vec![7; 1 << 18];
        for _ in 0..BYTES / block.len() {
            to.write_all(&block).await.expect("it is sent");
        }
    });
    let began = Instant::now();
    let (mut left, mut block) = (BYTES, vec![0; 1 << 18]);
    while left > 0 {
        left -= from.read(&mut block).await.expect("it comes back");
    }
    sender.await.expect("it was sent");
    let rate = (BYTES >> 20) as f64 / began.elapsed().as_secs_f64();
    println!("proxy: {rate:.0} MiB/s there and as much back, sender and echo on the same cores");
}

async fn measure_packets() {
    let mut network = FaultyNetwork::of_packets(&[ONE, OTHER], Ipv4Addr::LOCALHOST, false);
    let server = start_echo_server(OTHER).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((ONE, 0).into()).expect("a free port");
    let mut stream = socket.connect(server).await.expect("a server");
    print_round_trips("packets in peace", &measure_round_trips(&mut stream, 20_000).await);
    let one_way = || StruckTargets::Link { from: vec![0], to: vec![1], both: false };
    for asked in ["delay=1ns", "delay=10ms", "delay=50ms", "delay=100ms", "delay=10ms~10ms"] {
        let strike: workloads::Strike = asked.parse().expect("a fault");
        network.strike(0, strike.fault, one_way()).expect("it strikes");
        print_round_trips(&format!("packets, {asked} one way"), &measure_round_trips(&mut stream, 100).await);
    }
    network.heal(0).expect("it heals");
}
