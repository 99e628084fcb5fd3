//! Programs: started with a scrubbed environment, bounded by a deadline, judged by their status.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use xtask_core::plan::Invocation;

use super::interrupt;

/// Variables a child inherits. `cargo run` leaks `RUSTUP_TOOLCHAIN`, `CARGO_*`, `LD_LIBRARY_PATH` and
/// more into the xtask: another workspace would be built with our toolchain, and a smoke test would
/// find libraries that users do not have.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "CI",
    "NO_COLOR",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_JOBS",
    "CARGO_NET_OFFLINE",
    "RUSTUP_HOME",
    "RUSTUP_AUTO_INSTALL",
    "DEVELOPER_DIR",
    "SDKROOT",
    "GOCACHE",
    "GOINSECURE",
    "GOMODCACHE",
    "GONOSUMDB",
    "GOPATH",
    "GOPRIVATE",
    "GOPROXY",
    "GOSUMDB",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "CONTAINERS_CONF",
    "CONTAINER_HOST",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
];
/// Families of variables a child inherits: proxies, package indexes, cargo's network settings.
const INHERITED_PREFIXES: &[&str] =
    &["PIP_", "CARGO_HTTP_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_"];
const INHERITED_SUFFIXES: &[&str] = &["_PROXY"];

fn inherited(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    INHERITED.contains(&upper.as_str())
        || INHERITED_PREFIXES.iter().any(|p| upper.starts_with(p))
        || INHERITED_SUFFIXES.iter().any(|s| upper.ends_with(s))
}

/// What of the xtask's environment its children may see.
pub(crate) fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(inherited))
}

/// Where the child's output goes while it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Both streams are kept.
    Capture,
    /// Both streams are kept, and every line is shown on our stderr, indented.
    Show,
}

thread_local! {
    static LABEL: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What stands before every line that programs started by this thread show: targets are built at once.
pub(crate) fn label(text: &str) {
    LABEL.set(text.to_owned());
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `None` when the deadline passed and the program was killed.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) elapsed: Duration,
}

impl Outcome {
    pub(crate) fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// The exit code; `None` when killed by a signal or by the deadline.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// "exit code 1", "signal 9", "killed after 5 s".
    pub(crate) fn ended(&self) -> String {
        match self.status {
            None => format!("killed after {:.1} s", self.elapsed.as_secs_f64()),
            Some(status) => status.to_string().replace("exit status:", "exit code"),
        }
    }

    /// Standard output as text, without the last line's end.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

/// Lines of a failed program's stderr that an error repeats.
const TAIL: usize = 25;

/// Runs it and keeps what it wrote, whatever its status.
///
/// # Errors
/// When it cannot be started, and when we are asked to end meanwhile: then it is ended too.
pub(crate) fn run(invocation: &Invocation, output: Output) -> anyhow::Result<Outcome> {
    run_with_input(invocation, output, Stdio::null())
}

/// Runs what puts an end to something else: also when we are asked to end. It needs a deadline.
pub(crate) fn run_at_the_end(invocation: &Invocation) -> anyhow::Result<Outcome> {
    run_with(invocation, Output::Capture, Stdio::null(), Stdio::piped(), false)
}

/// Like [`run`], with its standard output in a file.
pub(crate) fn run_into(invocation: &Invocation, file: File) -> anyhow::Result<Outcome> {
    run_with(invocation, Output::Capture, Stdio::null(), file.into(), true)
}

/// Like [`run`], with a standard input.
pub(crate) fn run_with_input(
    invocation: &Invocation,
    output: Output,
    stdin: Stdio,
) -> anyhow::Result<Outcome> {
    run_with(invocation, output, stdin, Stdio::piped(), true)
}

fn run_with(
    invocation: &Invocation,
    output: Output,
    stdin: Stdio,
    stdout: Stdio,
    interruptible: bool,
) -> anyhow::Result<Outcome> {
    if interruptible {
        interrupt::check()?;
    }
    let mut command = Command::new(&invocation.program);
    command.args(&invocation.args).env_clear();
    if !invocation.empty_env {
        command.envs(environment());
    }
    command.envs(invocation.env.iter().map(|(name, value)| (name, value)));
    if !invocation.cwd.is_empty() {
        command.current_dir(&invocation.cwd);
    }
    command.stdin(stdin).stdout(stdout).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = spawn(&mut command).map_err(|error| explain(error, invocation))?;

    let (done, finished) = mpsc::channel();
    let stdout = reader(child.stdout.take(), output, done.clone());
    let stderr = reader(child.stderr.take(), output, done);
    let status = wait(&mut child, invocation.deadline, start, &finished, interruptible)?;
    // A grandchild may hold the pipes after the program ended: its output is not waited for.
    let grace = Duration::from_secs(if status.is_some() { 5 } else { 1 });
    Ok(Outcome {
        status,
        stdout: stdout.recv_timeout(grace).unwrap_or_default(),
        stderr: stderr.recv_timeout(grace).unwrap_or_default(),
        elapsed: start.elapsed(),
    })
}

/// Runs it; any status but success is an error that repeats the command and the end of its stderr.
pub(crate) fn check(invocation: &Invocation, output: Output) -> anyhow::Result<Outcome> {
    let outcome = run(invocation, output)?;
    if outcome.success() {
        return Ok(outcome);
    }
    let shown = if output == Output::Show { String::new() } else { tail(&outcome) };
    Err(anyhow!("`{}` failed: {}\n  ran: {invocation}{shown}", name(invocation), outcome.ended()))
}

/// Runs it and returns its trimmed standard output.
pub(crate) fn read(invocation: &Invocation) -> anyhow::Result<String> {
    check(invocation, Output::Capture).map(|outcome| outcome.text())
}

/// The end of what a program wrote, indented, for an error.
pub(crate) fn tail(outcome: &Outcome) -> String {
    let both = if outcome.stderr.is_empty() { &outcome.stdout } else { &outcome.stderr };
    let text = String::from_utf8_lossy(both);
    let mut lines: VecDeque<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    while lines.len() > TAIL {
        lines.pop_front();
    }
    lines.iter().map(|line| format!("\n  | {line}")).collect()
}

/// Where `program` stands on `PATH` (or itself, when it is a path).
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    if program.contains('/') {
        return Path::new(program).is_file().then(|| program.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|dir| {
            [dir.join(program), dir.join(format!("{program}{}", std::env::consts::EXE_SUFFIX))]
        })
        .find(|candidate| candidate.is_file())
}

fn name(invocation: &Invocation) -> &str {
    Path::new(&invocation.program)
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or(&invocation.program)
}

fn explain(error: std::io::Error, invocation: &Invocation) -> anyhow::Error {
    match error.kind() {
        ErrorKind::NotFound
            if !invocation.cwd.is_empty() && !Path::new(&invocation.cwd).is_dir() =>
        {
            anyhow!(
                "cannot run `{}`: its folder `{}` does not exist",
                name(invocation),
                invocation.cwd
            )
        }
        ErrorKind::NotFound => anyhow!(
            "`{}` is not on PATH; `cargo xtask doctor` says what needs it and how to get it",
            invocation.program
        ),
        _ => anyhow!(error).context(format!("failed to start `{}`", invocation.program)),
    }
}

/// A freshly written program may be "busy" for a moment: another thread's fork still holds it open
/// for writing (ETXTBSY).
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    for _ in 0..20 {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
    command.spawn()
}

fn reader(
    stream: Option<impl Read + Send + 'static>,
    output: Output,
    done: mpsc::Sender<()>,
) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    let label = LABEL.with_borrow(String::clone);
    thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(stream) = stream {
            let mut stream = BufReader::new(stream);
            loop {
                let start = kept.len();
                match stream.read_until(b'\n', &mut kept) {
                    Ok(0) | Err(_) => break,
                    Ok(_) if output == Output::Show => {
                        let line = String::from_utf8_lossy(kept.get(start..).unwrap_or_default());
                        eprintln!("{label}    {}", line.trim_end());
                    }
                    Ok(_) => {}
                }
            }
        }
        // Who waits may be gone already: then nobody needs it.
        let _ = send.send(kept);
        let _ = done.send(());
    });
    receive
}

