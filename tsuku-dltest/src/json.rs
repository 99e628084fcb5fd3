//! The answer as compact JSON (RFC 8259), in the shape of `schema/answer.schema.json`.

use crate::report::{Failure, Verdict};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// Longest `error` and other strings, in bytes of their source. Paths are never cut.
const LONGEST: usize = 4096;

/// The array for all libraries, in the order given, with a trailing newline.
pub fn array<'a>(entries: impl Iterator<Item = (&'a [u8], &'a Verdict)>) -> String {
    let mut out = String::from("[");
    for (index, (path, verdict)) in entries.enumerate() {
        if index > 0 {
            out.push(',');
        }
        entry(&mut out, path, verdict);
    }
    out.push_str("]\n");
    out
}

/// The object for one library, without a newline.
pub fn entry(out: &mut String, path: &[u8], verdict: &Verdict) {
    out.push_str("{\"path\":");
    string(out, path);
    match &verdict.failure {
        None => out.push_str(",\"ok\":true"),
        Some(failure) => {
            out.push_str(",\"ok\":false,\"error\":");
            string(out, cut(&failure.error));
            number(out, "signal", failure.signal);
            number(out, "exit_code", failure.exit_code);
            details(out, failure);
        }
    }
    number(out, "ms", verdict.ms);
    if verdict.failure.is_some() && !verdict.output.is_empty() {
        out.push_str(",\"stderr\":");
        string(out, &verdict.output);
    }
    out.push('}');
}

fn details(out: &mut String, failure: &Failure) {
    // Writing to a String cannot fail.
    let _ =
        write!(out, ",\"kind\":\"{}\",\"phase\":\"{}\"", failure.kind.word(), failure.phase.word());
    strings(out, "needed_by", &failure.needed_by);
    strings(out, "searched", &failure.searched);
}

fn number(out: &mut String, key: &str, value: Option<impl core::fmt::Display>) {
    if let Some(value) = value {
        // Writing to a String cannot fail.
        let _ = write!(out, ",\"{key}\":{value}");
    }
}

fn strings(out: &mut String, key: &str, values: &[Vec<u8>]) {
    if values.is_empty() {
        return;
    }
    let _ = write!(out, ",\"{key}\":[");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(out, cut(value));
    }
    out.push(']');
}

fn cut(bytes: &[u8]) -> &[u8] {
    bytes.get(..LONGEST).unwrap_or(bytes)
}

/// A string literal. Bytes that are not UTF-8 become U+FFFD, one per maximal part of a sequence
/// (the Unicode Standard, section 3.9), and every control character is escaped, C1 and DEL too:
/// callers print what they read to terminals.
pub fn string(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                control if control.is_control() => {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{:04x}", u32::from(control));
                }
                other => out.push(other),
            }
        }
        if !chunk.invalid().is_empty() {
            out.push('\u{fffd}');
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Kind, Phase};

    #[test]
    fn strings_are_escaped() {
        for (bytes, json) in [
            (b"a\"\\b".as_slice(), r#""a\"\\b""#),
            (b"\x1b[31m\x7f\n\r\t\0", r#""\u001b[31m\u007f\n\u000d\t\u0000""#),
            ("\u{85}é\u{2028}".as_bytes(), "\"\\u0085é\u{2028}\""),
            (b"a\xffb\xc3", "\"a\u{fffd}b\u{fffd}\""),
        ] {
            let mut out = String::new();
            string(&mut out, bytes);
            assert_eq!(out, json);
        }
    }

    #[test]
    fn entries_are_compact_and_in_order() {
        let good = Verdict { failure: None, ms: Some(3), output: b"noise".to_vec() };
        let mut failure = Failure::new(Kind::Crashed, Phase::Constructor, "crashed");
        failure.signal = Some(11);
        failure.needed_by = vec![b"a".to_vec(), b"b".to_vec()];
        let bad = Verdict { failure: Some(failure), ms: None, output: b"why".to_vec() };
        let entries = [(b"/g".as_slice(), &good), (b"/b", &bad)];
        assert_eq!(
            array(entries.into_iter()),
            concat!(
                r#"[{"path":"/g","ok":true,"ms":3},{"path":"/b","ok":false,"error":"crashed","#,
                r#""signal":11,"kind":"crashed","phase":"constructor","needed_by":["a","b"],"#,
                "\"stderr\":\"why\"}]\n"
            )
        );
    }

    #[test]
    fn errors_are_cut_at_4_kib() {
        let failure = Failure::new(Kind::Other, Phase::Load, vec![b'x'; 10_000]);
        let verdict = Verdict { failure: Some(failure), ms: None, output: Vec::new() };
        assert_eq!(array([(b"/p".as_slice(), &verdict)].into_iter()).matches('x').count(), 4096);
    }
}
