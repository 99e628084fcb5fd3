//! Where two builds of one program differ.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::formats::{Region, regions};

/// Differences told of one pair of files: more would not be read.
const TOLD: usize = 12;
/// Strings told of one region.
const STRINGS: usize = 3;

/// What differs, a line each: part by part, with the texts that stand on one side only. Empty when the
/// bytes are equal.
pub fn differences(a: &[u8], b: &[u8]) -> Vec<String> {
    if a == b {
        return Vec::new();
    }
    let mut out = Vec::new();
    if a.len() != b.len() {
        out.push(format!("size: {} and {} bytes", a.len(), b.len()));
    }
    let (parts_a, parts_b) = (by_name(a), by_name(b));
    let mut explained = false;
    for (name, bytes_a) in &parts_a {
        match parts_b.get(name) {
            None => out.push(format!("{name}: only in the first")),
            Some(bytes_b) if bytes_a != bytes_b => out.push(part(name, bytes_a, bytes_b)),
            Some(_) => continue,
        }
        explained = true;
    }
    for name in parts_b.keys().filter(|name| !parts_a.contains_key(*name)) {
        out.push(format!("{name}: only in the second"));
        explained = true;
    }
    if !explained {
        out.push(part("outside every part", a, b));
    }
    let more = out.len().saturating_sub(TOLD);
    if more > 0 {
        out.truncate(TOLD);
        out.push(format!("and {more} more"));
    }
    out
}

/// Bytes by name; parts of one name joined.
fn by_name(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for Region { name, range } in regions(bytes) {
        parts.entry(name).or_default().extend(bytes.get(range).unwrap_or_default());
    }
    parts
}

fn part(name: &str, a: &[u8], b: &[u8]) -> String {
    let differing = a.iter().zip(b).filter(|(a, b)| a != b).count() + a.len().abs_diff(b.len());
    let first = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let mut text = format!("{name}: {differing} byte(s), the first at {first:#x} of {}", a.len());
    let (texts_a, texts_b) = (texts(a), texts(b));
    for (side, own, other) in [("first", &texts_a, &texts_b), ("second", &texts_b, &texts_a)] {
        let only: Vec<_> = own.difference(other).take(STRINGS).map(|t| format!("`{t}`")).collect();
        if !only.is_empty() {
            text += &format!("; only in the {side}: {}", only.join(", "));
        }
    }
    text
}

/// Runs of printable ASCII, as strings(1) finds them; long ones cut.
fn texts(bytes: &[u8]) -> BTreeSet<String> {
    let printable = |byte: &u8| (b' '..=b'~').contains(byte);
    let runs = bytes.split(|byte| !printable(byte)).filter(|run| run.len() >= 6);
    runs.map(|run| String::from_utf8_lossy(run.get(..120).unwrap_or(run)).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_have_no_difference() {
        assert!(differences(b"same", b"same").is_empty());
    }

    #[test]
    fn texts_on_one_side_are_told() {
        let lines = differences(b"\0/home/alice/src\0", b"\0/home/bob/source\0");
        assert_eq!(
            lines,
            [
                "size: 17 and 18 bytes",
                "outside every part: 9 byte(s), the first at 0x7 of 17; only in the first: `/home/alice/src`; \
                 only in the second: `/home/bob/source`",
            ]
        );
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for magic in [&b"\x7fELF\x02\x01\x01"[..], b"\xcf\xfa\xed\xfe", b"MZ"] {
            for length in 0..200_usize {
                let mut file = magic.to_vec();
                file.extend((0..length).map(|i| (i * 37) as u8));
                assert!(!differences(&file, b"other").is_empty());
            }
        }
    }
}
