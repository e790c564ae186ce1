//! Operations as Redis commands, and replies as answers.
//!
//! | operation | command |
//! | --- | --- |
//! | `read`, `write` of a register | `GET`, `SET` |
//! | `cas` | a script: `GET`, compare, `SET` |
//! | `txn` | `MULTI`, `GET`/`SET` or `LRANGE`/`RPUSH`, `EXEC` |
//! | `add`, `read` of a set | `SADD`, `SMEMBERS` |
//! | `inc`, `read` of a counter | `INCRBY`, `GET` |
//! | `enqueue`, `dequeue` | `RPUSH`, `LPOP` |
//! | `create`, `write`, `touch`, `renew`, `destroy` of a session | `SET NX PX`, `SET XX PX`, `PEXPIRE`, `RENAMENX`, `DEL` |
//! | `act`, `actions` | a script: if the session `EXISTS`, `RPUSH` to the user's list; `LRANGE` |

use super::resp::RespReply;
use crate::{Failure, StoreAnswer};
use histories::Function;
use workloads::{ClientOperation, MicroOperation, SessionPayload, Value, WorkloadKind, micro_operations};

pub(super) type RespCommand = Vec<Vec<u8>>;

const COMPARE_AND_SET: &str = "local v = redis.call('GET', KEYS[1]) \
    if (v == false and ARGV[1] == '') or v == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end \
    return 0";

const ACT: &str = "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end \
    return redis.call('RPUSH', KEYS[2], ARGV[1])";

/// The commands of an operation that a user asks for; none if Redis has no such thing.
pub(super) fn build_commands(
    operation: &ClientOperation,
    user: &str,
    kind: WorkloadKind,
    prefix: &str,
    time_to_live_ms: u64,
) -> Option<Vec<RespCommand>> {
    if operation.function == Function::TXN {
        return build_transaction(&operation.value, kind, prefix);
    }
    let key = &format!("{prefix}{}", operation.key.as_deref()?);
    let value = &operation.value;
    let lives = time_to_live_ms.to_string();
    let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<RespCommand>();
    let command = match operation.function {
        Function::READ if kind == WorkloadKind::Set => words(&["SMEMBERS", key]),
        Function::READ => words(&["GET", key]),
        Function::WRITE | Function::CREATE => {
            let mut command = words(&["SET", key]);
            command.push(encode_value(value)?);
            if let Value::Payload(_) = value {
                let how = if operation.function == Function::CREATE { "NX" } else { "XX" };
                command.extend(words(&[how, "PX", &lives]));
            }
            command
        }
        Function::CAS => {
            let Value::List(pair) = value else { return None };
            let mut command = words(&["EVAL", COMPARE_AND_SET, "1", key]);
            for value in pair {
                command.push(if *value == Value::Null { Vec::new() } else { encode_value(value)? });
            }
            command
        }
        Function::ADD => [words(&["SADD", key]), vec![encode_value(value)?]].concat(),
        Function::INC => [words(&["INCRBY", key]), vec![encode_value(value)?]].concat(),
        Function::ENQUEUE => [words(&["RPUSH", key]), vec![encode_value(value)?]].concat(),
        Function::DEQUEUE => words(&["LPOP", key]),
        Function::TOUCH => words(&["PEXPIRE", key, &lives]),
        Function::RENEW => match value {
            Value::Text(id) => words(&["RENAMENX", key, &format!("{prefix}{id}")]),
            _ => return None,
        },
        Function::DESTROY => words(&["DEL", key]),
        Function::ACT => {
            let asked = words(&["EVAL", ACT, "2", key, &format!("{prefix}ledger:{user}")]);
            [asked, vec![encode_value(value)?]].concat()
        }
        Function::ACTIONS => {
            words(&["LRANGE", &format!("{prefix}ledger:{}", operation.key.as_deref()?), "0", "-1"])
        }
        _ => return None,
    };
    Some(vec![command])
}

