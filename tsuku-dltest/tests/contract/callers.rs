//! What callers leave behind and do: environments, streams, signals, devices, readers that stall.

use crate::common::{Folder, Run, kind, program};
use crate::{GOOD, is_root, run};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn an_environment_cannot_subvert_the_start() {
    let folder = Folder::new("environment");
    let good = folder.library("libgood.so", GOOD, &[]);
    let evil = "#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) static void c(void) { write(1, \"[]\", 2); _exit(0); }";
    let evil = folder.library("libevil.so", evil, &[]);
    for (name, value) in [
        ("LD_PRELOAD", evil.as_os_str()),
        ("LD_PRELOAD", OsStr::new("/nonexistent.so")),
        ("LD_AUDIT", evil.as_os_str()),
        ("LD_SHOW_AUXV", OsStr::new("1")),
        ("LD_TRACE_LOADED_OBJECTS", OsStr::new("1")),
        ("LD_DEBUG", OsStr::new("all")),
        ("LD_DEBUG_OUTPUT", OsStr::new("/nonexistent/x")),
        ("LD_BIND_NOT", OsStr::new("1")),
        ("LD_PROFILE", OsStr::new("libc.so.6")),
        ("LD_ORIGIN_PATH", OsStr::new("/nonexistent")),
        ("LD_ASSUME_KERNEL", OsStr::new("2.0.0")),
        ("GLIBC_TUNABLES", OsStr::new("glibc.malloc.check=3:glibc.rtld.optional_static_tls=0")),
        ("MALLOC_PERTURB_", OsStr::new("165")),
        ("MALLOC_CHECK_", OsStr::new("3")),
        ("DYLD_INSERT_LIBRARIES", evil.as_os_str()),
    ] {
        let outcome = run().args([&good]).env(name, value).directory(&folder.0).go();
        let entries = outcome.answer().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((entries.len(), kind(&entries[0])), (1, "ok"), "{name}");
        assert!(outcome.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&outcome.stderr));
    }
}

/// An empty entry means the current directory to loaders; relative ones are made absolute before a
/// library can change the directory.
#[test]
fn the_library_path_is_cleaned_and_kept() {
    let folder = Folder::new("path");
    fs::create_dir(folder.0.join("deps")).expect("a folder");
    folder.library("deps/libdep.so", "int dep(void) { return 1; }", &[]);
    let user = "int dep(void); int use(void) { return dep(); }";
    let library = folder.library("libuser.so", user, &["-Ldeps", "-ldep"]);
    let deps = folder.0.join("deps");
    let absolute = |list: &str| list.replace("DEPS", deps.to_str().expect("text"));
    // A library that goes elsewhere, and then loads the one that a relative entry leads to.
    let mover = "#include <dlfcn.h>\n#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) static void c(void) { if (chdir(\"/\") || !dlopen(\"libdep.so\", RTLD_NOW)) abort(); }";
    let mover = folder.library("libmover.so", mover, &[]);
    for name in ["deps", "$ORIGINAL", "$ORIGIN_"] {
        let _ = std::os::unix::fs::symlink("deps", folder.0.join(name));
        let run = run().args([&mover]).env("LD_LIBRARY_PATH", name).directory(&folder.0);
        let entries = run.go().answer().expect("an answer");
        assert_eq!(kind(&entries[0]), "ok", "{name}: {entries:?}");
    }
    for (list, directory, expected) in [
        ("DEPS", "/", "ok"),
        (":DEPS:", "/", "ok"),
        ("/nonexistent;DEPS", "/", "ok"),
        ("deps", folder.0.to_str().expect("text"), "ok"),
        ("./deps:", folder.0.to_str().expect("text"), "ok"),
        ("", deps.to_str().expect("text"), "missing_dependency"),
        (":", deps.to_str().expect("text"), "missing_dependency"),
        ("/nonexistent:", deps.to_str().expect("text"), "missing_dependency"),
        (":/nonexistent", deps.to_str().expect("text"), "missing_dependency"),
        ("/a::/b", deps.to_str().expect("text"), "missing_dependency"),
        (".", deps.to_str().expect("text"), "ok"),
    ] {
        let run = run().args([&library]).env("LD_LIBRARY_PATH", absolute(list));
        let entries = run.directory(Path::new(directory)).go().answer().expect("an answer");
        assert_eq!(kind(&entries[0]), expected, "{list:?} in {directory}: {entries:?}");
    }
}

