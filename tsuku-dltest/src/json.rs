//! The answer as compact JSON (RFC 8259).

use crate::report::Verdict;
use alloc::string::String;
use core::fmt::Write;

/// The array for all `verdicts`, in the order of `paths`, with a trailing newline.
pub fn answer(paths: &[&[u8]], verdicts: &[Verdict]) -> String {
    let mut out = String::from("[");
    for (index, (path, verdict)) in paths.iter().zip(verdicts).enumerate() {
        if index > 0 {
            out.push(',');
        }
        entry(&mut out, path, verdict);
    }
    out.push_str("]\n");
    out
}

/// The object for one library.
pub fn entry(out: &mut String, path: &[u8], verdict: &Verdict) {
    out.push_str("{\"path\":");
    string(out, path);
    match &verdict.failure {
        None => out.push_str(",\"ok\":true}"),
        Some(failure) => {
            out.push_str(",\"ok\":false,\"error\":");
            string(out, &failure.error);
            out.push('}');
        }
    }
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
}
