//! Checksum files as `sha256sum` and `shasum -a 256` write and check them.
//!
//! A line is 64 hexadecimal digits, a space, a space or `*`, and the name; a name with a backslash or
//! a line end is escaped and the line begins with a backslash (coreutils manual, "md5sum invocation").

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// One line of a checksum file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// As in the file, unescaped.
    pub name: String,
}

/// Why a checksum file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// One line, its end included.
pub fn line(sha256: &str, name: &str) -> String {
    if name.contains(['\\', '\n', '\r']) {
        let name = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        return format!("\\{sha256}  {name}\n");
    }
    format!("{sha256}  {name}\n")
}

/// Reads a checksum file. Windows line ends are accepted, as `sha256sum --check` does not: a name
/// never ends with a carriage return.
///
/// # Errors
/// When a line is not of the format, a name comes twice, or there is no line.
pub fn parse(text: &str) -> Result<Vec<Entry>, Malformed> {
    let mut entries: Vec<Entry> = Vec::new();
    for (i, raw) in text.lines().enumerate() {
        let bad = |message: &str| Malformed { line: i + 1, message: message.to_owned() };
        let entry = entry(raw).ok_or_else(|| bad("not `<sha256>  <name>`"))?;
        if entries.iter().any(|seen| seen.name == entry.name) {
            return Err(bad(&format!("`{}` is listed twice", entry.name)));
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(Malformed { line: 1, message: "the file lists nothing".to_owned() });
    }
    Ok(entries)
}

fn entry(line: &str) -> Option<Entry> {
    let (line, escaped) = line.strip_prefix('\\').map_or((line, false), |rest| (rest, true));
    let (sha256, rest) = line.split_at_checked(64)?;
    if !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
    let name = if escaped { unescape(name)? } else { name.to_owned() };
    if name.is_empty() {
        return None;
    }
    Some(Entry { sha256: sha256.to_ascii_lowercase(), name })
}

fn unescape(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn what_is_written_is_read() {
        for name in ["a", "a b", "é", "back\\slash", "line\nend"] {
            let entries = parse(&line(ABC, name)).unwrap();
            assert_eq!(entries, [Entry { sha256: ABC.to_owned(), name: name.to_owned() }]);
        }
    }

    #[test]
    fn windows_line_ends_and_binary_marks_are_read() {
        let entries = parse(&format!("{} *a\r\n", ABC.to_uppercase())).unwrap();
        assert_eq!(entries, [Entry { sha256: ABC.to_owned(), name: "a".to_owned() }]);
    }

    #[test]
    fn anything_else_is_refused_by_line() {
        let good = line(ABC, "a");
        for (text, line, message) in [
            (String::new(), 1, "lists nothing"),
            (format!("{good}\n"), 2, "not `<sha256>"),
            (format!("{good}{ABC} b\n"), 2, "not `<sha256>"),
            (format!("{good}{good}"), 2, "listed twice"),
            (format!("{good}SHA256 (a) = {ABC}\n"), 2, "not `<sha256>"),
            (format!("{ABC}  \n"), 1, "not `<sha256>"),
        ] {
            let error = parse(&text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.message.contains(message), "{text}: {}", error.message);
        }
    }
}
