//! `smoke`: run an asset as a user would, on its own, and compare all that it says.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use xtask_core::plan::{Package, Plan, Target};
use xtask_core::report::{self, Outcome, Place, SmokeRow};

use super::containers::{ContainerArgs, Containers};
use super::pack;
use super::runner::Runner;
use super::workspace::Workspace;
use crate::exit::{Exit, usage};
use crate::ops::files::{self, TempFolder};
use crate::ops::proc;
use crate::ops::tools::text;
use crate::ops::{cargo, library, probe};

/// Arguments of `smoke`.
#[derive(Debug, Args)]
pub(crate) struct SmokeArgs {
    /// The asset, for example `dist/tsuku-dltest-linux-amd64`; its name says package and target
    #[arg(required_unless_present_any = ["named", "from"], value_name = "FILE")]
    assets: Vec<PathBuf>,
    /// The same, as an option
    #[arg(id = "named", long = "asset", value_name = "FILE")]
    named: Vec<PathBuf>,
    /// Every asset of the plan that stands in this folder
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// With --from: all assets of this target, and no others
    #[arg(long, value_name = "TRIPLE|PLATFORM", requires = "from")]
    target: Option<String>,
    /// Write what was tried, and on which bytes, as JSON: `finalize` wants it from another machine than
    /// the builder's
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Smoke-test in each of the plan's `userlands` too
    #[arg(id = "plan_userlands", long = "userlands")]
    plan_userlands: bool,
    /// The version it must print [default: the packages' own]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// A check that cannot run here fails
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    containers: ContainerArgs,
}

/// `cargo xtask smoke`.
pub(crate) fn run(root: Option<&Path>, args: &SmokeArgs) -> anyhow::Result<Exit> {
    let workspace = Workspace::open(root)?;
    let plan = workspace.plan(args.version.as_deref())?;
    let host = cargo::rustc(&workspace.root)?.host;
    let place = probe::place();
    let mut exit = Exit::Done;
    let mut files: Vec<PathBuf> = args.assets.iter().chain(&args.named).cloned().collect();
    if let Some(folder) = &args.from {
        files.extend(assets_in(folder, &plan, args.target.as_deref())?);
    }
    let mut tried = Vec::new();
    for file in &files {
        let (package, target) = identify(&plan, file)?;
        let unpacked = TempFolder::new(&std::env::temp_dir())?;
        let packed = pack::Request::new(&workspace.root, package, target, &plan.version, 0);
        let programs = packed.unpack(file, unpacked.path())?;
        let beside = beside(&plan, package, target, file, unpacked.path())?;
        let version = &plan.version;
        let mut wanted = args.containers.clone();
        if args.plan_userlands {
            wanted.userlands.extend(target.userlands.iter().cloned());
        }
        let containers = Containers::new(&wanted);
        let mut rows = Vec::new();
        for (binary, file) in package.binaries().zip(&programs) {
            let subject = Subject { file, binary, package, target, version, beside: &beside };
            rows.extend(subject.smoke(&host, &place, &containers)?);
        }
        print!("{}\n{}", file.display(), report::smoke(&rows));
        let bad = |row: &SmokeRow| {
            row.outcome == Outcome::Failed || (args.strict && row.outcome == Outcome::NotRun)
        };
        if rows.iter().any(bad) {
            exit = Exit::Findings;
        }
        tried.push(report::tried(&name_of(file), &files::digest(file)?.sha256, &rows));
    }
    if let Some(path) = &args.record {
        let record = json!({ "schema": report::SCHEMA, "assets": tried });
        files::replace(path, format!("{record:#}\n").as_bytes())?;
    }
    Ok(exit)
}

/// The plan's assets in a folder; of one target, all of them.
fn assets_in(folder: &Path, plan: &Plan, target: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
    let platform = match target {
        Some(name) => match plan.config.target(name) {
            Some(target) => Some(target.platform.as_str()),
            None => return Err(usage(format!("the plan has no target `{name}`"))),
        },
        None => None,
    };
    let wanted = plan.assets.iter().filter(|asset| asset.is_program());
    let wanted = wanted.filter(|asset| platform.is_none() || asset.platform.as_deref() == platform);
    let (there, absent): (Vec<_>, Vec<_>) =
        wanted.map(|asset| folder.join(&asset.name)).partition(|path| path.is_file());
    if platform.is_some()
        && let Some(path) = absent.first()
    {
        return Err(usage(format!("`{}` is missing: `cargo xtask dist` makes it", path.display())));
    }
    if there.is_empty() {
        return Err(usage(format!("`{}` holds no asset of the plan", folder.display())));
    }
    Ok(there)
}

