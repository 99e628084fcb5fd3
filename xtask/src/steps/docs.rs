//! `docs`: the pages that are made from tables in the code.

use clap::Args;
use std::path::Path;

use super::workspace::Workspace;
use crate::exit::{self, Exit};
use crate::ops::files;

/// Arguments of `docs`.
#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// Only look: fail when a page differs from its table
    #[arg(long)]
    check: bool,
}

/// `cargo xtask docs`: writes, or checks, every generated page under `docs/`.
pub(crate) fn run(root: Option<&Path>, args: &DocsArgs) -> anyhow::Result<Exit> {
    let root = root.unwrap_or(Path::new("."));
    let docs = root.join("docs");
    let mut stale = Vec::new();
    let mut pages = Vec::new();
    // Pages about the xtask itself stand beside its sources, and in no workspace that it serves.
    if root.join("xtask").join("core").is_dir() {
        pages = xtask_core::audit::docs::pages();
        pages.push(("xtask-toml.md".into(), xtask_core::plan::reference()));
        pages.push(("workflows.md".into(), xtask_core::workflow::reference()));
    }
    let workspace = Workspace::open(Some(root))?;
    pages.push(("platforms.md".into(), xtask_core::report::platforms(&workspace.config)));
    for (name, text) in pages {
        let path = docs.join(name);
        if files::read_text(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if !args.check {
            files::replace(&path, text.as_bytes())?;
        }
        stale.push(path.display().to_string());
    }
    for path in &stale {
        eprintln!("{} {path}", if args.check { "stale" } else { "wrote" });
    }
    if args.check && !stale.is_empty() {
        return Err(exit::refused(format!(
            "{} generated pages differ from their tables: run `cargo xtask docs`",
            stale.len()
        )));
    }
    Ok(Exit::Done)
}
