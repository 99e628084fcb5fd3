//! `audit` and `audit-glibc`: judge binaries from their bytes.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use xtask_core::audit::{self, Judged, Outcome, Policy, Verdict, policies};
use xtask_core::formats::elf::{self, Depth};
use xtask_core::formats::{self, Binary, Format, Source, Unread, Version};
use xtask_core::report;

use crate::exit::{self, Exit};
use crate::ops::bytes::{FileSource, spool};
use crate::ops::files;
use crate::ops::members::{self, Kind};
use crate::ops::walk::each_file;

/// Arguments of `audit-glibc`.
#[derive(Debug, Args)]
pub(crate) struct GlibcArgs {
    /// The highest glibc version allowed, for example `2.17`
    #[arg(long, value_name = "VERSION")]
    max: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// ELF files, folders and archives to look for them in, `-` for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// What the files may be: a name that `--list-policies` shows
    #[arg(long, value_name = "NAME", default_value = "default")]
    policy: String,
    /// The highest glibc version allowed, for example `2.17`
    #[arg(long, value_name = "VERSION")]
    max: Option<String>,
    /// An earlier manifest or `audit --json`: whatever got worse is a finding
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print the rules and stop
    #[arg(long)]
    list_rules: bool,
    /// Print the policies and stop
    #[arg(long)]
    list_policies: bool,
    /// Executables and libraries, folders and archives to look for them in, `-` for standard input
    #[arg(required_unless_present_any = ["list_rules", "list_policies"], value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// `cargo xtask audit-glibc`.
pub(crate) fn glibc(args: &GlibcArgs) -> anyhow::Result<Exit> {
    let glibc_max = args.max.as_deref().map(parse_version).transpose()?;
    let auditor = Auditor {
        policy: Policy { portable: true, glibc_max, ..Policy::NONE },
        only: Some(Format::Elf),
        depth: if args.json { Depth::Symbols } else { Depth::Verdict },
    };
    finish(&auditor.paths(&args.paths)?, args.json)
}

/// `cargo xtask audit`.
pub(crate) fn run(args: &AuditArgs) -> anyhow::Result<Exit> {
    if args.list_rules || args.list_policies {
        let listed =
            if args.list_rules { report::audit::rules() } else { report::audit::policies() };
        let listed = if args.json { format!("{:#}\n", listed.json) } else { listed.text };
        print!("{listed}");
        return Ok(Exit::Done);
    }
    let mut policy = policies::named(&args.policy).cloned().ok_or_else(|| {
        let names: Vec<_> = policies::POLICIES.iter().map(|named| named.name).collect();
        exit::usage(format!("--policy `{}`: there are {}", args.policy, names.join(", ")))
    })?;
    if let Some(max) = &args.max {
        policy.glibc_max = Some(parse_version(max)?);
    }
    let earlier = args.against.as_deref().map(earlier).transpose()?;
    let auditor = Auditor { policy, only: None, depth: Depth::Symbols };
    let mut files = auditor.paths(&args.paths)?;
    if let Some(earlier) = earlier {
        for file in &mut files {
            if !report::audit::compare(file, &earlier, &auditor.policy) {
                eprintln!(
                    "warning: {}: nothing to compare: not in the earlier report, or not auditable then",
                    file.path
                );
            }
        }
    }
    finish(&files, args.json)
}

fn parse_version(text: &str) -> anyhow::Result<Version> {
    text.parse().map_err(|error| exit::usage(format!("--max `{text}`: {error}")))
}

fn earlier(path: &Path) -> anyhow::Result<report::audit::Earlier> {
    let text = files::read_text(path)?;
    let json = serde_json::from_str(&text)
        .with_context(|| format!("`{}` is no JSON", path.display()))
        .map_err(|error| exit::usage(format!("{error:#}")))?;
    report::audit::Earlier::parse(&json)
        .ok_or_else(|| exit::usage(format!("`{}` is no manifest and no audit", path.display())))
}

/// How deep archives in archives are looked into.
const MAX_NESTING: u32 = 3;

/// Judges files by one policy.
struct Auditor {
    policy: Policy,
    /// The only format of interest.
    only: Option<Format>,
    depth: Depth,
}

impl Auditor {
    /// Judges files by name, and what is found in folders and archives. What is of no interest is
    /// passed over there, and not auditable when given by name.
    fn paths(&self, paths: &[PathBuf]) -> anyhow::Result<Vec<Judged>> {
        let mut judged = Vec::new();
        for answer in files::parallel(paths, |path| self.path(path)) {
            judged.extend(answer?);
        }
        Ok(judged)
    }

