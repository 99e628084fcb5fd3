//! `cargo xtask`: every step of the release as a command.

use clap::Parser;
use std::process::ExitCode;

mod cli;
mod exit;
mod ops;
mod steps;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::of(&error).into()
        }
    }
}
