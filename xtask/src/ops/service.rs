//! An image as its users run it: by its own entry point, as its own user, as the first process of a container.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use xtask_core::plan::Invocation;

use super::container::{Engine, Mount};
use super::proc::{self, Outcome, Output};
use super::tools::text;

/// Longer than an engine takes for any of this.
const ANSWER: Duration = Duration::from_secs(60);
/// What a server has to end in, in seconds, before it is killed.
const PATIENCE: &str = "10";

/// How an image is run.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Its program, absolute.
    pub(crate) program: String,
    /// The arguments that it has of its own.
    pub(crate) args: &'a [String],
    /// Runs that program where this machine does not: static, since the image holds nothing for it.
    pub(crate) emulator: Option<PathBuf>,
    /// Containers bear it: those of a run that was killed are found again by it.
    pub(crate) mark: &'a str,
}

/// An image that an engine was given; taken away when dropped.
#[derive(Debug)]
pub(crate) struct Loaded<'a> {
    engine: &'a Engine,
    name: String,
    entry: Entry<'a>,
}

const LABEL: &str = "xtask-image";
/// Where an emulator stands in a container.
const EMULATOR: &str = "/xtask-emulator";

/// Ends the containers of this mark. No other run of it may be alive.
pub(crate) fn sweep(engine: &Engine, mark: &str) -> anyhow::Result<()> {
    let filter = format!("label={LABEL}={mark}");
    let list = ["ps", "--all", "--quiet", "--filter", &filter];
    let left = proc::read(&Invocation::new(engine.program).args(list).deadline(ANSWER))?;
    if left.is_empty() {
        return Ok(());
    }
    let remove = Invocation::new(engine.program).args(["rm", "--force"]).args(left.lines());
    proc::check(&remove.deadline(ANSWER), Output::Capture).map(drop)
}

impl<'a> Loaded<'a> {
    /// Gives an engine the image in a file, which calls it `name`.
    pub(crate) fn new(
        engine: &'a Engine,
        file: &Path,
        name: &str,
        entry: Entry<'a>,
    ) -> anyhow::Result<Self> {
        let load = Invocation::new(engine.program).args(["load", "--input", &text(file)?]);
        proc::check(&load.deadline(ANSWER), Output::Capture)?;
        Ok(Self { engine, name: name.to_owned(), entry })
    }

    /// No network, nothing fetched, nothing written: what runs is what is in the image, by its own entry point
    /// and arguments unless there are others. An emulator is the entry point, and is told both.
    fn command(
        &self,
        container: &str,
        more: &[&str],
        args: Option<&[&str]>,
    ) -> anyhow::Result<Invocation> {
        let Entry { program, args: own, emulator, mark } = &self.entry;
        let mut run = Invocation::new(self.engine.program)
            .args(["run", "--pull=never", "--network=none", "--read-only"])
            .args(["--security-opt=label=disable", "--name", container])
            .arg(format!("--label={LABEL}={mark}"))
            .args(more.iter().copied());
        if let Some(emulator) = emulator {
            let mount = Mount::read_only(emulator, EMULATOR)?;
            run = run.args(["--mount".to_owned(), mount.value()]);
            run = run.arg(format!("--entrypoint={EMULATOR}"));
        }
        run = run.arg(self.name.clone());
        if emulator.is_some() {
            run = run.arg(program.clone());
        }
        run = match args {
            Some(args) => run.args(args.iter().copied()),
            None if emulator.is_some() => run.args(own.iter().cloned()),
            None => run,
        };
        Ok(run.deadline(ANSWER))
    }

    fn container(&self) -> Service<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xtask-image-{}-{count}", std::process::id());
        Service { loaded: self, name }
    }

    /// Runs it with other arguments than its own, until it ends.
    pub(crate) fn run(&self, args: &[&str]) -> anyhow::Result<Outcome> {
        let service = self.container();
        proc::run(&self.command(&service.name, &[], Some(args))?, Output::Capture)
    }

    /// Starts it with its own arguments.
    pub(crate) fn start(&self) -> anyhow::Result<Service<'_>> {
        let service = self.container();
        proc::check(&self.command(&service.name, &["--detach"], None)?, Output::Capture)?;
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

/// A container; ended and removed when dropped.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    loaded: &'a Loaded<'a>,
    name: String,
}

impl Service<'_> {
    fn engine(&self) -> Invocation {
        Invocation::new(self.loaded.engine.program)
    }

    /// Runs the image's program beside the running one.
    pub(crate) fn exec(&self, args: &[String]) -> anyhow::Result<Outcome> {
        let Entry { program, emulator, .. } = &self.loaded.entry;
        let mut exec = self.engine().args(["exec", &self.name]);
        if emulator.is_some() {
            exec = exec.arg(EMULATOR);
        }
        exec = exec.arg(program.clone()).args(args.iter().cloned());
        proc::run(&exec.deadline(ANSWER), Output::Capture)
    }

    /// Whether it still runs.
    pub(crate) fn runs(&self) -> anyhow::Result<bool> {
        self.state("{{.State.Running}}").map(|running| running == "true")
    }

    fn state(&self, format: &str) -> anyhow::Result<String> {
        let inspect = ["container", "inspect", "--format", format, &self.name];
        proc::read(&self.engine().args(inspect).deadline(ANSWER))
    }

    /// Asks it to end, by SIGTERM; its exit code.
    pub(crate) fn stop(&self) -> anyhow::Result<i32> {
        let stop = self.engine().args(["stop", "--time", PATIENCE, &self.name]);
        proc::check(&stop.deadline(ANSWER), Output::Capture)?;
        let code = self.state("{{.State.ExitCode}}")?;
        code.parse()
            .map_err(|_| anyhow!("{} tells no exit code: {code}", self.loaded.engine.program))
    }

    /// The end of what it wrote.
    pub(crate) fn said(&self) -> String {
        let logs = self.engine().args(["logs", "--tail", "20", &self.name]);
        proc::run(&logs.deadline(ANSWER), Output::Capture)
            .map_or_else(|_| String::new(), |o| proc::tail(&o))
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let remove = self.engine().args(["rm", "--force", &self.name]);
        // As above; also when we are asked to end.
        drop(proc::run_at_the_end(&remove.deadline(ANSWER)));
    }
}
