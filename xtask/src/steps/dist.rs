//! `dist`: the main job. Preflight → build → stage → seal → audit → smoke → digest → report.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use xtask_core::audit::{Finding, Severity, distros};
use xtask_core::formats::Binary;
use xtask_core::plan::{self, Os, Plan, digest_name};
use xtask_core::report::{self, Glibc, Manifest, Outcome, Place, Record, checksums};

use super::artifact::{Judged, Sealed, Staged};
use super::build::{Job, Jobs, Selection};
use super::by_table;
use super::clock::Clock;
use super::output::Output;
use super::pack;
use super::preflight::preflight;
use super::smoke::Subject;
use super::workspace::Workspace;
use crate::exit::{Exit, refused};
use crate::ops::files::{self, TempFolder};
use crate::ops::{cargo, probe, proc, tools};

/// Arguments of `dist`.
#[derive(Debug, Args)]
pub(crate) struct DistArgs {
    #[command(flatten)]
    selection: Selection,
    /// Folder for the assets [default: `dist` beside xtask.toml]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// `cargo xtask dist`.
pub(crate) fn run(root: Option<&Path>, args: &DistArgs) -> anyhow::Result<Exit> {
    let mut workspace = Workspace::open(root)?;
    let selection = args.selection.settle(&mut workspace)?;
    let plan = workspace.plan(selection.version.as_deref())?;
    let jobs = Jobs::select(&workspace, &selection, &plan.version)?;
    let output = Output::take(&args.out.clone().unwrap_or_else(|| workspace.root.join("dist")))?;
    output.sweep()?;
    let out = &output.path;
    clear(out, &plan)?;

    let mut clock = Clock::new("");
    clock.step("preflight", || preflight(&jobs, selection.strict, &[out]))?;
    let staging = TempFolder::new(out)?;
    let work = Work {
        workspace: &workspace,
        plan: &plan,
        jobs: &jobs,
        staging: staging.path(),
        place: &probe::place(),
    };
    let targets = jobs.by_target();
    let alone = targets.len() == 1;
    // Nothing is shared between targets but cargo's downloads, which cargo locks.
    let done = files::parallel(&targets, |jobs| work.target(jobs, alone));
    let mut made = Vec::new();
    let mut refusals = Vec::new();
    for target in done {
        let target = target?;
        clock.add(target.clock);
        for (_, record) in &target.made {
            refusals.extend(refuse(record, selection.strict));
        }
        made.extend(target.made);
        refusals.extend(target.refusals);
    }
    if !refusals.is_empty() {
        let count = refusals.len();
        return Err(refused(format!(
            "{count} gate(s) refused; nothing was written\n{}",
            refusals.join("\n")
        )));
    }
    let manifest = Manifest {
        version: plan.version.clone(),
        tag: plan.tag.clone(),
        repository: plan.config.release.repository.clone(),
        commit: jobs.head.as_ref().map(|head| head.commit.clone()),
        dirty: jobs.head.as_ref().is_none_or(|head| !head.changes.is_empty()),
        assets: made.iter().map(|(_, record)| record.clone()).collect(),
    };
    clock.step("digest", || seal_release(&plan, &made, &manifest, staging.path()))?;
    publish(&plan, &made, staging.path(), out)?;
    print!("{}", report::dist(&manifest, &clock.rows(), &out.to_string_lossy()));
    Ok(Exit::Done)
}

/// What every asset of a run shares.
struct Work<'a> {
    workspace: &'a Workspace,
    plan: &'a Plan,
    jobs: &'a Jobs<'a>,
    staging: &'a Path,
    place: &'a Place,
}

/// What one target's share of a run came to.
struct Done {
    made: Vec<(Sealed, Record)>,
    refusals: Vec<String>,
    clock: Clock,
}

