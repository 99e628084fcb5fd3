//! What the program asks of the system: old kernels, containers, no /proc, and the calls between fork
//! and dlopen.

// A test fails by panicking, in its helpers too.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use common::{Folder, Outcome, Run, kind, program, tool};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Libraries with an end of each kind, and what it is.
fn samples(folder: &Folder) -> Vec<(PathBuf, &'static str)> {
    let constructor = |body: &str| {
        let headers = "#define _GNU_SOURCE\n#include <pthread.h>\n#include <sched.h>\n#include <signal.h>\n#include <stdlib.h>\n#include <sys/resource.h>\n#include <unistd.h>\n";
        let run = "void *run(void *x) { for (;;) usleep(1000); return x; }";
        format!("{headers}{run}\n__attribute__((constructor)) static void c(void) {{ {body} }}")
    };
    let daemon = "if (fork() == 0) { setsid(); if (fork() == 0) sleep(20); _exit(0); }";
    // Number 0 is the one that calls, also where it is the number of a caller outside.
    let own = "struct rlimit it; cpu_set_t set; if (getrlimit(RLIMIT_STACK, &it) || setrlimit(RLIMIT_STACK, &it) || sched_getaffinity(0, sizeof set, &set) || sched_setaffinity(0, sizeof set, &set) || kill(0, 0)) abort();";
    let thread = "pthread_t t; pthread_create(&t, 0, run, 0); usleep(5000);";
    let sources = [
        ("good", String::from("int good(void) { return 1; }"), "ok"),
        ("own", constructor(own), "ok"),
        ("crash", constructor("abort();"), "crashed"),
        ("exit", constructor("_exit(0);"), "exited"),
        ("spin", constructor("for (;;);"), "timeout"),
        ("daemon", constructor(daemon), "ok"),
        // Its thread runs on in code that is gone.
        ("thread", constructor(thread), "unload_crashed"),
        ("closes", constructor("for (int i = 0; i < 1024; i++) close(i);"), "ok"),
        ("killer", constructor("kill(getppid(), SIGTERM);"), "ok"),
        (
            "undefined",
            String::from("void no(void); void *f(void) { return (void *)no; }"),
            "undefined_symbol",
        ),
    ];
    let mut samples: Vec<(PathBuf, &str)> = sources
        .into_iter()
        .map(|(name, source, kind)| (folder.library(&format!("lib{name}.so"), &source, &[]), kind))
        .collect();
    let missing = ["-Wl,--no-as-needed", "-L.", "-l:libgone.so"];
    let gone = folder.library("libgone.so", "int gone(void) { return 1; }", &[]);
    let needs = folder.library("libneeds.so", "int needs(void) { return 1; }", &missing);
    fs::remove_file(&gone).expect("to remove it");
    samples.extend([(needs, "missing_dependency"), (gone, "not_found")]);
    samples
}

/// Runs the program by way of `prefix`, and compares.
fn judge(prefix: &[&Path], options: &[&str], samples: &[(PathBuf, &str)]) {
    let outcome = run_by(prefix, options, samples);
    let entries =
        outcome.answer().unwrap_or_else(|error| panic!("{prefix:?}: {error} {outcome:?}"));
    let kinds: Vec<&str> = entries.iter().map(kind).collect();
    let expected: Vec<&str> = samples.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, expected, "{prefix:?} {options:?}: {entries:?}");
}

