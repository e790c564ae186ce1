//! An application with live connections, which it loses on purpose: server-sent events and a WebSocket with numbered messages.
//!
//! It speaks both by hand, so that nothing of it is the recorder's. It knows which streams it cut off, which messages it never sent and which
//! it sent again.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) const DESCRIPTION: &str = r#"
entries = { main = "http://ADDRESS" }
session = { cookie = "sid" }
answer = { absent = [401] }
create = { method = "POST", path = "/login?user={user}", body = "{value}" }
read = { path = "/session", value = "/data" }
write = { method = "PUT", path = "/session", body = "{value}" }
destroy = { method = "POST", path = "/logout" }

[live]
path = "/news"
shows = '"user":"{user}"'
silence = "2s"
"#;

/// A session has a new message every so often.
const MESSAGE_EVERY: Duration = Duration::from_millis(40);

/// A session: its user, its value, when it began, and how many streams it has.
pub(crate) struct Known {
    user: String,
    value: String,
    began: Instant,
    pub(crate) streams: usize,
}

/// Where a resumed stream begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Resumes {
    /// After the last message that the client has.
    #[default]
    After,
    /// With the last message that the client has.
    Again,
    /// With the present message.
    Now,
}

/// What a WebSocket does once it is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Manners {
    /// It brings messages.
    #[default]
    Talks,
    /// It brings nothing, and answers pings.
    IsSilent,
    /// It brings nothing and answers nothing.
    IsDeaf,
}

/// Messages that were skipped or sent again: the user, the first and the last number.
pub(crate) type Flaw = (String, i64, i64);

#[derive(Default)]
pub(crate) struct Server {
    pub(crate) sessions: BTreeMap<String, Known>,
    pub(crate) made: usize,
    /// Streams of an earlier deployment end.
    pub(crate) deployment: usize,
    pub(crate) refuses_streams: bool,
    /// Streams open with the id of a session that has ended.
    pub(crate) leaks_streams: bool,
    /// Sessions that have ended, and are kept for their streams.
    pub(crate) ended: BTreeSet<String>,
    pub(crate) resumes: Resumes,
    pub(crate) manners: Manners,
    pub(crate) flaws: Vec<Flaw>,
}

/// A request, as far as the application looks at it.
struct Asked {
    method: String,
    path: String,
    id: String,
    last: Option<i64>,
    socket_key: Option<String>,
    body: String,
}

pub(crate) fn serve(server: &Arc<Mutex<Server>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = server.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = server.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while answer(&mut reader, &server).is_some() {}
            });
        }
    });
    address
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let (method, path) = first.split_once(' ')?;
    let path = path.split(' ').next()?.to_owned();
    let last = path.split_once("after=").and_then(|(_, last)| last.parse().ok()).filter(|last| *last > 0);
    let mut asked = Asked {
        method: method.to_owned(),
        path,
        id: String::new(),
        last,
        socket_key: None,
        body: String::new(),
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "cookie" => asked.id = value.trim_start_matches("sid=").to_owned(),
            "last-event-id" => asked.last = value.parse().ok(),
            "sec-websocket-key" => asked.socket_key = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Some(asked)
}

/// Answers one request; nothing once the connection is over.
fn answer(reader: &mut BufReader<TcpStream>, server: &Arc<Mutex<Server>>) -> Option<()> {
    let asked = read_request(reader)?;
    let mut held = server.lock().expect("no panic");
    let streams = asked.path.starts_with("/news");
    let (status, headers, text) = match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", path) if path.starts_with("/login") => {
            held.made += 1;
            let id = format!("id-{}", held.made);
            let user = path.split_once("user=").map_or(String::new(), |(_, user)| user.to_owned());
            let known = Known { user, value: asked.body, began: Instant::now(), streams: 0 };
            held.sessions.insert(id.clone(), known);
            (200, format!("set-cookie: sid={id}\r\n"), String::new())
        }
        ("GET", _) if streams && held.refuses_streams => (503, String::new(), String::new()),
        ("GET", _) if streams && held.sessions.contains_key(&asked.id) => {
            drop(held);
            return stream_news(reader.get_mut(), server, &asked);
        }
        (_, _) if !held.sessions.contains_key(&asked.id) || held.ended.contains(&asked.id) => {
            (401, String::new(), String::new())
        }
        ("GET", _) => {
            (200, String::new(), serde_json::json!({"data": held.sessions[&asked.id].value}).to_string())
        }
        ("PUT", _) => {
            held.sessions.get_mut(&asked.id)?.value = asked.body;
            (200, String::new(), String::new())
        }
        _ => {
            match held.leaks_streams {
                true => held.ended.insert(asked.id.clone()),
                false => held.sessions.remove(&asked.id).is_some(),
            };
            (200, "set-cookie: sid=; Max-Age=0\r\n".to_owned(), String::new())
        }
    };
    drop(held);
    let length = text.len();
    let text = format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{text}");
    reader.get_mut().write_all(text.as_bytes()).ok()
}

