//! What starts a workflow, and what keeps two runs apart.

use alloc::format;

use super::yaml::{Node, Value};
use super::{Checker, expression};

impl Checker<'_> {
    pub(super) fn triggers(&mut self) {
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
        if self.releases() {
            self.starts(on);
        }
    }

    /// A release starts with a tag of the plan's kind, and can be taken up again by hand.
    fn starts(&mut self, on: &Node) {
        let wanted = self.plan.config.release.tag.replace("{version}", "*");
        let tags = on.get("push").and_then(|push| push.get("tags"));
        let listed = tags.map(Node::texts).unwrap_or_default();
        if !matches!(listed[..], [(tag, _)] if tag == wanted) {
            let line = tags.map_or(on.line, |tags| tags.line);
            let message =
                format!("the tags that start a release are not those of the plan, `{wanted}`");
            self.add(line, message, format!("write `tags: [\"{wanted}\"]` under `push`"));
        }
        let by_hand = on.get("workflow_dispatch").or_else(|| on.get("workflow_call"));
        if by_hand.and_then(|trigger| trigger.get("inputs")).is_none() {
            let cure = "add `workflow_dispatch` with an input for the tag";
            self.add(on.line, "a release cannot be taken up again by hand", cure);
        }
    }

    /// Whether a job makes or publishes a release.
    pub(super) fn releases(&self) -> bool {
        self.jobs().iter().any(|job| job.runs("draft") || job.runs("finalize"))
    }

    /// Whether it runs only when another workflow calls it.
    fn is_called(&self) -> bool {
        let on = self.root.get("on");
        let keys = on.map(Node::entries).unwrap_or_default();
        on.and_then(Node::text) == Some("workflow_call")
            || keys.len() == 1 && keys.iter().all(|(key, _)| key.text() == Some("workflow_call"))
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

    pub(super) fn concurrency(&mut self) {
        let Some(node) = self.root.get("concurrency") else {
            // The caller's holds for what it calls.
            if !self.is_called() {
                let cure = "write a `group` that holds the tag or the branch: two runs of one release must not race";
                self.add(1, "no `concurrency`", cure);
            }
            return;
        };
        if matches!(node.value, Value::Map(_)) {
            self.keys(node, "`concurrency`", &["group", "cancel-in-progress"]);
        }
        let group = node.get("group").unwrap_or(node);
        self.expressions(group, None);
        let read = group.text().map(expression::all).and_then(Result::ok).unwrap_or_default();
        let per_run = ["github.ref", "github.ref_name", "inputs."];
        if !read.iter().any(|expression| per_run.iter().any(|path| expression.contains(path))) {
            let cure = "hold `${{ github.ref }}`, or the input with the tag";
            self.add(group.line, "`concurrency` is the same for every tag and branch", cure);
        }
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
}
