//! A Redis that says what no Redis should: each misbehaviour, and how the operation counts.
//!
//! A `$-5` was taken for nil, a text without its end for a text, a list for a register's value, and a reply that nobody
//! had asked for was taken for the next one's. A wrong `ok` or `fail` is a false alarm or a violation missed; whatever
//! cannot be told apart must be `info`.

use histories::Function;
use recorder::stores::redis::{RedisOptions, RedisStore};
use recorder::{Client, Store, StoreRequest, Trace};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use workloads::{ClientOperation, Value, WorkloadKind, micro_operation};

/// How long an operation may take here.
const DEADLINE: Duration = Duration::from_millis(250);

/// What the server does after it has said its words.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Then {
    Waits,
    Closes,
    /// Speaks before it is asked, and then answers as it should.
    SpokeFirst,
}
use Then::{Closes, SpokeFirst, Waits};

/// How an operation ended: the value, or an error and whether that is definite.
#[derive(Clone, PartialEq, Debug)]
enum Ended {
    Ok(&'static str),
    Fail,
    Info,
}
use Ended::{Fail, Info};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Asked {
    Read,
    Write,
    Cas,
    Add,
    Members,
    Enqueue,
    Dequeue,
    Inc,
    Transact,
    Confirmed,
}
use Asked::{Add, Cas, Confirmed, Dequeue, Enqueue, Inc, Members, Read, Transact, Write};

/// What is asked, what comes back, what happens then, and how the operation counts.
const MISBEHAVIOURS: &[(Asked, &[u8], Then, Ended)] = &[
    // As it should be.
    (Read, b"$1\r\n5\r\n", Waits, Ended::Ok("5")),
    (Read, b"$-1\r\n", Waits, Ended::Ok("null")),
    (Write, b"+OK\r\n", Waits, Ended::Ok("5")),
    (Write, b"-READONLY You can't write\r\n", Waits, Fail),
    (Members, b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n", Waits, Ended::Ok("[1,2]")),
    (Transact, b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n", Waits, Ended::Ok("[[\"w\",\"k\",5]]")),
    (Confirmed, b"+OK\r\n:1\r\n", Waits, Ended::Ok("5")),
    // Lengths that mean nothing, or more than there is.
    (Read, b"$-5\r\n", Waits, Info),
    (Read, b"$-2\r\n", Waits, Info),
    (Read, b"$99999999999999999999\r\n", Waits, Info),
    (Read, b"$4294967296\r\n5\r\n", Waits, Info),
    (Read, b"$one\r\n5\r\n", Waits, Info),
    (Read, b"$5\r\n5\r\n", Closes, Info),
    (Read, b"$1\r\n5", Closes, Info),
    (Read, b"$1\r\n567\r\n", Waits, Info),
    (Read, b"$1\r\n5\n\r", Waits, Info),
    (Members, b"*-1\r\n", Waits, Info),
    (Members, b"*-7\r\n", Waits, Info),
    (Members, b"*99999999999\r\n", Waits, Info),
    (Members, b"*3\r\n$1\r\n1\r\n", Waits, Info),
    (Members, b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", Waits, Info),
    // A reply of another kind than the command has.
    (Read, b"+OK\r\n", Waits, Info),
    (Read, b":5\r\n", Waits, Info),
    (Read, b"*1\r\n$1\r\n5\r\n", Waits, Info),
    (Write, b"+QUEUED\r\n", Waits, Info),
    (Write, b"+ok\r\n", Waits, Info),
    (Write, b":1\r\n", Waits, Info),
    (Write, b"$2\r\nOK\r\n", Waits, Info),
    (Cas, b":2\r\n", Waits, Info),
    (Cas, b":-1\r\n", Waits, Info),
    (Cas, b"$-1\r\n", Waits, Info),
    (Add, b":5\r\n", Waits, Info),
    (Add, b"+OK\r\n", Waits, Info),
    (Members, b"$1\r\n5\r\n", Waits, Info),
    (Members, b"*1\r\n$-1\r\n", Waits, Info),
    (Members, b"*1\r\n*0\r\n", Waits, Info),
    (Enqueue, b":0\r\n", Waits, Info),
    (Dequeue, b":0\r\n", Waits, Info),
    (Inc, b"+OK\r\n", Waits, Info),
    // No protocol at all, or another one.
    (Write, b"HTTP/1.1 400 Bad Request\r\n\r\n", Waits, Info),
    (Write, b"OK\r\n", Waits, Info),
    (Write, b"\r\n", Waits, Info),
    (Write, b"+OK\n", Waits, Info),
    (Write, b"\0\0\0\0\r\n", Waits, Info),
    (Write, b"%1\r\n+OK\r\n+OK\r\n", Waits, Info),
    (Write, b"-\r\n", Waits, Info),
    (Write, b"-WHATEVER is this\r\n", Waits, Info),
    // Silence, a half, or too much.
    (Write, b"", Waits, Info),
    (Write, b"", Closes, Info),
    (Write, b"+O", Waits, Info),
    (Write, b"+OK", Closes, Info),
    (Write, b"+OK\r\n+OK\r\n", Waits, Info),
    (Read, b"$1\r\n5\r\n$1\r\n6\r\n", Waits, Info),
    (Read, b"$1\r\n4\r\n", SpokeFirst, Info),
    (Write, b"-ERR a refusal of something else\r\n", SpokeFirst, Info),
    // Transactions that were none.
    (Transact, b"-ERR no\r\n+OK\r\n-ERR EXEC without MULTI\r\n", Waits, Info),
    (Transact, b"+OK\r\n+OK\r\n*1\r\n+OK\r\n", Waits, Info),
    (Transact, b"+OK\r\n+QUEUED\r\n*0\r\n", Waits, Info),
    (Transact, b"+OK\r\n+QUEUED\r\n*-1\r\n", Waits, Info),
    (Transact, b"+OK\r\n+QUEUED\r\n*1\r\n:7\r\n", Waits, Info),
    (Transact, b"+OK\r\n-ERR no\r\n-EXECABORT Transaction discarded\r\n", Waits, Fail),
    // Confirmations that are none.
    (Confirmed, b"+OK\r\n:0\r\n", Waits, Info),
    (Confirmed, b"+OK\r\n+OK\r\n", Waits, Info),
    (Confirmed, b"+OK\r\n-ERR no\r\n", Waits, Info),
    (Confirmed, b"+OK\r\n", Waits, Info),
    (Confirmed, b"-NOREPLICAS Not enough good replicas\r\n:0\r\n", Waits, Fail),
];

async fn serve(words: &'static [u8], then: Then) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        if then == SpokeFirst {
            stream.write_all(words).await.unwrap();
        }
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let answer = if then == SpokeFirst { b"+OK\r\n" } else { words };
        let _ = stream.write_all(answer).await;
        if then != Closes {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    address
}

fn operation(asked: Asked) -> (ClientOperation, WorkloadKind) {
    let key: Arc<str> = "k".into();
    let on = |function, value, kind| (ClientOperation::on_key(&key, function, value), kind);
    let five = Value::Int(5);
    match asked {
        Read => on(Function::READ, Value::Null, WorkloadKind::Register),
        Write | Confirmed => on(Function::WRITE, five, WorkloadKind::Register),
        Cas => on(Function::CAS, Value::List(vec![Value::Int(4), five]), WorkloadKind::CasRegister),
        Add => on(Function::ADD, five, WorkloadKind::Set),
        Members => on(Function::READ, Value::Null, WorkloadKind::Set),
        Enqueue => on(Function::ENQUEUE, five, WorkloadKind::Queue),
        Dequeue => on(Function::DEQUEUE, Value::Null, WorkloadKind::Queue),
        Inc => on(Function::INC, five, WorkloadKind::Counter),
        Transact => {
            let step = micro_operation("w", &key, five);
            (ClientOperation::without_key(Function::TXN, Value::List(vec![step])), WorkloadKind::RwRegister)
        }
    }
}

/// How one operation on a server at this address counts, as the client loop takes it: what takes longer than the
/// deadline is indeterminate.
async fn counted(asked: Asked, address: String) -> Result<String, bool> {
    let (operation, kind) = operation(asked);
    let store = RedisStore::new(RedisOptions {
        servers: vec![("n1".into(), address)],
        sentinels: Vec::new(),
        fronts: BTreeMap::new(),
        prefix: String::new(),
        replica_reads: false,
        wait: (asked == Confirmed).then_some((1, Duration::from_millis(100))),
        confirms_reads: false,
        kind,
        time_to_live: Duration::from_secs(60),
    });
    let session: Arc<str> = "s-1".into();
    let trace = Trace { run: 1, number: 1 };
    let request = StoreRequest { session: &session, operation: &operation, deadline_ns: u64::MAX, trace };
    let mut client = store.connect(0).await.map_err(|_| true)?;
    // So that what the server says by itself has come.
    tokio::time::sleep(Duration::from_millis(30)).await;
    match tokio::time::timeout(DEADLINE, client.execute(&request)).await {
        Ok(Ok(answer)) => Ok(answer.value.to_json()),
        Ok(Err(failure)) => {
            assert!(
                failure.definite || !failure.connected,
                "what is uncertain ends the connection: {failure:?}"
            );
            Err(failure.definite)
        }
        Err(_) => Err(false),
    }
}

#[tokio::test]
async fn no_misbehaviour_is_taken_for_an_answer() {
    let mut wrong = Vec::new();
    for (asked, words, then, expected) in MISBEHAVIOURS {
        let found = counted(*asked, serve(words, *then).await).await;
        let expected = match expected {
            Ended::Ok(value) => Ok((*value).to_owned()),
            Fail => Err(true),
            Info => Err(false),
        };
        if found != expected {
            wrong.push(format!("{asked:?} {:?} {then:?}: {found:?}", String::from_utf8_lossy(words)));
        }
    }
    assert!(wrong.is_empty(), "taken for something else:\n{}", wrong.join("\n"));
}

/// A length is only a claim: memory is taken for what arrives.
#[tokio::test]
async fn a_length_that_is_claimed_takes_no_memory() {
    let before = resident_kib();
    for _ in 0..4 {
        let found = counted(Read, serve(b"$134000000\r\n5", Waits).await).await;
        assert_eq!(found, Err(false));
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB for a few bytes");
}

/// A line without an end is not read for ever.
#[tokio::test]
async fn a_line_without_an_end_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let sender = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = 0;
        while sent < 64 << 20 && stream.write_all(&[b'x'; 4096]).await.is_ok() {
            sent += 4096;
        }
        sent
    });
    assert_eq!(counted(Write, address).await, Err(false));
    assert!(sender.await.unwrap() < 64 << 20, "the connection was broken off");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
