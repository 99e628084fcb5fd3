//! What Go's linker writes into every program: its version, the modules, how it was built.
//!
//! The format is that of Go 1.18 and newer (Go's source, `debug/buildinfo`): the magic, the size of a
//! pointer, flags; then, at 32, the version and the modules' text, each after its length as a varint.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// What the linker's note begins with.
pub const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Where the strings begin, from the magic's start.
const STRINGS: usize = 32;
/// The flag for strings that follow, instead of pointers to them.
const INLINE: u8 = 2;
/// Bytes before and after the modules' text, by which a running program finds it.
const SENTINEL: usize = 16;

/// What a Go program says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoBuild {
    /// Such as `go1.27.3`.
    pub version: String,
    /// The module of the program itself.
    pub main: Option<Module>,
    /// Every other module that something was linked from; replaced ones as what replaced them.
    pub modules: Vec<Module>,
    /// `GOOS`, `vcs.revision` and so on.
    pub settings: Vec<(String, String)>,
}

/// One module.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Module {
    /// Such as `github.com/owner/name`.
    pub path: String,
    /// Such as `v1.2.3`; `(devel)` for a folder.
    pub version: String,
    /// As in go.sum, `h1:…`; empty for a folder.
    pub sum: String,
}

impl GoBuild {
    /// Finds it in a program's bytes; `None` when there is none.
    pub fn find(bytes: &[u8]) -> Option<Self> {
        let starts = bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
        // A program that reads others has the magic among its own strings.
        starts.filter_map(|(start, _)| Self::read(bytes.get(start..)?)).next()
    }

    /// Reads it from its magic on; `None` when this is another thing that begins so.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.get(MAGIC.len() + 1)? & INLINE == 0 {
            return None;
        }
        let (version, rest) = string(bytes.get(STRINGS..)?)?;
        let (modules, _) = string(rest)?;
        let version = core::str::from_utf8(version).ok()?;
        if !version.starts_with("go") && !version.starts_with("devel") {
            return None;
        }
        let text = modules.get(SENTINEL..modules.len().saturating_sub(SENTINEL));
        let mut build = Self::parse(core::str::from_utf8(text.unwrap_or_default()).ok()?);
        build.version = version.to_owned();
        Some(build)
    }

    /// The lines that `go version -m` prints below a program's name.
    fn parse(text: &str) -> Self {
        let mut build = Self::default();
        for line in text.lines() {
            let mut fields = line.trim_start().split('\t');
            let mut next = || fields.next().unwrap_or_default().to_owned();
            match &*next() {
                "mod" => build.main = Some(Module { path: next(), version: next(), sum: next() }),
                "dep" => build.modules.push(Module { path: next(), version: next(), sum: next() }),
                "=>" => {
                    if let Some(last) = build.modules.last_mut() {
                        *last = Module { path: next(), version: next(), sum: next() };
                    }
                }
                "build" => {
                    let setting = next();
                    let (name, value) = setting.split_once('=').unwrap_or((&setting, ""));
                    build.settings.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        build
    }

    /// A setting by name.
    pub fn setting(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(setting, _)| setting == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A string after its length, and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len: usize = 0;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        len |= usize::from(byte & 0x7f).checked_shl(u32::try_from(7 * i).ok()?)?;
        if byte & 0x80 == 0 {
            return bytes.get(i + 1..)?.split_at_checked(len);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const TEXT: &str = "path\texample.com/tool\nmod\texample.com/tool\t(devel)\t\n\
        dep\tgolang.org/x/sys\tv0.30.0\th1:abc=\ndep\texample.com/old\tv1.0.0\n=>\t./new\t(devel)\t\n\
        build\tGOOS=linux\nbuild\tvcs.revision=0123\n";

    fn program() -> Vec<u8> {
        let mut bytes = b"\xff Go buildinf:\"), and then some".to_vec();
        bytes.extend(MAGIC);
        bytes.extend([8, INLINE]);
        bytes.resize(bytes.len() + 16, 0);
        bytes.push(8);
        bytes.extend(b"go1.27.3");
        let modules = [&[b'<'; SENTINEL], TEXT.as_bytes(), &[b'>'; SENTINEL]].concat();
        bytes.push(u8::try_from(modules.len() & 0x7f).unwrap() | 0x80);
        bytes.push(u8::try_from(modules.len() >> 7).unwrap());
        bytes.extend(modules);
        bytes
    }

    #[test]
    fn what_the_linker_wrote_is_read() {
        let build = GoBuild::find(&program()).unwrap();
        assert_eq!(build.version, "go1.27.3");
        assert_eq!(build.main.as_ref().unwrap().path, "example.com/tool");
        let module = |path: &str, version: &str, sum: &str| Module {
            path: path.to_owned(),
            version: version.to_owned(),
            sum: sum.to_owned(),
        };
        let expected =
            vec![module("golang.org/x/sys", "v0.30.0", "h1:abc="), module("./new", "(devel)", "")];
        assert_eq!(build.modules, expected);
        assert_eq!(build.setting("vcs.revision"), Some("0123"));
        assert_eq!(build.setting("vcs.time"), None);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = program();
        assert_eq!(GoBuild::find(b"no Go"), None);
        for end in 0..whole.len() {
            drop(GoBuild::find(&whole[..end]));
            let mut changed = whole.clone();
            changed[end] = 0xff;
            drop(GoBuild::find(&changed));
        }
    }
}
