//! The proxy between real sockets: what comes out is what went in, however the link is changed meanwhile, and each
//! fault looks to both ends as its description says.

use recorder::system::{Direction, Flow, Gate, Proxy, ProxyLink, RedisCommands};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use workloads::Stream;

const MS: Duration = Duration::from_millis(1);

/// A server that is the test itself, behind a proxy.
async fn behind(link: &ProxyLink) -> (TcpListener, Proxy) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    let proxy = Proxy::start("127.0.0.1:0", &address, link.clone()).await.unwrap();
    (server, proxy)
}

async fn pair(server: &TcpListener, proxy: &Proxy) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let (accepted, _) = server.accept().await.unwrap();
    (client, accepted)
}

fn delayed(delay: Duration) -> Flow {
    Flow { delay, ..Flow::default() }
}

fn held() -> Flow {
    Flow { held: true, ..Flow::default() }
}

/// Bytes that differ by where they are, so that none can be lost, doubled or moved unseen.
fn numbered(count: usize, seed: u64) -> Vec<u8> {
    let mut stream = Stream::new(seed, "bytes");
    (0..count).map(|_| stream.draw_index(256) as u8).collect()
}

/// Sends in pieces of many sizes and closes its direction.
async fn send_all(mut to: impl AsyncWriteExt + Unpin, bytes: Vec<u8>, seed: u64) {
    let mut stream = Stream::new(seed, "pieces");
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + stream.draw_index(3000)).min(rest.len()));
        to.write_all(piece).await.unwrap();
        rest = after;
    }
    to.shutdown().await.unwrap();
}

async fn read_all(mut from: impl AsyncReadExt + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).await.unwrap();
    bytes
}

