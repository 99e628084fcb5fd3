//! Libraries that do everything a library must not do, each alone, between two good ones, and in
//! batches; as root and as nobody. `hostile/cases/` holds one source per library, whose first lines
//! say how it is built and what the answer must be; `hostile/README.md` explains them.
//!
//! The musl suite needs a musl build of the program in `TSUKU_DLTEST_MUSL`.

// A test fails by panicking, in its helpers too.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use common::{Outcome, Run, program, tool};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Libc {
    Gnu,
    Musl,
}

/// A library and what is expected of it.
#[derive(Clone)]
struct Case {
    name: String,
    source: PathBuf,
    /// The words at the top of the source.
    words: BTreeMap<String, String>,
    library: PathBuf,
}

impl Case {
    fn word(&self, key: &str) -> &str {
        self.words.get(key).map_or("", String::as_str)
    }

    fn args(&self) -> Vec<String> {
        self.word("args").split_whitespace().map(String::from).collect()
    }

    /// What is wrong with the entry, if anything.
    fn mistake(&self, entry: &Value) -> Option<String> {
        let mut words = self.word("expect").splitn(2, " error=");
        let (facts, error) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut facts = facts.split_whitespace();
        let kinds: Vec<&str> = facts.next().unwrap_or_default().split('|').collect();
        let kind = if entry["ok"] == true { "ok" } else { entry["kind"].as_str().unwrap_or("?") };
        let wrong_fact = facts.any(|fact| {
            let (key, value) = fact.split_once('=').unwrap_or((fact, ""));
            entry[key].to_string().trim_matches('"') != value
        });
        let path_differs = entry["path"].as_str().map(Path::new) != Some(self.library.as_path());
        let error_differs = !entry["error"].as_str().unwrap_or_default().contains(error);
        (!kinds.contains(&kind) || wrong_fact || path_differs || error_differs)
            .then(|| format!("{}: expected {}, got {entry}", self.name, self.word("expect")))
    }
}

/// Everything built for one libc.
struct Suite {
    directory: PathBuf,
    program: PathBuf,
    plain: PathBuf,
    good: [PathBuf; 2],
    cases: Vec<Case>,
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

/// The cases that hold for `libc`, in the order of their names.
fn cases(libc: Libc) -> Vec<Case> {
    let mut paths: Vec<PathBuf> = fs::read_dir(sources().join("cases"))
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let case = |source: PathBuf| {
        let text = fs::read_to_string(&source).expect("a source");
        let words = text.lines().map_while(|line| line.strip_prefix("// ")?.split_once(": "));
        Case {
            name: source.file_stem().expect("a name").to_string_lossy().into_owned(),
            words: words.map(|(key, value)| (key.into(), value.into())).collect(),
            source,
            library: PathBuf::new(),
        }
    };
    paths
        .into_iter()
        .map(case)
        .filter(|case| match case.word("libc") {
            "gnu" => libc == Libc::Gnu,
            "musl" => libc == Libc::Musl,
            _ => true,
        })
        .collect()
}

impl Suite {
    /// Builds all for `libc`, in a folder that every user can read.
    fn build(libc: Libc, name: &str, built: &Path) -> Self {
        let libc_name = if libc == Libc::Gnu { "gnu" } else { "musl" };
        let name = format!("hostile-{}-{libc_name}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a folder for libraries");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("permissions");
        fs::write(directory.join("victim"), "victim").expect("a victim");
        fs::set_permissions(directory.join("victim"), fs::Permissions::from_mode(0o666))
            .expect("permissions");
        let program = directory.join("tsuku-dltest");
        fs::copy(built, &program).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
        let plain = directory.join("plain");
        compile(libc, &sources().join("plain.c"), &plain, &["-ldl"]);
        let cases = Mutex::new(cases(libc));
        let next = AtomicUsize::new(0);
        let count = cases.lock().expect("cases").len();
        in_parallel(4, || {
            while let index @ 0.. = next.fetch_add(1, Ordering::Relaxed)
                && index < count
            {
                let mut case = cases.lock().expect("cases")[index].clone();
                case.library = build_case(libc, &case, &directory);
                cases.lock().expect("cases")[index] = case;
            }
        });
        let good = ["first", "last"].map(|name| {
            let path = directory.join(format!("lib{name}-good.so"));
            fs::copy(directory.join("libgood.so"), &path).expect("a copy");
            path
        });
        Self { directory, program, plain, good, cases: cases.into_inner().expect("cases") }
    }

