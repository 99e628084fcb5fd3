//! What holds between jobs: nothing is published before everything else went well, files that one job
//! takes another has left, and what is attested is what is released.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use super::yaml::Node;
use super::{Checker, Job};

impl Checker<'_> {
    pub(super) fn order(&mut self, jobs: &[Job<'_>]) {
        for job in jobs {
            let before = needed(job, jobs);
            if job.runs("finalize") {
                self.comes_last(job, jobs, &before);
            }
            self.artifacts(job, jobs, &before);
            self.compares_images(job, jobs, &before);
        }
    }

    /// Who pushes images has the assets that they are compared with: from the jobs that made them, or, where
    /// these upload them, from the draft.
    fn compares_images(&mut self, job: &Job<'_>, jobs: &[Job<'_>], before: &BTreeSet<&str>) {
        let elsewhere = |other: &Job<'_>| other.runs("upload") || other.node.get("uses").is_some();
        if !job.runs("image-push") || job.moves_tags() || jobs.iter().any(elsewhere) {
            return;
        }
        let left: Vec<&str> = jobs
            .iter()
            .filter(|other| before.contains(other.name) && other.runs("dist"))
            .flat_map(|other| with(other, UPLOAD, "name"))
            .map(|(name, _)| name)
            .collect();
        let named = [with(job, DOWNLOAD, "name"), with(job, DOWNLOAD, "pattern")].concat();
        let all = steps_with(job, DOWNLOAD).any(|step| {
            let given = |key| step.get("with").and_then(|with| with.get(key)).is_some();
            !given("name") && !given("pattern")
        });
        if !all && !named.iter().any(|(wanted, _)| left.iter().any(|name| fits(wanted, name))) {
            let message = format!(
                "job `{}` pushes images and takes no assets to compare them with",
                job.name
            );
            let cure = "let actions/download-artifact take what the job with `cargo xtask dist` leaves, too";
            self.add(job.line, message, cure);
        }
    }

    /// Who publishes waits for every other job, and does nothing after a failure.
    fn comes_last(&mut self, job: &Job<'_>, jobs: &[Job<'_>], before: &BTreeSet<&str>) {
        // Tags of images move after the release.
        let (after, others): (Vec<_>, Vec<_>) = jobs
            .iter()
            .filter(|other| other.name != job.name)
            .partition(|other| other.moves_tags());
        for other in after.into_iter().filter(|other| !needed(other, jobs).contains(job.name)) {
            let message =
                format!("job `{}` moves tags and does not wait for `{}`", other.name, job.name);
            self.add(other.line, message, format!("add `{}` to its `needs`", job.name));
        }
        let others = others.into_iter();
        for other in others.filter(|other| !before.contains(other.name)) {
            let message =
                format!("job `{}` publishes and does not wait for `{}`", job.name, other.name);
            self.add(job.line, message, format!("add `{}` to its `needs`", other.name));
        }
        let called = jobs.iter().any(|job| job.node.get("uses").is_some());
        for (what, call) in [("draft", "draft"), ("smoke test", "smoke"), ("build", "dist")] {
            // A called workflow builds.
            let there = jobs.iter().any(|job| job.runs(call)) || called && call == "dist";
            if !there {
                let message = format!("job `{}` publishes, and no job runs the {what}", job.name);
                self.add(job.line, message, format!("add a job that runs `cargo xtask {call}`"));
            }
        }
        for (what, call) in [("makes", "image"), ("pushes", "image-push")] {
            let there = jobs.iter().any(|job| job.runs(call) && !job.moves_tags());
            if !self.plan.config.images.is_empty() && !there {
                let message =
                    format!("job `{}` publishes, and no job {what} the plan's images", job.name);
                self.add(job.line, message, format!("add a job that runs `cargo xtask {call}`"));
            }
        }
        let condition = job.node.get("if").and_then(Node::text).unwrap_or_default();
        if condition.contains("always(") || condition.contains("failure(") {
            let message = format!("job `{}` publishes even after a failure", job.name);
            self.add(
                job.line,
                message,
                "remove its `if`: it then runs when all it needs went well",
            );
        }
    }

    /// Artifacts of a matrix have names of their own, and what is taken was left by a job before.
    fn artifacts(&mut self, job: &Job<'_>, jobs: &[Job<'_>], before: &BTreeSet<&str>) {
        let matrix =
            job.node.get("strategy").is_some_and(|strategy| strategy.get("matrix").is_some());
        for (name, line) in with(job, UPLOAD, "name") {
            if matrix && !name.contains("${{ matrix.platform }}") {
                let message = format!("every target of the matrix uploads an artifact `{name}`");
                self.add(line, message, "hold `${{ matrix.platform }}` in its name");
            }
        }
        let left: Vec<&str> = jobs
            .iter()
            .filter(|other| before.contains(other.name))
            .flat_map(|other| with(other, UPLOAD, "name"))
            .map(|(name, _)| name)
            .collect();
        let calls = jobs.iter().any(|other| other.node.get("uses").is_some());
        for key in ["name", "pattern"] {
            for (wanted, line) in with(job, DOWNLOAD, key) {
                // What a called workflow leaves, its own check knows.
                if !calls && !left.iter().any(|name| fits(wanted, name)) {
                    let message =
                        format!("no job before `{}` leaves an artifact `{wanted}`", job.name);
                    self.add(
                        line,
                        message,
                        "take one that is uploaded, and need the job that does it",
                    );
                }
            }
        }
    }

    /// Attested is every program of the plan, and nothing but what is released.
    pub(super) fn attests(&mut self, step: &Node) {
        let with = step.get("with");
        let paths = with.and_then(|with| with.get("subject-path"));
        let sums = with.and_then(|with| with.get("subject-checksums"));
        let programs = || self.plan.assets.iter().filter(|asset| asset.is_program());
        let problem = match (paths.and_then(Node::text), sums.and_then(Node::text)) {
            (Some(paths), None) => {
                let names: Vec<_> =
                    paths.lines().filter_map(|path| path.rsplit('/').next()).collect();
                programs()
                    .find(|asset| !names.iter().any(|pattern| glob(pattern, &asset.name)))
                    .map(|asset| format!("`{}` is not attested", asset.name))
            }
            (None, Some(path)) => {
                let own = &self.plan.config.release.checksums;
                (path.rsplit('/').next() != Some(own))
                    .then(|| format!("`{path}` is not the checksum file of the plan, `{own}`"))
            }
            _ => Some("it is not clear what is attested".into()),
        };
        if let Some(message) = problem {
            let cure = "give `subject-path` a pattern that every program of the plan fits, or `subject-checksums` its file";
            self.add(step.line, message, cure);
        }
    }
}

