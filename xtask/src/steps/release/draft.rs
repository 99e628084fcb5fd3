//! `draft`: exactly one draft of this release bears the tag.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use xtask_core::release::Stage;

use super::{On, Release};
use crate::exit::Exit;

/// Arguments of `draft`.
#[derive(Debug, Args)]
pub(crate) struct DraftArgs {
    #[command(flatten)]
    on: On,
    /// Do it; without this, a forge on the network is only read
    #[arg(long)]
    execute: bool,
}

/// `cargo xtask draft`.
pub(crate) fn run(root: Option<&Path>, args: &DraftArgs) -> anyhow::Result<Exit> {
    let release = Release::open(root, &args.on)?;
    release.check_clean()?;
    let order = release.order(Stage::Draft, BTreeMap::new())?;
    release.drive(&order, args.execute)
}
