//! The published symbols of every glibc release, as zig carries them in `lib/libc/glibc/abilists`
//! (format: zig's `src/libs/glibc.zig`, `loadMetaData`).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{Elf, VersionNeed};
use crate::formats::Version;

/// The bytes are not such a list, or know nothing of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoList(&'static str);

impl fmt::Display for NoList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zig's list of glibc's symbols {}", self.0)
    }
}

/// What of a program's needs a glibc release cannot meet, and how many needs there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// Strong symbols asked for.
    pub asked: usize,
    /// `symbol@VERSION of library`, for each that the release does not have.
    pub missing: Vec<String>,
}

/// Looks every strong symbol with a `GLIBC_` version up in the release `floor`.
///
/// # Errors
/// When the list cannot be read, or does not hold the target (zig's spelling: `x86_64-linux-gnu`).
pub fn met(list: &[u8], target: &str, floor: Version, elf: &Elf) -> Result<Met, NoList> {
    let asked: Vec<_> = elf.versions.iter().flat_map(asked).collect();
    let mut found = alloc::vec![false; asked.len()];
    walk(list, target, |name, library, version| {
        for (ask, found) in asked.iter().zip(found.iter_mut()) {
            *found |= ask.name == name
                && ask.library == library
                && ask.version == version
                && version <= floor;
        }
    })?;
    let absent = asked.iter().zip(&found).filter(|(_, found)| !**found);
    let missing = absent
        .map(|(ask, _)| format!("{}@GLIBC_{} of lib{}", ask.name, ask.version, ask.library))
        .collect();
    Ok(Met { asked: asked.len(), missing })
}

struct Asked<'a> {
    name: &'a str,
    /// As the list has it: `c`, `m`, `ld`.
    library: &'a str,
    version: Version,
}

fn asked(need: &VersionNeed) -> impl Iterator<Item = Asked<'_>> {
    let version: Option<Version> = need.name.strip_prefix("GLIBC_").and_then(|v| v.parse().ok());
    let file = need.library.split('.').next().unwrap_or_default();
    let library =
        if file.starts_with("ld") { "ld" } else { file.strip_prefix("lib").unwrap_or(file) };
    let strong = need.symbols.iter().filter(|symbol| !symbol.weak);
    strong.filter_map(move |symbol| Some(Asked { name: &symbol.name, library, version: version? }))
}

/// Calls `see` for every symbol that the target has, with its library and each of its versions.
fn walk(list: &[u8], target: &str, mut see: impl FnMut(&str, &str, Version)) -> Result<(), NoList> {
    let mut reader = Reader { bytes: list };
    let count = reader.byte()?;
    let libraries = (0..count).map(|_| reader.name()).collect::<Result<Vec<_>, _>>()?;
    let count = reader.byte()?;
    let versions = (0..count).map(|_| reader.version()).collect::<Result<Vec<_>, _>>()?;
    let count = reader.byte()?;
    let targets = (0..count).map(|_| reader.name()).collect::<Result<Vec<_>, _>>()?;
    let bit = targets.iter().position(|name| name == target).ok_or(NoList("lacks the target"))?;
    // Functions, then objects, which also have a size, then thread-local objects, likewise.
    for sized in [false, true, true] {
        if reader.bytes.is_empty() {
            break;
        }
        let mut name = None;
        for _ in 0..reader.short()? {
            let symbol = match name.take() {
                Some(name) => name,
                None => reader.name()?,
            };
            let here = reader.leb128()? >> bit & 1 == 1;
            if sized {
                reader.leb128()?;
            }
            // The top bits say: the symbol's last entry, the entry's last version.
            let library = reader.byte()?;
            loop {
                let version = reader.byte()?;
                let known =
                    versions.get(usize::from(version & 0x7f)).ok_or(NoList("is damaged"))?;
                let library =
                    libraries.get(usize::from(library & 0x7f)).ok_or(NoList("is damaged"))?;
                if here {
                    see(&symbol, library, *known);
                }
                if version & 0x80 != 0 {
                    break;
                }
            }
            if library & 0x80 == 0 {
                name = Some(symbol);
            }
        }
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, NoList> {
        let (first, rest) = self.bytes.split_first().ok_or(NoList("ends early"))?;
        self.bytes = rest;
        Ok(*first)
    }

    fn short(&mut self) -> Result<u16, NoList> {
        Ok(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn version(&mut self) -> Result<Version, NoList> {
        let [major, minor, patch] = [self.byte()?, self.byte()?, self.byte()?].map(u32::from);
        Ok(if patch == 0 { Version::new(major, minor) } else { Version::new3(major, minor, patch) })
    }

    fn name(&mut self) -> Result<String, NoList> {
        let end = self.bytes.iter().position(|b| *b == 0).ok_or(NoList("ends early"))?;
        let (name, rest) = self.bytes.split_at(end);
        self.bytes = rest.get(1..).unwrap_or_default();
        Ok(String::from_utf8_lossy(name).to_string())
    }

    fn leb128(&mut self) -> Result<u64, NoList> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(NoList("is damaged"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two libraries, three versions, two targets; `open` and its second entry, and an object.
    const LIST: &[u8] =
        b"\x02c\0m\0\x03\x02\x02\x05\x02\x11\0\x02\x1c\0\x02a-linux-gnu\0b-linux-gnu\0\
        \x02\0open\0\x03\x00\x80\x02\x80\x82\
        \x01\0environ\0\x01\x08\x80\x01\x82";

    fn seen(target: &str) -> Vec<String> {
        let mut seen = Vec::new();
        walk(LIST, target, |name, library, version| {
            seen.push(format!("{name} {library} {version}"))
        })
        .unwrap();
        seen
    }

    #[test]
    fn each_target_has_its_own_symbols() {
        assert_eq!(seen("a-linux-gnu"), ["open c 2.2.5", "environ c 2.17", "environ c 2.28"]);
        assert_eq!(seen("b-linux-gnu"), ["open c 2.2.5", "open c 2.28"]);
        assert_eq!(walk(LIST, "c-linux-gnu", |_, _, _| {}), Err(NoList("lacks the target")));
    }

    #[test]
    fn a_cut_list_is_an_error_and_never_a_panic() {
        for end in 0..LIST.len() {
            let cut = walk(&LIST[..end], "a-linux-gnu", |_, _, _| {});
            // The list may end before each of its two tables.
            assert!(cut.is_err() || end == 40 || end == 53, "cut at {end}");
        }
    }
}
