//! The command line. Whatever could be a path is a path: options are known words before the first
//! path, and `--` ends them.

use crate::schedule::{Limits, Millis};
use crate::sys::Sandbox;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// One line, printed to standard error with every usage problem.
pub const USAGE: &str =
    "usage: tsuku-dltest [OPTION]... [--] PATH...   (tsuku-dltest --help for more)\n";

/// What a sole `--help` prints.
pub const HELP: &str = "\
Loads shared libraries with dlopen, each in a process of its own, and reports as JSON which ones load.

usage: tsuku-dltest [OPTION]... [--] PATH...
       tsuku-dltest --explain PATH
       tsuku-dltest --version [--verbose] | --help | --protocol

Prints one JSON array, an entry per PATH in the same order:
  [{\"path\":\"/lib/a.so\",\"ok\":true},{\"path\":\"/lib/b.so\",\"ok\":false,\"error\":\"...\"}]

Options, before the first PATH; every other word is a PATH:
  --timeout SECONDS   limit for each library (default 4.0)
  --deadline SECONDS  limit for the whole call (default 4.0)
  --jobs N            libraries tested at once, 1 to 16 (default 2 per processor)
  --sandbox MODE      off, auto (what the system has; the default) or strict (all of it, or no test)
  --root DIR          refuse paths that lead outside DIR
  --ndjson            one object per line, each as soon as its library ended
  --stdin0            read more paths from standard input, each ended by a NUL
  @FILE               read more paths from FILE, each ended by a NUL
  --verbose           say on standard error what was applied

Exit status: 0 all loaded, 1 some did not, 2 wrong usage, 3 no answer could be given.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// A sole `--version`, with `--verbose` for more.
    Version {
        /// Whether to tell about the system too.
        verbose: bool,
    },
    /// A sole `--help`.
    Help,
    /// A sole `--protocol`.
    Protocol,
    /// `--explain`, with a path.
    Explain(&'a [u8]),
    /// Test libraries.
    Test(Request<'a>),
}

/// Where paths come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// The command line.
    Path(&'a [u8]),
    /// A file that lists them.
    List(&'a [u8]),
    /// A list on standard input.
    Stdin,
}

/// What to test, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// In the order of the answer.
    pub inputs: Vec<Input<'a>>,
    /// Time and number; 0 jobs stand for the default.
    pub limits: Limits,
    /// How much of the sandbox.
    pub sandbox: Sandbox,
    /// `--root`.
    pub root: Option<&'a [u8]>,
    /// A line per library.
    pub lines: bool,
    /// `--verbose`.
    pub verbose: bool,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            limits: Limits { jobs: 0, timeout: 4000, deadline: 4000 },
            sandbox: Sandbox::Auto,
            root: None,
            lines: false,
            verbose: false,
        }
    }
}

/// Reads the arguments, without the program's own name. The error is a line for people.
pub fn parse<'a>(args: &[&'a [u8]]) -> Result<Command<'a>, String> {
    match args {
        [b"--version"] => Ok(Command::Version { verbose: false }),
        [b"--version", b"--verbose"] => Ok(Command::Version { verbose: true }),
        [b"--help"] => Ok(Command::Help),
        [b"--protocol"] => Ok(Command::Protocol),
        [b"--explain", path] => Ok(Command::Explain(path)),
        _ => request(args).map(Command::Test),
    }
}

fn request<'a>(args: &[&'a [u8]]) -> Result<Request<'a>, String> {
    let mut request = Request::default();
    let mut rest = args;
    while let [word, after @ ..] = rest {
        let (name, given) = match word.iter().position(|byte| *byte == b'=') {
            Some(at) => (&word[..at], Some(&word[at + 1..])),
            None => (*word, None),
        };
        let flag = given.is_none();
        let mut rest_then = after;
        let mut value = || {
            let next = given.or_else(|| {
                let (next, then) = rest_then.split_first()?;
                rest_then = then;
                Some(*next)
            });
            next.ok_or_else(|| format!("{} needs a value", String::from_utf8_lossy(name)))
        };
        match name {
            b"--" if flag => {
                rest = after;
                break;
            }
            b"--timeout" => request.limits.timeout = seconds(value()?)?,
            b"--deadline" => request.limits.deadline = seconds(value()?)?,
            b"--jobs" => request.limits.jobs = jobs(value()?)?,
            b"--sandbox" => request.sandbox = sandbox(value()?)?,
            b"--root" => request.root = Some(value()?),
            b"--ndjson" if flag => request.lines = true,
            b"--stdin0" if flag => request.inputs.push(Input::Stdin),
            b"--verbose" if flag => request.verbose = true,
            [b'@', ..] if word.len() > 1 => request.inputs.push(Input::List(&word[1..])),
            _ => break,
        }
        rest = rest_then;
    }
    request.inputs.extend(rest.iter().map(|path| Input::Path(path)));
    if request.inputs.is_empty() {
        return Err(String::from("no library to test"));
    }
    Ok(request)
}

