//! Exit codes, documented once, and the error that carries one.

use std::fmt;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// A gate found problems: findings, not auditable, and under `--strict` not run.
    Findings = 1,
    /// Usage or configuration.
    Usage = 2,
    /// A tool, the machine or the network failed.
    Tool = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows its exit code. Any other error is [`Exit::Tool`].
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

/// A usage or configuration error: exit 2.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Stop { exit: Exit::Usage, message: message.into() }.into()
}

/// A gate's refusal: exit 1.
pub(crate) fn refused(message: impl Into<String>) -> anyhow::Error {
    Stop { exit: Exit::Findings, message: message.into() }.into()
}

/// The exit code an error asks for.
pub(crate) fn of(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Stop>().map_or(Exit::Tool, |stop| stop.exit)
}
