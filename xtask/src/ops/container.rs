//! Container engines: an [`Invocation`] is wrapped into one that runs it in an image.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use xtask_core::plan::Invocation;

use super::interrupt;
use super::proc::{self, Outcome, Output};
use super::tools::text;

/// A container engine that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Engine {
    /// `docker` or `podman`.
    pub(crate) program: &'static str,
    /// The version of what runs the containers.
    pub(crate) version: String,
    /// The engine itself runs as the caller, so that the container's root is the caller.
    rootless: bool,
}

/// An image that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// As it was asked for.
    pub(crate) reference: String,
    /// `sha256:…` of its configuration: names the very bytes, for an image without a digest too.
    pub(crate) id: String,
    /// As Go spells it: `amd64`, `arm64`.
    pub(crate) arch: String,
}

/// What builds in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    pub(crate) image: Image,
    /// First line of `rustc -vV`.
    pub(crate) rustc: String,
    /// `1.95.0`.
    pub(crate) release: String,
    pub(crate) sysroot: String,
    /// Whether `musl-gcc` is there, and so `cc` is for another libc.
    pub(crate) musl_gcc: bool,
    /// Whether the target's standard library is there.
    pub(crate) has_std: bool,
}

/// Bounds of one container. `None`: the machine's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Processors, such as `1.5`.
    pub(crate) cpus: Option<String>,
    /// Memory, such as `4g`.
    pub(crate) memory: Option<String>,
}

/// A folder or file of the host inside the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) host: String,
    pub(crate) guest: String,
    pub(crate) writable: bool,
}

impl Mount {
    /// Cannot be written to by the container.
    pub(crate) fn read_only(host: &Path, guest: &str) -> anyhow::Result<Self> {
        Ok(Self { host: text(host)?, guest: guest.to_owned(), writable: false })
    }

    /// Can be written to.
    pub(crate) fn writable(host: &Path, guest: &str) -> anyhow::Result<Self> {
        Ok(Self { writable: true, ..Self::read_only(host, guest)? })
    }

    /// The value of `--mount`: comma-separated (RFC 4180), so that a field with a comma is quoted.
    pub(super) fn value(&self) -> String {
        let field = |name: &str, path: &str| {
            let field = format!("{name}={path}");
            if path.contains([',', '"']) {
                format!("\"{}\"", field.replace('"', "\"\""))
            } else {
                field
            }
        };
        let access = if self.writable { "" } else { ",readonly" };
        format!(
            "type=bind,{},{}{access}",
            field("source", &self.host),
            field("target", &self.guest)
        )
    }
}

/// What a container is given besides the command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sandbox<'a> {
    pub(crate) image: &'a str,
    pub(crate) mounts: Vec<Mount>,
    /// User and group that own what the container writes.
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) limits: Limits,
    /// Ends the container when we end, however that happens. Needs a shell in the image.
    pub(crate) guarded: bool,
}

/// The engines, in the order of preference.
const ENGINES: [&str; 2] = ["docker", "podman"];
/// Chooses one of them.
pub(crate) const ENGINE_ENV: &str = "XTASK_ENGINE";
/// An engine that does not answer within this time is taken for absent.
const ANSWER: Duration = Duration::from_secs(30);

/// The command's standard input is held open by us. When it closes, everything in the container is
/// killed: a container would otherwise outlive a killed client.
const GUARD: &str =
    "exec 3<&0 </dev/null; (cat <&3 >/dev/null 2>&1; kill -KILL -1) & exec 3<&-; exec \"$@\"";

impl Engine {
    /// The first engine that answers, or the one that `XTASK_ENGINE` names.
    ///
    /// # Errors
    /// With the reason for each engine: not there, not running, no permission.
    pub(crate) fn detect() -> anyhow::Result<Self> {
        let wanted = std::env::var(ENGINE_ENV).ok().filter(|name| !name.is_empty());
        if let Some(name) = &wanted
            && !ENGINES.contains(&name.as_str())
        {
            bail!("{ENGINE_ENV} is `{name}`: set it to docker or podman, or unset it");
        }
        let mut reasons = Vec::new();
        for program in ENGINES.into_iter().filter(|p| wanted.as_deref().is_none_or(|w| w == *p)) {
            match Self::ask(program) {
                Ok(engine) => return Ok(engine),
                Err(reason) => reasons.push(format!("\n  {program}: {reason:#}")),
            }
        }
        Err(anyhow!("no container engine can be used{}", reasons.concat()))
    }