    fn run(&self, args: &[String], libraries: &[&Path], user: User) -> Outcome {
        let run = Run::of(&self.program)
            .args(args)
            .args(libraries)
            .env("HOSTILE_DIR", &self.directory)
            .directory(&self.directory);
        if user == User::Nobody { run.unprivileged() } else { run }.go()
    }

    /// The cases that can be judged on this kernel.
    fn judged(&self) -> Vec<&Case> {
        let about = Run::of(&self.program).args(["--version", "--verbose"]).go();
        let about = String::from_utf8_lossy(&about.stdout).into_owned();
        let confined = about.contains("sandbox: Landlock") && about.contains(", seccomp");
        if !confined {
            eprintln!(
                "not run: the cases of the sandbox, which this kernel does not have: {about}"
            );
        }
        self.cases.iter().filter(|case| confined || case.word("sandboxed").is_empty()).collect()
    }

    /// Runs every case with `around` it, and reports all that went wrong.
    fn judge(&self, user: User, sandwiched: bool) {
        let cases = self.judged();
        let wrong = Mutex::new(Vec::new());
        let next = AtomicUsize::new(0);
        in_parallel(6, || {
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut libraries = vec![case.library.as_path()];
                if sandwiched {
                    libraries = vec![&self.good[0], &case.library, &self.good[1]];
                }
                let outcome = self.run(&case.args(), &libraries, user);
                let result = outcome.answer().and_then(|entries| {
                    let at = usize::from(sandwiched);
                    let good = (0..libraries.len()).filter(|index| *index != at);
                    for index in good {
                        if entries.get(index).is_none_or(|entry| entry["ok"] != true) {
                            return Err(format!("{}: a good library suffers", case.name));
                        }
                    }
                    case.mistake(&entries[at]).map_or(Ok(()), Err)
                });
                if let Err(mistake) = result {
                    let mistake = format!("{}: {mistake}", case.name);
                    wrong.lock().expect("a list").push(mistake);
                }
            }
        });
        self.intact(wrong.into_inner().expect("a list"));
    }

    /// Runs all cases, fifty at a time.
    fn judge_batches(&self, user: User) {
        let mut wrong = Vec::new();
        let cases: Vec<&Case> = self
            .judged()
            .into_iter()
            .filter(|case| !case.word("args").contains("--sandbox"))
            .collect();
        for batch in cases.chunks(50) {
            let libraries: Vec<&Path> = batch.iter().map(|case| case.library.as_path()).collect();
            match self.run(&[], &libraries, user).answer() {
                Ok(entries) if entries.len() == batch.len() => wrong
                    .extend(batch.iter().zip(&entries).filter_map(|(case, it)| case.mistake(it))),
                Ok(entries) => wrong.push(format!("{} entries", entries.len())),
                Err(mistake) => wrong.push(mistake),
            }
        }
        self.intact(wrong);
    }

    /// Fails with all mistakes; the libraries must not have left traces either.
    fn intact(&self, mut wrong: Vec<String>) {
        let victim = fs::read_to_string(self.directory.join("victim")).unwrap_or_default();
        if victim != "victim" {
            wrong.push(String::from("the victim was harmed"));
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    Own,
    Nobody,
}

fn in_parallel(count: usize, work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(&work);
        }
    });
}

/// Builds the library of `case`, its dependency first, and does to the dependency what is asked.
fn build_case(libc: Libc, case: &Case, directory: &Path) -> PathBuf {
    let library = directory.join(format!("lib{}.so", case.name));
    let dependency = directory.join(format!("lib{}-dep.so", case.name));
    let shared = ["-shared", "-fPIC", "-O1", "-w"];
    let words = |key: &str| -> Vec<String> {
        case.word(key).split_whitespace().map(String::from).collect()
    };
    let build = |out: &Path, more: &[Vec<String>]| {
        let more = more.iter().flatten().map(String::as_str);
        let args: Vec<&str> = shared.iter().copied().chain(more).collect();
        compile(libc, &case.source, out, &args);
    };
    let mut links = words("ldflags");
    if !case.word("dep").is_empty() {
        let soname = format!("-Wl,-soname,lib{}-dep.so", case.name);
        build(&dependency, &[words("dep"), words("dep_ldflags"), vec![soname.clone()]]);
        links.push(dependency.to_string_lossy().into_owned());
        links.push(format!("-Wl,-rpath,{}", directory.display()));
        build(&library, &[words("cc"), links]);
        if !case.word("rebuild_dep").is_empty() {
            build(&dependency, &[words("rebuild_dep"), vec![soname]]);
        }
        damage(case, &dependency);
    } else {
        build(&library, &[words("cc"), links]);
    }
    library
}

