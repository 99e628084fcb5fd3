//! An image as its users run it: by its own entry point, as its own user, as the first process of a container.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use xtask_core::plan::Invocation;

use super::container::Engine;
use super::proc::{self, Outcome, Output};
use super::tools::text;

/// Longer than an engine takes for any of this.
const ANSWER: Duration = Duration::from_secs(60);
/// What a server has to end in, in seconds, before it is killed.
const PATIENCE: &str = "10";

/// An image that an engine was given; taken away when dropped.
#[derive(Debug)]
pub(crate) struct Loaded<'a> {
    engine: &'a Engine,
    name: String,
}

impl<'a> Loaded<'a> {
    /// Gives an engine the image in a file, which calls it `name`.
    pub(crate) fn new(engine: &'a Engine, file: &Path, name: &str) -> anyhow::Result<Self> {
        let load = Invocation::new(engine.program).args(["load", "--input", &text(file)?]);
        proc::check(&load.deadline(ANSWER), Output::Capture)?;
        Ok(Self { engine, name: name.to_owned() })
    }

    /// No network, nothing fetched, nothing written: what runs is what is in the image.
    fn command(&self, container: &str, more: &[&str]) -> Invocation {
        Invocation::new(self.engine.program)
            .args(["run", "--pull=never", "--network=none", "--read-only"])
            .args(["--security-opt=label=disable", "--name", container])
            .args(more.iter().copied())
            .arg(self.name.clone())
            .deadline(ANSWER)
    }

    /// Runs it with other arguments than its own, until it ends.
    pub(crate) fn run(&self, args: &[&str]) -> anyhow::Result<Outcome> {
        let service = Service { engine: self.engine, name: container() };
        proc::run(&self.command(&service.name, &[]).args(args.iter().copied()), Output::Capture)
    }

    /// Starts it with its own arguments.
    pub(crate) fn start(&self) -> anyhow::Result<Service<'a>> {
        let service = Service { engine: self.engine, name: container() };
        proc::check(&self.command(&service.name, &["--detach"]), Output::Capture)?;
        Ok(service)
    }
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        let remove =
            Invocation::new(self.engine.program).args(["image", "rm", "--force", &self.name]);
        // What is left behind is an image of no use: not worth an error over the real result.
        drop(proc::run_at_the_end(&remove.deadline(ANSWER)));
    }
}

fn container() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("xtask-image-{}-{count}", std::process::id())
}

/// A container; ended and removed when dropped.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    engine: &'a Engine,
    name: String,
}

impl Service<'_> {
    /// Runs a program of the image beside the running one.
    pub(crate) fn exec(&self, program: &str, args: &[String]) -> anyhow::Result<Outcome> {
        let exec = Invocation::new(self.engine.program).args(["exec", &self.name, program]);
        proc::run(&exec.args(args.iter().cloned()).deadline(ANSWER), Output::Capture)
    }

    /// Whether it still runs.
    pub(crate) fn runs(&self) -> anyhow::Result<bool> {
        self.state("{{.State.Running}}").map(|running| running == "true")
    }

    fn state(&self, format: &str) -> anyhow::Result<String> {
        let inspect = ["container", "inspect", "--format", format, &self.name];
        proc::read(&Invocation::new(self.engine.program).args(inspect).deadline(ANSWER))
    }

    /// Asks it to end, by SIGTERM; its exit code.
    pub(crate) fn stop(&self) -> anyhow::Result<i32> {
        let stop =
            Invocation::new(self.engine.program).args(["stop", "--time", PATIENCE, &self.name]);
        proc::check(&stop.deadline(ANSWER), Output::Capture)?;
        let code = self.state("{{.State.ExitCode}}")?;
        code.parse().map_err(|_| anyhow!("{} tells no exit code: {code}", self.engine.program))
    }

    /// The end of what it wrote.
    pub(crate) fn said(&self) -> String {
        let logs = Invocation::new(self.engine.program).args(["logs", "--tail", "20", &self.name]);
        proc::run(&logs.deadline(ANSWER), Output::Capture)
            .map_or_else(|_| String::new(), |o| proc::tail(&o))
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let remove = Invocation::new(self.engine.program).args(["rm", "--force", &self.name]);
        // As above; also when we are asked to end.
        drop(proc::run_at_the_end(&remove.deadline(ANSWER)));
    }
}