    fn ask(program: &'static str) -> anyhow::Result<Self> {
        if proc::find(program).is_none() {
            bail!("not on PATH");
        }
        let format = match program {
            "docker" => "{{.ServerVersion}} {{.SecurityOptions}}",
            _ => "{{.Version.Version}} rootless={{.Host.Security.Rootless}}",
        };
        let run = Invocation::new(program).args(["info", "--format", format]).deadline(ANSWER);
        let outcome = proc::run(&run, Output::Capture)?;
        let said = outcome.text();
        // Without a daemon, docker prints an empty version and complains on stderr.
        let version = said.split(' ').next().unwrap_or_default().to_owned();
        if !outcome.success() || version.is_empty() {
            bail!(unusable(program, &outcome));
        }
        let rootless = said.contains("name=rootless") || said.contains("rootless=true");
        Ok(Self { program, version, rootless })
    }

    /// The image, fetched if it is not here.
    ///
    /// # Errors
    /// When it is neither here nor to be had.
    pub(crate) fn image(&self, reference: &str) -> anyhow::Result<Image> {
        if let Some(image) = self.inspect(reference)? {
            return Ok(image);
        }
        eprintln!("    fetching the image {reference}");
        let full = full_name(reference);
        let pull = Invocation::new(self.program).args(["pull", "--quiet", &full]);
        let outcome = proc::run(&pull, Output::Capture)?;
        if !outcome.success() {
            bail!(
                "{} does not have the image `{reference}` and cannot fetch it{}",
                self.program,
                proc::tail(&outcome)
            );
        }
        let found = self.inspect(&full)?;
        let found = found.map(|image| Image { reference: reference.to_owned(), ..image });
        found.with_context(|| format!("{} fetched `{full}` and cannot find it", self.program))
    }

    fn inspect(&self, reference: &str) -> anyhow::Result<Option<Image>> {
        let run = Invocation::new(self.program)
            .args(["image", "inspect", "--format", "{{.Id}} {{.Architecture}}", reference])
            .deadline(ANSWER);
        let outcome = proc::run(&run, Output::Capture)?;
        if !outcome.success() {
            return Ok(None);
        }
        let said = outcome.text();
        let (id, arch) = said.split_once(' ').unwrap_or((&said, ""));
        let id = id.strip_prefix("sha256:").unwrap_or(id);
        Ok(Some(Image {
            reference: reference.to_owned(),
            id: format!("sha256:{id}"),
            arch: arch.to_owned(),
        }))
    }

    /// Asks an image for its toolchain.
    ///
    /// # Errors
    /// When it holds none.
    pub(crate) fn toolchain(&self, image: Image, triple: &str) -> anyhow::Result<Toolchain> {
        const ASK: &str = "rustc -vV && echo sysroot: \"$(rustc --print sysroot)\" && \
            { command -v musl-gcc >/dev/null && echo musl-gcc: yes; \
              ls \"$(rustc --print target-libdir --target \"$1\")\" | grep -q '^libstd-' && echo std: yes; true; }";
        let run = Invocation::new("sh").args(["-c", ASK, "sh", triple]).deadline(ANSWER);
        // Not from the sources: rustup would obey their rust-toolchain.toml.
        let sandbox = Sandbox { image: &image.id, ..Sandbox::default() };
        let outcome = self.run(&run, &sandbox, Output::Capture)?;
        let said = outcome.text();
        let field =
            |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let (Some(release), Some(sysroot), true) =
            (field("release:"), field("sysroot:"), outcome.success())
        else {
            bail!(
                "the image `{}` has no rustc to build with{}",
                image.reference,
                proc::tail(&outcome)
            );
        };
        Ok(Toolchain {
            rustc: said.lines().next().unwrap_or_default().to_owned(),
            release: release.to_owned(),
            sysroot: sysroot.to_owned(),
            musl_gcc: field("musl-gcc:").is_some(),
            has_std: field("std:").is_some(),
            image,
        })
    }

