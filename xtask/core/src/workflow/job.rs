//! One job: where it runs, for which targets, and what it calls.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

use super::known::CALLED;
use super::permission::Uses;
use super::yaml::Node;
use super::{Checker, Job, expression, runners};

impl Checker<'_> {
    pub(super) fn job(&mut self, job: &Job<'_>) {
        let place = format!("job `{}`", job.name);
        let names: Vec<_> = self.jobs().iter().map(|job| job.name).collect();
        for (needed, line) in job.needs() {
            if !names.contains(&needed) {
                self.add(
                    line,
                    format!("{place} needs `{needed}`, which is no job"),
                    format!("there is {}", names.join(", ")),
                );
            }
        }
        if let Some(called) = job.node.get("uses") {
            return self.called(job, &place, called);
        }
        self.keys(
            job.node,
            &place,
            &[
                "name",
                "needs",
                "if",
                "runs-on",
                "container",
                "timeout-minutes",
                "permissions",
                "strategy",
                "environment",
                "outputs",
                "env",
                "steps",
            ],
        );
        self.runs_on(job, &place);
        self.container(job, &place);
        self.strategy(job, &place);
        self.env(job.node, Some(job));
        for key in ["if", "outputs", "environment"] {
            if let Some(node) = job.node.get(key) {
                self.condition_or_values(node, job, key == "if");
            }
        }
        let uses = self.steps(job, &place);
        self.permissions(job, &place, &uses);
        self.token(job, &place, &uses);
    }

    /// A job that is another workflow: one of those known, and pinned when it is not of this repository.
    fn called(&mut self, job: &Job<'_>, place: &str, node: &Node) {
        self.keys(job.node, place, &["name", "needs", "if", "uses", "with", "permissions"]);
        let text = node.text().unwrap_or_default();
        let (path, reference) = text.split_once('@').unwrap_or((text, ""));
        let file = path.rsplit('/').next().unwrap_or_default();
        let in_folder =
            path.rsplit_once('/').is_some_and(|(f, _)| f.ends_with(".github/workflows"));
        let Some(workflow) = CALLED.iter().find(|known| in_folder && known.name == file) else {
            let names: Vec<_> = CALLED.iter().map(|known| known.name).collect();
            let cure = format!("there is {} in .github/workflows", names.join(", "));
            return self.add(node.line, format!("the workflow `{text}` is not understood"), cure);
        };
        if !path.starts_with("./") {
            self.pinned(node, "workflow", path, reference);
        }
        if let Some(with) = job.node.get("with") {
            self.keys(with, &format!("`with` of {file}"), workflow.inputs);
            self.expressions(with, Some(job));
        }
        if let Some(condition) = job.node.get("if") {
            self.condition_or_values(condition, job, true);
        }
        let uses = Uses { actions: [workflow].into(), ..Uses::default() };
        self.permissions(job, place, &uses);
    }

    fn runs_on(&mut self, job: &Job<'_>, place: &str) {
        let Some(node) = job.node.get("runs-on") else {
            return self.add(job.line, format!("{place} has no `runs-on`"), "name a runner");
        };
        let Some(label) = node.text() else {
            return self.add(
                node.line,
                format!("`runs-on` of {place} is not one label"),
                "name one runner",
            );
        };
        if label.contains("${{") {
            self.expressions(node, Some(job));
            if label.trim() != "${{ matrix.runner }}" {
                let cure = "write `${{ matrix.runner }}`, or one label";
                self.add(node.line, format!("`runs-on` of {place} is `{label}`"), cure);
            }
            // The matrix comes from the plan: so do its runners.
            let mut seen: Vec<&str> = Vec::new();
            for target in &self.plan.config.targets {
                if !seen.contains(&target.runner.as_str()) {
                    seen.push(&target.runner);
                }
            }
            for runner in seen.into_iter().map(str::to_owned).collect::<Vec<_>>() {
                self.runner(&runner, node.line, " of the plan");
            }
        } else {
            self.runner(label, node.line, "");
            if job.node.get("strategy").is_some_and(|strategy| strategy.get("matrix").is_some()) {
                let message = format!("{place} runs every target of its matrix on `{label}`");
                self.add(node.line, message, "write `${{ matrix.runner }}`");
            }
        }
    }

    /// An image is pinned like an action.
    fn container(&mut self, job: &Job<'_>, place: &str) {
        let Some(node) = job.node.get("container") else { return };
        if node.text().is_none() {
            self.keys(node, "`container`", &["image", "options"]);
        }
        let image = node.get("image").unwrap_or(node);
        let digest = image.text().and_then(|image| image.split_once("@sha256:"));
        let hexadecimal =
            |digest: &str| digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        if !digest.is_some_and(|(name, digest)| name.contains(':') && hexadecimal(digest)) {
            let cure = "write `name:version@sha256:<64 hexadecimal digits>`: a tag can be moved";
            self.add(image.line, format!("the container of {place} is not pinned by digest"), cure);
        }
    }

    fn runner(&mut self, label: &str, line: usize, whose: &str) {
        if let Err((message, cure)) = runners::check(label, self.today) {
            self.add(line, format!("{message}{whose}"), cure);
        }
    }

    /// The matrix is the plan's: from a job that printed it, or written by hand and equal to it.
    fn strategy(&mut self, job: &Job<'_>, place: &str) {
        let Some(strategy) = job.node.get("strategy") else { return };
        self.keys(strategy, "`strategy`", &["matrix", "fail-fast", "max-parallel"]);
        let Some(matrix) = strategy.get("matrix") else { return };
        if let Some(text) = matrix.text() {
            let from_plan = expression::all(text)
                .is_ok_and(|all| all.iter().any(|expression| self.printed_by_plan(expression)));
            if !from_plan {
                let cure = "write `${{ fromJSON(needs.plan.outputs.matrix) }}`, an output of the job that runs `cargo xtask plan --matrix`";
                self.add(
                    matrix.line,
                    format!("the matrix of {place} does not come from the plan"),
                    cure,
                );
            }
            let images = job.runs("image");
            if from_plan && text.contains("outputs.images") != images {
                let cure = "take `matrix` for every target, and `images` for `cargo xtask image`";
                self.add(matrix.line, format!("{place} has the matrix of other targets"), cure);
            }
            return self.expressions(matrix, Some(job));
        }
        self.keys(matrix, "a matrix", &["include"]);
        let wanted = self.plan.matrix();
        let wanted = wanted["include"].as_array().map(Vec::as_slice).unwrap_or_default();
        let include = matrix.get("include").map(Node::items).unwrap_or_default();
        let same = include.len() == wanted.len()
            && include.iter().zip(wanted).all(|(entry, wanted)| {
                entry.entries().iter().all(|(key, value)| {
                    key.text()
                        .is_some_and(|key| wanted.get(key).and_then(|v| v.as_str()) == value.text())
                })
            });
        if !same {
            let cure = "let `cargo xtask plan --matrix` print it";
            self.add(
                matrix.line,
                format!("the matrix of {place} is written by hand and differs from the plan"),
                cure,
            );
        }
    }

    /// `fromJSON(needs.J.outputs.O)`, where J runs `cargo xtask plan --matrix`.
    pub(super) fn printed_by_plan(&self, expression: &str) -> bool {
        let Ok(paths) = expression::paths(expression) else { return false };
        let parts: Vec<_> = paths.iter().flat_map(|path| path.split('.')).collect();
        let ["needs", name, "outputs", _] = parts[..] else { return false };
        let jobs = self.jobs();
        let Some(job) = jobs.iter().find(|job| job.name == name) else { return false };
        expression.starts_with("fromJSON(")
            && job.calls().any(|words| words.contains(&"plan") && words.contains(&"--matrix"))
    }
}