/// Copies the programs that an asset pins from its own folder to where it is tried.
fn beside(
    plan: &Plan,
    package: &Package,
    target: &Target,
    file: &Path,
    to: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut beside = Vec::new();
    // Without `calls` it is tried alone.
    let pinned = plan.pinned(package, target).into_iter();
    for name in pinned.filter(|_| !package.smoke.calls.is_empty()) {
        let from = file.with_file_name(&name);
        if !from.is_file() {
            return Err(usage(format!(
                "`{}` calls `{name}`, and that does not stand beside it: put both in one folder",
                file.display()
            )));
        }
        let to = to.join(&name);
        files::copy(&from, &to)?;
        files::make_executable(&to)?;
        beside.push(to);
    }
    Ok(beside)
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn identify<'a>(plan: &'a Plan, file: &Path) -> anyhow::Result<(&'a Package, &'a Target)> {
    if !file.is_file() {
        return Err(usage(format!("`{}` is no file", file.display())));
    }
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let asset = plan.assets.iter().find(|asset| asset.name == name);
    let package = asset.and_then(|asset| {
        plan.config.packages.iter().find(|package| Some(&package.name) == asset.package.as_ref())
    });
    let target = asset.and_then(|asset| plan.config.target(asset.platform.as_deref()?));
    package.zip(target).ok_or_else(|| {
        let names = plan.assets.iter().filter(|asset| asset.package.is_some());
        let names: Vec<_> = names.map(|asset| asset.name.as_str()).collect();
        usage(format!("`{name}` is no program of the plan: there is {}", names.join(", ")))
    })
}

/// One program to try.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    /// The file that users would get; never the one in cargo's target folder.
    pub(crate) file: &'a Path,
    /// Its name, of those of the package.
    pub(crate) binary: &'a str,
    pub(crate) package: &'a Package,
    pub(crate) target: &'a Target,
    pub(crate) version: &'a str,
    /// The programs it pins, in its own folder.
    pub(crate) beside: &'a [PathBuf],
}

/// What a check saw: told when it held, or why it did not.
type Seen = Result<String, String>;

impl Subject<'_> {
    /// Every check that the plan asks for, a row each.
    ///
    /// # Errors
    /// When the check itself could not be prepared: no C compiler, no temporary folder.
    pub(crate) fn smoke(
        &self,
        host: &str,
        place: &Place,
        containers: &Containers,
    ) -> anyhow::Result<Vec<SmokeRow>> {
        let mut rows = Vec::new();
        let row = |check: Check, how: Option<&str>, place: Place, outcome, detail| SmokeRow {
            check: if self.is_main() {
                check.name().to_owned()
            } else {
                format!("{} {}", self.binary, check.name())
            },
            how: how.map(str::to_owned),
            outcome,
            place,
            detail,
        };
        match Runner::all(self.package, self.target, host, containers)? {
            Err(why) => {
                for check in self.checks() {
                    rows.push(row(check, None, place.clone(), Outcome::NotRun, why.clone()));
                }
            }
            Ok(runners) => {
                for runner in &runners {
                    for check in self.checks() {
                        let (outcome, detail) = match self.run(check, runner)? {
                            Ok(detail) => (Outcome::Passed, detail),
                            Err(detail) => (Outcome::Failed, detail),
                        };
                        rows.push(row(
                            check,
                            Some(runner.how()),
                            runner.place(place),
                            outcome,
                            detail,
                        ));
                    }
                }
            }
        }
        Ok(rows)
    }

    fn is_main(&self) -> bool {
        self.binary == self.package.binary
    }

    /// Of a package's other programs, what each can say of itself.
    fn checks(&self) -> Vec<Check> {
        let smoke = &self.package.smoke;
        let mut checks = vec![Check::Version];
        checks.extend(smoke.help.then_some(Check::Help));
        if !self.is_main() {
            return checks;
        }
        if smoke.dlopen {
            checks.extend([Check::Usage, Check::Dlopen]);
        }
        checks.extend((!smoke.calls.is_empty()).then_some(Check::Calls));
        checks
    }

    fn run(&self, check: Check, runner: &Runner<'_>) -> anyhow::Result<Seen> {
        match check {
            Check::Version => self.version(runner),
            Check::Help => self.help(runner),
            Check::Usage => self.usage(runner),
            Check::Dlopen => self.dlopen(runner),
            Check::Calls => self.calls(runner),
        }
    }

    /// Runs the asset in an empty folder with an empty environment.
    fn start(
        &self,
        runner: &Runner<'_>,
        args: &[&str],
        files: &[&Path],
    ) -> anyhow::Result<Result<proc::Outcome, String>> {
        let folder = TempFolder::new(&std::env::temp_dir())?;
        runner.start(self.file, args, folder.path(), files)
    }

    fn version(&self, runner: &Runner<'_>) -> anyhow::Result<Seen> {
        let args = words(&self.package.smoke.version_args);
        Ok(self.start(runner, &args, &[])?.and_then(|outcome| {
            let asked = args.join(" ");
            expect_code(&asked, &outcome, 0)?;
            expect_quiet(&asked, &outcome)?;
            let said = String::from_utf8_lossy(&outcome.stdout);
            self.package.judge_version(self.binary, &said, self.version)
        }))
    }

    fn help(&self, runner: &Runner<'_>) -> anyhow::Result<Seen> {
        let args = words(&self.package.smoke.help_args);
        Ok(self.start(runner, &args, &[])?.and_then(|outcome| {
            let asked = args.join(" ");
            expect_code(&asked, &outcome, 0)?;
            expect_quiet(&asked, &outcome)?;
            match outcome.text().lines().count() {
                0 => Err(format!("`{asked}` prints nothing")),
                lines => Ok(format!("prints {lines} lines")),
            }
        }))
    }

    fn usage(&self, runner: &Runner<'_>) -> anyhow::Result<Seen> {
        Ok(self.start(runner, &[], &[])?.and_then(|outcome| {
            expect_code("no argument", &outcome, 2)?;
            if !outcome.stdout.is_empty() {
                return Err(format!("with no argument it prints {:?}", outcome.text()));
            }
            Ok("no argument: exit code 2".to_owned())
        }))
    }

    /// A library that loads, one that is no library, one that is not there.
    fn dlopen(&self, runner: &Runner<'_>) -> anyhow::Result<Seen> {
        let folder = TempFolder::new(&std::env::temp_dir())?;
        let (good, broken) = libraries(self.target, folder.path())?;
        let missing = text(&folder.path().join("missing.so"))?;
        let all = self.start(runner, &[&good, &broken, &missing], &[folder.path()])?;
        let one = self.start(runner, &[&good], &[folder.path()])?;
        Ok(all.and_then(|all| {
            expect_code("a good, a broken and a missing library", &all, 1)?;
            expect_answers(&all, &[(&*good, true), (&*broken, false), (&*missing, false)])?;
            let one = one?;
            expect_code("a good library", &one, 0)?;
            expect_answers(&one, &[(&*good, true)])?;
            Ok("loads a good library, refuses a broken and a missing one".to_owned())
        }))
    }

    /// The program and those it pins, together: what is released as a set works as one.
    fn calls(&self, runner: &Runner<'_>) -> anyhow::Result<Seen> {
        let folder = TempFolder::new(&std::env::temp_dir())?;
        let (good, broken) = libraries(self.target, folder.path())?;
        let mut files = vec![folder.path()];
        files.extend(self.beside.iter().map(PathBuf::as_path));
        let call = |library: &str| {
            let args: Vec<_> =
                self.package.smoke.calls.iter().map(String::as_str).chain([library]).collect();
            self.start(runner, &args, &files)
        };
        let (loads, fails) = (call(&good)?, call(&broken)?);
        let pinned = self.package.pins.join(", ");
        Ok(loads.and_then(|loads| {
            expect_code("a good library", &loads, 0)?;
            // Without what it pins, it may do with less, and says so there.
            expect_quiet("a good library", &loads)?;
            expect_code("a broken library", &fails?, 1)?;
            Ok(format!("with {pinned} beside it, loads a good library and refuses a broken one"))
        }))
    }
}

