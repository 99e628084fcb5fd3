//! `cargo xtask`: every step of the release as a command.

use clap::Parser;
use std::process::ExitCode;

// First: the others print by its macros.
#[macro_use]
mod print;

mod cli;
mod exit;
mod ops;
mod steps;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    ops::interrupt::listen();
    let exit =
        cli::run(cli).and_then(|exit| print::check().map(|()| exit)).unwrap_or_else(|error| {
            if !print::unread() {
                eprintln!("error: {error:#}");
            }
            exit::of(&error)
        });
    ops::interrupt::end();
    exit.into()
}
