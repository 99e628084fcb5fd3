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
    /// List every tool: found, wanted, needed by, how to get it
    Doctor(steps::doctor::DoctorArgs),
    /// Build, stage, seal, audit, smoke-test and digest: the main job
    Dist(steps::dist::DistArgs),
    /// Build only
    Build(steps::build::BuildArgs),
    /// Run assets as a user would, and compare all that they say
    Smoke(steps::smoke::SmokeArgs),
    /// Build again under other circumstances, and compare every byte
    Reproduce(steps::reproduce::ReproduceArgs),
    /// Write or verify checksum files
    Checksum(steps::checksum::ChecksumArgs),
    /// Sign Mach-O files ad hoc, or verify their signatures
    Codesign(steps::codesign::CodesignArgs),
    /// Judge executables and libraries of any platform
    Audit(steps::audit::AuditArgs),
    /// Judge the glibc versions that ELF files need
    AuditGlibc(steps::audit::GlibcArgs),
    /// Make container images of released programs, judge them and start them
    Image(steps::image::ImageArgs),
    /// Bring images to their registry by digest; after the release is published, move their tags
    ImagePush(steps::image::push::PushArgs),
    /// Check the workflow files against the plan
    Workflow(steps::workflow::WorkflowArgs),
    /// Print what a package's programs are made of, as CycloneDX
    Sbom(steps::release::contents::SbomArgs),
    /// Make the one draft of the release
    Draft(steps::release::draft::DraftArgs),
    /// Bring files into the draft
    Upload(steps::release::upload::UploadArgs),
    /// Show what the forge holds, against the plan
    Status(steps::release::status::StatusArgs),
    /// Judge every asset again, and publish the draft if it holds exactly the plan
    Finalize(steps::release::finalize::FinalizeArgs),
    /// Look at a published release as a user would
    Verify(steps::release::verify::VerifyArgs),
    /// The whole release on this machine, into a local folder
    Rehearse(steps::release::rehearse::RehearseArgs),
    /// Format, lints, tests, the gates
    Ci(steps::ci::CiArgs),
    /// Print where a pinned tool's program is, provisioning it first where needed
    Tool(steps::tool::ToolArgs),
    /// Write the pages of the documentation that are made from tables
    Docs(steps::docs::DocsArgs),
}

/// Runs one subcommand.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Exit> {
    let root = cli.root.as_deref();
    match cli.command {
        Command::Plan(args) => steps::plan::run(root, &args),
        Command::Doctor(args) => steps::doctor::run(root, &args),
        Command::Dist(args) => steps::dist::run(root, &args),
        Command::Build(args) => steps::build::run(root, &args),
        Command::Smoke(args) => steps::smoke::run(root, &args),
        Command::Reproduce(args) => steps::reproduce::run(root, &args),
        Command::Checksum(args) => steps::checksum::run(&args),
        Command::Codesign(args) => steps::codesign::run(root, &args),
        Command::Audit(args) => steps::audit::run(&args),
        Command::AuditGlibc(args) => steps::audit::glibc(&args),
        Command::Image(args) => steps::image::run(root, &args),
        Command::ImagePush(args) => steps::image::push::run(root, &args),
        Command::Workflow(args) => steps::workflow::run(root, &args),
        Command::Sbom(args) => steps::release::contents::run(root, &args),
        Command::Draft(args) => steps::release::draft::run(root, &args),
        Command::Upload(args) => steps::release::upload::run(root, &args),
        Command::Status(args) => steps::release::status::run(root, &args),
        Command::Finalize(args) => steps::release::finalize::run(root, &args),
        Command::Verify(args) => steps::release::verify::run(root, args),
        Command::Rehearse(args) => steps::release::rehearse::run(root, &args),
        Command::Ci(args) => steps::ci::run(root, &args),
        Command::Tool(args) => steps::tool::run(&args),
        Command::Docs(args) => steps::docs::run(root, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