fn build_transaction(value: &Value, kind: WorkloadKind, prefix: &str) -> Option<Vec<RespCommand>> {
    let word = |text: &str| text.as_bytes().to_vec();
    let mut commands = vec![vec![word("MULTI")]];
    for step in micro_operations(value)? {
        let key = word(&format!("{prefix}{}", step.key));
        commands.push(match (step.kind, kind) {
            ("r", WorkloadKind::ListAppend) => vec![word("LRANGE"), key, word("0"), word("-1")],
            ("r", _) => vec![word("GET"), key],
            ("append", _) => vec![word("RPUSH"), key, encode_value(step.value)?],
            ("w", _) => vec![word("SET"), key, encode_value(step.value)?],
            _ => return None,
        });
    }
    commands.push(vec![word("EXEC")]);
    Some(commands)
}

/// What a value is in the store.
fn encode_value(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Int(number) => Some(number.to_string().into_bytes()),
        Value::Text(text) => Some(text.as_bytes().to_vec()),
        Value::Payload(payload) => Some(payload.to_bytes()),
        Value::Null | Value::List(_) | Value::Fields(_) | Value::Torn { .. } => None,
    }
}

/// What an operation's replies mean.
pub(super) fn parse_answer(
    operation: &ClientOperation,
    kind: WorkloadKind,
    replies: &[RespReply],
) -> Result<StoreAnswer, Failure> {
    if operation.function == Function::TXN {
        return parse_transaction(operation, kind, replies).map(StoreAnswer::from_value);
    }
    let reply = replies.last().ok_or_else(|| Failure::indefinite("no reply"))?;
    let done = || Ok(operation.value.clone());
    let value = match (operation.function, reply) {
        (_, RespReply::Error(error)) => return Err(classify_error(error)),
        (Function::READ, _) => parse_read(reply, kind),
        (Function::WRITE | Function::CREATE, RespReply::Simple(said)) if said == "OK" => done(),
        (Function::WRITE, RespReply::Bulk(None)) => Err(Failure::no_such_session()),
        (Function::CREATE, RespReply::Bulk(None)) => Err(Failure::definite("exists")),
        (Function::CAS, RespReply::Integer(1)) => done(),
        (Function::CAS, RespReply::Integer(0)) => Err(Failure::definite("the value differs")),
        (Function::ADD, RespReply::Integer(0 | 1)) | (Function::INC, RespReply::Integer(_)) => done(),
        (Function::ENQUEUE, RespReply::Integer(1..)) => done(),
        (Function::DEQUEUE, RespReply::Bulk(None)) => Err(Failure::definite("empty")),
        (Function::DEQUEUE, RespReply::Bulk(Some(bytes))) => Ok(parse_scalar(bytes)),
        (Function::TOUCH | Function::DESTROY, RespReply::Integer(1)) => Ok(Value::Null),
        (Function::TOUCH | Function::DESTROY, RespReply::Integer(0)) => Err(Failure::no_such_session()),
        (Function::ACT, RespReply::Integer(0)) => Err(Failure::no_such_session()),
        (Function::ACT, RespReply::Integer(1..)) => done(),
        (Function::ACTIONS, _) => parse_elements(reply),
        (Function::RENEW, RespReply::Integer(1)) => done(),
        (Function::RENEW, RespReply::Integer(0)) => Err(Failure::definite("the new id exists")),
        _ => Err(unexpected_reply(reply)),
    };
    value.map(StoreAnswer::from_value)
}

/// A reply that this command cannot have: whose it is, and what was done, is uncertain.
fn unexpected_reply(reply: &RespReply) -> Failure {
    const SHOWN: usize = 80;
    let text: String = format!("{reply:?}").chars().take(SHOWN).collect();
    Failure::indefinite(format!("an unexpected reply: {text}"))
}

