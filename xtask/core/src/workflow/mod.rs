//! What a workflow file MAY SAY: each job one `cargo xtask` call, nothing that differs from the plan,
//! no permission beyond what that call needs. What the checker does not understand is an error.

mod expression;
mod known;
pub mod runners;
mod yaml;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use self::known::{ACTIONS, Action, GITHUB, Permission, SUBCOMMANDS, Subcommand};
use self::runners::Day;
use self::yaml::{Node, Value};
use crate::plan::{Plan, Problem};

/// Everything wrong with one workflow file, in the order of the lines. `today` in days since 1970.
pub fn check(text: &str, plan: &Plan, today: Day) -> Vec<Problem> {
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err((line, message)) => {
            let cure = "write plain YAML, without anchors and tags".to_owned();
            return [Problem { line, message, cure }].into();
        }
    };
    let mut checker = Checker { text, plan, today, root: &root, problems: Vec::new() };
    checker.workflow();
    checker.problems.sort_by_key(|problem| problem.line);
    checker.problems
}

struct Checker<'a> {
    text: &'a str,
    plan: &'a Plan,
    today: Day,
    root: &'a Node,
    problems: Vec<Problem>,
}

/// A job and its name.
struct Job<'a> {
    name: &'a str,
    line: usize,
    node: &'a Node,
}

/// What one job uses, collected from its steps.
#[derive(Default)]
struct Uses {
    commands: Vec<&'static Subcommand>,
    actions: Vec<&'static Action>,
}

impl Uses {
    fn needs(&self) -> BTreeSet<Permission> {
        let commands = self.commands.iter().flat_map(|command| command.needs);
        let actions = self.actions.iter().flat_map(|action| action.needs);
        let read: &[Permission] = &[("contents", "read")];
        commands.chain(actions).chain(read).copied().collect()
    }
}

impl<'a> Checker<'a> {
    fn add(&mut self, line: usize, message: impl Into<String>, cure: impl Into<String>) {
        self.problems.push(Problem { line, message: message.into(), cure: cure.into() });
    }

    /// Keys that are not among the known ones are errors by name.
    fn keys(&mut self, node: &Node, place: &str, known: &[&str]) {
        if !matches!(node.value, Value::Map(_)) {
            self.add(node.line, format!("{place} is no mapping"), "write `key: value` lines");
        }
        for (key, _) in node.entries() {
            let name = key.text().unwrap_or_default();
            if !known.contains(&name) {
                let cure = format!("understood are {}", known.join(", "));
                self.add(key.line, format!("`{name}` in {place} is not understood"), cure);
            }
        }
    }

    fn workflow(&mut self) {
        let root = self.root;
        self.keys(root, "a workflow", &["name", "on", "permissions", "concurrency", "env", "jobs"]);
        self.triggers();
        match root.get("permissions") {
            Some(node) if node.value == Value::Map(Vec::new()) => {}
            Some(node) => {
                self.add(
                    node.line,
                    "the workflow's own `permissions` are not `{}`",
                    "write `permissions: {}`: each job asks for its own",
                );
            }
            None => self.add(
                1,
                "no `permissions` at the top",
                "write `permissions: {}`: else every job gets the repository's default",
            ),
        }
        self.concurrency();
        let jobs = self.jobs();
        if jobs.is_empty() {
            self.add(1, "no `jobs`", "write at least one job");
        }
        self.env(root, None);
        for job in &jobs {
            self.job(job);
        }
        self.names(root);
    }

