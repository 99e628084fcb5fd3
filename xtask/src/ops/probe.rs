//! This machine: what it is called, what it runs, what it has installed.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use xtask_core::plan::Invocation;
use xtask_core::report::Place;

use super::proc::{self, Output};

/// Days since 1970-01-01, in UTC.
pub(crate) fn today() -> anyhow::Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(i64::try_from(since.as_secs() / 86_400).unwrap_or(i64::MAX))
}

/// This machine, for reports.
pub(crate) fn place() -> Place {
    let mut parts = vec![system()];
    // Names the libc on Linux; not there on musl, macOS and Windows.
    parts.extend(said(&["getconf", "GNU_LIBC_VERSION"]));
    parts.push(std::env::consts::ARCH.to_owned());
    Place { system: parts.join(", "), machine: machine() }
}

fn system() -> String {
    if let Ok(text) = fs::read_to_string("/etc/os-release") {
        // os-release(5)
        let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        if let Some(name) = name {
            return name.trim_matches('"').to_owned();
        }
    }
    match said(&["sw_vers", "-productVersion"]) {
        Some(version) => format!("macOS {version}"),
        None => std::env::consts::OS.to_owned(),
    }
}

/// The workflow that runs us and its run, as addresses; `None` outside GitHub Actions (GitHub Docs,
/// "Default environment variables").
pub(crate) fn workflow_run() -> Option<(String, String)> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("GITHUB_ACTIONS").filter(|value| value == "true")?;
    let server = set("GITHUB_SERVER_URL")?;
    let (repository, run) = (set("GITHUB_REPOSITORY")?, set("GITHUB_RUN_ID")?);
    // Not the attempt: a run that is taken up again is the same run.
    let run = format!("{server}/{repository}/actions/runs/{run}");
    Some((format!("{server}/{}", set("GITHUB_WORKFLOW_REF")?), run))
}

/// The host's name and, on Linux, the start of its boot id: two runners of one image may share a name.
fn machine() -> String {
    let name = said(&["uname", "-n"]).or_else(|| std::env::var("COMPUTERNAME").ok());
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot = boot.get(..8).map(|id| format!("-{id}")).unwrap_or_default();
    name.unwrap_or_else(|| "unnamed".to_owned()) + &boot
}

/// The trimmed output of a small program; `None` when it is absent or fails.
pub(crate) fn said(argv: &[&str]) -> Option<String> {
    let (program, args) = argv.split_first()?;
    proc::find(program)?;
    let run = Invocation::new(*program).args(args.iter().copied());
    let outcome = proc::run(&run, Output::Capture).ok()?;
    (outcome.success() && !outcome.stdout.is_empty()).then(|| outcome.text())
}

/// Which of these Debian packages are not installed; `None` where dpkg is not the package manager.
pub(crate) fn missing_packages(names: &[String]) -> Option<Vec<String>> {
    proc::find("dpkg-query")?;
    let query =
        Invocation::new("dpkg-query").args(["-W", "-f", "${Package} ${db:Status-Status}\n"]);
    let outcome = proc::run(&query.args(names), Output::Capture).ok()?;
    let said = outcome.text();
    let installed: Vec<_> =
        said.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    Some(names.iter().filter(|name| !installed.contains(&name.as_str())).cloned().collect())
}