    /// `run` as a command of the engine. `run.cwd` and `run.env` are the container's.
    pub(crate) fn wrap(&self, run: &Invocation, sandbox: &Sandbox<'_>, name: &str) -> Invocation {
        // No network, nothing fetched, the image unchanged: what runs follows from what is named here.
        let mut argv =
            vec!["run", "--rm", "--init", "--pull=never", "--network=none", "--read-only"];
        argv.extend(["--tmpfs=/tmp:exec", "--security-opt=label=disable", "--name", name]);
        let mut out = Invocation::new(self.program).args(argv);
        out = match sandbox.owner {
            // The container's root is the caller, whatever its number outside.
            Some(_) if self.rootless && self.program == "docker" => out.arg("--user=0:0"),
            Some((user, group)) if self.rootless => {
                out.arg("--userns=keep-id").arg(format!("--user={user}:{group}"))
            }
            Some((user, group)) => out.arg(format!("--user={user}:{group}")),
            None => out,
        };
        if let Some(cpus) = &sandbox.limits.cpus {
            out = out.arg(format!("--cpus={cpus}"));
        }
        if let Some(memory) = &sandbox.limits.memory {
            out = out.arg(format!("--memory={memory}"));
        }
        for mount in &sandbox.mounts {
            out = out.args(["--mount".to_owned(), mount.value()]);
        }
        for (name, value) in &run.env {
            out = out.arg(format!("--env={name}={value}"));
        }
        if !run.cwd.is_empty() {
            out = out.arg(format!("--workdir={}", run.cwd));
        }
        // The image's own entry point would stand before the command.
        out = if sandbox.guarded {
            let guard = ["--interactive", "--entrypoint=sh", sandbox.image, "-c", GUARD, "sh"];
            out.args(guard).arg(&run.program)
        } else {
            out.arg(format!("--entrypoint={}", run.program)).arg(sandbox.image)
        };
        out = out.args(&run.args);
        out.deadline = run.deadline;
        out
    }

    /// Runs it in a container and keeps what it wrote, whatever its status.
    ///
    /// # Errors
    /// When the engine failed, or the image lacks the program: not when the program failed.
    pub(crate) fn run(
        &self,
        run: &Invocation,
        sandbox: &Sandbox<'_>,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xtask-{}-{count}", std::process::id());
        let wrapped = self.wrap(run, sandbox, &name);
        let (stdin, held) = io::pipe().context("cannot make a pipe")?;
        let stdin = if sandbox.guarded { stdin.into() } else { Stdio::null() };
        let outcome = proc::run_with_input(&wrapped, output, stdin);
        drop(held);
        if outcome.as_ref().is_ok_and(|outcome| outcome.status.is_none()) || interrupt::asked() {
            // The client was killed, not what it started.
            let end = Invocation::new(self.program).args(["rm", "--force", &name]).deadline(ANSWER);
            proc::run_at_the_end(&end)?;
        }
        let outcome = outcome?;
        self.judge(&run.program, sandbox.image, &outcome)?;
        Ok(outcome)
    }

    /// Tells the engine's own failures from the program's, by their status (docker-run(1), "Exit
    /// Status") and by who complains.
    fn judge(&self, program: &str, image: &str, outcome: &Outcome) -> anyhow::Result<()> {
        let complaint = String::from_utf8_lossy(&outcome.stderr);
        let engine_says =
            complaint.contains(&format!("{}: ", self.program)) || complaint.contains("Error: ");
        match outcome.code() {
            Some(125) if engine_says => {
                Err(anyhow!("{} cannot run `{image}`{}", self.program, proc::tail(outcome)))
            }
            Some(126 | 127) if engine_says => {
                Err(anyhow!("the image `{image}` cannot run `{program}`{}", proc::tail(outcome)))
            }
            _ => Ok(()),
        }
    }
}

/// A name as docker means it, with its registry: podman knows no default one.
pub(crate) fn full_name(reference: &str) -> String {
    let (host, rest) = reference.split_once('/').unwrap_or(("", reference));
    if host.contains(['.', ':']) || host == "localhost" {
        return reference.to_owned();
    }
    match host {
        "" => format!("docker.io/library/{rest}"),
        _ => format!("docker.io/{reference}"),
    }
}