    fn jobs(&self) -> Vec<Job<'a>> {
        let entries = self.root.get("jobs").map(Node::entries).unwrap_or_default();
        let job =
            |(key, node): &'a (Node, Node)| Some(Job { name: key.text()?, line: key.line, node });
        entries.iter().filter_map(job).collect()
    }

    fn triggers(&mut self) {
        let Some(on) = self.root.get("on") else {
            return self.add(1, "no `on`", "say what starts the workflow");
        };
        // A list or one word names triggers without settings.
        for (name, line) in on.texts() {
            self.trigger(name, line);
        }
        for (key, settings) in on.entries() {
            self.trigger(key.text().unwrap_or_default(), key.line);
            let known: &[&str] = match key.text() {
                Some("push" | "pull_request") => &["branches", "tags", "paths"],
                Some("workflow_dispatch" | "workflow_call") => &["inputs", "outputs", "secrets"],
                Some("schedule") => continue,
                _ => &[],
            };
            if !settings.entries().is_empty() {
                self.keys(settings, "a trigger", known);
            }
        }
    }

    fn trigger(&mut self, name: &str, line: usize) {
        match name {
            "push" | "pull_request" | "workflow_dispatch" | "workflow_call" | "schedule" => {}
            "pull_request_target" | "workflow_run" => {
                let message = format!("`{name}` runs a stranger's change with our token");
                self.add(line, message, "use `pull_request`");
            }
            _ => self.add(
                line,
                format!("the trigger `{name}` is not understood"),
                "use push, pull_request or workflow_dispatch",
            ),
        }
    }

    fn concurrency(&mut self) {
        let Some(node) = self.root.get("concurrency") else {
            return self.add(1, "no `concurrency`", "write a `group` that holds the tag or the branch: two runs of one release must not race");
        };
        if matches!(node.value, Value::Map(_)) {
            self.keys(node, "`concurrency`", &["group", "cancel-in-progress"]);
        }
        let group = node.get("group").unwrap_or(node);
        self.expressions(group, None);
        let releases = self.jobs().iter().any(|job| self.writes(job));
        let cancels = node.get("cancel-in-progress").and_then(Node::text) == Some("true");
        if releases && cancels {
            self.add(
                node.line,
                "a newer run cancels a release under way",
                "write `cancel-in-progress: false`",
            );
        }
    }

    fn writes(&self, job: &Job<'_>) -> bool {
        let permissions = job.node.get("permissions").map(Node::entries).unwrap_or_default();
        permissions.iter().any(|(_, access)| access.text() == Some("write"))
    }

    fn job(&mut self, job: &Job<'_>) {
        let place = format!("job `{}`", job.name);
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
        let names: Vec<_> = self.jobs().iter().map(|job| job.name).collect();
        for (needed, line) in job.node.get("needs").map(Node::texts).unwrap_or_default() {
            if !names.contains(&needed) {
                self.add(
                    line,
                    format!("{place} needs `{needed}`, which is no job"),
                    format!("there is {}", names.join(", ")),
                );
            }
        }
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

    /// `if` is an expression even without `${{ }}`.
    fn condition_or_values(&mut self, node: &Node, job: &Job<'_>, condition: bool) {
        match node.text() {
            Some(text) if condition && !text.contains("${{") => {
                self.expression(text, node.line, Some(job))
            }
            _ => self.expressions(node, Some(job)),
        }
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
    fn printed_by_plan(&self, expression: &str) -> bool {
        let Ok(paths) = expression::paths(expression) else { return false };
        let parts: Vec<_> = paths.iter().flat_map(|path| path.split('.')).collect();
        let ["needs", name, "outputs", _] = parts[..] else { return false };
        let jobs = self.jobs();
        let Some(job) = jobs.iter().find(|job| job.name == name) else { return false };
        let steps = job.node.get("steps").map(Node::items).unwrap_or_default();
        let runs = steps.iter().filter_map(|step| step.get("run")?.text());
        expression.starts_with("fromJSON(")
            && runs.into_iter().any(|run| run.contains("plan --matrix"))
    }

    fn env(&mut self, node: &Node, job: Option<&Job<'_>>) {
        if let Some(env) = node.get("env") {
            self.expressions(env, job);
        }
    }

    fn steps(&mut self, job: &Job<'_>, place: &str) -> Uses {
        let mut uses = Uses::default();
        let steps = job.node.get("steps").map(Node::items).unwrap_or_default();
        for step in steps {
            self.keys(step, "a step", &["name", "id", "uses", "with", "run", "env", "if"]);
            self.env(step, Some(job));
            if let Some(condition) = step.get("if") {
                self.condition_or_values(condition, job, true);
            }
            match (step.get("run"), step.get("uses")) {
                (Some(run), None) => uses.commands.extend(self.run(run)),
                (None, Some(action)) => uses.actions.extend(self.uses(action, step, job)),
                _ => self.add(
                    step.line,
                    "a step has neither `run` nor `uses`, or both",
                    "write one of them",
                ),
            }
        }
        let runs = steps.iter().filter(|step| step.get("run").is_some()).count();
        let attests = uses.actions.iter().any(|action| action.name == "actions/attest");
        match runs {
            0 if attests => {}
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
        let words: Vec<_> = line.split_whitespace().collect();
        let ["cargo", "xtask", rest @ ..] = &words[..] else {
            self.add(node.line, format!("`run` is `{line}`"), one_call);
            return None;
        };
        let rest = if let ["-C", _, rest @ ..] = rest { rest } else { rest };
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
        let commit = reference.len() == 40 && reference.bytes().all(|b| b.is_ascii_hexdigit());
        let written = self.text.lines().nth(node.line - 1).unwrap_or_default();
        let version = written
            .split_once(" # v")
            .is_some_and(|(_, v)| v.starts_with(|c: char| c.is_ascii_digit()));
        if !commit || !version {
            let cure =
                format!("write `{name}@<40 hexadecimal digits> # v<version>`: a tag can be moved");
            self.add(
                node.line,
                format!(
                    "the action `{text}` is not pinned by commit with its version in a comment"
                ),
                cure,
            );
        }
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
        Some(action)
    }

    fn permissions(&mut self, job: &Job<'_>, place: &str, uses: &Uses) {
        let Some(node) = job.node.get("permissions") else {
            return self.add(
                job.line,
                format!("{place} has no `permissions`"),
                "write the least it needs, such as `contents: read`",
            );
        };
        if let Some(text) = node.text() {
            return self.add(
                node.line,
                format!("{place} asks for `{text}`"),
                "name each permission",
            );
        }
        let needs = uses.needs();
        for (scope, access) in node.entries() {
            let (name, level) =
                (scope.text().unwrap_or_default(), access.text().unwrap_or_default());
            let needed = needs
                .iter()
                .any(|(s, a)| *s == name && (*a == level || level == "read" && *a == "write"));
            if !needed && level != "none" {
                let needs: Vec<_> =
                    needs.iter().map(|(scope, access)| format!("{scope}: {access}")).collect();
                self.add(
                    scope.line,
                    format!("{place} may `{name}: {level}` and does not need it"),
                    format!("it needs {}", needs.join(", ")),
                );
            }
        }
        for (scope, access) in needs.iter().filter(|(_, access)| *access == "write") {
            if node.get(scope).and_then(Node::text) != Some(access) {
                self.add(
                    node.line,
                    format!("{place} may not `{scope}: {access}`"),
                    format!("add `{scope}: {access}`"),
                );
            }
        }
    }

    /// The token goes where a subcommand talks to the forge, and nowhere else.
    fn token(&mut self, job: &Job<'_>, place: &str, uses: &Uses) {
        let steps = job.node.get("steps").map(Node::items).unwrap_or_default();
        let envs = steps.iter().chain([job.node]).filter_map(|node| node.get("env"));
        let holders: Vec<_> = envs
            .flat_map(Node::entries)
            .filter(|(name, value)| {
                let reads = value.text().unwrap_or_default();
                name.text().unwrap_or_default().ends_with("TOKEN")
                    || reads.contains("github.token")
                    || reads.contains("secrets.")
            })
            .collect();
        let wanted = uses.commands.iter().any(|command| command.token);
        match (wanted, holders.first()) {
            (false, Some((name, _))) => {
                self.add(
                    name.line,
                    format!("{place} holds a token and does not need one"),
                    "remove it: a build script could read it",
                );
            }
            (true, None) => self.add(
                job.line,
                format!("{place} talks to the forge without a token"),
                "add `GH_TOKEN: ${{ github.token }}` under `env` of its step",
            ),
            _ => {}
        }
    }

    fn expressions(&mut self, node: &Node, job: Option<&Job<'_>>) {
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
            ["steps", id, "outputs", _] => {
                let steps =
                    job.and_then(|job| job.node.get("steps")).map(Node::items).unwrap_or_default();
                let known =
                    steps.iter().any(|step| step.get("id").and_then(Node::text) == Some(id));
                known.then_some(()).ok_or_else(|| format!("`{path}`: no step has the id `{id}`"))
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
    fn names(&mut self, node: &Node) {
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

/// The words after `cargo xtask` of every `run`, with its line. Quotes are removed, and `1`, which may be
/// a name or a number, stands for a variable: enough for a parser of arguments.
pub fn calls(text: &str) -> Vec<(usize, Vec<String>)> {
    let Ok(root) = yaml::parse(text) else { return Vec::new() };
    let jobs = root.get("jobs").map(Node::entries).unwrap_or_default();
    let steps =
        jobs.iter().flat_map(|(_, job)| job.get("steps").map(Node::items).unwrap_or_default());
    steps
        .filter_map(|step| {
            let run = step.get("run")?;
            let plain = |word: &str| {
                if word.contains('$') { "1".to_owned() } else { word.replace('"', "") }
            };
            let words = run.text()?.split_whitespace().map(plain);
            Some((run.line, words.skip(2).collect()))
        })
        .collect()
}

/// The problems of a file as text, a line each.
pub fn render(path: &str, problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{path}:{problem}\n")).collect()
}