const UPLOAD: &str = "actions/upload-artifact";
const DOWNLOAD: &str = "actions/download-artifact";

/// Whether a name or pattern takes an artifact, whose own name may end in a platform's.
fn fits(wanted: &str, name: &str) -> bool {
    match wanted.split_once('*') {
        Some((start, _)) => name.starts_with(start),
        None => name == wanted,
    }
}

/// Names of all jobs that a job waits for, of those that these wait for too.
fn needed<'a>(job: &Job<'a>, jobs: &[Job<'a>]) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    let mut work: Vec<&str> = job.needs().iter().map(|(name, _)| *name).collect();
    while let Some(name) = work.pop() {
        if all.insert(name) {
            let known = jobs.iter().filter(|job| job.name == name);
            work.extend(known.flat_map(|job| job.needs()).map(|(name, _)| name));
        }
    }
    all
}

/// An input of every step of a job that uses an action.
fn with<'a>(job: &Job<'a>, action: &str, input: &str) -> Vec<(&'a str, usize)> {
    let value = |step: &'a Node| {
        let node = step.get("with")?.get(input)?;
        Some((node.text()?, node.line))
    };
    steps_with(job, action).filter_map(value).collect()
}

/// Every step of a job that uses an action.
fn steps_with<'a>(job: &Job<'a>, action: &str) -> impl Iterator<Item = &'a Node> {
    job.steps().iter().filter(move |step| {
        let uses = step.get("uses").and_then(Node::text).unwrap_or_default();
        uses.split('@').next() == Some(action)
    })
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn glob(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).any(|at| name.get(at..).is_some_and(|tail| glob(rest, tail)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name) in
            [("a", "a"), ("*", ""), ("a-*", "a-b"), ("*.x", "y.x"), ("a*c*", "abcd")]
        {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "b"), ("a-*", "ab"), ("*.x", "y.xz"), ("", "a")] {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }
}
