//! What integration tests share: the built xtask, temporary workspaces, a scrubbed environment.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

pub mod fixtures;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// An empty folder, removed when dropped. Its name has a space and a letter outside ASCII. The xtask that
/// runs in it has its temporary folders beside it, and must leave nothing there, however it ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = parent.join(format!("a té {}-{count}", std::process::id()));
        for path in [&path, &temporary(&path)] {
            drop(fs::remove_dir_all(path));
            fs::create_dir_all(path).unwrap();
        }
        Self(path)
    }

    /// Removes what a killed xtask had no time to remove.
    pub fn clear_temporary(&self) {
        fs::remove_dir_all(temporary(&self.0)).unwrap();
        fs::create_dir_all(temporary(&self.0)).unwrap();
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let temporary = temporary(&self.0);
        let left: Vec<PathBuf> =
            fs::read_dir(&temporary).into_iter().flatten().flatten().map(|e| e.path()).collect();
        drop(fs::remove_dir_all(&self.0));
        drop(fs::remove_dir_all(&temporary));
        assert!(left.is_empty() || std::thread::panicking(), "left behind: {left:?}");
    }
}

/// The TMPDIR of whatever runs at `path`: beside the test's folder, or one for all in the repository.
fn temporary(path: &Path) -> PathBuf {
    let tests = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let own = path.strip_prefix(tests).ok().and_then(|path| path.components().next());
    let mut name = own.map_or_else(Default::default, |own| own.as_os_str().to_owned());
    name.push(".tmp");
    tests.join(name)
}

/// The built xtask in `folder`, with an environment of its own.
pub fn xtask(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let temporary = temporary(folder);
    fs::create_dir_all(&temporary).unwrap();
    command.args(args).current_dir(folder).env_clear().env("TMPDIR", temporary);
    for name in [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "XTASK_TOOLS",
    ] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    for (name, value) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PIP_") {
            command.env(name, value);
        }
    }
    command
}

/// Runs it; the text of both streams with the exit code.
pub fn run(command: &mut Command) -> Ended {
    let output: Output = command.output().expect("the program starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Asserts the exit code; shows both streams otherwise.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that stderr holds all of these.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in stderr:\n{}", self.stderr);
        }
        self
    }
}

/// Git with a name and without the machine's configuration.
pub fn git(folder: &Path, args: &[&str]) {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(args)
        .current_dir(folder)
        .output()
        .expect("git starts");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A workspace of one program, `tool` 1.2.3.
pub struct Tool<'a> {
    /// Text of xtask.toml.
    pub plan: &'a str,
    /// Text of the program.
    pub main: &'a str,
    /// Text of its build script; empty for none.
    pub build: &'a str,
    /// What `[profile.release]` holds.
    pub profile: &'a str,
}

impl Tool<'_> {
    /// In a git repository, committed.
    pub fn workspace(&self) -> Folder {
        let folder = Folder::new();
        folder.write("xtask.toml", self.plan);
        folder.write(".gitignore", "/target/\n/dist/\n");
        folder.write("LICENSE", "do as you like\n");
        let members = "[workspace]\nmembers = [\"tool\"]\nresolver = \"3\"\n";
        folder.write("Cargo.toml", &format!("{members}[profile.release]\n{}\n", self.profile));
        let package = "name = \"tool\"\nversion = \"1.2.3\"\n";
        folder.write("tool/Cargo.toml", &format!("[package]\n{package}edition = \"2024\"\n"));
        folder.write("Cargo.lock", &format!("version = 4\n\n[[package]]\n{package}"));
        folder.write("tool/src/main.rs", self.main);
        if !self.build.is_empty() {
            folder.write("tool/build.rs", self.build);
        }
        commit(&folder);
        folder
    }
}

/// The server of `examples/sayna`, as a repository of its own.
pub fn sayna() -> Folder {
    let example = repository().join("examples/sayna");
    let mut list = Command::new("git");
    let list = run(list.args(["ls-files", "-z"]).current_dir(&example)).expect(0).stdout;
    let folder = Folder::new();
    for name in list.split_terminator('\0') {
        let to = folder.join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(example.join(name), to).unwrap();
    }
    commit(&folder);
    folder
}

/// Commits everything in a folder, which becomes a repository if it is none.
pub fn commit(folder: &Folder) {
    if !folder.join(".git").exists() {
        git(folder.path(), &["init", "--quiet"]);
    }
    git(folder.path(), &["add", "--all"]);
    git(folder.path(), &["commit", "--quiet", "--message", "x"]);
}

/// Replaces a text that must be there.
pub fn edit(path: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(old), "{old:?} in {}", path.display());
    fs::write(path, text.replace(old, new)).unwrap();
}

/// Sends a signal to a process, or to a group behind a minus; whether it was there. By the shell's own
/// `kill`: the program of that name is not on every Debian.
pub fn signal(name: &str, whom: &str) -> bool {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -s \"$1\" -- \"$2\"", "sh", name, whom]);
    kill.output().expect("sh starts").status.success()
}

/// Where the tests' images are kept between runs of the suite.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("images")
}

/// Runs a script of `images/`; its trimmed output.
pub fn script(name: &str, args: &[&str], env: &[(&str, &str)]) -> String {
    let mut command = Command::new(repository().join("xtask/tests/images").join(name));
    let ended = run(command.args(args).envs(env.iter().copied()));
    assert_eq!(
        ended.code,
        Some(0),
        "{name} {args:?} needs root and the Debian packages that `cargo xtask ci --only tools` installs:\n{}",
        ended.stderr
    );
    ended.stdout.trim().to_owned()
}

/// `DOCKER_HOST` of the tests' own daemon, which then has these images.
pub fn docker(images: &[&str]) -> String {
    let cache = cache();
    let host = script("dockerd.sh", &[cache.join("docker").to_str().unwrap()], &[]);
    let args: Vec<_> =
        ["docker", cache.to_str().unwrap()].into_iter().chain(images.iter().copied()).collect();
    script("load.sh", &args, &[("DOCKER_HOST", &host)]);
    host
}

/// A PATH whose rustc also builds for another target.
pub fn path_with(triple: &str) -> String {
    let out = cache().join(format!("rust-{triple}"));
    script("cross-rust.sh", &[triple, out.to_str().unwrap()], &[]);
    format!("{}/bin:{}", out.display(), std::env::var("PATH").unwrap())
}

/// The manifest that `dist` wrote into a folder.
pub fn manifest(dist: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(dist.join("manifest.json")).unwrap()).unwrap()
}

/// How each row of an asset's smoke test was run, and how it ended.
pub fn smoke(asset: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let rows = asset["smoke"].as_array().unwrap();
    rows.iter().map(|row| (text(&row["how"]), text(&row["outcome"]))).collect()
}
