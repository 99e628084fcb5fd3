//! The command line. Whatever could be a path is a path: options are known words before the first
//! path, and `--` ends them.

use alloc::vec::Vec;

/// One line, printed to standard error with every usage problem.
pub const USAGE: &str = "usage: tsuku-dltest [--] PATH...   (tsuku-dltest --help for more)\n";

/// What a sole `--help` prints.
pub const HELP: &str = "\
Loads shared libraries with dlopen and reports, as JSON, which ones load.

usage: tsuku-dltest [--] PATH...
       tsuku-dltest --version
       tsuku-dltest --help

Prints one JSON array, an entry per PATH in the same order:
  [{\"path\":\"/lib/a.so\",\"ok\":true},{\"path\":\"/lib/b.so\",\"ok\":false,\"error\":\"...\"}]

Exit status: 0 all loaded, 1 some did not, 2 wrong usage, 3 no answer could be given.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// A sole `--version`.
    Version,
    /// A sole `--help`.
    Help,
    /// Test these libraries, in this order.
    Test(Vec<&'a [u8]>),
}

/// Reads the arguments, without the program's own name. The error is a line for people.
pub fn parse<'a>(args: &[&'a [u8]]) -> Result<Command<'a>, &'static str> {
    match args {
        [b"--version"] => Ok(Command::Version),
        [b"--help"] => Ok(Command::Help),
        [] | [b"--"] => Err("no library to test"),
        [b"--", paths @ ..] | paths => Ok(Command::Test(paths.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sole_words_are_commands_and_everything_else_is_a_path() {
        for (args, command) in [
            (&[b"--version".as_slice()][..], Ok(Command::Version)),
            (&[b"--help"], Ok(Command::Help)),
            (&[], Err("no library to test")),
            (&[b"--"], Err("no library to test")),
            (&[b"--", b"--version"], Ok(Command::Test(vec![b"--version"]))),
            (&[b"a", b"--help"], Ok(Command::Test(vec![b"a", b"--help"]))),
            (&[b"-x"], Ok(Command::Test(vec![b"-x"]))),
            (&[b""], Ok(Command::Test(vec![b""]))),
        ] {
            assert_eq!(parse(args), command, "{args:?}");
        }
    }
}
