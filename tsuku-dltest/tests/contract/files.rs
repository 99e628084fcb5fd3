//! Files of all kinds, what they need, and where they may lie.

use crate::common::{Folder, Run, kind, program, tool};
use crate::{GOOD, answer, is_root, run};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

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
