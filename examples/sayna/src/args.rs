//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{self, Settings};

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Serve,
    Check,
    Probe(SocketAddr),
    Version,
    Help,
}

/// The arguments, parsed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) run: Run,
    config: Option<PathBuf>,
    listen: Option<SocketAddr>,
}

impl Args {
    /// Parses the arguments after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut args = Self { run: Run::Serve, config: None, listen: None };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = |name: &str| words.next().ok_or(format!("`{name}` needs a value"));
            match word.to_str() {
                Some("--version") => args.run = Run::Version,
                Some("--help") => args.run = Run::Help,
                Some("--check") => args.run = Run::Check,
                Some("--config") => args.config = Some(value("--config")?.into()),
                Some("--listen") => args.listen = Some(address("--listen", &value("--listen")?)?),
                Some("--probe") => args.run = Run::Probe(address("--probe", &value("--probe")?)?),
                _ => return Err(format!("unknown argument `{}`", word.to_string_lossy())),
            }
            // Asked for these, nothing else matters.
            if matches!(args.run, Run::Version | Run::Help) {
                break;
            }
        }
        Ok(args)
    }

    /// The settings: the defaults, then the file's, then the command line's.
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let mut settings = match &self.config {
            None => Settings::default(),
            Some(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("cannot read `{shown}`: {error}"))?;
                config::parse(&text).map_err(|problems| {
                    let lines: Vec<_> =
                        problems.iter().map(|problem| format!("{shown}:{problem}")).collect();
                    lines.join("\n")
                })?
            }
        };
        settings.listen = self.listen.unwrap_or(settings.listen);
        Ok(settings)
    }
}

fn address(name: &str, value: &OsString) -> Result<SocketAddr, String> {
    let text = value.to_string_lossy();
    text.parse().map_err(|_| format!("`{name}` is `{text}`: write ADDRESS:PORT, as 0.0.0.0:3001"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, String> {
        Args::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn what_is_asked_for_is_done() {
        for (words, run) in [
            (&[][..], Run::Serve),
            (&["--config", "x", "--check"], Run::Check),
            (&["--help", "--nonsense"], Run::Help),
            (&["--check", "--version"], Run::Version),
            (&["--probe", "127.0.0.1:1"], Run::Probe(([127, 0, 0, 1], 1).into())),
        ] {
            assert_eq!(parse(words).map(|args| args.run), Ok(run), "{words:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (words, part) in [
            (&["--listen"][..], "needs a value"),
            (&["--listen", "3001"], "write ADDRESS:PORT"),
            (&["--probe", "localhost"], "write ADDRESS:PORT"),
            (&["serve"], "unknown argument `serve`"),
        ] {
            let message = parse(words).err().unwrap_or_default();
            assert!(message.contains(part), "{words:?}: {message}");
        }
    }
}