/// A library that loads and one cut short, built for the target's libc in an empty folder.
fn libraries(target: &Target, folder: &Path) -> anyhow::Result<(String, String)> {
    let built = library::loadable(target)?;
    let (good, broken) = (text(&folder.join("good.so"))?, text(&folder.join("broken.so"))?);
    files::copy(&built, Path::new(&good))?;
    let bytes = files::read(&built)?;
    files::replace(Path::new(&broken), bytes.get(..bytes.len() / 8).unwrap_or_default())?;
    Ok((good, broken))
}

#[derive(Debug, Clone, Copy)]
enum Check {
    Version,
    Help,
    Usage,
    Dlopen,
    Calls,
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Help => "help",
            Self::Usage => "usage",
            Self::Dlopen => "dlopen",
            Self::Calls => "calls",
        }
    }
}

fn words(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn expect_code(what: &str, outcome: &proc::Outcome, code: i32) -> Result<(), String> {
    if outcome.code() == Some(code) {
        return Ok(());
    }
    Err(format!("`{what}`: {}, expected exit code {code}{}", outcome.ended(), proc::tail(outcome)))
}

fn expect_quiet(what: &str, outcome: &proc::Outcome) -> Result<(), String> {
    if outcome.stderr.is_empty() {
        return Ok(());
    }
    Err(format!("`{what}` writes to stderr:{}", proc::tail(outcome)))
}

/// The answer of the helper's contract: a compact JSON array, one object per path, in order.
fn expect_answers(outcome: &proc::Outcome, wanted: &[(&str, bool)]) -> Result<(), String> {
    let said = outcome.text();
    let answer: Value = serde_json::from_str(&said)
        .map_err(|error| format!("stdout is not one JSON value ({error}): {said}"))?;
    let rows = answer.as_array().ok_or_else(|| format!("stdout is no JSON array: {said}"))?;
    let seen: Vec<_> = rows.iter().map(|row| (row["path"].as_str(), row["ok"].as_bool())).collect();
    let wanted: Vec<_> = wanted.iter().map(|(path, ok)| (Some(*path), Some(*ok))).collect();
    if seen != wanted {
        return Err(format!("expected {wanted:?}, got {said}"));
    }
    let explained = |row: &Value| {
        let error = row.get("error").and_then(Value::as_str);
        row["ok"] == true && row.get("error").is_none()
            || error.is_some_and(|text| !text.is_empty())
    };
    if !rows.iter().all(explained) {
        return Err(format!("`error` must stand with a failure, and only there: {said}"));
    }
    Ok(())
}
