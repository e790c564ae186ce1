//! Readers against damaged files: each format's good files, damaged at random for a while. Whatever the bytes, there is a
//! history or a problem, no panic and no reading without end; wherever the bytes are cut the answer is the same; and what
//! was read can be written and read again.
//!
//! This stands in for the fuzz targets (`fuzz/`) where no fuzzer is installed. It runs for two seconds, or for
//! `STEADFAST_FUZZ_SECONDS`; the seed is `STEADFAST_FUZZ_SEED`, and a failure prints it with the bytes.

use histories::format::{
    self, AcceptedLosses, Format, Input, Loaded, ReadOptions, RepresentableHistory, TargetFormat,
};
use histories::{History, Problems};
use std::time::{Duration, Instant};

/// Good files, each in its format.
const SEEDS: &[(Format, &str)] = &[
    (
        Format::Native,
        "{\"steadfast\":1,\"seed\":4}\n{\"index\":0,\"time\":5,\"process\":0,\"session\":\"s\",\"type\":\"invoke\",\"f\":\"cas\",\"key\":\"x\",\"value\":[1,2]}\n{\"index\":1,\"process\":\"web-1\",\"type\":\"invoke\",\"f\":\"read\",\"value\":null}\n{\"index\":2,\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"kill\",\"value\":\"n1\"}\n{\"index\":3,\"process\":0,\"session\":\"s\",\"type\":\"ok\",\"f\":\"cas\",\"key\":\"x\",\"value\":[1,2],\"version\":7}\n{\"index\":4,\"process\":\"web-1\",\"type\":\"info\",\"f\":\"read\",\"error\":\"timeout\"}\n",
    ),
    (
        Format::Native,
        "{\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"value\":[7,null]}\n{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":[7,3]}\n{\"process\":1,\"type\":\"invoke\",\"f\":\"cas\",\"value\":[7,3,4]}\n{\"process\":1,\"type\":\"ok\",\"f\":\"cas\",\"value\":[7,3,4]}\n",
    ),
    (
        Format::JepsenJson,
        "[{\"process\":0,\"type\":\"ok\",\"f\":\"append\",\"value\":[[\"append\",9,1]]},\n {\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":[[\"r\",9,[1]],[\"r\",8,null]]}]",
    ),
    (
        Format::Edn,
        "[{:process 0, :type :invoke, :f :txn, :value [[:r :x nil] [:w 1 0x1f]]}\n #jepsen.history.Op{:process 0, :type :ok, :f :txn, :value [[:r :x nil] [:w 1 2r11111]]}\n #_{:a 1} {:process :nemesis, :type :info, :f :start, :value \"n\\u00e9\"} ; done\n]",
    ),
    (Format::Edn, "[[0 :invoke :write 1]\n [0 :ok :write 1]\n [1 :invoke :read nil]\n [1 :ok :read 1]]"),
    (
        Format::JepsenText,
        "0\t:invoke\t:write\t1\n:nemesis\t:info\t:start\tnil\n0\t:info\t:write\t1\t:timeout\n",
    ),
    (
        Format::PorcupineEtcd,
        "lein run\nINFO  jepsen.util - 0\t:invoke\t:write\t1\n[w 0] jepsen.util: 0\t:ok\t:write\t1\n",
    ),
    (Format::Plume, "w(1,0,0,0)\nw(2,0,0,0)\nw(1,1,1,1)\nr(2,0,1,1)\nw(2,1,2,-1)\nr(1,0,2,2)\n"),
    (Format::Awdit, "w 0 1\nr 1 2\n-----\nw 1 2\n=====\nr 0 1\n"),
    (
        Format::Dbcop,
        "{\"params\":{\"id\":0},\"data\":[[{\"events\":[{\"Write\":{\"variable\":0,\"version\":1}},[\"r\",0,1]],\"committed\":true}],[]]}",
    ),
    (
        Format::PorcupineJson,
        "[{\"ClientId\":0,\"Input\":{\"Op\":1,\"Key\":\"a\",\"Value\":\"1\"},\"Call\":1,\"Output\":{},\"Return\":5},\n{\"ClientId\":1,\"Input\":{\"Op\":2,\"Arg1\":1,\"Arg2\":2},\"Call\":5,\"Output\":{\"Ok\":false,\"Unknown\":true}}]",
    ),
    (
        Format::Csv,
        "call_ns,return_ns,client_id,op,key,value,output,outcome\n1,5,0,PUT,k1,\"a,\"\"b\",,ok\n6,7,1,GET,k1,,NotFound,\n7,,1,cas,k1,1:2,,info\n",
    ),
    (
        Format::S2,
        "{\"event\":{\"Start\":{\"Append\":{\"num_records\":2}}},\"client_id\":0,\"op_id\":0}\n{\"event\":{\"Finish\":\"AppendIndefiniteFailure\"},\"client_id\":0,\"op_id\":0}\n{\"event\":{\"Start\":\"Read\"},\"client_id\":1,\"op_id\":1}\n",
    ),
    (
        Format::Chronos,
        "[{\"tid\":2,\"sid\":1,\"sts\":{\"p\":3,\"l\":0},\"cts\":{\"p\":9,\"l\":1},\"ops\":[{\"t\":\"r\",\"k\":1,\"v\":[5]},{\"t\":\"a\",\"k\":2,\"v\":6}]}]",
    ),
    (
        Format::Otlp,
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[]},\"scopeSpans\":[{\"spans\":[{\"traceId\":\"0000000000000001000000000000002a\",\"name\":\"read\",\"startTimeUnixNano\":\"5\",\"endTimeUnixNano\":\"9\",\"attributes\":[{\"key\":\"steadfast.process\",\"value\":{\"stringValue\":\"web\"}},{\"key\":\"steadfast.f\",\"value\":{\"stringValue\":\"read\"}},{\"key\":\"steadfast.value\",\"value\":{\"stringValue\":\"5\"}}]}]}]}]}\n",
    ),
];

/// Pieces that damage is made of.
const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\\",
    ",",
    ":",
    ";",
    "#",
    "\n",
    " ",
    "nil",
    "null",
    "-",
    "0",
    "1",
    "18446744073709551615",
    "99999999999999999999",
    "1/2",
    "0x",
    "N",
    "M",
    ":ok",
    ":invoke",
    "\"invoke\"",
    "\"ok\"",
    "\"process\":",
    "\"nemesis\"",
    "[[\"r\",1,null]]",
    "[[\"w\",1,2]]",
    "[7,null]",
    "[7,3,4]",
    "\"client\":",
    "\"k\":",
    "\"index\":0,",
    "{\"n1\":[1]}",
    "\u{feff}",
    "é",
    "\u{0}",
    "w(1,0,0,0)\n",
    "-----\n",
    "=====\n",
];

