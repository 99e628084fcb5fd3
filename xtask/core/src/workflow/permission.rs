//! What a job may: the least that its call and its actions need, and a token only to talk to the forge.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use super::known::{Action, Permission, Subcommand};
use super::yaml::Node;
use super::{Checker, Job};

/// What one job uses, collected from its steps.
#[derive(Default)]
pub(super) struct Uses {
    pub(super) commands: Vec<&'static Subcommand>,
    pub(super) actions: Vec<&'static Action>,
}

impl Uses {
    fn needs(&self) -> BTreeSet<Permission> {
        let commands = self.commands.iter().flat_map(|command| command.needs);
        let actions = self.actions.iter().flat_map(|action| action.needs);
        let read: &[Permission] = &[("contents", "read")];
        commands.chain(actions).chain(read).copied().collect()
    }
}

impl Checker<'_> {
    pub(super) fn writes(&self, job: &Job<'_>) -> bool {
        let permissions = job.node.get("permissions").map(Node::entries).unwrap_or_default();
        permissions.iter().any(|(_, access)| access.text() == Some("write"))
    }

    pub(super) fn permissions(&mut self, job: &Job<'_>, place: &str, uses: &Uses) {
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
    pub(super) fn token(&mut self, job: &Job<'_>, place: &str, uses: &Uses) {
        let steps = job.steps();
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
}
