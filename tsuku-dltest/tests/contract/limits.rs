//! Time, processes and priority; and that isolation changes no verdict.

use crate::common::{Folder, Run, kind, program, tool};
use crate::{GOOD, is_root, run};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// What a library starts takes its memory too; what it shares with that after a fork counts once.
#[test]
fn the_memory_of_all_processes_counts() {
    let folder = Folder::new("memory");
    let library = |name: &str, before: &str, each: &str| {
        let headers = "#include <stdlib.h>\n#include <string.h>\n#include <sys/wait.h>\n#include <unistd.h>\n";
        let fork = format!("for (int i = 0; i < 4; i++) if (fork() == 0) {{ {each} _exit(0); }}");
        let body = format!("{before} {fork} while (wait(0) > 0) {{}}");
        let code =
            format!("{headers}__attribute__((constructor)) static void c(void) {{ {body} }}");
        folder.library(name, &code, &[])
    };
    let fill = "memset(malloc(300 << 20), 1, 300 << 20);";
    let apart = library("libapart.so", "", &format!("{fill} sleep(60);"));
    let shared = library("libshared.so", fill, "usleep(500000);");
    let outcome = run().args(LIMITS).args([&apart, &shared]).patience(PATIENCE).go();
    let entries = outcome.answer().expect("an answer");
    let kinds: Vec<&str> = entries.iter().map(kind).collect();
    assert_eq!(kinds, ["out_of_memory", "ok"], "{entries:?}");
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
