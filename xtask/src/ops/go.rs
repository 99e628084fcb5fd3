//! Go: found on PATH or provisioned, and asked for programs whose bytes follow from the sources.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;
use xtask_core::formats::gobuild::{self, GoBuild};
use xtask_core::plan::{Invocation, Package, Target};
use xtask_core::report::Material;

use super::files;
use super::git::Head;
use super::proc::{self, Output};
use super::tools::{self, text};

/// More than the modules of any program take.
const NOTE: u64 = 16 << 20;

/// What Go's linker wrote into a program; `None` when it is not Go's.
pub(crate) fn note(path: &Path) -> anyhow::Result<Option<GoBuild>> {
    // A program that reads others has the magic among its own strings.
    for place in files::find(path, gobuild::MAGIC)? {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(place))?;
                file.take(NOTE).read_to_end(&mut bytes)
            })
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        if let Some(build) = GoBuild::read(&bytes) {
            return Ok(Some(build));
        }
    }
    Ok(None)
}

/// The go that builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Go {
    program: PathBuf,
    /// `go version go1.27.3 linux/amd64`.
    pub(crate) version: String,
    /// Whether it is the pinned one.
    pinned: bool,
}

impl Go {
    /// The one on PATH, else the pinned one.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let (program, pinned) = match proc::find("go") {
            Some(program) => (program, false),
            None => (tools::GO.provision()?, true),
        };
        let run = Invocation::new(text(&program)?).arg("version").env("GOTOOLCHAIN", "local");
        let version = proc::read(&run).context("cannot ask go for its version")?;
        Ok(Self { program, version, pinned })
    }

    /// For the provenance.
    pub(crate) fn material(&self) -> anyhow::Result<Material> {
        let version = self.version.split(' ').nth(2).unwrap_or_default();
        let uri = format!("pkg:generic/go@{}", version.trim_start_matches("go"));
        let found = Material { name: self.version.clone(), uri, sha256: None };
        if self.pinned { tools::GO.material() } else { Ok(found) }
    }

    /// `go` in a folder, with nothing but what is said here deciding the bytes.
    fn run(&self, folder: &Path) -> anyhow::Result<Invocation> {
        Ok(Invocation::new(text(&self.program)?)
            .cwd(text(folder)?)
            // Not what the user set with `go env -w`, and never another toolchain than this.
            .env("GOENV", "off")
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=readonly"))
    }

    /// Whether go.mod and go.sum are what `go mod tidy` would write.
    pub(crate) fn tidy(&self, folder: &Path) -> anyhow::Result<Tidy> {
        let run = self.run(folder)?.env("GOFLAGS", "-mod=mod").args(["mod", "tidy", "-diff"]);
        let outcome = proc::run(&run, Output::Capture)?;
        let difference = outcome.text();
        Ok(if outcome.success() {
            Tidy::Yes
        } else if difference.is_empty() {
            Tidy::Unknown(proc::tail(&outcome))
        } else {
            Tidy::No(difference)
        })
    }

    /// The command that builds a package.
    pub(crate) fn build(&self, build: &Build<'_>) -> anyhow::Result<Invocation> {
        let triple = build.target.triple;
        let mut run = self
            .run(build.folder)?
            .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", &build.ldflags()])
            .args(["-o", &text(build.output)?, "."])
            .env("CGO_ENABLED", "0")
            .env("GOOS", triple.goos())
            .env("GOARCH", triple.goarch)
            // The oldest processors of each architecture.
            .env("GOAMD64", "v1")
            .env("GOARM64", "v8.0");
        let tags = &build.package.build_tags;
        if !tags.is_empty() {
            run.args.splice(1..1, ["-tags".to_owned(), tags.join(",")]);
        }
        if let Some(head) = build.head {
            run = run.env("SOURCE_DATE_EPOCH", head.time.to_string());
        }
        Ok(run)
    }
}

/// What `go mod tidy -diff` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tidy {
    Yes,
    /// The difference.
    No(String),
    /// Why it cannot be told: most often, no network.
    Unknown(String),
}

/// Everything one build of a Go package depends on.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    pub(crate) package: &'a Package,
    pub(crate) target: &'a Target,
    /// The folder of the program's `main` package.
    pub(crate) folder: &'a Path,
    /// Where the program goes.
    pub(crate) output: &'a Path,
    pub(crate) head: Option<&'a Head>,
    pub(crate) version: &'a str,
    /// Digest by package, of what is sealed. A digest that is not there yet stays a template.
    pub(crate) pins: &'a [(String, String)],
}

impl Build<'_> {
    fn ldflags(&self) -> String {
        let commit = self.head.map_or("", |head| &head.commit);
        let mut flags = "-s -w -buildid=".to_owned();
        for template in &self.package.ldflags {
            let mut flag = template.replace("{version}", self.version).replace("{commit}", commit);
            for (name, sha256) in self.pins {
                flag = flag.replace(&format!("{{sha256:{name}}}"), sha256);
            }
            flags = flags + " " + &flag;
        }
        flags
    }
}
