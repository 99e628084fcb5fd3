//! The program's promises to its callers: answers, exit codes, files of all kinds, environments.

// A test fails by panicking, in its helpers too.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use common::{Folder, Run, kind, program, tool};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

const GOOD: &str = "int good(void) { return 1; }";

fn run() -> Run {
    Run::of(&program())
}

fn answer(paths: &[&Path]) -> Vec<Value> {
    run().args(paths).go().answer().unwrap_or_else(|error| panic!("{paths:?}: {error}"))
}

#[test]
fn the_version_is_printed_alone() {
    let outcome = run().args(["--version"]).go();
    let version = option_env!("TSUKU_DLTEST_VERSION").filter(|it| !it.is_empty());
    let version = version.unwrap_or(env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), format!("tsuku-dltest v{version}\n"));
    assert_eq!((outcome.code, outcome.stderr.len()), (Some(0), 0));
    let outcome = run().args(["--version", "--verbose"]).go();
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("\nlibc: "));
}

#[test]
fn wrong_usage_prints_nothing_to_stdout() {
    for args in [&[][..], &["--"], &["--jobs", "0", "x"], &["@/nonexistent"], &["--stdin0"]] {
        let outcome = run().args(args).go();
        assert_eq!(outcome.code, Some(2), "{args:?}");
        assert!(outcome.stdout.is_empty());
        assert!(String::from_utf8_lossy(&outcome.stderr).contains("usage:"), "{args:?}");
    }
}

#[test]
fn the_answer_is_compact_and_in_order() {
    let folder = Folder::new("order");
    let good = folder.library("libgood.so", GOOD, &[]);
    let outcome = run().args([Path::new("/nope"), &good, Path::new("-x"), &good]).go();
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(text.contains("\"ok\":true") && text.contains("\"ok\":false"), "{text}");
    let entries = outcome.answer().expect("an answer");
    let paths: Vec<&str> = entries.iter().filter_map(|entry| entry["path"].as_str()).collect();
    assert_eq!(paths, ["/nope", good.to_str().expect("text"), "-x", good.to_str().expect("text")]);
    assert!(entries.iter().all(|entry| (entry["ok"] == true) == entry["error"].is_null()));
}

