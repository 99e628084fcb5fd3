//! `plan`: show what will be released, before anything is done.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use xtask_core::report;

use super::workspace::Workspace;
use crate::exit::Exit;
use crate::ops::files;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Print the plan as one JSON object
    #[arg(long, conflicts_with = "matrix")]
    json: bool,
    /// Print the CI matrix as JSON, and write it to `$GITHUB_OUTPUT` where that is set, with that of the
    /// images
    #[arg(long)]
    matrix: bool,
    /// The release's version [default: the packages' own]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

/// `cargo xtask plan`.
pub(crate) fn run(root: Option<&Path>, args: &PlanArgs) -> anyhow::Result<Exit> {
    let plan = Workspace::open(root)?.plan(args.version.as_deref())?;
    if args.matrix {
        let matrix = plan.matrix();
        println!("{matrix}");
        if let Some(output) = std::env::var_os("GITHUB_OUTPUT").filter(|path| !path.is_empty()) {
            let mut outputs = format!("matrix={matrix}\n");
            if !plan.config.images.is_empty() {
                outputs += &format!("images={}\n", plan.image_matrix());
            }
            files::append(Path::new(&output), &outputs).context("GITHUB_OUTPUT names a file")?;
        }
    } else if args.json {
        println!("{:#}", plan.to_json());
    } else {
        print!("{}", report::plan(&plan));
    }
    Ok(Exit::Done)
}