    fn path(&self, path: &Path) -> anyhow::Result<Vec<Judged>> {
        let mut files = Vec::new();
        if path.as_os_str() == "-" {
            let bytes = spool(io::stdin().lock()).context("cannot read standard input")?;
            self.named("-", &bytes, &mut files);
            return Ok(files);
        }
        let metadata = std::fs::metadata(path).map_err(|error| missing(path, &error))?;
        if !metadata.is_dir() {
            let name = path.to_string_lossy();
            match FileSource::open_known(path, &metadata) {
                Ok(bytes) => self.named(&name, &bytes, &mut files),
                Err(error) => files.push(unreadable(&name, &error)),
            }
            return Ok(files);
        }
        let found = each_file(path, |path, bytes| self.found(path, bytes));
        files.extend(found.into_iter().flat_map(|(_, judged)| judged));
        if files.is_empty() {
            eprintln!("warning: {}: nothing to judge in this folder", path.display());
        }
        Ok(files)
    }

    /// A file given by name.
    fn named(&self, name: &str, bytes: &dyn Source, files: &mut Vec<Judged>) {
        let before = files.len();
        match members::sniff(bytes) {
            Some(kind) => {
                self.archive(name, kind, bytes, 1, files);
                if files.len() == before {
                    eprintln!("warning: {name}: nothing to judge in this archive");
                }
            }
            None => files.push(self.file(name, bytes).unwrap_or_else(|| {
                let wanted = match self.only {
                    Some(_) => "not an ELF file".to_owned(),
                    None => Unread::NotABinary.to_string(),
                };
                not_auditable(name, None, wanted)
            })),
        }
    }

    /// A file met in a folder. Archives are told by their extension there, because content would
    /// mean to unpack the start of every compressed manual page.
    fn found(&self, path: &Path, bytes: io::Result<FileSource>) -> Option<Vec<Judged>> {
        let name = path.to_string_lossy();
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => return Some(vec![unreadable(&name, &error)]),
        };
        if let Some(judged) = self.file(&name, &bytes) {
            return Some(vec![judged]);
        }
        if !members::is_named_like_one(&name) {
            return None;
        }
        let Some(kind) = members::sniff(&bytes) else {
            return Some(vec![no_archive(&name)]);
        };
        let mut files = Vec::new();
        self.archive(&name, kind, &bytes, 1, &mut files);
        (!files.is_empty()).then_some(files)
    }

    /// The members of an archive, and of archives in it.
    fn archive(
        &self,
        name: &str,
        kind: Kind,
        bytes: &dyn Source,
        nesting: u32,
        files: &mut Vec<Judged>,
    ) {
        let end = members::each(kind, bytes, |member, stream| {
            let member = format!("{name}!{member}");
            // A member that cannot be unpacked does not hide the others.
            if let Err(error) = self.member(&member, stream, nesting, files) {
                files.push(unreadable(&member, &error));
            }
            Ok(())
        });
        if let Err(error) = end {
            files.push(not_auditable(name, None, format!("the archive is damaged: {error}")));
        }
    }