fn seconds(text: &[u8]) -> Result<Millis, String> {
    let parse = || {
        let (whole, part) = core::str::from_utf8(text)
            .ok()?
            .split_once('.')
            .unwrap_or((core::str::from_utf8(text).ok()?, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
        let fraction: u64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
        let whole: u64 = (digits(whole) && digits(part)).then(|| whole.parse().ok())??;
        (whole <= 86_400).then_some(whole * 1000 + fraction).filter(|millis| *millis > 0)
    };
    parse().ok_or_else(|| wrong(text, "a number of seconds, as 4 or 2.5"))
}

fn jobs(text: &[u8]) -> Result<usize, String> {
    let number = core::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number
        .filter(|jobs| (1..=16).contains(jobs))
        .ok_or_else(|| wrong(text, "a number of libraries at once, from 1 to 16"))
}

fn sandbox(text: &[u8]) -> Result<Sandbox, String> {
    match text {
        b"off" => Ok(Sandbox::Off),
        b"auto" => Ok(Sandbox::Auto),
        b"strict" => Ok(Sandbox::Strict),
        _ => Err(wrong(text, "off, auto or strict")),
    }
}

fn wrong(text: &[u8], expected: &str) -> String {
    format!("'{}' is not {expected}", String::from_utf8_lossy(text).escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(args: &[&str]) -> Vec<String> {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        match parse(&args) {
            Ok(Command::Test(request)) => {
                request.inputs.iter().map(|input| format!("{input:?}").replace('"', "")).collect()
            }
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn sole_words_are_commands() {
        for (args, command) in [
            (&[b"--version".as_slice()][..], Command::Version { verbose: false }),
            (&[b"--version", b"--verbose"], Command::Version { verbose: true }),
            (&[b"--help"], Command::Help),
            (&[b"--protocol"], Command::Protocol),
            (&[b"--explain", b"--help"], Command::Explain(b"--help")),
        ] {
            assert_eq!(parse(args), Ok(command), "{args:?}");
        }
    }

    #[test]
    fn everything_else_is_a_path() {
        for words in [
            &["-x"][..],
            &[""],
            &["--nope"],
            &["--help", "a"],
            &["a", "--help"],
            &["a", "--", "--jobs"],
            &["--version", "a"],
            &["--ndjson=x"],
            &["@"],
            &["a", "@b"],
        ] {
            let args: Vec<&[u8]> = words.iter().map(|arg| arg.as_bytes()).collect();
            let inputs = args.iter().map(|path| Input::Path(path)).collect();
            let request = Request { inputs, ..Request::default() };
            assert_eq!(parse(&args), Ok(Command::Test(request)), "{words:?}");
        }
        assert_eq!(paths(&["--", "--version"]).len(), 1);
        assert_eq!(paths(&["--", "@a"]), paths(&["--", "--", "@a"])[1..]);
    }

    #[test]
    fn options_come_first() {
        let args: &[&[u8]] = &[
            b"--timeout=1.5",
            b"--deadline",
            b"3",
            b"--jobs",
            b"7",
            b"--sandbox=off",
            b"--root",
            b"/r",
            b"--ndjson",
            b"--stdin0",
            b"--verbose",
            b"@list",
            b"p",
        ];
        let expected = Request {
            inputs: vec![Input::Stdin, Input::List(b"list"), Input::Path(b"p")],
            limits: Limits { jobs: 7, timeout: 1500, deadline: 3000 },
            sandbox: Sandbox::Off,
            root: Some(b"/r"),
            lines: true,
            verbose: true,
        };
        assert_eq!(parse(args), Ok(Command::Test(expected)));
    }

    #[test]
    fn wrong_values_are_refused() {
        for args in [
            &["--timeout", "x", "p"][..],
            &["--timeout=0", "p"],
            &["--timeout=.5", "p"],
            &["--timeout=1.", "p"],
            &["--timeout=é", "p"],
            &["--timeout=1.é5", "p"],
            &["--timeout"],
            &["--deadline=-1", "p"],
            &["--jobs=0", "p"],
            &["--jobs", "17", "p"],
            &["--sandbox", "on", "p"],
            &[],
            &["--"],
            &["--ndjson"],
        ] {
            let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
            assert!(parse(&args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn the_manual_page_has_every_option() {
        let manual = include_str!("../man/tsuku-dltest.1").replace('\\', "");
        let mut options: Vec<&str> = HELP
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
            .map(|word| word.trim_end_matches(']'))
            .collect();
        options.push("--verbose");
        assert!(options.len() > 10);
        for option in options {
            assert!(manual.contains(option), "{option}");
        }
    }

    #[test]
    fn seconds_are_read_exactly() {
        for (text, millis) in [("4", 4000), ("0.25", 250), ("1.5", 1500), ("2.0009", 2000)] {
            assert_eq!(seconds(text.as_bytes()), Ok(millis), "{text}");
        }
    }
}
