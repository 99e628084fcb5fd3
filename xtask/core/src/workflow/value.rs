//! What values read: expressions whose every path exists, and asset names that are the plan's.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::known::{GITHUB, SUBCOMMANDS};
use super::step::call;
use super::yaml::Node;
use super::{Checker, Job, expression};

impl Checker<'_> {
    /// `if` is an expression even without `${{ }}`.
    pub(super) fn condition_or_values(&mut self, node: &Node, job: &Job<'_>, condition: bool) {
        match node.text() {
            Some(text) if condition && !text.contains("${{") => {
                self.expression(text, node.line, Some(job))
            }
            _ => self.expressions(node, Some(job)),
        }
    }

    pub(super) fn env(&mut self, node: &Node, job: Option<&Job<'_>>) {
        if let Some(env) = node.get("env") {
            self.expressions(env, job);
        }
    }

    pub(super) fn expressions(&mut self, node: &Node, job: Option<&Job<'_>>) {
        if let Some(text) = node.text() {
            match expression::all(text) {
                Ok(all) => all.into_iter().for_each(|one| self.expression(one, node.line, job)),
                Err(message) => self.add(node.line, message, "close it"),
            }
        }
        for item in node.items() {
            self.expressions(item, job);
        }
        for (_, value) in node.entries() {
            self.expressions(value, job);
        }
    }

    fn expression(&mut self, text: &str, line: usize, job: Option<&Job<'_>>) {
        match expression::paths(text) {
            Err(message) => {
                self.add(line, message, "use what the checker understands, or teach it")
            }
            Ok(paths) => {
                for path in paths {
                    if let Err(message) = self.path(path, job) {
                        self.add(line, message, "read what is there");
                    }
                }
            }
        }
    }

    /// Whether a path reads something that exists.
    fn path(&self, path: &str, job: Option<&Job<'_>>) -> Result<(), String> {
        let parts: Vec<_> = path.split('.').collect();
        match parts[..] {
            ["github", name] if GITHUB.contains(&name) => Ok(()),
            ["secrets", "GITHUB_TOKEN"] => Ok(()),
            ["inputs", name] => self.input(name),
            ["matrix", name] => {
                let matrix = self.plan.matrix();
                let known = matrix["include"][0].get(name).is_some();
                known
                    .then_some(())
                    .ok_or_else(|| format!("`{path}`: the plan's matrix has no `{name}`"))
            }
            ["needs", name, "outputs", output] => {
                let needed =
                    job.and_then(|job| job.node.get("needs")).map(Node::texts).unwrap_or_default();
                if !needed.iter().any(|(needed, _)| *needed == name) {
                    return Err(format!("`{path}`: the job does not need `{name}`"));
                }
                let jobs = self.jobs();
                let outputs = jobs
                    .iter()
                    .find(|job| job.name == name)
                    .and_then(|job| job.node.get("outputs"));
                let known = outputs.is_some_and(|outputs| outputs.get(output).is_some());
                known
                    .then_some(())
                    .ok_or_else(|| format!("`{path}`: job `{name}` has no output `{output}`"))
            }
            ["needs", name, "result"] => {
                let needed =
                    job.and_then(|job| job.node.get("needs")).map(Node::texts).unwrap_or_default();
                let known = needed.iter().any(|(needed, _)| *needed == name);
                known
                    .then_some(())
                    .ok_or_else(|| format!("`{path}`: the job does not need `{name}`"))
            }
            ["steps", id, "outputs", output] => {
                let steps = job.map(Job::steps).unwrap_or_default();
                let step =
                    steps.iter().find(|step| step.get("id").and_then(Node::text) == Some(id));
                let step = step.ok_or_else(|| format!("`{path}`: no step has the id `{id}`"))?;
                let words = step.get("run").and_then(Node::text).and_then(call).unwrap_or_default();
                let known = SUBCOMMANDS.iter().find(|known| words.first() == Some(&known.name));
                let written = known.map(|known| known.outputs).unwrap_or_default();
                let cause = || {
                    format!(
                        "`{path}`: `cargo xtask {}` writes no output `{output}`",
                        words.first().unwrap_or(&"")
                    )
                };
                written.contains(&output).then_some(()).ok_or_else(cause)
            }
            _ => Err(format!("`{path}` is not understood")),
        }
    }

    fn input(&self, name: &str) -> Result<(), String> {
        let on = self.root.get("on");
        let inputs = ["workflow_dispatch", "workflow_call"]
            .into_iter()
            .filter_map(|trigger| on?.get(trigger)?.get("inputs"));
        let known = inputs.into_iter().any(|inputs| inputs.get(name).is_some());
        known.then_some(()).ok_or_else(|| format!("`inputs.{name}`: no input has that name"))
    }

    /// Names of assets that are written by hand must be the plan's.
    pub(super) fn names(&mut self, node: &Node) {
        if let Some(text) = node.text() {
            let part = |c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c));
            for word in text.split(part) {
                let looks = self.plan.config.packages.iter().any(|package| {
                    word.strip_prefix(package.name.as_str())
                        .is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
                });
                if looks && !self.plan.assets.iter().any(|asset| asset.name == word) {
                    self.add(
                        node.line,
                        format!("`{word}` looks like an asset and is none of the plan"),
                        "take the name from the plan",
                    );
                }
            }
        }
        for item in node.items() {
            self.names(item);
        }
        for (_, value) in node.entries() {
            self.names(value);
        }
    }
}