#[test]
fn every_kind_of_file_has_its_kind() {
    let folder = Folder::new("files");
    let good = folder.library("libgood.so", GOOD, &[]);
    let bytes = fs::read(&good).expect("the library");
    let poked = |name: &str, pokes: &[(usize, u8)]| {
        let mut bytes = bytes.clone();
        for (at, byte) in pokes {
            bytes[*at] = *byte;
        }
        folder.file(name, &bytes)
    };
    let fifo = folder.0.join("fifo");
    tool("mkfifo", "coreutils", &folder.0, &[fifo.clone().into()]);
    let socket = folder.0.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let link = |name: &str, target: &Path| {
        let path = folder.0.join(name);
        symlink(target, &path).expect("a link");
        path
    };
    let program = folder.0.join("program");
    folder.file("program.c", b"int main(void) { return 0; }");
    for (out, more) in [("pie", "-pie"), ("program", "-no-pie"), ("object", "-c")] {
        let args = ["-fPIE", more, "-o", out, "program.c"].map(OsString::from);
        tool("gcc", "gcc", &folder.0, &args);
    }
    let long = folder.0.join("x".repeat(300));
    let cases: Vec<(PathBuf, &str)> = vec![
        (good.clone(), "ok"),
        (folder.0.join("absent"), "not_found"),
        (good.join("below"), "not_found"),
        (long, "not_found"),
        (PathBuf::new(), "not_found"),
        (PathBuf::from("/dev/null"), "not_a_file"),
        (PathBuf::from("/dev/zero"), "not_a_file"),
        (PathBuf::from("/dev/stdin"), "not_a_file"),
        (folder.0.clone(), "not_a_file"),
        (PathBuf::from("/proc/self/maps"), "not_a_library"),
        (fifo, "not_a_file"),
        (socket, "not_a_file"),
        (folder.file("empty", b""), "not_a_library"),
        (folder.file("text", b"hello\n"), "not_a_library"),
        (folder.file("archive", b"!<arch>\nxxxx"), "not_a_library"),
        (folder.file("script.so", b"/* GNU ld script */ GROUP ( libx.so )"), "not_a_library"),
        (folder.file("macho", b"\xcf\xfa\xed\xfe\x07\0\0\x01"), "not_a_library"),
        (folder.file("pe", b"MZ\x90\0"), "not_a_library"),
        (folder.file("cut-4", &bytes[..4]), "corrupt"),
        (folder.file("cut-63", &bytes[..63]), "corrupt"),
        (folder.file("cut-100", &bytes[..100]), "corrupt"),
        (folder.file("cut-4096", &bytes[..4096]), "corrupt"),
        (folder.file("cut-half", &bytes[..bytes.len() / 2]), "corrupt"),
        (poked("class-32", &[(4, 1)]), "wrong_arch"),
        (poked("big-endian", &[(5, 2)]), "wrong_arch"),
        (poked("arm", &[(18, 40), (19, 0)]), "wrong_arch"),
        (poked("class-9", &[(4, 9)]), "corrupt"),
        (poked("version-9", &[(6, 9)]), "corrupt"),
        (poked("no-segments", &[(56, 0), (57, 0)]), "corrupt"),
        (poked("segments-outside", &[(38, 9)]), "corrupt"),
        (poked("core", &[(16, 4)]), "not_loadable"),
        (folder.0.join("pie"), "not_loadable"),
        (program, "not_loadable"),
        (folder.0.join("object"), "not_loadable"),
        (link("link", &good), "ok"),
        (link("dangling", Path::new("/nonexistent")), "not_found"),
        (link("circle", Path::new("circle")), "not_found"),
        (PathBuf::from("libc.so.6"), "ok"),
        (PathBuf::from("libnothing-of-the-kind.so"), "not_found"),
        (PathBuf::from("."), "not_a_file"),
        (PathBuf::from(".."), "not_a_file"),
    ];
    let paths: Vec<&Path> = cases.iter().map(|(path, _)| path.as_path()).collect();
    for (entry, (path, expected)) in answer(&paths).iter().zip(&cases) {
        assert_eq!(kind(entry), *expected, "{}: {entry}", path.display());
    }
}

#[test]
fn a_file_that_may_not_be_read_says_so() {
    let folder = Folder::new("unreadable");
    let secret = folder.library("libsecret.so", GOOD, &[]);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("permissions");
    let copy = folder.0.join("tsuku-dltest");
    fs::copy(program(), &copy).expect("a copy");
    let run = Run::of(&copy).args([&secret]);
    let entries =
        if is_root() { run.unprivileged() } else { run }.go().answer().expect("an answer");
    assert_eq!(kind(&entries[0]), "unreadable", "{entries:?}");
}

/// Only root can mount, and not everywhere.
#[test]
fn a_mount_without_execution_is_told_apart() {
    let folder = Folder::new("noexec");
    let good = folder.library("libgood.so", GOOD, &[]);
    fs::create_dir(folder.0.join("mount")).expect("a folder");
    let script = "mount -t tmpfs -o noexec none mount || exit 77; cp \"$2\" mount/; exec \"$1\" \"$PWD/mount/libgood.so\"";
    let outcome = Run::of(Path::new("unshare"))
        .args(["-m", "sh", "-c", script, "sh"])
        .args([program().as_path(), &good])
        .directory(&folder.0)
        .go();
    if outcome.stdout.is_empty() && outcome.code != Some(3) {
        eprintln!("not run: nothing can be mounted here: {outcome:?}");
        return;
    }
    let entries = outcome.answer().expect("an answer");
    assert_eq!(kind(&entries[0]), "noexec", "{entries:?}");
}

