//! The page that says what a workflow may say, from the tables that check it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::known::{ACTIONS, Permission, SUBCOMMANDS};
use super::runners;

/// `docs/workflows.md`.
pub fn reference() -> String {
    let mut out = String::from(
        "# Workflows\n\n\
         `cargo xtask workflow --check` reads every file in `.github/workflows` and refuses what follows from neither \
         the plan nor this page; a key, an action, a function or a runner that is not here is an error by name. This \
         page is made from the tables that check: `cargo xtask docs`.\n\n\
         ## The rules\n\n\
         - A job is checkout, artifact actions and one `cargo xtask` call, or `actions/attest`, or a call of `build.yml`. No \
         expression inside `run`: values come by `env`, and each variable is set.\n\
         - The matrix is printed by `plan --matrix`, and `images` is that of `cargo xtask image`; a job with it runs on `matrix.runner`, for `matrix.platform`, and \
         leaves artifacts with the platform in their name.\n\
         - `permissions: {}` at the top, in each job what its call and its actions need, and a token only where the call \
         talks to the forge.\n\
         - Actions and foreign workflows are pinned by commit, images by digest.\n\
         - `concurrency` per tag or branch; a release is never cancelled. It starts with the plan's tags, and can be \
         taken up again by hand.\n\
         - The job that publishes needs every other, and runs after no failure; only images' tags move after it. The job that pushes images has the assets that they are compared with. Each program of the plan is attested.\n\n\
         ## Subcommands\n\n\
         All read the repository (`contents: read`). \"Token\": `GH_TOKEN` in the environment of the step, and of no other.\n\n\
         | subcommand | needs | `--strict` | token | outputs |\n|---|---|---|---|---|\n",
    );
    for known in SUBCOMMANDS {
        let outputs: Vec<_> = known.outputs.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            known.name,
            permissions(known.needs),
            if known.strict { "demanded" } else { "" },
            if known.token { "yes" } else { "" },
            outputs.join(", ")
        );
    }
    out += "\n## Actions\n\n| action | needs | inputs | demanded |\n|---|---|---|---|\n";
    for action in ACTIONS {
        let inputs: Vec<_> = action.inputs.iter().map(|name| format!("`{name}`")).collect();
        let demands: Vec<_> =
            action.demands.iter().map(|(name, value)| format!("`{name}: {value}`")).collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            action.name,
            permissions(action.needs),
            inputs.join(", "),
            demands.join(", ")
        );
    }
    out += "\n## Runners\n\nA label is refused from 90 days before the day on which jobs on it begin to fail. Paid and \
            self-hosted runners are refused.\n\n| label | jobs begin to fail on | source |\n|---|---|---|\n";
    for (name, ends, source) in runners::table() {
        let _ = writeln!(out, "| `{name}` | {} | {source} |", ends.unwrap_or_default());
    }
    out
}

fn permissions(needs: &[Permission]) -> String {
    let needs: Vec<_> =
        needs.iter().map(|(scope, access)| format!("`{scope}: {access}`")).collect();
    needs.join(", ")
}