fn parse_transaction(
    operation: &ClientOperation,
    kind: WorkloadKind,
    replies: &[RespReply],
) -> Result<Value, Failure> {
    // Without a MULTI that was understood, each of the commands was one by itself.
    match replies.first() {
        Some(RespReply::Simple(said)) if said == "OK" => {}
        other => return Err(Failure::indefinite(format!("an unexpected reply to MULTI: {other:?}"))),
    }
    let is_queued = |reply: &&RespReply| matches!(reply, RespReply::Simple(said) if said == "QUEUED");
    let queued = replies[1..].iter().take_while(is_queued).count();
    let results = match replies.last() {
        Some(RespReply::Array(Some(results))) => results,
        Some(RespReply::Error(error)) => return Err(classify_error(error)),
        other => return Err(Failure::indefinite(format!("an unexpected reply to EXEC: {other:?}"))),
    };
    let steps = micro_operations(&operation.value).unwrap_or_default();
    if steps.len() != results.len() || steps.len() != queued {
        return Err(Failure::indefinite("EXEC returned another number of results"));
    }
    let step = |(step, reply): (MicroOperation<'_>, &RespReply)| {
        // Redis does not undo: an error inside leaves the rest done.
        if let RespReply::Error(error) = reply {
            return Err(Failure::indefinite(error.clone()));
        }
        let value = match (step.kind, reply) {
            ("r", _) => parse_read(reply, kind)?,
            ("append", RespReply::Integer(1..)) => step.value.clone(),
            ("w", RespReply::Simple(said)) if said == "OK" => step.value.clone(),
            _ => return Err(unexpected_reply(reply)),
        };
        Ok(workloads::micro_operation(step.kind, step.key, value))
    };
    steps.into_iter().zip(results).map(step).collect::<Result<_, _>>().map(Value::List)
}

/// What a read returned, of the shape that this kind of object has.
fn parse_read(reply: &RespReply, kind: WorkloadKind) -> Result<Value, Failure> {
    match (reply, kind) {
        (_, WorkloadKind::Set | WorkloadKind::ListAppend) => parse_elements(reply),
        (RespReply::Bulk(None), _) => Ok(Value::Null),
        (RespReply::Bulk(Some(bytes)), WorkloadKind::Session) => Ok(SessionPayload::from_bytes(bytes)),
        (RespReply::Bulk(Some(bytes)), _) => Ok(parse_scalar(bytes)),
        _ => Err(unexpected_reply(reply)),
    }
}

/// A list of texts.
fn parse_elements(reply: &RespReply) -> Result<Value, Failure> {
    let RespReply::Array(Some(elements)) = reply else { return Err(unexpected_reply(reply)) };
    let element = |element: &RespReply| match element {
        RespReply::Bulk(Some(bytes)) => Ok(parse_scalar(bytes)),
        _ => Err(unexpected_reply(reply)),
    };
    elements.iter().map(element).collect::<Result<_, _>>().map(Value::List)
}

fn parse_scalar(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    text.parse().map_or_else(|_| Value::from(text.as_ref()), Value::Int)
}

