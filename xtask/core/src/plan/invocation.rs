//! What to run, as data: shown, snapshotted and pasted before anything runs it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::time::Duration;

/// A program to run. The environment of the child is a short list of inherited names (see
/// `ops::proc`) and what stands in `env`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Invocation {
    /// A name looked up on `PATH`, or a path.
    pub program: String,
    /// Arguments, without the program.
    pub args: Vec<String>,
    /// Variables set besides the inherited ones; a later one wins.
    pub env: Vec<(String, String)>,
    /// The child's working folder. Empty: the caller's.
    pub cwd: String,
    /// Killed after this long. `None`: as long as it takes.
    pub deadline: Option<Duration>,
    /// Inherit nothing at all: only `env` is set.
    pub empty_env: bool,
}

impl Invocation {
    /// `program` without arguments.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one variable of the child.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the child's working folder.
    #[must_use]
    pub fn cwd(mut self, dir: impl Into<String>) -> Self {
        self.cwd = dir.into();
        self
    }

    /// Bounds the run.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Gives the child no variable but those set here.
    #[must_use]
    pub fn empty_env(mut self) -> Self {
        self.empty_env = true;
        self
    }
}

/// As a line for a POSIX shell.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.cwd.is_empty() {
            write!(f, "cd {} && ", quote(&self.cwd))?;
        }
        if self.empty_env {
            f.write_str("env -i ")?;
        }
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quote(value))?;
        }
        f.write_str(&quote(&self.program))?;
        for arg in &self.args {
            f.write_char(' ')?;
            f.write_str(&quote(arg))?;
        }
        Ok(())
    }
}

/// One word for a POSIX shell (XCU 2.2.2, single-quotes).
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut out = String::from("'");
    for c in word.chars() {
        match c {
            '\'' => out.push_str("'\\''"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn shows_what_a_shell_would_run() {
        let run =
            Invocation::new("cargo").args(["build", "a b", "it's", ""]).env("A", "1 2").cwd("/t");
        assert_eq!(run.to_string(), "cd /t && A='1 2' cargo build 'a b' 'it'\\''s' ''");
    }
}