/// A small generator of random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(6) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(20)).min(bytes.len());
        match random.below(6) {
            0 => drop(bytes.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            4 => {
                let other = SEEDS[random.below(SEEDS.len())].1.as_bytes();
                let from = random.below(other.len());
                let piece = other[from..(from + random.below(60)).min(other.len())].to_vec();
                drop(bytes.splice(at..end, piece));
            }
            _ => bytes.truncate(bytes.len() - random.below(bytes.len().min(9) + 1)),
        }
    }
}

fn read(format: Format, bytes: &[u8], lenient: bool, block_bytes: usize) -> Result<Loaded, Problems> {
    let options = ReadOptions { from: Some(format), lenient, block_bytes, ..ReadOptions::default() };
    format::read(Input::Bytes("-".to_owned(), bytes.to_vec()), &options, &|_, _| {})
}

/// Whether the bytes are a history; panics if what must hold of all bytes does not.
fn hold(format: Format, bytes: &[u8], lenient: bool) -> bool {
    match (read(format, bytes, lenient, 1 << 18), read(format, bytes, lenient, 7)) {
        (Ok(whole), Ok(cut)) => {
            assert!(whole.history.same_events(&cut.history), "it depends on where it is cut");
            assert_eq!(whole.remarks, cut.remarks);
            for (target, format) in [(TargetFormat::Native, Format::Native), (TargetFormat::Edn, Format::Edn)]
            {
                again(&whole.history, target, format);
            }
            true
        }
        (Err(whole), Err(_)) => {
            assert!(!whole.list.is_empty());
            false
        }
        (whole, cut) => panic!("{whole:?} or, in blocks, {cut:?}"),
    }
}

fn again(history: &History, target: TargetFormat, format: Format) {
    let Ok(sayable) = RepresentableHistory::new(history, target, AcceptedLosses::default()) else { return };
    let mut text = Vec::new();
    sayable.write(&mut text).expect("memory can be written");
    let again = read(format, &text, false, 1 << 18).unwrap_or_else(|why| {
        panic!("{target:?}: {why}\n{}", String::from_utf8_lossy(&text));
    });
    let same =
        again.history.same_events(history) || target == TargetFormat::Edn && history.header().is_some();
    assert!(same, "{target:?}: {}", String::from_utf8_lossy(&text));
}

#[test]
fn damaged_files_are_histories_or_problems() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("STEADFAST_FUZZ_SECONDS").unwrap_or(2);
    let seed = number("STEADFAST_FUZZ_SEED").unwrap_or(1);
    let mut random = Random(seed);
    let (began, mut count, mut good) = (Instant::now(), 0_u64, 0_u64);
    while began.elapsed() < Duration::from_secs(seconds) {
        let (format, text) = SEEDS[random.below(SEEDS.len())];
        let format = match random.below(12) {
            0 => Format::ALL[random.below(Format::ALL.len())],
            _ => format,
        };
        let mut bytes = text.as_bytes().to_vec();
        damage(&mut bytes, &mut random);
        let lenient = random.below(4) == 0;
        let outcome = std::panic::catch_unwind(|| hold(format, &bytes, lenient));
        count += 1;
        match outcome {
            Ok(is_good) => good += u64::from(is_good),
            Err(_) => panic!("seed {seed}, input {count}, {format:?}: {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
    // If nothing were a history, nothing would have been written and read again.
    assert!(good * 50 > count, "{good} of {count} were histories");
    #[allow(clippy::print_stdout, reason = "how much was tried is the result of a long run")]
    {
        println!("{count} inputs, {good} of them histories");
    }
}

#[test]
fn the_files_that_are_damaged_are_good() {
    for (format, text) in SEEDS {
        assert!(
            hold(*format, text.as_bytes(), false),
            "{format:?}: {:?}",
            read(*format, text.as_bytes(), false, 99)
        );
    }
}
