//! `cargo xtask`: every step of the release as a command.

use clap::Parser;
use std::process::ExitCode;

mod cli;
mod exit;
mod ops;
mod steps;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    ops::interrupt::listen();
    let exit = cli::run(cli).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        exit::of(&error)
    });
    ops::interrupt::end();
    exit.into()
}