fn drawn(stream: &mut Stream) -> Flow {
    let mut some = |most: usize| stream.draw_chance(0.5).then(|| 1 + stream.draw_index(most));
    Flow {
        delay: MS * some(20).unwrap_or(0) as u32,
        jitter: MS * some(20).unwrap_or(0) as u32,
        held: some(2) == Some(1),
        rate: some(1 << 20).map(|rate| rate as u64 + 1000),
        slice: some(500),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_byte_arrives_in_order_whatever_is_done_to_the_link() {
    let runs = (0..24).map(|seed| {
        tokio::spawn(async move {
            let link = ProxyLink::default();
            let (server, proxy) = behind(&link).await;
            let (client, accepted) = pair(&server, &proxy).await;
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), accepted.into_split());
            let (up, down) = (numbered(300_000, seed), numbered(200_000, seed + 1000));
            let sent = (
                tokio::spawn(send_all(to_client, up.clone(), seed)),
                tokio::spawn(send_all(to_server, down.clone(), seed + 1)),
            );
            let read = (tokio::spawn(read_all(from_server)), tokio::spawn(read_all(from_client)));
            let mut stream = Stream::new(seed, "flows");
            for _ in 0..30 {
                link.set_flow(Direction::ToServer, drawn(&mut stream));
                link.set_flow(Direction::ToClient, drawn(&mut stream));
                tokio::time::sleep(MS * (1 + stream.draw_index(15) as u32)).await;
            }
            link.set_flow(Direction::ToServer, Flow::default());
            link.set_flow(Direction::ToClient, Flow::default());
            assert!(read.0.await.unwrap() == up, "seed {seed}: to the server");
            assert!(read.1.await.unwrap() == down, "seed {seed}: to the client");
            sent.0.await.unwrap();
            sent.1.await.unwrap();
            let counts = link.counts();
            assert_eq!((counts.to_server.bytes, counts.to_client.bytes), (300_000, 200_000));
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
}

#[tokio::test]
async fn a_delay_is_at_least_what_was_asked_and_its_end_lets_go() {
    let link = ProxyLink::default();
    let (server, proxy) = behind(&link).await;
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    link.set_flow(Direction::ToServer, delayed(50 * MS));
    link.set_flow(Direction::ToClient, Flow { jitter: 5 * MS, ..delayed(20 * MS) });
    for _ in 0..3 {
        let began = Instant::now();
        client.write_all(b"x").await.unwrap();
        accepted.read_u8().await.unwrap();
        let there = began.elapsed();
        accepted.write_all(b"y").await.unwrap();
        client.read_u8().await.unwrap();
        assert!(there >= 50 * MS && began.elapsed() >= 70 * MS, "{there:?}, {:?}", began.elapsed());
    }
    link.set_flow(Direction::ToServer, delayed(Duration::from_secs(3600)));
    client.write_all(b"z").await.unwrap();
    tokio::time::sleep(20 * MS).await;
    link.set_flow(Direction::ToServer, Flow::default());
    assert_eq!(accepted.read_u8().await.unwrap(), b'z');
}

#[tokio::test]
async fn what_is_held_waits_and_the_other_direction_goes_on() {
    let link = ProxyLink::default();
    let (server, proxy) = behind(&link).await;
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    link.set_flow(Direction::ToServer, held());
    client.write_all(b"late").await.unwrap();
    accepted.write_all(b"meanwhile").await.unwrap();
    let mut text = [0; 9];
    client.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"meanwhile");
    assert!(tokio::time::timeout(50 * MS, accepted.read_u8()).await.is_err());
    link.set_flow(Direction::ToServer, Flow::default());
    let mut text = [0; 4];
    accepted.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"late");
}

/// A sender that never stops is stopped by the socket, not by the machine's memory.
#[tokio::test]
async fn what_waits_is_bounded() {
    let link = ProxyLink::default();
    let (server, proxy) = behind(&link).await;
    let (mut client, accepted) = pair(&server, &proxy).await;
    link.set_flow(Direction::ToServer, held());
    let block = vec![7; 1 << 20];
    let mut taken = 0;
    while let Ok(written) = tokio::time::timeout(300 * MS, client.write(&block)).await {
        taken += written.unwrap();
        // The queue, and what the kernel keeps for two sockets (at most 6 MiB to receive and 4 MiB to send).
        assert!(taken < 16 << 20, "{taken} bytes were taken");
    }
    link.set_flow(Direction::ToServer, Flow::default());
    client.shutdown().await.unwrap();
    assert_eq!(read_all(accepted).await.len(), taken);
}

#[tokio::test]
async fn a_reset_is_seen_by_both_ends_and_by_those_who_come_while_it_lasts() {
    let link = ProxyLink::default();
    let (server, proxy) = behind(&link).await;
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    link.set_gate(Gate::Reset);
    assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(accepted.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut late = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(late.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    link.set_gate(Gate::Open);
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn refused_connections_are_refused_and_the_others_go_on() {
    let link = ProxyLink::default();
    let (server, proxy) = behind(&link).await;
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    for _ in 0..3 {
        link.set_gate(Gate::Refuse);
        tokio::time::sleep(50 * MS).await;
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        client.write_all(b"x").await.unwrap();
        assert_eq!(accepted.read_u8().await.unwrap(), b'x');
        link.set_gate(Gate::Open);
        tokio::time::sleep(50 * MS).await;
        pair(&server, &proxy).await;
    }
}

#[tokio::test]
async fn half_a_connection_closes_after_what_was_sent_and_the_other_half_goes_on() {
    let link = ProxyLink::default();
    let (server, proxy) = behind(&link).await;
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    client.write_all(b"last").await.unwrap();
    tokio::time::sleep(50 * MS).await;
    link.half_close(Direction::ToServer);
    let mut text = Vec::new();
    accepted.read_to_end(&mut text).await.unwrap();
    assert_eq!(text, b"last");
    accepted.write_all(b"answer").await.unwrap();
    let mut text = [0; 6];
    client.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"answer");
    // Connections that come later are whole.
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn an_end_that_breaks_breaks_the_other_after_what_it_had_sent() {
    let link = ProxyLink::default();
    let (server, proxy) = behind(&link).await;
    let (mut client, accepted) = pair(&server, &proxy).await;
    accepted.set_zero_linger().unwrap();
    drop(accepted);
    assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    // A server that is not there: accepted by the proxy, and then broken.
    drop(server);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_throttled_link_takes_its_time() {
    let link = ProxyLink::default();
    let (server, proxy) = behind(&link).await;
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    link.set_flow(Direction::ToServer, Flow { rate: Some(100_000), ..Flow::default() });
    let began = Instant::now();
    client.write_all(&[1; 30_000]).await.unwrap();
    accepted.read_exact(&mut [0; 30_000]).await.unwrap();
    // The last piece, a hundredth of a second's worth, is not waited for.
    assert!(began.elapsed() >= 289 * MS, "{:?}", began.elapsed());
}

#[tokio::test]
async fn small_pieces_arrive_apart_when_they_are_read_at_once() {
    let link = ProxyLink::default();
    let (server, proxy) = behind(&link).await;
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    link.set_flow(Direction::ToServer, Flow { slice: Some(3), rate: Some(300), ..Flow::default() });
    client.write_all(b"abcdefg").await.unwrap();
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 7 {
        sizes.push(accepted.read(&mut [0; 100]).await.unwrap());
    }
    assert!(sizes.len() > 1, "{sizes:?}");
}

#[tokio::test]
async fn ends_are_told_apart_by_their_addresses_and_keep_them() {
    let (one, other) = (ProxyLink::default(), ProxyLink::default());
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    let source = |text: &str| text.parse::<IpAddr>().unwrap();
    let links = vec![(source("127.0.0.2"), one.clone()), (source("127.0.0.3"), other.clone())];
    let others = ProxyLink::default();
    let proxy = Proxy::start_by_source("127.0.0.1:0", &address, links, others.clone()).await.unwrap();
    let from = async |text: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source(text), 0).into()).unwrap();
        socket.connect(proxy.address()).await.unwrap()
    };
    let mut held_client = from("127.0.0.2").await;
    let (mut held_server, seen) = server.accept().await.unwrap();
    assert_eq!(seen.ip(), source("127.0.0.2"));
    one.set_flow(Direction::ToServer, held());
    held_client.write_all(b"x").await.unwrap();
    let mut free_client = from("127.0.0.3").await;
    let (mut free_server, seen) = server.accept().await.unwrap();
    assert_eq!(seen.ip(), source("127.0.0.3"));
    free_client.write_all(b"y").await.unwrap();
    assert_eq!(free_server.read_u8().await.unwrap(), b'y');
    assert!(tokio::time::timeout(30 * MS, held_server.read_u8()).await.is_err());
    from("127.0.0.4").await;
    server.accept().await.unwrap();
    assert_eq!((one.counts().connections, others.counts().connections), (1, 1));
}

#[tokio::test]
async fn commands_are_counted_where_the_protocol_is_known() {
    let link = ProxyLink::with_counter(|| Box::<RedisCommands>::default());
    let (server, proxy) = behind(&link).await;
    let (mut client, mut accepted) = pair(&server, &proxy).await;
    for _ in 0..5 {
        client.write_all(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n").await.unwrap();
        accepted.read_exact(&mut [0; 20]).await.unwrap();
        accepted.write_all(b"$-1\r\n").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
    }
    let counts = link.counts();
    assert_eq!((counts.connections, counts.to_server.messages, counts.to_client.messages), (1, 5, 0));
    assert_eq!((counts.to_server.bytes, counts.to_client.bytes), (100, 25));
}
