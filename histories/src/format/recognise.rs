//! Recognises the format of a file: by its extension, and if that is not enough, by its first bytes.

use super::{Format, chronos, dbcop, lines, operations, s2};

impl Format {
    /// Recognises the format by the name of the file and the first bytes after decompression.
    pub(super) fn recognise(name: &str, head: &[u8]) -> Option<Format> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        match extension {
            "edn" => Some(Format::Edn),
            "jsonl" | "ndjson" if s2::is_s2_log(head) => Some(Format::S2),
            "jsonl" | "ndjson" if !is_otlp(head) => Some(Format::Native),
            "bincode" => Some(Format::Dbcop),
            "csv" => Some(Format::Csv),
            "parquet" => Some(Format::Parquet),
            "json" if dbcop::is_dbcop_json(head) => Some(Format::Dbcop),
            "json" => Some(recognise_json(head)),
            _ => recognise_content(head),
        }
    }
}

/// What a file of Parquet begins and ends with.
const PARQUET_MAGIC: &[u8] = b"PAR1";

fn recognise_content(head: &[u8]) -> Option<Format> {
    let text = skip_blank(head);
    if dbcop::is_dbcop_json(text) {
        return Some(Format::Dbcop);
    }
    if head.starts_with(PARQUET_MAGIC) {
        return Some(Format::Parquet);
    }
    match text.first() {
        None => Some(Format::Native),
        Some(b'{') => match skip_blank(&text[1..]).first() {
            Some(b'"') | None => Some(recognise_json(text)),
            Some(_) => Some(Format::Edn),
        },
        Some(b'[') => match skip_blank(&text[1..]).first() {
            Some(b'{') => recognise_content(&text[1..]).map(|inner| match inner {
                Format::Edn => Format::Edn,
                _ => recognise_json(text),
            }),
            Some(b']') => Some(Format::JepsenJson),
            Some(_) => Some(Format::Edn),
            None => None,
        },
        Some(b'(' | b'#' | b';') => Some(Format::Edn),
        Some(_) => {
            let line = text.split(|&byte| byte == b'\n').next().unwrap_or(text).trim_ascii();
            let of_line = |is: bool, format: Format| is.then_some(format);
            recognise_steps(line)
                .or_else(|| of_line(lines::is_history_text(line), Format::JepsenText))
                .or_else(|| of_line(lines::find_log_mark(head).is_some(), Format::PorcupineEtcd))
                .or_else(|| of_line(operations::csv::is_csv(text), Format::Csv))
        }
    }
}

/// Whether the text begins as a request in OTLP/JSON does. Its only field is `resourceSpans`.
fn is_otlp(head: &[u8]) -> bool {
    skip_blank(head)
        .strip_prefix(b"{")
        .is_some_and(|inside| skip_blank(inside).starts_with(b"\"resourceSpans\""))
}

/// Recognises a step of a transaction, `w(1,2,3,4)` or `w 1 2`, or a separator line of AWDIT's text.
fn recognise_steps(line: &[u8]) -> Option<Format> {
    let (kind, rest) = line.split_first()?;
    match (kind, rest.first()) {
        (b'r' | b'w', Some(b'(')) if rest.get(1).is_some_and(u8::is_ascii_digit) => Some(Format::Plume),
        (b'r' | b'w', Some(b' ' | b'\t')) if rest.trim_ascii().first().is_some_and(u8::is_ascii_digit) => {
            Some(Format::Awdit)
        }
        (b'=' | b'-', _) if rest.iter().all(|byte| byte == kind) => Some(Format::Awdit),
        _ => None,
    }
}

/// Recognises which of the JSON formats a text is in.
fn recognise_json(head: &[u8]) -> Format {
    if is_otlp(head) {
        return Format::Otlp;
    }
    if operations::porcupine::is_porcupine_json(head) {
        return Format::PorcupineJson;
    }
    if chronos::is_chronos_json(head) {
        return Format::Chronos;
    }
    if s2::is_s2_log(head) {
        return Format::S2;
    }
    let text = skip_blank(head);
    let first_line = text.split(|&byte| byte == b'\n').next().unwrap_or(text).trim_ascii();
    match text.first() {
        Some(b'[') => Format::JepsenJson,
        // An object that spans several lines.
        Some(b'{') if matches!(first_line.last(), Some(b'{' | b'[' | b',')) => Format::JepsenJson,
        _ => Format::Native,
    }
}