#[test]
fn odd_names_are_taken_as_they_are() {
    let folder = Folder::new("names");
    let good = folder.library("libgood.so", GOOD, &["-Wl,-rpath,$ORIGIN"]);
    let copy = |name: &[u8]| {
        let path = folder.0.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::copy(&good, &path).expect("a copy");
        path
    };
    for name in [
        b"with space.so".as_slice(),
        b"quote\"back\\slash.so",
        b"line\nfeed\x1b[31m.so",
        "\u{e9}t\u{e9}.so".as_bytes(),
        b"not-utf8-\xff\xfe.so",
        b"$ORIGIN/lib.so",
        b"lib$ORIGIN.so",
        b"lib${PLATFORM}.so",
        b"a/$LIB/$PLATFORM/lib.so",
        b"${ORIGIN}.d/lib.so",
        b"--help",
        b"@list",
        b"colon:semi;colon.so",
    ] {
        let path = copy(name);
        let entries = answer(&[&path]);
        assert_eq!(kind(&entries[0]), "ok", "{entries:?}");
        assert_eq!(entries[0]["path"], *path.to_string_lossy(), "{entries:?}");
    }
    let relative = run().args(["./--help", "--help/../libgood.so"]).directory(&folder.0).go();
    let entries = relative.answer().expect("an answer");
    assert_eq!((kind(&entries[0]), kind(&entries[1])), ("ok", "not_found"));
}

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

/// A name without a slash is searched for, and what is found is looked at like any other file.
#[test]
fn what_a_name_leads_to_is_checked() {
    let folder = Folder::new("bare");
    let good = folder.library("libgood9.so", GOOD, &[]);
    let bytes = fs::read(&good).expect("the library");
    folder.file("libcut9.so", &bytes[..4096]);
    let mut arm = bytes.clone();
    arm[18] = 40;
    folder.file("libarm9.so", &arm);
    folder.file("libempty9.so", b"");
    tool("mkfifo", "coreutils", &folder.0, &["libfifo9.so".into()]);
    fs::create_dir(folder.0.join("libfolder9.so")).expect("a folder");
    let gone = folder.library("libgone9.so", GOOD, &[]);
    let needs = ["-Wl,--no-as-needed", "-L.", "-l:libgone9.so"];
    folder.library("libneeds9.so", GOOD, &needs);
    fs::remove_file(gone).expect("to remove it");
    let crash =
        "#include <stdlib.h>\n__attribute__((constructor)) static void c(void) { abort(); }";
    folder.library("libcrash9.so", crash, &[]);
    // Where glibc prefers another one for this processor, that one counts.
    let own = folder.0.join("glibc-hwcaps/x86-64-v2");
    fs::create_dir_all(&own).expect("a folder");
    fs::copy(&good, own.join("libown9.so")).expect("a copy");
    folder.file("libown9.so", if cfg!(target_arch = "x86_64") { b"" } else { &bytes });
    for (name, expected) in [
        ("libgood9.so", "ok"),
        ("libown9.so", "ok"),
        ("libcut9.so", "corrupt"),
        ("libarm9.so", "wrong_arch"),
        ("libempty9.so", "not_a_library"),
        ("libfifo9.so", "not_a_file"),
        ("libfolder9.so", "not_a_file"),
        ("libneeds9.so", "missing_dependency"),
        ("libcrash9.so", "crashed"),
    ] {
        let entries =
            run().args([name]).env("LD_LIBRARY_PATH", &folder.0).directory(Path::new("/"));
        let entry = &entries.go().answer().expect("an answer")[0];
        assert_eq!(kind(entry), expected, "{entry}");
        match expected {
            "crashed" => assert_eq!(entry["phase"], "constructor", "{entry}"),
            "missing_dependency" => {
                let path = folder.0.join(name);
                assert_eq!(entry["needed_by"][0], *path.to_string_lossy(), "{entry}");
            }
            _ => {}
        }
    }
}

