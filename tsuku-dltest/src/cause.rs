//! What a loader's message means: glibc (elf/dl-load.c, dl-lookup.c, dl-version.c), musl
//! (ldso/dynlink.c) and dyld (dyld's Loader.cpp) each say it in their own words.

use crate::report::Kind;

/// What a message says, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause<'a> {
    /// What happened.
    pub kind: Kind,
    /// The missing library, where a library is missing.
    pub missing: Option<&'a [u8]>,
    /// The file that has the need, where the message names it.
    pub needed_by: Option<&'a [u8]>,
}

/// Beginnings or parts of messages that alone tell the kind. The first that is found counts.
const TELLING: &[(&str, Kind)] = &[
    // glibc
    ("cannot allocate memory in static TLS block", Kind::StaticTls),
    ("cannot load any more object with static TLS", Kind::StaticTls),
    ("cannot enable executable stack", Kind::ExecStack),
    ("cannot dynamically load", Kind::NotLoadable),
    ("cannot be dlopen()ed", Kind::NotLoadable),
    ("only ET_DYN and ET_EXEC can be loaded", Kind::NotLoadable),
    ("Cannot allocate memory", Kind::OutOfMemory),
    ("Out of memory", Kind::OutOfMemory),
    ("cannot make segment writable for relocation", Kind::NotLoadable),
    ("cannot restore segment prot after reloc", Kind::NotLoadable),
    ("CPU ISA level is lower than required", Kind::WrongArch),
    ("rebuild shared object with", Kind::NotLoadable),
    ("wrong ELF class", Kind::WrongArch),
    ("ELF file data encoding not", Kind::WrongArch),
    ("file too short", Kind::Corrupt),
    ("invalid ELF header", Kind::Corrupt),
    ("cannot read file data", Kind::Corrupt),
    ("object file has no", Kind::Corrupt),
    ("ELF load command", Kind::Corrupt),
    ("ELF file version", Kind::Corrupt),
    ("ELF file OS ABI invalid", Kind::Corrupt),
    ("ELF file ABI version invalid", Kind::Corrupt),
    ("ELF file's phentsize", Kind::Corrupt),
    ("nonzero padding in e_ident", Kind::Corrupt),
    ("internal error", Kind::Corrupt),
    ("unexpected reloc type", Kind::Corrupt),
    ("unexpected PLT reloc type", Kind::Corrupt),
    ("unsupported version", Kind::Corrupt),
    ("invalid target namespace", Kind::Other),
    ("DT_RELR without GLIBC_ABI_DT_RELR", Kind::Corrupt),
    ("cannot map zero-fill pages", Kind::Corrupt),
    ("failed to map segment", Kind::Corrupt),
    ("cannot apply additional memory protection", Kind::Corrupt),
    ("cannot change memory protections", Kind::Corrupt),
    // musl
    ("initial-exec TLS resolves to dynamic definition", Kind::StaticTls),
    ("unsupported relocation type", Kind::NotLoadable),
    ("Exec format error", Kind::Corrupt),
    ("RELRO protection failed", Kind::Corrupt),
    // dyld
    ("code signature", Kind::CodeSignature),
    ("incompatible architecture", Kind::WrongArch),
    ("not a mach-o file", Kind::NotALibrary),
    ("Symbol not found", Kind::UndefinedSymbol),
    ("symbol not found in flat namespace", Kind::UndefinedSymbol),
    ("truncated", Kind::Corrupt),
];

/// Reads `message`, the loader's reason for not loading `path`.
pub fn of<'a>(message: &'a [u8], path: &[u8]) -> Cause<'a> {
    unfound(message, path)
        .or_else(|| version(message))
        .or_else(|| symbol(message))
        .or_else(|| unmappable(message))
        .unwrap_or_else(|| {
            let telling = TELLING.iter().find(|(words, _)| find(message, words).is_some());
            plain(telling.map_or(Kind::Other, |(_, kind)| *kind))
        })
}

fn plain<'a>(kind: Kind) -> Cause<'a> {
    Cause { kind, missing: None, needed_by: None }
}