/// A terminal's Ctrl-C reaches the child as well, and it is given this time to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// `None` when the deadline passed and the child was killed.
fn wait(
    child: &mut Child,
    deadline: Option<Duration>,
    start: Instant,
    streams_closed: &mpsc::Receiver<()>,
    interruptible: bool,
) -> anyhow::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    let mut asked: Option<Instant> = None;
    loop {
        if interruptible && asked.is_none() && interrupt::asked() {
            asked = Some(Instant::now());
        }
        if let Some(status) = child.try_wait().context("failed to wait for a child")? {
            if asked.is_some() {
                interrupt::check()?;
            }
            return Ok(Some(status));
        }
        let late = deadline.is_some_and(|limit| start.elapsed() >= limit);
        if late || asked.is_some_and(|asked| asked.elapsed() >= GRACE) {
            child.kill().context("failed to kill a child past its time")?;
            child.wait().context("failed to wait for a killed child")?;
            if asked.is_some() {
                interrupt::check()?;
            }
            return Ok(None);
        }
        // The streams close when the program ends: that wakes us before the pause is over.
        match streams_closed.recv_timeout(pause) {
            Err(mpsc::RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(1)),
            Ok(()) | Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_and_rustup_variables_stay_here() {
        for name in
            ["RUSTUP_TOOLCHAIN", "CARGO_MANIFEST_DIR", "LD_LIBRARY_PATH", "RUSTFLAGS", "GH_TOKEN"]
        {
            assert!(!inherited(name), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "https_proxy", "PIP_CERT"] {
            assert!(inherited(name), "{name}");
        }
    }

    #[test]
    fn past_its_deadline_a_program_is_killed() {
        let run = Invocation::new("sleep").arg("30").deadline(Duration::from_millis(50));
        let outcome = super::run(&run, Output::Capture).unwrap();
        assert!(outcome.status.is_none());
        assert!(outcome.ended().starts_with("killed after"));
    }

    #[test]
    fn a_failure_names_the_command_and_the_end_of_stderr() {
        let run = Invocation::new("sh").args(["-c", "echo why >&2; exit 7"]);
        let error = check(&run, Output::Capture).unwrap_err().to_string();
        assert!(error.contains("`sh` failed: exit code 7"), "{error}");
        assert!(error.contains("| why"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = check(&Invocation::new("no-such-program"), Output::Capture).unwrap_err();
        assert!(error.to_string().contains("`no-such-program` is not on PATH"), "{error}");
    }
}
