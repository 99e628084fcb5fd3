//! Wine: Windows programs on another system.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use xtask_core::plan::Invocation;

use super::files::{self, Lock};
use super::proc::{self, Output};
use super::tools::{self, text};

/// The first start fills the prefix, which takes a while on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A wine, and the folder with its Windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wine {
    program: PathBuf,
    /// `WINEPREFIX`: the caller's, else one beside the tools.
    prefix: PathBuf,
}

impl Wine {
    /// The one on PATH, with its prefix made.
    ///
    /// # Errors
    /// With the reason why no program can be run.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let Some(program) = ["wine", "wine64"].into_iter().find_map(proc::find) else {
            bail!("wine is not on PATH (Debian: wine)");
        };
        let own = std::env::var_os("WINEPREFIX").filter(|path| !path.is_empty());
        let prefix = match own {
            Some(path) => std::path::absolute(path)?,
            None => tools::folder()?.join("wine"),
        };
        let wine = Self { program, prefix };
        let _lock = Lock::take(&wine.prefix.with_extension("lock"), "the set-up of wine")?;
        if !wine.prefix.join("system.reg").is_file() {
            files::make_folder(&wine.prefix)?;
            eprintln!("    setting wine up in {}", wine.prefix.display());
            let init = wine.command("wineboot")?.arg("--init");
            let outcome = proc::run(&init, Output::Capture)?;
            if !outcome.success() {
                bail!(
                    "`{}` does not work: {}{}",
                    wine.program.display(),
                    outcome.ended(),
                    proc::tail(&outcome)
                );
            }
        }
        Ok(wine)
    }

    /// Whether it has a library of Windows.
    pub(crate) fn has(&self, library: &str) -> bool {
        self.prefix.join("drive_c").join("windows").join("system32").join(library).is_file()
    }

    /// How a program is started, with nothing of our environment but where wine itself is.
    pub(crate) fn command(&self, program: &str) -> anyhow::Result<Invocation> {
        Ok(Invocation::new(text(&self.program)?)
            .arg(program)
            .env("WINEPREFIX", text(&self.prefix)?)
            .env("HOME", text(&self.prefix)?)
            .env("WINEDEBUG", "-all")
            // Neither .NET nor a browser, which it would offer to download.
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .deadline(LIMIT))
    }
}
