//! `audit` and `audit-glibc`: judge binaries from their bytes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use xtask_core::audit::{self, Judged, Outcome, Policy, Verdict};
use xtask_core::formats::elf::{self, Depth};
use xtask_core::formats::{Binary, Format, Unread, Version, sniff};
use xtask_core::report;

use crate::exit::{self, Exit};
use crate::ops::walk::{FileSource, each_file};

/// Arguments of `audit-glibc`.
#[derive(Debug, Args)]
pub(crate) struct GlibcArgs {
    /// The highest glibc version allowed, for example `2.17`
    #[arg(long, value_name = "VERSION")]
    max: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// ELF files, or folders to look for them in
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// `cargo xtask audit-glibc`.
pub(crate) fn glibc(args: &GlibcArgs) -> anyhow::Result<Exit> {
    let glibc_max = args.max.as_deref().map(parse_version).transpose()?;
    let policy = Policy { portable: true, glibc_max, ..Policy::NONE };
    let depth = if args.json { Depth::Symbols } else { Depth::Verdict };
    let look = |path: &Path, source: io::Result<FileSource>| glibc_of(path, source, &policy, depth);
    let files = judge_all(&args.paths, &look)?;
    finish(&files, args.json)
}

fn parse_version(text: &str) -> anyhow::Result<Version> {
    text.parse().map_err(|error| exit::usage(format!("--max `{text}`: {error}")))
}

/// Judges one file's glibc needs; `None` when it is no ELF file.
fn glibc_of(
    path: &Path,
    source: io::Result<FileSource>,
    policy: &Policy,
    depth: Depth,
) -> Option<Judged> {
    let verdict = match source {
        Err(error) => not_auditable(None, format!("cannot read it: {error}")),
        Ok(source) => match sniff(&source) {
            Ok(Some(Format::Elf)) => glibc_verdict(&source, policy, depth),
            Ok(_) => return None,
            Err(error) => not_auditable(None, error.to_string()),
        },
    };
    Some(Judged { path: path.to_string_lossy().into_owned(), verdict })
}

fn glibc_verdict(source: &FileSource, policy: &Policy, depth: Depth) -> Verdict {
    let judged = elf::read_with(source, depth).map(Binary::Elf).and_then(|binary| {
        let findings = audit::audit(&binary, None, policy);
        Ok((binary, findings.map_err(|error| Unread::Io(error.to_string()))?))
    });
    match judged {
        // A finding names the symbols behind it.
        Ok((_, findings)) if depth == Depth::Verdict && !findings.is_empty() => {
            glibc_verdict(source, policy, Depth::Symbols)
        }
        Ok((binary, findings)) => Verdict::Read { binary, findings },
        Err(unread) => unread_verdict(unread),
    }
}

fn unread_verdict(unread: Unread) -> Verdict {
    match unread {
        Unread::NotAuditable { format, reason } => not_auditable(Some(format), reason),
        Unread::NotABinary | Unread::Io(_) => not_auditable(None, unread.to_string()),
    }
}

fn not_auditable(format: Option<Format>, reason: String) -> Verdict {
    Verdict::NotAuditable { format, reason }
}

/// Judges files by name, and what is found in folders. A file given by name that `look` does not
/// care for is not auditable; one in a folder is passed over.
fn judge_all(
    paths: &[PathBuf],
    look: &(impl Fn(&Path, io::Result<FileSource>) -> Option<Judged> + Sync),
) -> anyhow::Result<Vec<Judged>> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path)
            .map_err(|error| exit::usage(format!("{}: {error}", path.display())))?;
        if metadata.is_dir() {
            let found = each_file(path, look);
            if found.is_empty() {
                eprintln!("warning: {}: nothing to judge in this folder", path.display());
            }
            files.extend(found.into_iter().map(|(_, judged)| judged));
        } else {
            files.push(look(path, FileSource::open(path)).unwrap_or_else(|| Judged {
                path: path.to_string_lossy().into_owned(),
                verdict: not_auditable(None, "not an ELF file".into()),
            }));
        }
    }
    Ok(files)
}

/// Prints the answer and gives the exit code it means.
fn finish(files: &[Judged], as_json: bool) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", report::audit::json(files))?;
    } else {
        out.write_all(report::audit::text(files).as_bytes())?;
        eprintln!("{}", report::audit::totals(files));
    }
    let bad = files.iter().any(|judged| judged.outcome() != Outcome::Ok);
    Ok(if bad { Exit::Findings } else { Exit::Done })
}
