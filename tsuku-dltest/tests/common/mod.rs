//! Runs the program as its real caller does: pipes for both outputs, /dev/null for input, 5 seconds,
//! strict JSON. And looks behind it: what is left running, whether its pipes close.

// Each test uses a part of it.
#![allow(clippy::expect_used, clippy::panic)]
#![allow(dead_code)]

use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The patience of the real caller.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
    /// Processes that were still there when the program had ended.
    pub left: Vec<String>,
    /// Whether both pipes were closed in time.
    pub closed: bool,
}

impl Outcome {
    /// The answer, judged as strictly as the caller does, and more: the exit status must fit.
    pub fn answer(&self) -> Result<Vec<Value>, String> {
        if !self.closed {
            return Err(format!("the pipes were still open after {:?}", self.took));
        }
        if !self.left.is_empty() {
            return Err(format!("left behind: {}", self.left.join(", ")));
        }
        let text = std::str::from_utf8(&self.stdout).map_err(|error| error.to_string())?;
        let entries: Vec<Value> = serde_json::from_str(text)
            .map_err(|error| format!("{error} in {text:?}, {:?} {:?}", self.code, self.signal))?;
        let all_ok = entries.iter().all(|entry| entry["ok"] == true);
        let expected = if all_ok { 0 } else { 1 };
        match self.code {
            Some(code) if code == expected => Ok(entries),
            code => Err(format!("status {code:?}, signal {:?} instead of {expected}", self.signal)),
        }
    }
}

/// The program under test: `TSUKU_DLTEST_BIN`, else the one that cargo built.
pub fn program() -> PathBuf {
    match std::env::var_os("TSUKU_DLTEST_BIN") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_BIN_EXE_tsuku-dltest")),
    }
}

/// A run to be.
pub struct Run {
    command: Command,
    marker: String,
    patience: Duration,
}

impl Run {
    pub fn of(program: &Path) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let marker = format!("HOSTILE_RUN={}-{count}", std::process::id());
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOSTILE_RUN", marker.trim_start_matches("HOSTILE_RUN="))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command, marker, patience: PATIENCE }
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// With more time than the real caller gives: where another thing than time is in question.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// As the user "nobody".
    pub fn unprivileged(mut self) -> Self {
        self.command.uid(65534).gid(65534);
        self
    }

    pub fn go(mut self) -> Outcome {
        let started = Instant::now();
        let mut child = self.command.spawn().unwrap_or_else(|error| {
            panic!("cannot start {:?}: {error}", self.command.get_program())
        });
        let (send, receive) = mpsc::channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|it| Box::new(it) as Box<dyn Read + Send>),
            child.stderr.take().map(|it| Box::new(it) as Box<dyn Read + Send>),
        ];
        let mut expected = 0;
        for (index, output) in outputs.into_iter().enumerate() {
            let Some(mut output) = output else { continue };
            expected += 1;
            let send = send.clone();
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = output.read_to_end(&mut bytes);
                let _ = send.send((index, bytes));
            });
        }
        let mut bytes = [Vec::new(), Vec::new()];
        let mut closed = true;
        for _ in 0..expected {
            match receive.recv_timeout(self.patience.saturating_sub(started.elapsed())) {
                Ok((index, output)) => bytes[index] = output,
                Err(_) => closed = false,
            }
        }
        if !closed {
            let _ = child.kill();
        }
        let status = child.wait().expect("a child to wait for");
        let took = started.elapsed();
        let left = processes_with(&self.marker);
        let [stdout, stderr] = bytes;
        Outcome { code: status.code(), signal: status.signal(), stdout, stderr, took, left, closed }
    }
}

/// The processes whose environment holds `marker` and that do not go away, all killed.
fn processes_with(marker: &str) -> Vec<String> {
    let mut found = find_processes(marker);
    // The kernel takes a moment to end a process that was killed.
    let until = Instant::now() + Duration::from_millis(100);
    while !found.is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
        found = find_processes(marker);
    }
    for (pid, _) in &found {
        // The shell's own: the program of that name is not on every Debian.
        let _ = Command::new("sh").args(["-c", "kill -9 \"$0\"", &pid.to_string()]).status();
    }
    found.into_iter().map(|(pid, name)| format!("{pid} ({name})")).collect()
}

fn find_processes(marker: &str) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let path = entry.path();
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes()) {
            let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
            found.push((pid, String::from(name.trim())));
        }
    }
    found
}

/// Runs a program that must succeed.
pub fn tool(program: &str, package: &str, directory: &Path, args: &[OsString]) {
    let output = Command::new(program).args(args).current_dir(directory).output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            panic!("{program} {args:?} failed:\n{}", String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => panic!("{program} cannot be run ({error}): install the package {package}"),
    }
}

/// A folder of its own for a test, removed in the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dltest-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("permissions");
        Self(path)
    }

    pub fn file(&self, name: impl AsRef<OsStr>, contents: &[u8]) -> PathBuf {
        let path = self.0.join(name.as_ref());
        fs::write(&path, contents).expect("a file");
        path
    }

    /// A library that loads, or what `code` makes of it.
    pub fn library(&self, name: &str, code: &str, args: &[&str]) -> PathBuf {
        let source = self.file(format!("{name}.c"), code.as_bytes());
        let path = self.0.join(name);
        let mut all: Vec<OsString> = ["-shared", "-fPIC", "-w", "-o"].map(OsString::from).into();
        all.extend([path.clone().into(), source.into()]);
        all.extend(args.iter().map(OsString::from));
        tool("gcc", "gcc", &self.0, &all);
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// "ok", or the word for what went wrong.
pub fn kind(entry: &Value) -> &str {
    if entry["ok"] == true { "ok" } else { entry["kind"].as_str().unwrap_or("?") }
}
