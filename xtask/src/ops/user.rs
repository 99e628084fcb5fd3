//! Another user to build as: `nobody`, where we are root.

use std::path::Path;

use anyhow::{Context as _, bail};
use xtask_core::plan::Invocation;

use super::proc::{self, Output};
use super::tools::text;

/// Nobody's number on every Linux.
const NOBODY: &str = "65534";

/// A user without rights of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nobody {
    /// Before the command.
    prefix: Vec<String>,
}

impl Nobody {
    /// A way to become that user and still read all of `paths`: root's home, where the toolchain often
    /// is, is closed to others, so the right to read is taken along where that is possible.
    ///
    /// # Errors
    /// With the reason why there is none.
    pub(crate) fn who_reads(paths: &[&Path]) -> anyhow::Result<Self> {
        if !cfg!(target_os = "linux") {
            bail!("only Linux has setpriv(1)");
        }
        let reader = [
            // access(2), by which gcc looks for its parts, would deny what open(2) grants.
            "--securebits=+no_setuid_fixup",
            "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search",
        ];
        let mut why = String::new();
        for rights in [&reader[..], &[]] {
            let nobody = Self {
                prefix: ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
                    .iter()
                    .chain(rights)
                    .map(|word| (*word).to_owned())
                    .collect(),
            };
            let mut look = nobody.wrap(Invocation::new("sh").args([
                "-c",
                "for p; do ls -d \"$p/.\" || exit; done",
                "sh",
            ]));
            for path in paths {
                look = look.arg(text(path)?);
            }
            let outcome = proc::run(&look, Output::Capture).context("needs util-linux")?;
            if outcome.success() {
                return Ok(nobody);
            }
            why = proc::tail(&outcome);
        }
        bail!("nobody cannot be who reads the toolchain (are we root?){why}")
    }

    /// `run` as that user.
    pub(crate) fn wrap(&self, run: Invocation) -> Invocation {
        let mut words = self.prefix.iter().cloned().chain([run.program]).chain(run.args);
        let program = words.next().unwrap_or_default();
        Invocation { program, args: words.collect(), ..run }
    }

    /// Gives that user a folder and all that is in it.
    pub(crate) fn give(folder: &Path) -> anyhow::Result<()> {
        let chown = Invocation::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]);
        proc::check(&chown.arg(text(folder)?), Output::Capture).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_wrapped_whole() {
        let nobody = Nobody { prefix: vec!["setpriv".into(), "--reuid".into()] };
        let run = nobody.wrap(Invocation::new("sh").args(["-c", "a b"]).env("A", "1").cwd("/t"));
        assert_eq!(run.to_string(), "cd /t && A=1 setpriv --reuid sh -c 'a b'");
    }
}
