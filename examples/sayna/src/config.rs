//! Settings, and the file they are read from: `name = value` lines.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    /// Requests answered at once.
    pub(crate) connections: usize,
    /// How long requests under way may take once we are asked to end.
    pub(crate) grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 3001).into(),
            connections: 64,
            grace: Duration::from_secs(10),
        }
    }
}

/// One thing wrong with the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    line: usize,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

/// Reads settings; everything that is wrong is reported at once.
pub(crate) fn parse(text: &str) -> Result<Settings, Vec<Problem>> {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let (name, value) = (name.trim(), value.trim());
        let result = if seen.contains(&name) {
            Err(format!("a second `{name}`: remove one"))
        } else {
            set(&mut settings, name, value)
        };
        seen.push(name);
        problems.extend(result.err().map(|message| Problem { line: index + 1, message }));
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

fn set(settings: &mut Settings, name: &str, value: &str) -> Result<(), String> {
    match name {
        "listen" => settings.listen = read(name, value, "ADDRESS:PORT, such as 127.0.0.1:3001")?,
        "connections" => {
            settings.connections = read(name, value, "a number from 1")?;
            if settings.connections == 0 {
                return Err(format!("`{name}` is `0`: write a number from 1"));
            }
        }
        "grace-seconds" => {
            let seconds: u32 = read(name, value, "whole seconds")?;
            settings.grace = Duration::from_secs(seconds.into());
        }
        _ => {
            return Err(format!(
                "unknown setting `{name}`: there is `listen`, `connections`, `grace-seconds`"
            ));
        }
    }
    Ok(())
}

fn read<T: FromStr>(name: &str, value: &str, wanted: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{name}` is `{value}`: write {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample that is released says what the defaults are.
    #[test]
    fn the_example_is_the_default() {
        let text = include_str!("../sayna.example.conf");
        assert_eq!(parse(text), Ok(Settings::default()));
        let set = text.lines().filter(|line| line.contains(" = ")).count();
        assert_eq!(set, 3, "every setting is in the example");
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let text = "listen = here\n\n# fine\nconnections = 0\ngrace-seconds\nlisten = 127.0.0.1:1\nport = 1\n";
        let problems = parse(text).err().unwrap_or_default();
        let told: Vec<_> = problems.iter().map(Problem::to_string).collect();
        for (at, part) in [
            (0, "1: `listen` is `here`: write ADDRESS:PORT"),
            (1, "4: `connections` is `0`"),
            (2, "5: `grace-seconds` is ``: write whole seconds"),
            (3, "6: a second `listen`"),
            (4, "7: unknown setting `port`"),
        ] {
            assert!(told.get(at).is_some_and(|line| line.starts_with(part)), "{part}: {told:?}");
        }
        assert_eq!(told.len(), 5, "{told:?}");
    }
}
