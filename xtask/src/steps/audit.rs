//! `audit` and `audit-glibc`: judge binaries from their bytes.

use clap::Args;
use std::path::PathBuf;

use crate::exit::{self, Exit};

/// Arguments of `audit-glibc`.
#[derive(Debug, Args)]
pub(crate) struct GlibcArgs {
    /// The highest glibc version allowed, for example `2.17`
    #[arg(long, value_name = "VERSION")]
    max: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Files or folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// `cargo xtask audit-glibc`.
pub(crate) fn glibc(args: &GlibcArgs) -> anyhow::Result<Exit> {
    let _ = (&args.max, args.json, &args.paths);
    Err(exit::usage("audit-glibc is not there yet"))
}
