//! One step: a `cargo xtask` call, or an action that is known.

use alloc::format;
use alloc::vec::Vec;

use super::known::{ACTIONS, Action, SUBCOMMANDS, Subcommand};
use super::permission::Uses;
use super::yaml::Node;
use super::{Checker, Job};

impl Checker<'_> {
    pub(super) fn steps(&mut self, job: &Job<'_>, place: &str) -> Uses {
        let mut uses = Uses::default();
        let steps = job.steps();
        for step in steps {
            self.keys(step, "a step", &["name", "id", "uses", "with", "run", "env", "if"]);
            self.env(step, Some(job));
            if let Some(condition) = step.get("if") {
                self.condition_or_values(condition, job, true);
            }
            match (step.get("run"), step.get("uses")) {
                (Some(run), None) => {
                    let command = self.run(run);
                    if command.is_some() {
                        self.variables(step, job, run);
                        self.own_target(
                            step,
                            job,
                            run,
                            &call(run.text().unwrap_or_default()).unwrap_or_default(),
                        );
                    }
                    uses.commands.extend(command);
                }
                (None, Some(action)) => uses.actions.extend(self.uses(action, step, job)),
                _ => self.add(
                    step.line,
                    "a step has neither `run` nor `uses`, or both",
                    "write one of them",
                ),
            }
        }
        let runs = steps.iter().filter(|step| step.get("run").is_some()).count();
        const ALONE: &[&str] = &["actions/attest", "goreleaser/goreleaser-action"];
        let alone = uses.actions.iter().any(|action| ALONE.contains(&action.name));
        match runs {
            0 if alone => {}
            1 => {}
            0 => self.add(
                job.line,
                format!("{place} runs no `cargo xtask`"),
                "run the job's one step, or remove the job",
            ),
            _ => self.add(
                job.line,
                format!("{place} has {runs} `run` steps"),
                "each job is one `cargo xtask` call: what belongs together is one subcommand",
            ),
        }
        uses
    }

    /// Exactly one `cargo xtask` call.
    fn run(&mut self, node: &Node) -> Option<&'static Subcommand> {
        let text = node.text().unwrap_or_default();
        if text.contains("${{") {
            self.add(
                node.line,
                "an expression inside `run`",
                "pass the value by `env` and write \"$NAME\": its text would be run by the shell",
            );
            return None;
        }
        let one_call = "write one `cargo xtask` call, without shell syntax";
        let line = text.trim_end();
        let shell = |c: char| ";|&<>`()\\{}*?[]#!~\n".contains(c);
        if line.contains(shell) {
            self.add(node.line, "`run` is more than one `cargo xtask` call", one_call);
            return None;
        }
        let Some(rest) = call(line) else {
            self.add(node.line, format!("`run` is `{line}`"), one_call);
            return None;
        };
        let name = rest.first().copied().unwrap_or_default();
        let Some(command) = SUBCOMMANDS.iter().find(|command| command.name == name) else {
            let names: Vec<_> = SUBCOMMANDS.iter().map(|command| command.name).collect();
            self.add(
                node.line,
                format!("`cargo xtask {name}` is no step of a workflow"),
                format!("there is {}", names.join(", ")),
            );
            return None;
        };
        if command.strict && !rest.contains(&"--strict") {
            self.add(
                node.line,
                format!("`cargo xtask {name}` without `--strict`"),
                "add --strict: in CI a check that cannot run is a failure",
            );
        }
        if let Some(target) = rest.iter().skip_while(|word| **word != "--target").nth(1)
            && !target.contains('$')
            && self.plan.config.target(target).is_none()
        {
            self.add(
                node.line,
                format!("`--target {target}` is no target of the plan"),
                "take it from the matrix, by `env`",
            );
        }
        Some(command)
    }

    /// An action that is known, pinned by commit, its version in a comment.
    fn uses(&mut self, node: &Node, step: &Node, job: &Job<'_>) -> Option<&'static Action> {
        let text = node.text().unwrap_or_default();
        let (name, reference) = text.split_once('@').unwrap_or((text, ""));
        let Some(action) = ACTIONS.iter().find(|action| action.name == name) else {
            let names: Vec<_> = ACTIONS.iter().map(|action| action.name).collect();
            self.add(
                node.line,
                format!("the action `{name}` is not understood"),
                format!("there is {}", names.join(", ")),
            );
            return None;
        };
        self.pinned(node, "action", name, reference);
        let with = step.get("with");
        if let Some(with) = with {
            self.keys(with, &format!("`with` of {name}"), action.inputs);
            self.expressions(with, Some(job));
        }
        for (input, value) in action.demands {
            if with.and_then(|with| with.get(input)).and_then(Node::text) != Some(value) {
                self.add(
                    node.line,
                    format!("{name} without `{input}: {value}`"),
                    format!("add `{input}: {value}` under `with`"),
                );
            }
        }
        if action.name == "actions/attest" {
            self.attests(step);
        }
        Some(action)
    }

    /// Pinned by commit, with the version in a comment.
    pub(super) fn pinned(&mut self, node: &Node, what: &str, name: &str, reference: &str) {
        let commit = reference.len() == 40 && reference.bytes().all(|b| b.is_ascii_hexdigit());
        let written = self.text.lines().nth(node.line - 1).unwrap_or_default();
        let version = written
            .split_once(" # v")
            .is_some_and(|(_, v)| v.starts_with(|c: char| c.is_ascii_digit()));
        if !commit || !version {
            let text = node.text().unwrap_or_default();
            let cure =
                format!("write `{name}@<40 hexadecimal digits> # v<version>`: a tag can be moved");
            let message = format!(
                "the {what} `{text}` is not pinned by commit with its version in a comment"
            );
            self.add(node.line, message, cure);
        }
    }

    /// Every variable of a call is set, where the checker can see it.
    fn variables(&mut self, step: &Node, job: &Job<'_>, run: &Node) {
        for word in run.text().unwrap_or_default().split_whitespace() {
            let Some((_, name)) = word.split_once('$') else { continue };
            let name = name.trim_end_matches('"');
            let places = [step, job.node, self.root];
            let set =
                places.iter().filter_map(|place| place.get("env")?.get(name)).next().is_some();
            if !set {
                let cure = format!("set `{name}` under `env` of the step");
                self.add(run.line, format!("`${name}` in `run` is set nowhere"), cure);
            }
        }
    }

    /// In a job for every target, the call is for the job's own.
    fn own_target(&mut self, step: &Node, job: &Job<'_>, run: &Node, words: &[&str]) {
        let matrix =
            job.node.get("strategy").is_some_and(|strategy| strategy.get("matrix").is_some());
        if !matrix {
            return;
        }
        let name = words.iter().skip_while(|word| **word != "--target").nth(1).copied();
        let name = name.and_then(|word| word.trim_matches('"').strip_prefix('$'));
        let places = [step, job.node];
        let value = name
            .and_then(|name| places.iter().find_map(|place| place.get("env")?.get(name)?.text()));
        if value.map(str::trim) != Some("${{ matrix.platform }}") {
            let cure = "pass `--target \"$PLATFORM\"`, with `PLATFORM: ${{ matrix.platform }}` under `env`";
            self.add(run.line, "the call is not for the target of the matrix", cure);
        }
    }
}

/// The words of a `cargo xtask` call from the subcommand on; `None` when it is something else.
pub(super) fn call(run: &str) -> Option<Vec<&str>> {
    let mut words = run.split_whitespace();
    if words.next() != Some("cargo") || words.next() != Some("xtask") {
        return None;
    }
    let words: Vec<_> = words.collect();
    Some(if let ["-C", _, rest @ ..] = &words[..] { rest.to_vec() } else { words })
}