fn damage(case: &Case, dependency: &Path) {
    let asked = |key| !case.word(key).is_empty();
    if asked("remove_dep") || asked("fifo_dep") || asked("directory_dep") {
        fs::remove_file(dependency).expect("to remove it");
        if asked("fifo_dep") {
            tool("mkfifo", "coreutils", &sources(), &[dependency.into()]);
        } else if asked("directory_dep") {
            fs::create_dir(dependency).expect("a folder");
        }
        return;
    }
    let mut bytes = fs::read(dependency).expect("the dependency");
    for poke in case.word("poke_dep").split(',').filter(|poke| !poke.is_empty()) {
        let (at, byte) = poke.split_once('=').expect("AT=BYTE");
        bytes[at.parse::<usize>().expect("AT")] = byte.parse().expect("BYTE");
    }
    if let Ok(length) = case.word("cut_dep").parse() {
        bytes.truncate(length);
    }
    fs::write(dependency, bytes).expect("to write it");
}

fn compile(libc: Libc, source: &Path, out: &Path, args: &[&str]) {
    let (compiler, package) = match (libc, source.extension().is_some_and(|it| it == "cc")) {
        (Libc::Gnu, false) => ("gcc", "gcc"),
        (Libc::Gnu, true) => ("g++", "g++"),
        (Libc::Musl, _) => ("musl-gcc", "musl-tools"),
    };
    let mut all: Vec<OsString> = vec!["-I.".into(), "-o".into(), out.into(), source.into()];
    all.extend(args.iter().map(OsString::from));
    tool(compiler, package, &sources(), &all);
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

/// The other user, where this one may become it; there is but one otherwise.
fn users() -> Vec<User> {
    if is_root() { vec![User::Own, User::Nobody] } else { vec![User::Own] }
}

fn musl_program() -> PathBuf {
    std::env::var_os("TSUKU_DLTEST_MUSL").expect("TSUKU_DLTEST_MUSL: a musl build").into()
}

fn alone(libc: Libc, program: &Path) {
    let suite = Suite::build(libc, "alone", program);
    for user in users() {
        suite.judge(user, false);
    }
}

fn sandwiched(libc: Libc, program: &Path) {
    let suite = Suite::build(libc, "sandwiched", program);
    for user in users() {
        suite.judge(user, true);
    }
}

fn batches(libc: Libc, program: &Path) {
    let suite = Suite::build(libc, "batches", program);
    for user in users() {
        suite.judge_batches(user);
    }
}

#[test]
fn each_case_alone() {
    alone(Libc::Gnu, &program());
}

#[test]
fn each_case_between_good_libraries() {
    sandwiched(Libc::Gnu, &program());
}

#[test]
fn all_cases_in_batches_of_fifty() {
    batches(Libc::Gnu, &program());
}

#[test]
#[ignore = "needs a musl build of the program in TSUKU_DLTEST_MUSL"]
fn each_case_alone_on_musl() {
    alone(Libc::Musl, &musl_program());
}

#[test]
#[ignore = "needs a musl build of the program in TSUKU_DLTEST_MUSL"]
fn each_case_between_good_libraries_on_musl() {
    sandwiched(Libc::Musl, &musl_program());
}

#[test]
#[ignore = "needs a musl build of the program in TSUKU_DLTEST_MUSL"]
fn all_cases_in_batches_of_fifty_on_musl() {
    batches(Libc::Musl, &musl_program());
}

/// A helper without isolation must fail many of the cases, or they prove nothing.
#[test]
fn the_suite_tells_a_plain_loop_apart() {
    let suite = Suite::build(Libc::Gnu, "plain", &program());
    let cases: Vec<&Case> =
        suite.cases.iter().filter(|case| case.word("plain").is_empty()).collect();
    let failed = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    in_parallel(8, || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // A session of its own, and a limit: the real caller's is longer and kills less.
            let libraries = [&suite.good[0], &case.library, &suite.good[1]];
            let outcome = Run::of(Path::new("timeout"))
                .args(["-s", "KILL", "1.5", "setsid", "-w"])
                .args([&suite.plain])
                .args(libraries)
                .directory(&suite.directory)
                .go();
            let right = outcome.answer().is_ok_and(|entries| {
                let expected = |index: usize| index != 1 || case.word("expect").starts_with("ok");
                (0..3).all(|index| entries.get(index).is_some_and(|it| it["ok"] == expected(index)))
            });
            if !right {
                failed.lock().expect("a list").push(case.name.clone());
            }
        }
    });
    let failed = failed.into_inner().expect("a list");
    eprintln!("the plain loop fails {} of {} cases", failed.len(), cases.len());
    assert!(failed.len() >= 30, "only {failed:?}");
}