impl Work<'_> {
    /// The assets of one target: what others pin comes first.
    fn target(&self, jobs: &[&Job<'_>], alone: bool) -> anyhow::Result<Done> {
        let platform = jobs.first().map_or("", |job| job.target.platform.as_str());
        let label = if alone { String::new() } else { format!("[{platform}] ") };
        proc::label(&label);
        let mut done = Done { made: Vec::new(), refusals: Vec::new(), clock: Clock::new(&label) };
        let mut pins = Vec::new();
        for job in jobs {
            let name = job.package.asset_name(job.target, &self.plan.version);
            eprintln!("{label}{name} ({}, {})", job.target.triple.name, job.builder_name());
            match self.asset(job, &name, &mut pins, &mut done.clock)? {
                Ok(asset) => done.made.push(asset),
                Err(refusal) => done.refusals.push(refusal),
            }
        }
        Ok(done)
    }

    /// One asset, from source to a record of how it was judged. The inner error is a gate's.
    fn asset(
        &self,
        job: &Job<'_>,
        name: &str,
        pins: &mut Vec<(String, String)>,
        clock: &mut Clock,
    ) -> anyhow::Result<Result<(Sealed, Record), String>> {
        let programs = match self.programs(job, name, pins, clock)? {
            Ok(programs) => programs,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(main) = programs.first() {
            pins.push((job.package.name.clone(), main.sealed.digest().sha256.clone()));
        }
        let seconds = self.jobs.head.as_ref().map_or(0, |head| head.time);
        let (root, version) = (&self.workspace.root, &self.plan.version);
        let packed = pack::Request::new(root, job.package, job.target, version, seconds);
        let asset = self.staging.join(name);
        let sealed: Vec<_> = programs.iter().map(|judged| &judged.sealed).collect();
        let asset = clock.step("pack", || packed.pack(&sealed, &asset))?;
        let mut smoke = clock.step("smoke", || self.smoke(job, &packed, &asset, &programs))?;
        for judged in &programs {
            smoke.extend(by_table::check(&judged.binary, job.target, self.place)?);
            // What ran is what was sealed and judged.
            judged.sealed.unchanged()?;
        }
        asset.unchanged()?;
        let record = self.record(job, name, &asset, &packed.paths_in(name), &programs, smoke)?;
        Ok(Ok((asset, record)))
    }

    /// The programs of one asset, the main one first, each built, signed, sealed and judged.
    fn programs(
        &self,
        job: &Job<'_>,
        name: &str,
        pins: &[(String, String)],
        clock: &mut Clock,
    ) -> anyhow::Result<Result<Vec<Judged>, String>> {
        let built = clock.step("build", || job.build(self.jobs, pins))?;
        let policy = plan::policy(job.package, job.target, &self.build_paths(job)?);
        let folder = self.staging.join(".programs").join(&job.target.platform).join(name);
        let mut programs = Vec::new();
        for (binary, built) in job.package.binaries().zip(&built) {
            let mut staged = clock.step("stage", || Staged::copy(built, &folder.join(binary)))?;
            if job.target.triple.os == Os::Darwin {
                let is_main = binary == job.package.binary;
                let identifier = if is_main { &job.package.name } else { binary };
                clock.step("sign", || staged.sign(identifier))?;
            }
            let sealed = clock.step("seal", || staged.seal())?;
            match clock.step("audit", || sealed.judge(&policy))? {
                Ok(judged) => programs.push(judged),
                Err(unread) => {
                    let called = job.package.called(binary, name);
                    return Ok(Err(format!("{called}: not auditable: {unread}")));
                }
            }
        }
        Ok(Ok(programs))
    }

    /// Tries what users will unpack, not what was packed.
    fn smoke(
        &self,
        job: &Job<'_>,
        packed: &pack::Request<'_>,
        asset: &Sealed,
        programs: &[Judged],
    ) -> anyhow::Result<Vec<report::SmokeRow>> {
        let unpacked = TempFolder::new(&std::env::temp_dir())?;
        let users = packed.unpack(asset.path(), unpacked.path())?;
        let main = users.first().map_or(unpacked.path(), PathBuf::as_path);
        let mut beside = Vec::new();
        for name in self.plan.pinned(job.package, job.target) {
            let path = main.with_file_name(&name);
            files::copy(&self.staging.join(&name), &path)?;
            files::make_executable(&path)?;
            beside.push(path);
        }
        let mut rows = Vec::new();
        for ((binary, file), judged) in job.package.binaries().zip(&users).zip(programs) {
            judged.sealed.same_as(file)?;
            let (package, target, version) = (job.package, job.target, self.plan.version.as_str());
            let subject = Subject { file, binary, package, target, version, beside: &beside };
            rows.extend(subject.smoke(&self.jobs.rustc.host, self.place, &self.jobs.containers)?);
        }
        Ok(rows)
    }

    /// Folders of this machine that must not stand in a program.
    fn build_paths(&self, job: &Job<'_>) -> anyhow::Result<Vec<String>> {
        let mut paths = vec![tools::text(&self.workspace.root)?];
        for path in job.folders().into_iter().chain(cargo::home()).chain(cargo::cargo_home()) {
            paths.push(tools::text(&path)?);
        }
        paths.sort_unstable();
        paths.dedup();
        Ok(paths)
    }

    fn record(
        &self,
        job: &Job<'_>,
        name: &str,
        asset: &Sealed,
        paths: &[String],
        programs: &[Judged],
        smoke: Vec<report::SmokeRow>,
    ) -> anyhow::Result<Record> {
        let digest = asset.digest();
        // Of several, the one that asks most decides where all of them run.
        let floor = |judged: &&Judged| match &judged.binary {
            Binary::Elf(elf) => elf.floors().floor,
            _ => None,
        };
        let decides = programs.iter().max_by_key(floor);
        let mut audits = paths.iter().zip(programs).map(|(path, judged)| {
            report::audit::kept(path, judged.sealed.digest().size, &judged.binary)
        });
        Ok(Record {
            name: name.to_owned(),
            package: job.package.name.clone(),
            platform: job.target.platform.clone(),
            triple: job.target.triple.name.to_owned(),
            size: digest.size,
            sha256: digest.sha256.clone(),
            toolchain: job.toolchain(self.jobs)?,
            builder: job.builder_name().to_owned(),
            tools: job.tools(self.jobs)?,
            image: job.image(self.jobs)?,
            built_on: self.place.clone(),
            origin: job.origin(self.jobs)?,
            glibc: decides.and_then(|judged| glibc(judged, job)),
            runs_on: decides.map(|judged| runs_on(&judged.binary)).unwrap_or_default(),
            findings: findings(job, programs),
            audit: audits.next().unwrap_or_default(),
            other_audits: audits.collect(),
            smoke,
        })
    }
}

/// What was found in all of them, with the name of the program where that is not the main one.
fn findings(job: &Job<'_>, programs: &[Judged]) -> Vec<Finding> {
    let mut all = Vec::new();
    for (binary, judged) in job.package.binaries().zip(programs) {
        let is_main = binary == job.package.binary;
        all.extend(judged.findings.iter().cloned().map(|finding| match is_main {
            true => finding,
            false => Finding { found: format!("{binary}: {}", finding.found), ..finding },
        }));
    }
    all
}

fn glibc(judged: &Judged, job: &Job<'_>) -> Option<Glibc> {
    // A static program runs on any.
    let promised = job.target.glibc_floor.filter(|_| !job.package.is_static(job.target))?;
    let Binary::Elf(elf) = &judged.binary else { return None };
    let floors = elf.floors();
    Some(Glibc {
        promised: Some(promised),
        max: floors.max,
        floor: floors.floor,
        strong: floors.strong,
    })
}

fn runs_on(binary: &Binary) -> Vec<String> {
    let Binary::Elf(elf) = binary else { return Vec::new() };
    let reach = distros::reach(elf).unwrap_or_default();
    reach.oldest.iter().map(|distro| distro.name()).collect()
}

/// Why an asset may not be released, a line per reason.
fn refuse(record: &Record, strict: bool) -> Vec<String> {
    let findings = record.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let findings =
        findings.map(|finding| format!("{}: {}", record.name, report::finding_text(finding)));
    let smoke = record.smoke.iter().filter_map(|row| match row.outcome {
        Outcome::Failed => {
            Some(format!("{}: smoke {} failed: {}", record.name, row.check, row.detail))
        }
        Outcome::NotRun if strict => {
            Some(format!("{}: smoke {} was not run: {}", record.name, row.check, row.detail))
        }
        _ => None,
    });
    findings.chain(smoke).collect()
}

/// Writes the manifest and, over everything else, the checksums into the staging folder.
fn seal_release(
    plan: &Plan,
    made: &[(Sealed, Record)],
    manifest: &Manifest,
    staging: &Path,
) -> anyhow::Result<()> {
    let release = &plan.config.release;
    let path = staging.join(&release.manifest);
    files::replace(&path, format!("{:#}\n", manifest.to_json()).as_bytes())?;
    let mut lines: Vec<_> =
        made.iter().map(|(_, record)| (record.name.clone(), record.sha256.clone())).collect();
    let mut own = vec![release.manifest.clone()];
    for (_, record) in made.iter().filter(|(_, record)| has_digest_file(plan, record)) {
        let name = digest_name(&record.name);
        files::replace(
            &staging.join(&name),
            checksums::line(&record.sha256, &record.name).as_bytes(),
        )?;
        own.push(name);
    }
    for name in own {
        let sha256 = files::digest(&staging.join(&name))?.sha256;
        lines.push((name, sha256));
    }
    lines.sort_unstable();
    let text: String = lines.iter().map(|(name, sha256)| checksums::line(sha256, name)).collect();
    files::replace(&staging.join(&release.checksums), text.as_bytes())
}

/// Whether the plan gives the asset a checksum file of its own.
fn has_digest_file(plan: &Plan, record: &Record) -> bool {
    plan.config.packages.iter().any(|package| package.name == record.package && package.sha256)
}

/// Moves the finished files to their place, the checksums last: who finds these finds all.
fn publish(
    plan: &Plan,
    made: &[(Sealed, Record)],
    staging: &Path,
    out: &Path,
) -> anyhow::Result<()> {
    let release = &plan.config.release;
    let mut names: Vec<String> = made.iter().map(|(_, record)| record.name.clone()).collect();
    let with_digest = made.iter().filter(|(_, record)| has_digest_file(plan, record));
    names.extend(with_digest.map(|(_, record)| digest_name(&record.name)));
    names.extend([release.manifest.clone(), release.checksums.clone()]);
    for (i, name) in names.iter().enumerate() {
        if let Err(error) = files::rename(&staging.join(name), &out.join(name)) {
            for placed in names.iter().take(i) {
                files::remove(&out.join(placed))?;
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Removes what an earlier run made: a failed run must not leave its assets to be taken for this
/// run's. Only files that a run of ours can have made: named by the plan or by the old manifest.
fn clear(out: &Path, plan: &Plan) -> anyhow::Result<()> {
    let mut names: Vec<String> = plan.assets.iter().map(|asset| asset.name.clone()).collect();
    if let Ok(text) = files::read_text(&out.join(&plan.config.release.manifest)) {
        let old: Value = serde_json::from_str(&text).unwrap_or_default();
        let assets = old["assets"].as_array().map(Vec::as_slice).unwrap_or_default();
        names.extend(assets.iter().filter_map(|asset| asset["name"].as_str().map(str::to_owned)));
    }
    // A name that is not one of this folder's own files is not ours.
    for name in names.iter().filter(|name| Path::new(name).file_name() == Some(name.as_ref())) {
        files::remove(&out.join(name))?;
    }
    Ok(())
}