impl Server {
    /// The messages that a session has by now.
    fn newest_message(&self, id: &str) -> Option<i64> {
        let known = self.sessions.get(id)?;
        Some((known.began.elapsed().as_millis() / MESSAGE_EVERY.as_millis()) as i64)
    }

    /// The number with which a stream begins. What is skipped or sent again by that is noted.
    fn first_message(&mut self, asked: &Asked) -> Option<i64> {
        let next = self.newest_message(&asked.id)? + 1;
        let Some(last) = asked.last else { return Some(next) };
        let first = match self.resumes {
            Resumes::After => last + 1,
            Resumes::Again => last,
            Resumes::Now => next.max(last + 1),
        };
        let user = self.sessions[&asked.id].user.clone();
        match self.resumes {
            Resumes::After => {}
            Resumes::Again => self.flaws.push((user, first, last)),
            Resumes::Now if first > last + 1 => self.flaws.push((user, last + 1, first - 1)),
            Resumes::Now => {}
        }
        Some(first)
    }
}

/// A stream of messages, until the session ends or another version is deployed.
fn stream_news(stream: &mut TcpStream, server: &Arc<Mutex<Server>>, asked: &Asked) -> Option<()> {
    let (user, deployment, manners, mut next) = {
        let mut held = server.lock().expect("no panic");
        let (deployment, manners, next) = (held.deployment, held.manners, held.first_message(asked)?);
        let known = held.sessions.get_mut(&asked.id)?;
        known.streams += 1;
        (known.user.clone(), deployment, manners, next)
    };
    let head = match &asked.socket_key {
        Some(key) => format!(
            "HTTP/1.1 101 x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {}\r\n\r\n",
            accept_key(key)
        ),
        None => "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: welcome\n\n".to_owned(),
    };
    let is_socket = asked.socket_key.is_some();
    let mut written = stream.write_all(head.as_bytes());
    written = written.and_then(|()| stream.write_all(&message(is_socket, None, &user)));
    stream.set_read_timeout(Some(Duration::from_millis(15))).ok()?;
    loop {
        let newest = {
            let held = server.lock().expect("no panic");
            held.newest_message(&asked.id).filter(|_| held.deployment == deployment)
        };
        let Some(newest) = newest.filter(|_| written.is_ok()) else { break };
        while next <= newest && written.is_ok() && manners == Manners::Talks {
            written = stream.write_all(&message(is_socket, Some(next), &user));
            next += 1;
        }
        match manners {
            Manners::IsSilent => written = answer_ping(stream),
            _ => std::thread::sleep(Duration::from_millis(15)),
        }
    }
    if let Some(known) = server.lock().expect("no panic").sessions.get_mut(&asked.id) {
        known.streams -= 1;
    }
    None
}

