//! Questions to Redis and its Sentinels over sockets of the tests' own, as an operator would ask them.
#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(250);

/// Asks one question and returns as many lines of its answer as were asked for.
pub(crate) fn ask(address: SocketAddr, words: &[&str], lines: usize) -> std::io::Result<Vec<String>> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    let count = words.matches("\r\n$").count() + 1;
    socket.write_all(format!("*{count}\r\n{words}").as_bytes())?;
    BufReader::new(socket).lines().take(lines).collect()
}

/// Returns where the Sentinels listen, from the files with which they were started.
pub(crate) fn find_sentinels(folder: &Path) -> [SocketAddr; 3] {
    let address = |host: &str| {
        let file = std::fs::read_to_string(folder.join(host).join("sentinel.conf")).expect("its file");
        let word = |name: &str| {
            let line = file.lines().find_map(|line| line.strip_prefix(name)).expect("a line of its file");
            line.split_whitespace().next().expect("a word").to_owned()
        };
        format!("{}:{}", word("bind "), word("port ")).parse().expect("an address")
    };
    ["n1", "n2", "n3"].map(address)
}

/// Returns whom the first Sentinel that answers takes for the primary.
pub(crate) fn find_primary(sentinels: &[SocketAddr]) -> Option<SocketAddr> {
    let question = ["SENTINEL", "get-master-addr-by-name", "steadfast"];
    // An array of two: `*2`, and a length before each of the host and the port.
    let found = sentinels.iter().find_map(|&sentinel| ask(sentinel, &question, 5).ok());
    let [_, _, host, _, port] = found.as_deref()? else { return None };
    format!("{host}:{port}").parse().ok()
}
