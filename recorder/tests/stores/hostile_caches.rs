//! memcached and etcd that say what none should: each misbehaviour, and how the operation counts.

use histories::Function;
use recorder::stores::etcd::{EtcdOptions, EtcdStore};
use recorder::stores::memcached::{MemcachedOptions, MemcachedStore};
use recorder::{Client, Store, StoreRequest, Trace};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use workloads::{ClientOperation, Value, WorkloadKind};

const DEADLINE: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Ended {
    Ok,
    Fail,
    Info,
}
use Ended::{Fail, Info, Ok as Done};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Asked {
    Read,
    Write,
    Cas,
    Create,
    Touch,
    Destroy,
}
use Asked::{Cas, Create, Destroy, Read, Touch, Write};

/// What memcached says, and how the operation counts.
const OF_MEMCACHED: &[(Asked, &[u8], Ended)] = &[
    (Read, b"END\r\n", Done),
    (Read, b"VALUE k 0 1 7\r\n5\r\nEND\r\n", Done),
    (Write, b"STORED\r\n", Done),
    (Create, b"NOT_STORED\r\n", Fail),
    (Touch, b"NOT_FOUND\r\n", Fail),
    // Values that are not what was asked for, or not whole.
    (Read, b"VALUE other 0 1 7\r\n5\r\nEND\r\n", Info),
    (Read, b"VALUE k 0 1\r\n5\r\nEND\r\n", Info),
    (Read, b"VALUE k 0 -1 7\r\n5\r\nEND\r\n", Info),
    (Read, b"VALUE k 0 99999999999 7\r\n5\r\nEND\r\n", Info),
    (Read, b"VALUE k 0 1 7\r\n567\r\nEND\r\n", Info),
    (Read, b"VALUE k 0 5 7\r\n5\r\nEND\r\n", Info),
    (Read, b"VALUE k 0 1 7\r\n5\r\n", Info),
    (Read, b"VALUE k 0 1 7\r\n5\r\nVALUE k 0 1 8\r\n6\r\nEND\r\n", Info),
    (Read, b"VALUE k 0 1 7\r\n5\r\nEND\r\nEND\r\n", Info),
    (Read, b"END\r\nEND\r\n", Info),
    (Read, b"STORED\r\n", Info),
    (Read, b"end\r\n", Info),
    // Replies of another command.
    (Write, b"DELETED\r\n", Info),
    (Write, b"END\r\n", Info),
    (Write, b"NOT_STORED\r\n", Info),
    (Write, b"NOT_FOUND\r\n", Info),
    (Write, b"EXISTS\r\n", Info),
    (Write, b"stored\r\n", Info),
    (Create, b"EXISTS\r\n", Info),
    (Create, b"NOT_FOUND\r\n", Info),
    (Touch, b"DELETED\r\n", Info),
    (Touch, b"STORED\r\n", Info),
    (Destroy, b"TOUCHED\r\n", Info),
    (Destroy, b"NOT_STORED\r\n", Info),
    (Write, b"STORED\r\nSTORED\r\n", Info),
    (Write, b"SERVER_ERROR out of memory storing object\r\n", Info),
    (Write, b"STORED\n", Info),
    (Write, b"STORED", Info),
    (Write, b"\r\n", Info),
    (Write, b"", Info),
    (Write, b"ERROR\r\n", Fail),
];

