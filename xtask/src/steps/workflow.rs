//! `workflow`: do the workflow files say what the plan says, and no more than they must?

use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use xtask_core::plan::Problem;
use xtask_core::workflow;

use super::workspace::Workspace;
use crate::cli::Cli;
use crate::exit::{Exit, refused, usage};
use crate::ops::{files, probe};

/// Arguments of `workflow`.
#[derive(Debug, Args)]
pub(crate) struct WorkflowArgs {
    /// Check the files (there is nothing else to do with them: they are written by hand)
    #[arg(long, required = true)]
    check: bool,
    /// Workflow files [default: all in `.github/workflows` beside xtask.toml]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// `cargo xtask workflow --check`.
pub(crate) fn run(root: Option<&Path>, args: &WorkflowArgs) -> anyhow::Result<Exit> {
    let workspace = Workspace::open(root)?;
    let plan = workspace.plan(None)?;
    let files = if args.files.is_empty() { all(&workspace.root)? } else { args.files.clone() };
    let today = probe::today()?;
    let mut problems = String::new();
    for file in &files {
        let text = files::read_text(file)?;
        let mut found = workflow::check(&text, &plan, today);
        found.extend(workflow::calls(&text).into_iter().filter_map(unparsable));
        problems += &workflow::render(&file.to_string_lossy(), &found);
    }
    if problems.is_empty() {
        println!("{} workflow files agree with the plan", files.len());
        return Ok(Exit::Done);
    }
    Err(refused(problems.trim_end()))
}

/// A call that this very xtask would not understand.
fn unparsable((line, words): (usize, Vec<String>)) -> Option<Problem> {
    let program = ["cargo xtask".to_owned()];
    let error = Cli::try_parse_from(program.into_iter().chain(words)).err()?;
    let message = error.to_string();
    let first = message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Some(Problem { line, message: first, cure: "see `cargo xtask --help`".to_owned() })
}

/// The workflow files of a repository.
///
/// # Errors
/// When there are none.
pub(super) fn all(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = root.join(".github").join("workflows");
    let entries = std::fs::read_dir(&folder).map_err(|error| {
        usage(format!("cannot read `{}` ({error}): name the files", folder.display()))
    })?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| {
        path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
    });
    files.sort_unstable();
    if files.is_empty() {
        return Err(usage(format!("`{}` holds no workflow", folder.display())));
    }
    Ok(files)
}