/// musl's reasons why there is no such file to open.
const UNFOUND: &[&str] = &[
    ": No such file",
    ": Permission denied",
    ": Symbolic link loop",
    ": Not a directory",
    ": Filename too long",
];

/// A file that cannot be opened: the library itself, or one it needs.
fn unfound<'a>(message: &'a [u8], path: &[u8]) -> Option<Cause<'a>> {
    let glibc = find(message, ": cannot open shared object file").map(|end| &message[..end]);
    let musl = after(message, "Error loading shared library ").and_then(|rest| {
        UNFOUND.iter().find_map(|reason| find(rest, reason)).map(|end| &rest[..end])
    });
    let dyld = after(message, "Library not loaded: ")
        .map(|rest| rest.split(|byte| *byte == b'\n').next().unwrap_or(rest));
    let name = glibc.or(musl).or(dyld)?;
    let needed_by = after(message, "(needed by ")
        .and_then(|rest| rest.strip_suffix(b")"))
        .or_else(|| after(message, "Referenced from: ").map(line_without_uuid));
    Some(if name != path || dyld.is_some() {
        Cause { kind: Kind::MissingDependency, missing: Some(name), needed_by }
    } else if find(message, "Permission denied").is_some() {
        plain(Kind::Unreadable)
    } else {
        plain(Kind::NotFound)
    })
}

/// dyld writes `<UUID> /path/of/library` to the end of the line.
fn line_without_uuid(rest: &[u8]) -> &[u8] {
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or(rest);
    match find(line, "> ") {
        Some(end) if line.starts_with(b"<") => &line[end + 2..],
        _ => line,
    }
}

/// A version that a library lacks.
fn version(message: &[u8]) -> Option<Cause<'_>> {
    let quoted = after(message, ": version `");
    let listed =
        after(message, ", version ").filter(|rest| find(rest, " not defined in file ").is_some());
    let version = quoted.or(listed)?;
    let kind = match version.starts_with(b"GLIBC_") && !version.starts_with(b"GLIBC_PRIVATE") {
        true => Kind::LibcTooOld,
        false => Kind::MissingVersion,
    };
    let needed_by = after(message, "(required by ").and_then(|rest| rest.strip_suffix(b")"));
    Some(Cause { kind, missing: None, needed_by })
}

/// A symbol that nothing defines.
fn symbol(message: &[u8]) -> Option<Cause<'_>> {
    if let Some(end) = find(message, ": undefined symbol: ") {
        let needed_by = Some(&message[..end]);
        return Some(Cause { kind: Kind::UndefinedSymbol, missing: None, needed_by });
    }
    let rest = after(message, "Error relocating ")?;
    let (rest, symbol_end) = (rest, find(rest, ": symbol not found")?);
    let named = &rest[..symbol_end];
    let start = named.windows(2).rposition(|pair| pair == b": ")?;
    let (object, symbol) = (&named[..start], &named[start + 2..]);
    // Fortified functions exist in glibc alone.
    let kind = match symbol.starts_with(b"__") && symbol.ends_with(b"_chk") {
        true => Kind::WrongLibc,
        false => Kind::UndefinedSymbol,
    };
    Some(Cause { kind, missing: None, needed_by: Some(object) })
}

/// A segment that the kernel refuses to map.
fn unmappable(message: &[u8]) -> Option<Cause<'_>> {
    let refused = find(message, "Operation not permitted").is_some()
        || find(message, "Permission denied").is_some();
    let mapping = find(message, "failed to map segment").is_some()
        || find(message, "Error loading shared library").is_some();
    (refused && mapping).then(|| plain(Kind::Noexec))
}

/// Where `needle` starts in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &str) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle.as_bytes())
}