/// The names of dependencies may have tokens and slashes.
#[test]
fn a_needed_name_with_a_token_is_followed() {
    let folder = Folder::new("needed-token");
    for name in ["fifo", "gone", "here"] {
        let soname = format!("-Wl,-soname,$ORIGIN/lib{name}8.so");
        let stub = folder.library(&format!("lib{name}8.so"), GOOD, &["-nostdlib", &soname]);
        let user = format!("libuser-{name}.so");
        let stub_path = stub.to_str().expect("text");
        folder.library(&user, GOOD, &["-nostdlib", "-Wl,--no-as-needed", stub_path]);
        if name != "here" {
            fs::remove_file(&stub).expect("to remove it");
        }
    }
    tool("mkfifo", "coreutils", &folder.0, &["libfifo8.so".into()]);
    let paths = ["fifo", "gone", "here"].map(|it| folder.0.join(format!("libuser-{it}.so")));
    let outcome = run().args(["--deadline", "1.5"]).args(&paths).go();
    let entries = outcome.answer().expect("an answer");
    let kinds: Vec<&str> = entries.iter().map(kind).collect();
    assert_eq!(kinds, ["not_a_file", "missing_dependency", "ok"], "{entries:?}");
    for (entry, path) in entries.iter().zip(&paths).take(2) {
        assert_eq!(entry["needed_by"][0], *path.to_string_lossy(), "{entry}");
    }
}

#[test]
fn a_missing_dependency_is_traced() {
    let folder = Folder::new("missing");
    folder.library("libc3.so", "int c(void) { return 1; }", &[]);
    let rpath = "-Wl,-rpath,$ORIGIN";
    folder.library("libb3.so", "int c(void); int b(void) { return c(); }", &["-L.", "-lc3", rpath]);
    let top = folder.library(
        "liba3.so",
        "int b(void); int a(void) { return b(); }",
        &["-L.", "-lb3", rpath],
    );
    fs::remove_file(folder.0.join("libc3.so")).expect("to remove it");
    let entries = answer(&[&top]);
    let entry = &entries[0];
    assert_eq!(kind(entry), "missing_dependency", "{entry}");
    let error = entry["error"].as_str().expect("text");
    let verbatim = "libc3.so: cannot open shared object file: No such file or directory";
    assert!(error.starts_with(verbatim), "{error}");
    let chain = entry["needed_by"].as_array().expect("a chain");
    assert_eq!(chain.len(), 2, "{entry}");
    assert!(chain[1].as_str().is_some_and(|it| it.ends_with("libb3.so")), "{entry}");
    let searched = entry["searched"].as_array().expect("places");
    assert!(searched.iter().any(|it| it == &*folder.0.to_string_lossy()), "{entry}");
}

#[test]
fn a_library_of_the_other_libc_is_refused() {
    let folder = Folder::new("libc");
    let needs =
        folder.library("libm1.so", GOOD, &["-nostdlib", "-Wl,-soname,libc.musl-x86_64.so.1"]);
    fs::rename(&needs, folder.0.join("libc.musl-x86_64.so.1")).expect("to rename it");
    let library = folder.library(
        "libalpine.so",
        GOOD,
        &[
            "-nostdlib",
            "-Wl,--no-as-needed",
            "-L.",
            "-l:libc.musl-x86_64.so.1",
            "-Wl,-rpath,$ORIGIN",
        ],
    );
    let entries = answer(&[&library]);
    assert_eq!(kind(&entries[0]), "wrong_libc", "{entries:?}");
}

#[test]
fn a_library_from_the_future_is_told_apart() {
    let folder = Folder::new("future");
    folder.file("future.map", b"GLIBC_2.99 { global: future; };");
    let stub = ["-nostdlib", "-Wl,-soname,libc.so.6", "-Wl,--version-script=future.map"];
    folder.library("libstub.so", "void future(void) {}", &stub);
    let user = "void future(void); void use(void) { future(); }";
    let library = folder.library("libfuture.so", user, &["-nostdlib", "-L.", "-lstub"]);
    let entries = answer(&[&library]);
    assert_eq!(kind(&entries[0]), "libc_too_old", "{entries:?}");
    let error = entries[0]["error"].as_str().expect("text");
    assert!(error.contains("version `GLIBC_2.99' not found (required by "), "{error}");
}

