//! Loads shared libraries with `dlopen`, each in a process of its own, and reports as JSON which
//! ones load.
//!
//! All logic of the program is here. What it promises to its callers is written in
//! `docs/dltest.md`; the JSON it prints is described by `schema/answer.schema.json`.
//!
//! [`args`] reads the command line, [`supervise`] is the parent process, [`look`] its second looks, and [`child`] what it
//! lets its children do; [`record`] is what they tell it. [`schedule`], [`report`], [`json`], [`elf`],
//! [`cause`], [`search`] and [`diagnosis`] compute and touch nothing. [`sys`] holds the system and all unsafe code.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

#[cfg(all(target_os = "linux", target_feature = "crt-static"))]
compile_error!("a static program cannot dlopen: build with -C target-feature=-crt-static");

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub mod args;
pub mod cause;
pub mod child;
pub mod diagnosis;
pub mod elf;
#[cfg(any(target_os = "macos", test))]
pub mod environment;
pub mod explain;
pub mod json;
pub mod look;
pub mod record;
pub mod report;
pub mod schedule;
pub mod search;
pub mod supervise;
pub mod sys;

use args::{Command, Input, Request};
use report::Verdict;

/// The version printed by `--version`: the package's, unless `TSUKU_DLTEST_VERSION` was set and
/// not empty while building.
pub const VERSION: &str = match option_env!("TSUKU_DLTEST_VERSION") {
    Some(version) if !version.is_empty() => version,
    _ => env!("CARGO_PKG_VERSION"),
};

/// The JSON schema of the answer, printed by `--protocol`.
pub const PROTOCOL: &str = include_str!("../schema/answer.schema.json");

/// Exit codes, a part of the contract with callers.
pub mod exit {
    /// Every library loaded.
    pub const LOADED: i32 = 0;
    /// At least one library did not load.
    pub const FAILED: i32 = 1;
    /// The command line is wrong; nothing was tested.
    pub const USAGE: i32 = 2;
    /// There is no answer, or it could not be written: nothing on stdout may be believed.
    pub const NO_ANSWER: i32 = 3;
}

/// Longest list of paths that is read, in bytes.
const LONGEST_LIST: usize = 256 << 20;

/// Why the program ends without an answer.
enum Stop {
    Usage(String),
    NoAnswer(String),
}

/// Runs the program on its arguments (without the program's own name) and returns its exit code.
pub fn run(args: &[&[u8]]) -> i32 {
    let started = sys::now();
    #[cfg(target_os = "macos")]
    sys::become_child(args);
    sys::open_standard_streams();
    let result = match args::parse(args) {
        Ok(Command::Version { verbose }) => print(&version(verbose)),
        Ok(Command::Help) => print(args::HELP),
        Ok(Command::Protocol) => print(PROTOCOL),
        Ok(Command::Explain(path)) => explain(path, started),
        Ok(Command::Test(request)) => test(&request, started),
        Err(problem) => Err(Stop::Usage(problem)),
    };
    match result {
        Ok(code) => code,
        Err(Stop::Usage(problem)) => {
            sys::write_stderr(&format!("tsuku-dltest: {problem}\n{}", args::USAGE));
            exit::USAGE
        }
        Err(Stop::NoAnswer(problem)) => {
            sys::write_stderr(&format!("tsuku-dltest: {problem}\n"));
            exit::NO_ANSWER
        }
    }
}

fn version(verbose: bool) -> String {
    let mut text = format!("tsuku-dltest v{VERSION}\n");
    if verbose {
        text += &format!(
            "libc: {}\nglibc floor: {}\nsandbox: {}\nprocessors: {}\n",
            env!("TSUKU_DLTEST_LIBC"),
            glibc_floor(),
            sys::abilities(),
            sys::processors()
        );
    }
    text
}

/// The oldest glibc that this program runs on, read from its own file.
fn glibc_floor() -> String {
    if !cfg!(target_env = "gnu") {
        return String::from("none");
    }
    let floor = |path: &[u8]| elf::glibc_floor(&sys::File::open(path, 0).ok()?);
    let floor = floor(b"/proc/self/exe");
    // Without /proc.
    #[cfg(target_os = "linux")]
    let floor = floor.or_else(|| {
        let program = sys::File::open(&sys::executed_path()?, 0).ok()?;
        elf::glibc_floor(&program)
    });
    // If a loader was asked to run this program, these are the loader's.
    floor.unwrap_or_else(|| String::from("unknown"))
}