fn skip_blank(text: &[u8]) -> &[u8] {
    let at = text.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','));
    &text[at.unwrap_or(text.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_then_by_content() {
        for (name, head, format) in [
            ("a.edn", "", Some(Format::Edn)),
            ("a.EDN.gz", "{\"", Some(Format::Edn)),
            ("a.jsonl.zst", "[", Some(Format::Native)),
            ("a.json", "\n [{}]", Some(Format::JepsenJson)),
            ("a.json", "{\"type\":\"ok\"}\n{}", Some(Format::Native)),
            ("a.json", "{\n\"type\":\"ok\"}", Some(Format::JepsenJson)),
            ("-", "{\"type\":\"ok\"}", Some(Format::Native)),
            ("a.json", "{\n \"resourceSpans\": [", Some(Format::Otlp)),
            ("a.otlp.jsonl", "{\"resourceSpans\":[", Some(Format::Otlp)),
            ("-", "{\"resourceSpans\":[", Some(Format::Otlp)),
            ("-", "{:type :ok}", Some(Format::Edn)),
            ("-", "; a comment\n[", Some(Format::Edn)),
            ("a.txt", "({:type", Some(Format::Edn)),
            ("a.txt", "[{:type", Some(Format::Edn)),
            ("a.txt", "[\n {\"type", Some(Format::JepsenJson)),
            ("a.log", "INFO  jepsen.util - 1\t:invoke\t:read\tnil", Some(Format::PorcupineEtcd)),
            ("a.parquet", "", Some(Format::Parquet)),
            ("-", "PAR1\x15", Some(Format::Parquet)),
            ("a.bincode", "\0\0\0\0\0\0\0\0", Some(Format::Dbcop)),
            ("a.json.gz", " {\"params\" : {}, \"data\":[]}", Some(Format::Dbcop)),
            ("-", "[\n[ {\"events\"", Some(Format::Dbcop)),
            ("a.txt", "\n w(0,1,2,3)\n", Some(Format::Plume)),
            ("a.txt", "r(0,0,0,-1)", Some(Format::Plume)),
            ("a.txt", "w 0 1\n-----\n", Some(Format::Awdit)),
            ("a.txt", "=====\nr 0 1\n", Some(Format::Awdit)),
            ("a.txt", "w (0)", None),
            ("a.log", "hello", None),
            ("a.csv", "", Some(Format::Csv)),
            ("a.txt", "call,return,client_id,op,value\n1,2,0,read,", Some(Format::Csv)),
            ("a.txt", "a,b,c\n1,2,3", None),
            ("history.txt", "0\t:invoke\t:read\tnil", Some(Format::JepsenText)),
            ("jepsen.log", "\nlein run\nINFO  jepsen.util: 0\t:ok\t:read\tnil", Some(Format::PorcupineEtcd)),
            ("a.edn", "[[0 :invoke :read nil]]", Some(Format::Edn)),
            ("-", "[[0 :invoke :read nil]]", Some(Format::Edn)),
            ("-", "[{\"ClientId\":0,\"Input\":1,\"Call\":1,\"Return\":2}]", Some(Format::PorcupineJson)),
            ("a.json", "[{\"tid\":1,\"sid\":0,\"cts\":{\"p\":1},\"ops\":[]}]", Some(Format::Chronos)),
            ("a.jsonl", "{\"event\":{\"Start\":\"Read\"},\"client_id\":0,\"op_id\":0}", Some(Format::S2)),
            ("-", "{\"event\":{\"Start\":\"Read\"},\"client_id\":0,\"op_id\":0}", Some(Format::S2)),
        ] {
            assert_eq!(Format::recognise(name, head.as_bytes()), format, "{name} {head}");
        }
    }
}