/// What etcd's gateway says, and how the operation counts.
const OF_ETCD: &[(Asked, &str, Ended)] = &[
    (Read, r#"200 {"header":{"revision":"4"}}"#, Done),
    (Read, r#"200 {"header":{},"kvs":[{"key":"aw==","value":"NQ==","mod_revision":"3"}]}"#, Done),
    (Write, r#"200 {"header":{"revision":"4"}}"#, Done),
    (Cas, r#"200 {"header":{},"succeeded":true}"#, Done),
    (Cas, r#"200 {"header":{}}"#, Fail),
    (Write, r#"429 {"error":"etcdserver: too many requests","code":8}"#, Fail),
    // Reads of another key, or of none.
    (Read, r#"200 {"header":{},"kvs":[{"key":"eA==","value":"NQ==","mod_revision":"3"}]}"#, Info),
    (Read, r#"200 {"header":{},"kvs":[{"value":"NQ==","mod_revision":"3"}]}"#, Info),
    (Read, r#"200 {"header":{},"kvs":[{"key":"aw==","value":"?","mod_revision":"3"}]}"#, Info),
    (Read, r#"200 {"header":{},"kvs":[{"key":"aw==","value":"NQ=="}]}"#, Info),
    (Read, r#"200 {"header":{},"kvs":[{"key":"aw==","value":"NQ==","mod_revision":"x"}]}"#, Info),
    (Read, r#"200 {"header":{},"kvs":{"0":"x"}}"#, Info),
    (Read, r#"200 {"header":{},"kvs":"none"}"#, Info),
    // Answers that are none of etcd's.
    (Read, "200 {}", Info),
    (Read, "200 []", Info),
    (Read, "200 null", Info),
    (Read, r#"200 {"header":"yes"}"#, Info),
    (Read, "200 <html>", Info),
    (Read, "200 ", Info),
    (Write, "200 {}", Info),
    (Write, r#"200 {"header":{}}"#, Info),
    (Write, r#"200 {"header":{"revision":[]}}"#, Info),
    (Cas, "200 {}", Info),
    (Cas, r#"200 {"header":{},"succeeded":"yes"}"#, Info),
    (Cas, r#"200 {"header":{},"succeeded":1}"#, Info),
    (Destroy, r#"200 {"header":{},"deleted":"-1"}"#, Info),
    (Destroy, r#"200 {"header":{},"deleted":"many"}"#, Info),
    (Destroy, "200 {}", Info),
    // Errors that say nothing of what was done.
    (Write, r#"503 {"error":"etcdserver: request timed out","code":14}"#, Info),
    (Write, r#"500 {"error":"no code"}"#, Info),
    (Write, r#"500 {"code":"8"}"#, Info),
    (Write, "502 Bad Gateway", Info),
    (Write, "404 page not found", Info),
];

/// Says the same to each request.
async fn serve(words: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        while let Ok(1..) = stream.read(&mut request).await {
            let _ = stream.write_all(&words).await;
        }
    });
    address
}

async fn counted<S: Store>(store: &S, asked: Asked) -> Ended {
    let (key, five): (Arc<str>, _) = ("k".into(), Value::Int(5));
    let (function, value) = match asked {
        Read => (Function::READ, Value::Null),
        Write => (Function::WRITE, five),
        Cas => (Function::CAS, Value::List(vec![Value::Int(4), five])),
        Create => (Function::CREATE, five),
        Touch => (Function::TOUCH, Value::Null),
        Destroy => (Function::DESTROY, Value::Null),
    };
    let operation = ClientOperation::on_key(&key, function, value);
    let trace = Trace { run: 1, number: 1 };
    let request = StoreRequest { session: &key, operation: &operation, deadline_ns: u64::MAX, trace };
    let mut client = store.connect(0).await.unwrap();
    match tokio::time::timeout(DEADLINE, client.execute(&request)).await {
        Ok(Ok(_)) => Done,
        Ok(Err(failure)) if failure.definite => Fail,
        Ok(Err(_)) | Err(_) => Info,
    }
}

/// What is done to registers is done to registers, and what to sessions to sessions.
fn kind(asked: Asked) -> WorkloadKind {
    match asked {
        Read | Write => WorkloadKind::Register,
        Cas => WorkloadKind::CasRegister,
        Create | Touch | Destroy => WorkloadKind::Session,
    }
}

#[tokio::test]
async fn no_misbehaviour_of_memcached_is_taken_for_an_answer() {
    let mut wrong = Vec::new();
    for (asked, words, expected) in OF_MEMCACHED {
        let nodes = vec![("m1".into(), serve(words.to_vec()).await)];
        let options = MemcachedOptions { nodes, kind: kind(*asked), time_to_live: Duration::from_secs(60) };
        let found = counted(&MemcachedStore::new(options), *asked).await;
        if found != *expected {
            wrong.push(format!("{asked:?} {:?}: {found:?}", String::from_utf8_lossy(words)));
        }
    }
    assert!(wrong.is_empty(), "taken for something else:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_misbehaviour_of_etcd_is_taken_for_an_answer() {
    let mut wrong = Vec::new();
    for (asked, answer, expected) in OF_ETCD {
        let (status, body) = answer.split_once(' ').unwrap();
        let words = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let options = EtcdOptions {
            members: vec![("e1".into(), serve(words.into_bytes()).await)],
            serializable: false,
            kind: kind(*asked),
            time_to_live: Duration::from_secs(60),
        };
        let found = counted(&EtcdStore::new(options), *asked).await;
        if found != *expected {
            wrong.push(format!("{asked:?} {answer}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "taken for something else:\n{}", wrong.join("\n"));
}