fn after<'a>(message: &'a [u8], words: &str) -> Option<&'a [u8]> {
    find(message, words).map(|start| &message[start + words.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_kinds() {
        let path = b"/x/libt.so";
        for (message, kind) in [
            (
                "/x/libt.so: cannot open shared object file: No such file or directory",
                Kind::NotFound,
            ),
            ("/x/libt.so: cannot open shared object file: Permission denied", Kind::Unreadable),
            (
                "libq.so.1: cannot open shared object file: No such file or directory",
                Kind::MissingDependency,
            ),
            (
                "/lib/libc.so.6: version `GLIBC_2.99' not found (required by /x/libt.so)",
                Kind::LibcTooOld,
            ),
            (
                "/lib/libc.so.6: version `GLIBC_PRIVATE' not found (required by /x/libt.so)",
                Kind::MissingVersion,
            ),
            (
                "/lib/libgcc_s.so.1: version `GCC_99.0' not found (required by /x/libt.so)",
                Kind::MissingVersion,
            ),
            (
                "/x/libt.so: symbol f, version V_1 not defined in file libq.so with link time reference",
                Kind::MissingVersion,
            ),
            ("/x/libt.so: undefined symbol: nope", Kind::UndefinedSymbol),
            ("/x/libt.so: cannot allocate memory in static TLS block", Kind::StaticTls),
            (
                "libt.so: cannot enable executable stack as shared object requires: Invalid argument",
                Kind::ExecStack,
            ),
            (
                "/x/libt.so: failed to map segment from shared object: Operation not permitted",
                Kind::Noexec,
            ),
            (
                "/x/libt.so: failed to map segment from shared object: Cannot allocate memory",
                Kind::OutOfMemory,
            ),
            ("/x/libt.so: cannot map zero-fill pages: Cannot allocate memory", Kind::OutOfMemory),
            ("/x/libt.so: failed to map segment from shared object", Kind::Corrupt),
            ("/x/libt.so: CPU ISA level is lower than required", Kind::WrongArch),
            ("libt.so: cannot load any more object with static TLS", Kind::StaticTls),
            (
                "/x/libt.so: cannot make segment writable for relocation: Permission denied",
                Kind::NotLoadable,
            ),
            ("/x/libt.so: shared object cannot be dlopen()ed", Kind::NotLoadable),
            ("libq.so: wrong ELF class: ELFCLASS32", Kind::WrongArch),
            ("libq.so: file too short", Kind::Corrupt),
            ("Error loading shared library /x/libt.so: No such file or directory", Kind::NotFound),
            (
                "Error loading shared library libq.so: No such file or directory (needed by /x/libt.so)",
                Kind::MissingDependency,
            ),
            ("Error loading shared library /x/libt.so: Exec format error", Kind::Corrupt),
            ("Error relocating /x/libt.so: nope: symbol not found", Kind::UndefinedSymbol),
            ("Error relocating /x/libt.so: __snprintf_chk: symbol not found", Kind::WrongLibc),
            (
                "Error relocating /x/libt.so: v: initial-exec TLS resolves to dynamic definition in /x/libt.so",
                Kind::StaticTls,
            ),
            (
                "dlopen(/x/l.dylib, 0x0002): Library not loaded: @rpath/q.dylib\n  Referenced from: <1-2> /x/l.dylib\n  Reason: tried: ...",
                Kind::MissingDependency,
            ),
            (
                "dlopen(/x/l.dylib, 0x2): Symbol not found: _nope\n  Referenced from: /x",
                Kind::UndefinedSymbol,
            ),
            ("something else", Kind::Other),
        ] {
            assert_eq!(of(message.as_bytes(), path).kind, kind, "{message}");
        }
    }

    #[test]
    fn messages_name_who_needs_what() {
        let musl =
            b"Error loading shared library libq.so: No such file or directory (needed by /x/a.so)";
        let cause = of(musl, b"/x/libt.so");
        assert_eq!(cause.missing, Some(b"libq.so".as_slice()));
        assert_eq!(cause.needed_by, Some(b"/x/a.so".as_slice()));
        let dyld = b"dlopen(x, 2): Library not loaded: @rpath/q.dylib\n  Referenced from: <12-AB> /x/l.dylib\n";
        let cause = of(dyld, b"x");
        assert_eq!(cause.missing, Some(b"@rpath/q.dylib".as_slice()));
        assert_eq!(cause.needed_by, Some(b"/x/l.dylib".as_slice()));
    }
}