#[test]
fn root_keeps_libraries_in() {
    let folder = Folder::new("root");
    let root = folder.0.join("root");
    fs::create_dir_all(root.join("sub")).expect("folders");
    let outside = folder.library("liboutside.so", GOOD, &[]);
    let inside = root.join("sub/libinside.so");
    fs::copy(&outside, &inside).expect("a copy");
    let sibling = folder.0.join("rootless");
    fs::create_dir_all(&sibling).expect("a folder");
    fs::copy(&outside, sibling.join("lib.so")).expect("a copy");
    symlink(&inside, root.join("to-inside")).expect("a link");
    symlink(&outside, root.join("to-outside")).expect("a link");
    symlink(&folder.0, root.join("way-out")).expect("a link");
    symlink(&root, folder.0.join("alias")).expect("a link");
    for (path, expected) in [
        (inside.clone(), "ok"),
        (root.join("to-inside"), "ok"),
        (root.join("sub/../sub/libinside.so"), "ok"),
        (folder.0.join("alias/sub/libinside.so"), "ok"),
        (outside.clone(), "outside_root"),
        (root.join("to-outside"), "outside_root"),
        (root.join("way-out/liboutside.so"), "outside_root"),
        (root.join("../liboutside.so"), "outside_root"),
        (sibling.join("lib.so"), "outside_root"),
        (root.join("absent.so"), "not_found"),
        (root.clone(), "outside_root"),
        (PathBuf::from("libc.so.6"), "outside_root"),
    ] {
        let entries = run().args(["--root".as_ref(), root.as_os_str(), path.as_os_str()]).go();
        let entries = entries.answer().expect("an answer");
        assert_eq!(kind(&entries[0]), expected, "{}: {entries:?}", path.display());
    }
}

/// While the last name of the path changes between a library and a link that leads outside.
#[test]
fn what_was_loaded_from_outside_the_root_is_never_ok() {
    let folder = Folder::new("root-race");
    let root = folder.0.join("root");
    fs::create_dir(&root).expect("a folder");
    let honest = folder.library("libhonest.so", GOOD, &[]);
    let loud = "#include <unistd.h>\n__attribute__((constructor)) static void c(void) { write(2, \"outside\\n\", 8); }";
    let outside = folder.library("liboutside.so", loud, &[]);
    let path = root.join("lib.so");
    fs::copy(&honest, &path).expect("a copy");
    let done = std::sync::atomic::AtomicBool::new(false);
    let (mut loaded, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let next = root.join("next");
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                symlink(&outside, &next).expect("a link");
                fs::rename(&next, &path).expect("to rename");
                fs::hard_link(&honest, &next).expect("a link");
                fs::rename(&next, &path).expect("to rename");
            }
        });
        for _ in 0..20 {
            let outcome = run().args(["--root".as_ref(), root.as_os_str()]).args([&path; 20]).go();
            for entry in outcome.answer().unwrap_or_else(|error| panic!("{error}")) {
                let ok = entry["ok"] == true;
                assert!(!ok || !entry.to_string().contains("outside"), "{entry}");
                // Between two names it has none for a moment.
                assert!(["ok", "outside_root", "not_found"].contains(&kind(&entry)), "{entry}");
                if ok { loaded += 1 } else { refused += 1 }
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(loaded > 0 && refused > 0, "no race: {loaded} loaded, {refused} refused");
}

#[test]
fn lists_may_be_longer_than_command_lines() {
    let folder = Folder::new("lists");
    let good = folder.library("libgood.so", GOOD, &[]);
    let mut list = Vec::new();
    for index in 0..500 {
        list.extend(format!("/nonexistent/{}/{index}\0", "x".repeat(200)).as_bytes());
    }
    list.extend(good.as_os_str().as_bytes());
    let file = folder.file("list", &list);
    let outcome = run().args([format!("@{}", file.display())]).go();
    let entries = outcome.answer().expect("an answer");
    assert_eq!((entries.len(), kind(&entries[500])), (501, "ok"));
    // A list that does not come must not hold the caller beyond the deadline.
    tool("mkfifo", "coreutils", &folder.0, &["silent".into()]);
    let silent = format!("@{}", folder.0.join("silent").display());
    for (list, input) in [(silent.as_str(), Stdio::null()), ("--stdin0", Stdio::piped())] {
        let run = run().args(["--deadline", "0.5", list]).with(|it| {
            it.stdin(input);
        });
        let outcome = run.go();
        assert_eq!((outcome.code, outcome.stdout.len()), (Some(3), 0), "{list}: {outcome:?}");
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(said.contains("did not come before the deadline"), "{said}");
    }
    let stdin = fs::File::open(&file).expect("the list");
    let outcome = run()
        .args(["--stdin0", "/nope"])
        .with(|it| {
            it.stdin(stdin);
        })
        .go();
    assert_eq!(outcome.answer().expect("an answer").len(), 502);
}

#[test]
fn lines_come_one_by_one() {
    let folder = Folder::new("lines");
    let good = folder.library("libgood.so", GOOD, &[]);
    let slow =
        "#include <unistd.h>\n__attribute__((constructor)) static void c(void) { usleep(400000); }";
    let slow = folder.library("libslow.so", slow, &[]);
    let outcome = run().args(["--ndjson".as_ref(), slow.as_os_str(), good.as_os_str()]).go();
    let text = String::from_utf8(outcome.stdout).expect("text");
    let lines: Vec<Value> =
        text.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    assert_eq!((outcome.code, lines.len()), (Some(0), 2));
    assert_eq!(lines[0]["path"], *good.to_string_lossy());
    assert_eq!(lines[1]["path"], *slow.to_string_lossy());
}

#[test]
fn an_answer_that_cannot_be_written_is_status_3() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    for args in [&["--version"][..], &["/nope"], &["--ndjson", "/nope"]] {
        let full = full.try_clone().expect("a descriptor");
        let outcome = run()
            .args(args)
            .with(|it| {
                it.stdout(full);
            })
            .go();
        assert_eq!((outcome.code, outcome.signal), (Some(3), None), "{args:?}");
        assert!(String::from_utf8_lossy(&outcome.stderr).contains("cannot write the answer"));
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let outcome = run()
            .args(args)
            .with(|it| {
                it.stdout(writer);
            })
            .go();
        assert_eq!((outcome.code, outcome.signal), (Some(3), None), "{args:?}, no reader");
    }
}

