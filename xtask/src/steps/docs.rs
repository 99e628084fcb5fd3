//! `docs`: the pages that are made from tables in the code.

use clap::Args;
use std::path::Path;

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
    let docs = root.unwrap_or(Path::new(".")).join("docs");
    let mut stale = Vec::new();
    let mut pages = xtask_core::audit::docs::pages();
    pages.push(("xtask-toml.md".into(), xtask_core::plan::reference()));
    for (name, text) in pages {
        let path = docs.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
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