/// Reads a short frame of the client, if there is one, and answers a ping.
fn answer_ping(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut head = [0; 6];
    // Two bytes, and the mask of four.
    match stream.read(&mut head) {
        Ok(6) => {}
        Ok(_) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
        Err(why) if matches!(why.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            return Ok(());
        }
        Err(why) => return Err(why),
    }
    let mut payload = vec![0; usize::from(head[1] & 0x7f)];
    stream.read_exact(&mut payload)?;
    payload.iter_mut().zip(head[2..].iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    if head[0] == 0x89 {
        stream.write_all(&[&[0x8a, payload.len() as u8][..], &payload].concat())?;
    }
    Ok(())
}

/// A message on the wire: an event, or a frame of text.
fn message(is_socket: bool, number: Option<i64>, user: &str) -> Vec<u8> {
    let data = match number {
        Some(number) => format!("{{\"user\":\"{user}\",\"n\":{number}}}"),
        None => format!("{{\"user\":\"{user}\"}}"),
    };
    if is_socket {
        assert!(data.len() < 126, "a short frame");
        return [&[0x81, data.len() as u8][..], data.as_bytes()].concat();
    }
    let id = number.map_or(String::new(), |number| format!("id: {number}\n"));
    format!("event: news\n{id}data: {data}\n\n").into_bytes()
}

/// The answer to the key of a WebSocket (RFC 6455, section 4.2.2): SHA-1 of the key and a fixed text, in base 64.
fn accept_key(key: &str) -> String {
    let digest = sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
    let signs: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let mut text = String::new();
    for three in digest.chunks(3) {
        let bits =
            three.iter().chain([&0; 2]).take(3).fold(0, |bits: usize, &byte| bits << 8 | usize::from(byte));
        let sixes = (0..4).map(|at| signs[bits >> (18 - 6 * at) & 63]);
        text.extend(sixes.take(three.len() + 1));
    }
    text + "="
}

/// SHA-1 (FIPS 180-4, section 6.1).
fn sha1(text: &[u8]) -> [u8; 20] {
    let mut padded = text.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((text.len() as u64 * 8).to_be_bytes());
    let mut hash: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.chunks(64) {
        let mut words: Vec<u32> =
            block.chunks(4).map(|word| u32::from_be_bytes(word.try_into().expect("four bytes"))).collect();
        for at in 16..80 {
            words.push((words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = hash;
        for (at, word) in words.iter().enumerate() {
            let (mixed, constant) = match at / 20 {
                0 => (b & c | !b & d, 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in hash.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (place, part) in digest.chunks_mut(4).zip(hash) {
        place.copy_from_slice(&part.to_be_bytes());
    }
    digest
}

/// The example of RFC 6455, section 1.3.
#[test]
fn the_key_of_the_standard_is_answered_as_it_says() {
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/// A run beside which `meanwhile` does something to the server: the exit code, what was said, and the events of the history.
pub(crate) fn run(
    description: &str,
    more: &[&str],
    server: &Arc<Mutex<Server>>,
    meanwhile: impl FnOnce() + Send,
) -> (i32, String, Vec<Value>) {
    let address = serve(server);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("stack.toml"), description.replace("ADDRESS", &address))
        .expect("a file");
    let words = "run http --stack stack.toml --skip-probe --output h.jsonl --load 60/s --duration 4s --settle 1500ms \
                 --operation-timeout 5s";
    let output = std::thread::scope(|scope| {
        scope.spawn(meanwhile);
        Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .args(words.split_whitespace())
            .args(more)
            .current_dir(folder.path())
            .output()
            .expect("it runs")
    });
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" ");
    let text = std::fs::read_to_string(folder.path().join("h.jsonl")).expect("a history");
    let events = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (output.status.code().expect("a code"), said, events)
}

/// The sessions with this event of a live connection.
pub(crate) fn told<'a>(events: &'a [Value], what: &str) -> Vec<&'a str> {
    let live = events.iter().filter(|event| event["process"] == "live" && event["f"] == what);
    live.map(|event| event["value"].as_str().expect("a session")).collect()
}

pub(crate) fn open_streams(server: &Arc<Mutex<Server>>) -> usize {
    server.lock().expect("no panic").sessions.values().filter(|known| known.streams > 0).count()
}

/// Cuts off all streams once there are so many, and takes no new ones for a while.
pub(crate) fn deploy_when_open(server: &Arc<Mutex<Server>>, streams: usize, refuses: Duration) -> usize {
    // As soon as all users have their streams, however slow the machine is.
    let began = Instant::now();
    while open_streams(server) < streams && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(500));
    let cut_off = {
        let mut held = server.lock().expect("no panic");
        held.deployment += 1;
        held.refuses_streams = true;
        held.sessions.values().filter(|known| known.streams > 0).count()
    };
    std::thread::sleep(refuses);
    server.lock().expect("no panic").refuses_streams = false;
    cut_off
}