    fn member(
        &self,
        name: &str,
        stream: &mut dyn Read,
        nesting: u32,
        files: &mut Vec<Judged>,
    ) -> io::Result<()> {
        let mut head = Vec::new();
        stream.take(members::SNIFFED as u64).read_to_end(&mut head)?;
        let is_archive = members::looks_like_one(&head) || members::is_named_like_one(name);
        if !is_archive && !matches!(formats::sniff(&head.as_slice()), Ok(Some(_))) {
            return Ok(());
        }
        let bytes = spool(head.as_slice().chain(stream))?;
        match members::sniff(&bytes).filter(|_| is_archive) {
            Some(kind) if nesting < MAX_NESTING => {
                self.archive(name, kind, &bytes, nesting + 1, files);
            }
            Some(_) => {
                let reason = format!(
                    "an archive in {MAX_NESTING} others, which is not opened: unpack it and audit \
                     what is in it"
                );
                files.push(not_auditable(name, None, reason));
            }
            None => {
                let unread = || members::is_named_like_one(name).then(|| no_archive(name));
                files.extend(self.file(name, &bytes).or_else(unread));
            }
        }
        Ok(())
    }

    /// One executable; `None` when it is none, or of no interest.
    fn file(&self, name: &str, bytes: &dyn Source) -> Option<Judged> {
        let format = match formats::sniff(bytes) {
            Ok(format) => format?,
            Err(error) => return Some(not_auditable(name, None, error.to_string())),
        };
        if self.only.is_some_and(|only| only != format) {
            return None;
        }
        let verdict = match self.judge(format, bytes, self.depth) {
            // A finding names the symbols behind it.
            Ok((_, findings)) if self.depth == Depth::Verdict && !findings.is_empty() => {
                self.judge(format, bytes, Depth::Symbols)
            }
            judged => judged,
        };
        Some(match verdict {
            Ok((binary, findings)) => Judged {
                path: name.into(),
                size: Some(bytes.len()),
                verdict: Verdict::Read { binary, findings },
            },
            Err(unread) => Judged {
                size: Some(bytes.len()),
                ..not_auditable(name, Some(format), unread.to_string())
            },
        })
    }

    fn judge(
        &self,
        format: Format,
        bytes: &dyn Source,
        depth: Depth,
    ) -> Result<(Binary, Vec<audit::Finding>), Unread> {
        let binary = match format {
            Format::Elf => Binary::Elf(elf::read_with(bytes, depth)?),
            Format::MachO | Format::Pe => formats::read(bytes)?,
        };
        let findings = audit::audit(&binary, Some(bytes), &self.policy);
        Ok((binary, findings.map_err(|error| Unread::Io(error.to_string()))?))
    }
}

/// A path on the command line that leads nowhere.
fn missing(path: &Path, error: &io::Error) -> anyhow::Error {
    let path_shown = path.display();
    exit::usage(match std::fs::read_link(path) {
        Ok(target) => {
            let target = target.display();
            format!("`{path_shown}` is a link to `{target}`: {error}: name the file itself")
        }
        Err(_) => format!("cannot read `{path_shown}`: {error}: name a file, a folder or `-`"),
    })
}

fn unreadable(name: &str, error: &io::Error) -> Judged {
    not_auditable(name, None, format!("cannot read it: {error}"))
}

/// An archive by its name alone: what was to be in it is not known.
fn no_archive(name: &str) -> Judged {
    not_auditable(name, None, "it is named like an archive, and is none that can be read".into())
}

fn not_auditable(name: &str, format: Option<Format>, reason: String) -> Judged {
    Judged { path: name.into(), size: None, verdict: Verdict::NotAuditable { format, reason } }
}

/// Prints the answer and gives the exit code it means.
fn finish(judged: &[Judged], as_json: bool) -> anyhow::Result<Exit> {
    if as_json {
        let entries = files::parallel(judged, |file| report::audit::entry(file).to_string());
        println!("{}", report::audit::join(&entries));
    } else {
        print!("{}", report::audit::text(judged));
        eprintln!("{}", report::audit::totals(judged));
    }
    let bad = judged.iter().any(|judged| judged.outcome() != Outcome::Ok);
    Ok(if bad { Exit::Findings } else { Exit::Done })
}