fn run_by(prefix: &[&Path], options: &[&str], samples: &[(PathBuf, &str)]) -> Outcome {
    let program = program();
    let mut words = prefix.to_vec();
    words.push(&program);
    let paths = samples.iter().map(|(path, _)| path.as_path());
    let words: Vec<&Path> =
        words.into_iter().chain(options.iter().map(Path::new)).chain(paths).collect();
    Run::of(words[0]).args(&words[1..]).go()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

/// Everything later than Linux 3.10 is absent, or refused by a filter as old containers have them.
#[test]
fn an_old_kernel_changes_no_verdict() {
    let folder = Folder::new("old-kernel");
    let samples = samples(&folder);
    let launcher = folder.0.join("old_kernel");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/old_kernel.c");
    let args = [OsString::from("-o"), launcher.clone().into(), source.into()];
    tool("gcc", "gcc", &folder.0, &args);
    for errno in [libc::ENOSYS, libc::EPERM] {
        let errno = PathBuf::from(errno.to_string());
        judge(&[&launcher, &errno], &["--deadline", "2.0"], &samples);
        // The filter of a program that has one already is one more.
        let about = Run::of(&launcher).args([&errno, &program()]).args(["--version", "--verbose"]);
        let about = String::from_utf8(about.go().stdout).expect("text");
        assert!(about.contains("sandbox: no Landlock, seccomp"), "{about}");
        let strict = run_by(&[&launcher, &errno], &["--sandbox", "strict"], &samples[..1]);
        assert_eq!((strict.code, strict.stdout.len()), (Some(3), 0), "{strict:?}");
        let said = String::from_utf8_lossy(&strict.stderr).into_owned();
        assert!(said.contains("--sandbox strict: this kernel has no Landlock"), "{said}");
    }
}

/// As the first process of a container: its caller and its group have no number there.
#[test]
fn a_namespace_of_its_own_changes_no_verdict() {
    if !is_root() {
        eprintln!("not run: only root can make a namespace everywhere");
        return;
    }
    let folder = Folder::new("namespace");
    let samples = samples(&folder);
    let words = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"].map(Path::new);
    judge(&words, &["--deadline", "2.0"], &samples);
}

/// Without /proc there are no lists of children: groups are killed all the same.
#[test]
fn no_proc_changes_no_verdict() {
    if !is_root() {
        eprintln!("not run: only root can unmount");
        return;
    }
    let folder = Folder::new("no-proc");
    let samples = samples(&folder);
    let hide = "mount -t tmpfs none /proc || exit 77; exec \"$0\" \"$@\"";
    let words = ["unshare", "-m", "sh", "-c", hide].map(Path::new);
    judge(&words, &["--deadline", "2.0"], &samples);
}

/// The way of a child from fork to dlopen, as `docs/dltest.md` lists it: a lock that a thread of the
/// parent held, or a descriptor of the caller's, could hide behind each call more.
#[test]
fn few_calls_stand_between_fork_and_dlopen() {
    let folder = Folder::new("calls");
    let good = folder.library("libgood.so", "int good(void) { return 1; }", &[]);
    let log = folder.0.join("log");
    let traced =
        Run::of(Path::new("strace")).args(["-ff", "-o"]).args([&log, &program(), &good]).go();
    assert_eq!(traced.code, Some(0), "strace (package strace) and the library: {traced:?}");
    let logs = fs::read_dir(&folder.0).expect("the folder").flatten();
    let logs = logs.filter(|it| it.file_name().to_string_lossy().starts_with("log."));
    let texts: Vec<String> = logs.map(|it| fs::read_to_string(it.path()).expect("a log")).collect();
    let child = texts.iter().find(|text| !text.contains("execve(")).expect("a child");
    let path = good.to_str().expect("text");
    let name = |line: &str| line.split('(').next().unwrap_or_default().to_owned();
    let calls: Vec<String> =
        child.lines().take_while(|line| !line.contains(path)).map(name).collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dltest.md");
    let page = fs::read_to_string(page).expect("the page");
    let list = page.split("**Between fork and dlopen** stand: ").nth(1).expect("the list");
    let list: Vec<&str> =
        list.split(';').next().unwrap_or_default().split([',', ' ', '\n']).collect();
    // The libc's own half of fork, and the name that dup2 has on aarch64.
    let others = ["set_robust_list", "set_tid_address", "rseq", "gettid", "dup3"];
    for call in &calls {
        let known = list.contains(&call.as_str()) || others.contains(&call.as_str());
        assert!(known, "{call} is not in the documented list {list:?}:\n{child}");
    }
    for call in ["setsid", "close_range", "landlock_restrict_self"] {
        assert!(calls.iter().any(|it| it == call), "no {call} in {calls:?}");
    }
    // Behind the library's end stands nothing but the child's own: no handler, no flush.
    let last: Vec<&str> = child.lines().rev().take(2).collect();
    assert!(last.iter().any(|line| line.starts_with("exit_group(0)")), "{last:?}");
}

/// A file that ends too early is never taken for a whole one, wherever it ends.
#[test]
fn every_cut_is_told_apart() {
    let folder = Folder::new("cuts");
    let good =
        folder.library("libgood.so", "int good(void) { return 1; }", &["-Wl,-z,relro,-z,now"]);
    let bytes = fs::read(&good).expect("the library");
    // The last byte that a segment needs: what follows are sections and symbols, for tools alone.
    let count = usize::from(u16::from_le_bytes([bytes[56], bytes[57]]));
    let number = |at: usize| {
        let field = bytes[at..at + 8].try_into().expect("8 bytes");
        usize::try_from(u64::from_le_bytes(field)).expect("a size")
    };
    let ends = (0..count).map(|index| 64 + index * 56).filter(|at| bytes[*at] == 1);
    let end = ends.map(|at| number(at + 8) + number(at + 32)).max().expect("a segment");
    let mut lengths: Vec<usize> = (0..end).step_by(end / 60).collect();
    lengths.extend([1, 3, 4, 16, 63, 64, 65, 119, 120, 4095, 4096, 4097, end - 1, end]);
    let cuts: Vec<PathBuf> = lengths
        .iter()
        .map(|length| folder.file(format!("cut-{length}.so"), &bytes[..*length]))
        .collect();
    let outcome = Run::of(&program()).args(&cuts).go();
    let entries: Vec<Value> = outcome.answer().unwrap_or_else(|error| panic!("{error}"));
    for (entry, length) in entries.iter().zip(&lengths) {
        let expected = match *length {
            length if length == end => "ok",
            0..4 => "not_a_library",
            _ => "corrupt",
        };
        assert_eq!(kind(entry), expected, "{entry}");
        assert!(*length == end || entry["phase"] == "check", "{entry}");
    }
}