/// A shell that becomes this program may have started what reads the answer, and more.
#[test]
fn children_from_before_are_left_alone() {
    let folder = Folder::new("before");
    let good = folder.library("libgood.so", GOOD, &[]);
    let script = "sleep 3 > /dev/null 2>&1 & echo $! > pid; exec > >(cat); exec \"$0\" \"$@\"";
    let run = Run::of(Path::new("bash")).args(["-c", script]).args([program(), good.clone(), good]);
    let outcome = run.directory(&folder.0).go();
    let entries: Vec<Value> = serde_json::from_slice(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    assert!(entries.iter().all(|entry| entry["ok"] == true), "{entries:?}");
    let sleeper = fs::read_to_string(folder.0.join("pid")).expect("a number");
    let found = outcome.left.iter().any(|it| it.starts_with(&format!("{} ", sleeper.trim())));
    assert!(found, "{sleeper} was ended: {outcome:?}");
}

/// In a bare container there may be no devices.
#[test]
fn no_devices_change_no_verdict() {
    if !is_root() {
        eprintln!("not run: only root can hide /dev");
        return;
    }
    let folder = Folder::new("no-devices");
    let good = folder.library("libgood.so", GOOD, &[]);
    for close in ["", "<&-", "<&- 2>&-"] {
        let hide = format!("mount -t tmpfs none /dev || exit 77; exec \"$0\" \"$@\" {close}");
        let run = Run::of(Path::new("unshare")).args(["-m", "sh", "-c", &hide]);
        let outcome = run.args([program().as_path(), &good, Path::new("/nope")]).go();
        if outcome.code == Some(77) || outcome.stdout.is_empty() && outcome.code == Some(1) {
            eprintln!("not run: nothing can be mounted here: {outcome:?}");
            return;
        }
        let entries = outcome.answer().unwrap_or_else(|error| panic!("{close}: {error}"));
        assert_eq!((kind(&entries[0]), kind(&entries[1])), ("ok", "not_found"), "{close}");
    }
}

/// Streams that are closed, and signals ignored or blocked, are no matter of the libraries.
#[test]
fn what_callers_leave_behind_does_no_harm() {
    let folder = Folder::new("inherited");
    let good = folder.library("libgood.so", GOOD, &[]);
    let script = |text: &str| {
        let mut run = Run::of(Path::new("sh")).args(["-c", text, "sh"]);
        run = run.args([program().as_path(), &good]);
        run.go()
    };
    for text in [
        "exec \"$1\" \"$2\" <&-",
        "exec \"$1\" \"$2\" 2>&-",
        "exec \"$1\" \"$2\" <&- 2>&-",
        "trap '' CHLD PIPE TERM INT HUP USR1; exec \"$1\" \"$2\"",
        "exec 5<.; exec \"$1\" \"$2\"",
        "ulimit -n 64; exec \"$1\" \"$2\"",
        "ulimit -c unlimited; exec \"$1\" \"$2\"",
    ] {
        let entries = script(text).answer().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(kind(&entries[0]), "ok", "{text}");
    }
    let outcome = script("exec \"$1\" \"$2\" >&-");
    assert_eq!((outcome.code, outcome.signal), (Some(3), None));
}

/// SIGTERM ends the program and all that it started, by that signal.
#[test]
fn a_request_to_stop_is_obeyed() {
    let folder = Folder::new("stop");
    let hang = folder.library(
        "libhang.so",
        "__attribute__((constructor)) static void c(void) { for (;;); }",
        &[],
    );
    let outcome = Run::of(Path::new("timeout"))
        .args(["--preserve-status", "-s", "TERM", "0.3"])
        .args([program().as_path(), &hang, &hang])
        .go();
    assert!(outcome.closed && outcome.left.is_empty(), "{outcome:?}");
    assert!(outcome.took.as_millis() < 2000, "{:?}", outcome.took);
    assert_eq!(outcome.code.or(outcome.signal.map(|it| 128 + it)), Some(143), "{outcome:?}");
}

/// Also when the answer is there, and nobody reads it; and not when the caller ignores that signal.
#[test]
fn a_reader_that_stalls_keeps_nothing_from_its_end() {
    let folder = Folder::new("stalled");
    let hang = folder.library(
        "libhang.so",
        "__attribute__((constructor)) static void c(void) { for (;;); }",
        &[],
    );
    let mut list = Vec::new();
    for index in 0..400 {
        list.extend(format!("/nonexistent/{}/{index}\0", "x".repeat(300)).as_bytes());
    }
    list.extend(hang.as_os_str().as_bytes());
    let list = format!("@{}", folder.file("list", &list).display());
    for options in [&["--deadline", "0.5"][..], &["--deadline", "0.5", "--ndjson"]] {
        let mut child = std::process::Command::new(program())
            .args(options)
            .arg(&list)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        std::thread::sleep(Duration::from_millis(1500));
        let own = format!("/proc/{0}/task/{0}/children", child.id());
        let children = fs::read_to_string(own).expect("the program waits for its reader");
        // One that was killed may wait for its parent still.
        let runs = |child: &str| {
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        assert!(!children.split_whitespace().any(runs), "{options:?}: the deadline is not kept");
        let number = child.id().to_string();
        let _ = std::process::Command::new("sh").args(["-c", "kill \"$0\"", &number]).status();
        let until = std::time::Instant::now() + Duration::from_secs(2);
        let status = loop {
            match child.try_wait().expect("a child") {
                Some(status) => break status,
                None if std::time::Instant::now() > until => {
                    child.kill().expect("to kill it");
                    panic!("{options:?}: a signal to stop is not heeded");
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(signal, Some(libc::SIGTERM), "{options:?}: {status:?}");
    }
    let script = "trap '' HUP; \"$0\" --deadline 0.8 \"$1\" & sleep 0.3; kill -HUP $!; wait $!";
    let outcome = Run::of(Path::new("bash")).args(["-c", script]).args([program(), hang]).go();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
}

#[test]
fn a_helper_that_is_killed_leaves_no_children() {
    let folder = Folder::new("killed");
    let hang = folder.library(
        "libhang.so",
        "__attribute__((constructor)) static void c(void) { for (;;); }",
        &[],
    );
    // The early moments are those of the forks.
    for moment in ["0.001", "0.002", "0.003", "0.004", "0.006", "0.009", "0.3"] {
        let outcome = Run::of(Path::new("timeout"))
            .args(["-s", "KILL", moment])
            .args([program().as_path()])
            .args([&hang; 16])
            .with(|it| {
                it.process_group(0);
            })
            .go();
        assert!(outcome.closed, "{moment}: {outcome:?}");
        let left: Vec<&String> = outcome.left.iter().filter(|it| !it.contains("timeout")).collect();
        assert!(left.is_empty(), "{moment}: {left:?}");
    }
}

/// No stream of the child is the caller's, and input is empty.
#[test]
fn nothing_of_the_callers_reaches_a_library() {
    let folder = Folder::new("streams");
    let reads = "#include <unistd.h>\n#include <stdlib.h>\n__attribute__((constructor)) static void c(void) { char x; if (read(0, &x, 1) != 0) abort(); for (int i = 3; i < 50; i++) if (write(i, \"x\", 1) != -1) abort(); }";
    let library = folder.library("libreads.so", reads, &[]);
    let entries = run()
        .args([&library])
        .with(|it| {
            it.stdin(Stdio::piped());
        })
        .go();
    assert_eq!(kind(&entries.answer().expect("an answer")[0]), "ok");
}