/// Why an engine that is installed does not answer, and the cure.
fn unusable(program: &str, outcome: &Outcome) -> String {
    let said = String::from_utf8_lossy(&outcome.stderr).to_lowercase();
    if outcome.status.is_none() {
        return format!("does not answer within {} s: restart it", ANSWER.as_secs());
    }
    if said.contains("permission denied") {
        return format!(
            "is there, but this user may not use it: join its group (`sudo usermod -aG {program} $USER`, \
             then log in anew), or use podman"
        );
    }
    if said.contains("cannot connect") || said.contains("is the docker daemon running") {
        return "is there, but its daemon does not run: start it".to_owned();
    }
    format!("does not work{}", proc::tail(outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(program: &'static str, rootless: bool) -> Engine {
        Engine { program, version: "1.0".to_owned(), rootless }
    }

    fn sandbox() -> Sandbox<'static> {
        Sandbox {
            image: "image",
            mounts: vec![
                Mount { host: "/a b,c".to_owned(), guest: "/src".to_owned(), writable: false },
                Mount { host: "/t".to_owned(), guest: "/target".to_owned(), writable: true },
            ],
            owner: Some((1000, 100)),
            limits: Limits { cpus: Some("1.5".to_owned()), memory: None },
            guarded: true,
        }
    }

    #[test]
    fn short_names_are_the_ones_of_docker() {
        for (short, full) in [
            ("rust:1-alpine@sha256:0", "docker.io/library/rust:1-alpine@sha256:0"),
            ("owner/image", "docker.io/owner/image"),
            ("registry.example/a/b:1", "registry.example/a/b:1"),
            ("localhost/a", "localhost/a"),
            ("registry:5000/a", "registry:5000/a"),
        ] {
            assert_eq!(full_name(short), full);
        }
    }

    #[test]
    fn a_command_is_wrapped_whole() {
        let run = Invocation::new("cargo").args(["build", "--locked"]).env("A", "1 2").cwd("/src");
        let wrapped = engine("docker", false).wrap(&run, &sandbox(), "n");
        assert_eq!(
            wrapped.args,
            [
                "run",
                "--rm",
                "--init",
                "--pull=never",
                "--network=none",
                "--read-only",
                "--tmpfs=/tmp:exec",
                "--security-opt=label=disable",
                "--name",
                "n",
                "--user=1000:100",
                "--cpus=1.5",
                "--mount",
                "type=bind,\"source=/a b,c\",target=/src,readonly",
                "--mount",
                "type=bind,source=/t,target=/target",
                "--env=A=1 2",
                "--workdir=/src",
                "--interactive",
                "--entrypoint=sh",
                "image",
                "-c",
                GUARD,
                "sh",
                "cargo",
                "build",
                "--locked",
            ]
        );
        assert!(wrapped.env.is_empty() && wrapped.cwd.is_empty());
    }

    #[test]
    fn rootless_engines_keep_the_callers_files() {
        let run = Invocation::new("true");
        let docker = engine("docker", true).wrap(&run, &sandbox(), "n");
        assert!(docker.args.contains(&"--user=0:0".to_owned()));
        let podman = engine("podman", true).wrap(&run, &sandbox(), "n");
        assert!(podman.args.contains(&"--userns=keep-id".to_owned()));
        assert!(podman.args.contains(&"--user=1000:100".to_owned()));
    }

    #[test]
    fn without_a_guard_no_shell_is_needed() {
        let run = Invocation::new("/asset").arg("--version");
        let sandbox = Sandbox { guarded: false, ..sandbox() };
        let wrapped = engine("docker", false).wrap(&run, &sandbox, "n");
        let end = &wrapped.args[wrapped.args.len() - 3..];
        assert_eq!(end, ["--entrypoint=/asset", "image", "--version"]);
    }

    #[cfg(unix)]
    fn ended(stderr: &str) -> Outcome {
        Outcome {
            status: Some(std::os::unix::process::ExitStatusExt::from_raw(1 << 8)),
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
            elapsed: Duration::ZERO,
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_reason_comes_with_its_cure() {
        let denied = "permission denied while trying to connect to the Docker daemon socket";
        assert!(unusable("docker", &ended(denied)).contains("usermod -aG docker"));
        let absent = "ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
        assert!(unusable("docker", &ended(absent)).contains("its daemon does not run"));
        assert!(unusable("podman", &ended("strange")).contains("| strange"));
    }
}