fn test(request: &Request<'_>, started: schedule::Millis) -> Result<i32, Stop> {
    let lists = read_lists(request, started.saturating_add(request.limits.deadline))?;
    let paths = paths(request, &lists);
    if paths.is_empty() {
        return Err(Stop::Usage(String::from("no library to test: the list is empty")));
    }
    sys::survive_failing_writes();
    let mut answer = Vec::new();
    let mut written = Ok(());
    let tested = supervise::run(&paths, &settings(request), started, |ended| {
        if !request.lines || written.is_err() {
            return;
        }
        if let Some((index, verdict)) = ended {
            let mut line = String::new();
            json::entry(&mut line, paths.get(index).copied().unwrap_or_default(), verdict);
            line.push('\n');
            answer.extend_from_slice(line.as_bytes());
        }
        // A caller that does not read must not keep this process from its other work.
        written = sys::write_some(libc::STDOUT_FILENO, &answer)
            .map(|count| drop(answer.drain(..count)))
            .map_err(unwritten);
    })
    .map_err(Stop::NoAnswer)?;
    let verdicts = tested.verdicts;
    if !request.lines {
        answer = json::array(paths.iter().copied().zip(&verdicts)).into_bytes();
    }
    tested.leftovers.heed_signals();
    let written = written.and_then(|()| write(&answer));
    tested.leftovers.sweep();
    written?;
    Ok(if verdicts.iter().all(Verdict::loaded) { exit::LOADED } else { exit::FAILED })
}

fn settings<'a>(request: &Request<'a>) -> supervise::Settings<'a> {
    let jobs = match request.limits.jobs {
        0 => (2 * sys::processors()).min(16),
        jobs => jobs,
    };
    supervise::Settings {
        limits: schedule::Limits { jobs, ..request.limits },
        sandbox: request.sandbox,
        root: request.root,
        verbose: request.verbose,
    }
}

/// The contents of the lists among the inputs, in their order. Who writes them has time until then.
fn read_lists(request: &Request<'_>, until: schedule::Millis) -> Result<Vec<Vec<u8>>, Stop> {
    let mut lists = Vec::new();
    for input in &request.inputs {
        let path = match input {
            Input::Path(_) => continue,
            Input::Stdin => None,
            Input::List(path) => Some(*path),
        };
        lists.push(sys::read_list(path, LONGEST_LIST, until).map_err(|error| {
            let name = String::from_utf8_lossy(path.unwrap_or(b"standard input"));
            match error {
                sys::Errno(libc::ETIME) => Stop::NoAnswer(format!(
                    "cannot read {name}: its end did not come before the deadline"
                )),
                error => Stop::Usage(format!("cannot read {name}: {error}")),
            }
        })?);
    }
    Ok(lists)
}

/// All paths, in the order of the answer.
fn paths<'a>(request: &Request<'a>, lists: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
    let mut lists = lists.iter();
    let mut paths = Vec::new();
    for input in &request.inputs {
        match input {
            Input::Path(path) => paths.push(*path),
            Input::List(_) | Input::Stdin => {
                let list = lists.next().map(Vec::as_slice).unwrap_or_default();
                let list = list.strip_suffix(b"\0").unwrap_or(list);
                if !list.is_empty() {
                    paths.extend(list.split(|byte| *byte == 0));
                }
            }
        }
    }
    paths
}

fn explain(path: &[u8], started: schedule::Millis) -> Result<i32, Stop> {
    let request = Request { inputs: alloc::vec![Input::Path(path)], ..Request::default() };
    let tested =
        supervise::run(&[path], &settings(&request), started, |_| {}).map_err(Stop::NoAnswer)?;
    tested.leftovers.heed_signals();
    tested.leftovers.sweep();
    let Some(verdict) = tested.verdicts.first() else { return Ok(exit::FAILED) };
    let nodes = search::walk(&child::SystemFiles, path, child::library_path().as_deref());
    write(explain::page(&nodes, verdict, sys::is_terminal()).as_bytes())?;
    Ok(if verdict.loaded() { exit::LOADED } else { exit::FAILED })
}

fn print(text: &str) -> Result<i32, Stop> {
    sys::survive_failing_writes();
    write(text.as_bytes()).map(|()| exit::LOADED)
}

fn write(bytes: &[u8]) -> Result<(), Stop> {
    sys::write_all(libc::STDOUT_FILENO, bytes).map_err(unwritten)
}

fn unwritten(error: sys::Errno) -> Stop {
    Stop::NoAnswer(format!("cannot write the answer to standard output: {error}"))
}