/// Beyond the limit of file sizes a signal would end the program, and say nothing.
#[test]
fn a_limit_of_file_sizes_is_status_3_too() {
    let folder = Folder::new("sizes");
    for args in ["--version", "--help", "--protocol", "/nope", "--ndjson /nope"] {
        let script = format!("ulimit -f 0; exec \"$0\" {args} > out");
        let run = Run::of(Path::new("bash")).args(["-c", &script]).args([program()]);
        let outcome = run.directory(&folder.0).go();
        assert_eq!((outcome.code, outcome.signal), (Some(3), None), "{args}: {outcome:?}");
        assert!(String::from_utf8_lossy(&outcome.stderr).contains("cannot write the answer"));
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

#[test]
fn nothing_hides_what_took_its_time() {
    let folder = Folder::new("time");
    let hang = folder.library(
        "libhang.so",
        "__attribute__((constructor)) static void c(void) { for (;;); }",
        &[],
    );
    let good = folder.library("libgood.so", GOOD, &[]);
    // Ten that hang, forty that do not, one slot: all the good ones come through.
    let mut paths = vec![hang.as_path(); 10];
    paths.extend(vec![good.as_path(); 40]);
    let outcome = run().args(["--deadline", "3.5"]).args(&paths).go();
    let entries = outcome.answer().expect("an answer");
    assert_eq!(entries.iter().filter(|entry| entry["ok"] == true).count(), 40);
    assert!(entries[..10].iter().all(|entry| kind(entry) == "timeout"), "{entries:?}");
    assert!(outcome.took.as_millis() < 4500, "{:?}", outcome.took);
    let outcome = run().args(["--deadline=0.3", "--jobs=1"]).args([&hang; 5]).go();
    let entries = outcome.answer().expect("an answer");
    assert_eq!(kind(&entries[4]), "not_tested", "{entries:?}");
}

/// A user may have few processes, and a library take them all. The user is one that no other test
/// uses; only root can become it.
#[test]
fn a_library_that_takes_all_processes_takes_none_from_others() {
    let folder = Folder::new("starved");
    let bomb = "#include <unistd.h>\n__attribute__((constructor)) static void c(void) { for (int i = 0; i < 100; i++) if (fork() == 0) for (;;) pause(); for (;;) pause(); }";
    let bomb = folder.library("libbomb.so", bomb, &[]);
    let good = folder.library("libgood.so", GOOD, &[]);
    let copy = folder.0.join("tsuku-dltest");
    fs::copy(program(), &copy).expect("a copy");
    if !is_root() {
        eprintln!("not run: this user cannot become another one");
        return;
    }
    let outcome = Run::of(Path::new("bash"))
        .args(["-c", "ulimit -u 40; exec \"$0\" --jobs 1 \"$@\""])
        .args([&copy, &bomb, &good, &good, &good, &good, &good])
        .with(|it| {
            it.uid(64321).gid(64321);
        })
        .go();
    let entries = outcome.answer().expect("an answer");
    assert_eq!(kind(&entries[0]), "fork_bomb", "{entries:?}");
    assert!(entries[1..].iter().all(|entry| kind(entry) == "ok"), "{entries:?}");
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
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

/// Above the helper it would keep it from its deadline. Only root's helper could do that.
#[test]
fn a_slow_library_yields_to_a_helper_of_low_priority() {
    let folder = Folder::new("low-priority");
    let source = "#include <stdlib.h>\n#include <unistd.h>\n#include <sys/resource.h>\n\
        __attribute__((constructor)) static void c(void) {\n\
        for (int i = 0; i < 60; i++) { usleep(10000); if (getpriority(PRIO_PROCESS, 0) < 10) abort(); } }";
    let slow = folder.library("libslow.so", source, &[]);
    let args = ["-n", "10"].map(Path::new);
    let outcome = Run::of(Path::new("nice")).args(args).args([program().as_path(), &slow]).go();
    let entries = outcome.answer().expect("an answer");
    assert_eq!(entries[0]["ok"], true, "{entries:?}");
}

#[test]
fn a_library_is_explained() {
    let folder = Folder::new("explain");
    folder.library("libdep.so", "int dep(void) { return 1; }", &[]);
    let user = "int dep(void); int use(void) { return dep(); }";
    let library = folder.library("libuser.so", user, &["-L.", "-ldep"]);
    let outcome = run().args(["--explain".as_ref(), library.as_os_str()]).go();
    let text = String::from_utf8(outcome.stdout).expect("text");
    assert_eq!(outcome.code, Some(1));
    assert!(
        text.contains("libdep.so => not found") && text.contains("missing_dependency"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "no colours without a terminal");
}

/// Where verdicts are compared, time must not decide: on a busy machine even an honest library takes
/// longer than the caller waits. Whoever runs into one of these limits hangs, and that is a fault.
const LIMITS: [&str; 4] = ["--deadline", "60", "--timeout", "60"];
const PATIENCE: Duration = Duration::from_secs(70);

/// All of the machine's own libraries: forked or in one process, the verdict is the same.
#[test]
fn isolation_changes_no_verdict() {
    let folder = Folder::new("system");
    let plain = folder.0.join("plain");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/plain.c");
    let args = [OsString::from("-o"), plain.clone().into(), source.into(), "-ldl".into()];
    tool("gcc", "gcc", &folder.0, &args);
    let mut libraries: Vec<PathBuf> =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"]
            .iter()
            .filter_map(|directory| fs::read_dir(directory).ok())
            .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
            .filter(|path| path.to_string_lossy().contains(".so."))
            .filter_map(|path| fs::canonicalize(path).ok())
            .filter(|path| path.is_file())
            .collect();
    libraries.sort();
    libraries.dedup();
    assert!(libraries.len() > 20, "this machine has no libraries to speak of");
    // A caller whose patience ends first gets nothing, and this would be taken for a verdict.
    let answer = |options: &[&str], batch: &[PathBuf]| -> Vec<Value> {
        let outcome = run().args(LIMITS).args(options).args(batch).patience(PATIENCE).go();
        outcome.answer().unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
    };
    let mut compared = 0;
    for batch in libraries.chunks(50) {
        let forked = answer(&[], batch);
        let sandboxless = answer(&["--sandbox", "off"], batch);
        assert_eq!((forked.len(), sandboxless.len()), (batch.len(), batch.len()));
        for ((path, entry), without) in batch.iter().zip(&forked).zip(&sandboxless) {
            assert_eq!(kind(entry), kind(without), "the sandbox matters: {entry} {without}");
            assert!(!["timeout", "not_tested"].contains(&kind(entry)), "{entry}");
            // One process per library, so that one that ends it ends no more.
            let alone = Run::of(&plain).args([path]).patience(PATIENCE).go();
            assert!(alone.closed, "{}: the plain loop hangs: {alone:?}", path.display());
            assert_eq!(entry["ok"] == true, alone.code == Some(0), "{entry} {alone:?}");
            compared += 1;
        }
    }
    eprintln!("{compared} libraries compared");
}

#[test]
fn answers_follow_the_schema() {
    let outcome = run().args(["--protocol"]).go();
    let schema: Value = serde_json::from_slice(&outcome.stdout).expect("the schema");
    let own =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/answer.schema.json"));
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), own.expect("the file"));
    let folder = Folder::new("schema");
    let good = folder.library("libgood.so", GOOD, &[]);
    let crash = folder.library(
        "libcrash.so",
        "#include <stdlib.h>\n__attribute__((constructor)) static void c(void) { abort(); }",
        &[],
    );
    let gone = folder.library("libgone.so", "#include <unistd.h>\n__attribute__((constructor)) static void c(void) { write(2, \"why\", 3); _exit(3); }", &[]);
    let missing = folder.library("libmissing.so", GOOD, &["-Wl,--no-as-needed", "-L.", "-lgood"]);
    let entries = answer(&[&good, &crash, &gone, &missing, Path::new("/nope")]);
    let properties = &schema["$defs"]["entry"]["properties"];
    for entry in &entries {
        follow(entry, &schema["$defs"]["entry"]);
        for key in entry.as_object().expect("an object").keys() {
            assert!(properties.get(key).is_some(), "{key} is not in the schema");
        }
    }
    // Go matches keys without regard to case.
    let mut folded: Vec<String> =
        properties.as_object().expect("properties").keys().map(|key| key.to_lowercase()).collect();
    folded.sort();
    let count = folded.len();
    folded.dedup();
    assert_eq!(folded.len(), count);
}

/// Checks `value` against the keywords that the schema uses, and refuses others.
fn follow(value: &Value, schema: &Value) {
    for (keyword, rule) in schema.as_object().expect("a schema") {
        let holds = match keyword.as_str() {
            "type" => match rule.as_str() {
                Some("object") => value.is_object(),
                Some("array") => value.is_array(),
                Some("string") => value.is_string(),
                Some("boolean") => value.is_boolean(),
                Some("integer") => value.is_i64() || value.is_u64(),
                other => panic!("unknown type {other:?}"),
            },
            "enum" => rule.as_array().expect("words").contains(value),
            "minimum" => value.as_i64() >= rule.as_i64(),
            "required" => rule
                .as_array()
                .expect("keys")
                .iter()
                .all(|key| value.get(key.as_str().expect("a key")).is_some()),
            "properties" => {
                for (key, schema) in rule.as_object().expect("properties") {
                    if let Some(value) = value.get(key) {
                        follow(value, schema);
                    }
                }
                true
            }
            "items" => {
                value.as_array().expect("an array").iter().for_each(|value| follow(value, rule));
                true
            }
            "description" => true,
            other => panic!("unknown keyword {other}"),
        };
        assert!(holds, "{value} does not follow {keyword}: {rule}");
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