/// The classification of Redis' errors. Each of these is said *instead of* executing the command. Where a
/// server says something else, nobody knows.
///
/// | error | when | |
/// | --- | --- | --- |
/// | `READONLY` | a write at a replica | definite; look for the primary |
/// | `NOREPLICAS` | fewer replicas than `min-replicas-to-write` | definite |
/// | `LOADING`, `MASTERDOWN`, `BUSY`, `MISCONF`, `OOM`, `NOAUTH`, `NOPERM`, `CLUSTERDOWN` | the server cannot now | definite |
/// | `WRONGTYPE`, `ERR`, `EXECABORT` | the command is wrong for the key, or was not understood | definite |
/// | `UNBLOCKED`, anything else | | indefinite |
pub(super) fn classify_error(error: &str) -> Failure {
    const DEFINITE: [&str; 12] = [
        "READONLY",
        "NOREPLICAS",
        "LOADING",
        "MASTERDOWN",
        "BUSY",
        "MISCONF",
        "OOM",
        "NOAUTH",
        "NOPERM",
        "CLUSTERDOWN",
        "WRONGTYPE",
        "EXECABORT",
    ];
    let word = error.split(' ').next().unwrap_or_default();
    if word == "ERR" || word == "WRONGTYPE" {
        Failure::definite(error)
    } else if DEFINITE.contains(&word) {
        // The primary may be elsewhere by now: connect anew.
        Failure::unreachable(error)
    } else {
        Failure::indefinite(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_classified_by_their_first_word() {
        for (error, definite, connected) in [
            ("READONLY You can't write against a read only replica.", true, false),
            ("NOREPLICAS Not enough good replicas to write.", true, false),
            ("ERR unknown command", true, true),
            ("UNBLOCKED force unblock from blocking operation", false, false),
            ("SOMETHING new", false, false),
        ] {
            let failure = classify_error(error);
            assert_eq!((failure.definite, failure.connected), (definite, connected), "{error}");
        }
    }

    #[test]
    fn commands_are_those_of_the_table() {
        let key = "k".into();
        let write = ClientOperation::on_key(&key, Function::WRITE, Value::Int(5));
        let text = |command: &RespCommand| {
            command.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
        };
        let texts = |operation: &ClientOperation, kind| {
            build_commands(operation, "s", kind, "p:", 1000)
                .map(|all| all.iter().map(text).collect::<Vec<_>>())
        };
        assert_eq!(texts(&write, WorkloadKind::Register), Some(vec!["SET p:k 5".to_owned()]));
        let step = |kind, value| workloads::micro_operation(kind, &key, value);
        let txn = Value::List(vec![step("r", Value::Null), step("append", Value::Int(2))]);
        let txn = ClientOperation::without_key(Function::TXN, txn);
        let expected = ["MULTI", "LRANGE p:k 0 -1", "RPUSH p:k 2", "EXEC"].map(str::to_owned).to_vec();
        assert_eq!(texts(&txn, WorkloadKind::ListAppend), Some(expected));
        let orders = ClientOperation::on_key(&key, Function::ACTIONS, Value::Null);
        assert_eq!(texts(&orders, WorkloadKind::Session), Some(vec!["LRANGE p:ledger:k 0 -1".to_owned()]));
        let order = ClientOperation::on_key(&key, Function::ACT, "s/1".into());
        let asked = texts(&order, WorkloadKind::Session).unwrap();
        assert!(asked[0].ends_with(" 2 p:k p:ledger:s s/1"), "{asked:?}");
        let unknown = ClientOperation::on_key(&key, Function::ACQUIRE, Value::Null);
        assert_eq!(texts(&unknown, WorkloadKind::Register), None);
    }

    #[test]
    fn an_error_inside_a_transaction_leaves_it_unknown() {
        let step = workloads::micro_operation("w", &"k".into(), Value::Int(1));
        let txn = ClientOperation::without_key(Function::TXN, Value::List(vec![step]));
        let simple = |text: &str| RespReply::Simple(text.into());
        let ended =
            |last| parse_answer(&txn, WorkloadKind::RwRegister, &[simple("OK"), simple("QUEUED"), last]);
        let half = RespReply::Array(Some(vec![RespReply::Error("OOM no memory".into())]));
        assert!(!ended(half).unwrap_err().definite);
        let aborted = || RespReply::Error("EXECABORT Transaction discarded".into());
        assert!(ended(aborted()).unwrap_err().definite);
        assert!(ended(RespReply::Array(Some(vec![simple("OK")]))).is_ok());
        // A MULTI that was refused leaves the write a command by itself, which may have been executed.
        let alone = [
            RespReply::Error("LOADING".into()),
            simple("OK"),
            RespReply::Error("ERR EXEC without MULTI".into()),
        ];
        assert!(!parse_answer(&txn, WorkloadKind::RwRegister, &alone).unwrap_err().definite);
    }
}
