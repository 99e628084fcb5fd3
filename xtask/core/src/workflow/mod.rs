//! What a workflow file MAY SAY: each job one `cargo xtask` call, nothing that differs from the plan,
//! no permission beyond what that call needs. What the checker does not understand is an error.

mod docs;
mod expression;
mod job;
mod known;
mod order;
mod permission;
pub mod runners;
mod step;
mod trigger;
mod value;
mod yaml;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use self::docs::reference;
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
#[derive(Clone, Copy)]
struct Job<'a> {
    name: &'a str,
    line: usize,
    node: &'a Node,
}

impl<'a> Job<'a> {
    fn steps(&self) -> &'a [Node] {
        self.node.get("steps").map(Node::items).unwrap_or_default()
    }

    /// The words of its `cargo xtask` calls, from the subcommand on.
    fn calls(&self) -> impl Iterator<Item = Vec<&'a str>> {
        let runs = self.steps().iter().filter_map(|step| step.get("run")?.text());
        runs.map(|run| step::call(run).unwrap_or_default())
    }

    fn runs(&self, subcommand: &str) -> bool {
        self.calls().any(|words| words.first() == Some(&subcommand))
    }

    /// Whether it gives images the names that users pull by.
    fn moves_tags(&self) -> bool {
        self.calls().any(|words| words.first() == Some(&"image-push") && words.contains(&"--tags"))
    }

    /// Names of the jobs it needs itself.
    fn needs(&self) -> Vec<(&'a str, usize)> {
        self.node.get("needs").map(Node::texts).unwrap_or_default()
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
        self.order(&jobs);
        self.names(root);
    }

    fn jobs(&self) -> Vec<Job<'a>> {
        let entries = self.root.get("jobs").map(Node::entries).unwrap_or_default();
        let job =
            |(key, node): &'a (Node, Node)| Some(Job { name: key.text()?, line: key.line, node });
        entries.iter().filter_map(job).collect()
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

/// The workflow that signs provenance when this one runs in `repository`, as `OWNER/NAME/.github/workflows/FILE`:
/// the called one that attests, else release.yml itself, if a job of its own does. `None` when none does.
pub fn signer(text: &str, repository: &str) -> Option<String> {
    let root = yaml::parse(text).ok()?;
    let used = |node: &Node, before: &str| {
        let uses = node.get("uses").and_then(Node::text).unwrap_or_default();
        let (path, _) = uses.split_once('@').unwrap_or((uses, ""));
        path.ends_with(before).then(|| path.to_owned())
    };
    let jobs = root.get("jobs").map(Node::entries).unwrap_or_default();
    let called = known::CALLED.iter().map(|called| format!("/.github/workflows/{}", called.name));
    for path in called {
        if let Some(uses) = jobs.iter().find_map(|(_, job)| used(job, &path)) {
            let elsewhere = !uses.starts_with("./");
            return Some(if elsewhere { uses } else { format!("{repository}{path}") });
        }
    }
    let attests =
        |job: &Node| job.get("steps")?.items().iter().find_map(|step| used(step, "actions/attest"));
    jobs.iter().find_map(|(_, job)| attests(job))?;
    Some(format!("{repository}/.github/workflows/release.yml"))
}

/// The problems of a file as text, a line each.
pub fn render(path: &str, problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{path}:{problem}\n")).collect()
}
