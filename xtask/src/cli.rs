//! The command line: clap types and dispatch, one thin function per subcommand.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

use crate::exit::Exit;
use crate::steps;

/// Every step of the release as a command.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// The folder that holds `xtask.toml` [default: the nearest one at or above the current folder]
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands, in the order of a release.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what will be released
    Plan(steps::plan::PlanArgs),
    /// Judge the glibc versions that ELF files need
    AuditGlibc(steps::audit::GlibcArgs),
    /// Write the pages of the documentation that are made from tables
    Docs(steps::docs::DocsArgs),
}

/// Runs one subcommand.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Exit> {
    let root = cli.root.as_deref();
    match cli.command {
        Command::Plan(args) => steps::plan::run(root, &args),
        Command::AuditGlibc(args) => steps::audit::glibc(&args),
        Command::Docs(args) => steps::docs::run(root, &args),
    }
}
