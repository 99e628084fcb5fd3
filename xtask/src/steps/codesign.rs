//! `codesign`: sign Mach-O files ad hoc, or verify their signatures, on any host.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use xtask_core::formats::macho::{MachO, Signature, Slice};
use xtask_core::report;
use xtask_core::sign::SignError;

use super::workspace::Workspace;
use crate::exit::{self, Exit};
use crate::ops::codesign::{self, Signer};

/// Arguments of `codesign`.
#[derive(Debug, Args)]
pub(crate) struct CodesignArgs {
    /// The signature's identifier [default: the package whose asset the file is, by the plan]
    #[arg(long, value_name = "ID")]
    identifier: Option<String>,
    /// Only verify; with --identifier that must match too
    #[arg(long, conflicts_with_all = ["force", "builtin"])]
    verify: bool,
    /// Replace a signature that is right
    #[arg(long)]
    force: bool,
    /// On macOS too sign with our own signer
    #[arg(long)]
    builtin: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Mach-O files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What was done to a file, or seen in it.
struct Answer {
    outcome: Outcome,
    macho: MachO,
}

enum Outcome {
    /// It has a new signature.
    Signed,
    /// It had a right one, and was left alone.
    AlreadySigned,
    /// Its signatures are right.
    Valid,
    /// Something is missing or wrong.
    Invalid(Vec<String>),
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::AlreadySigned => "already signed",
            Self::Valid => "valid",
            Self::Invalid(_) => "invalid",
        }
    }
}

/// `cargo xtask codesign`.
pub(crate) fn run(root: Option<&Path>, args: &CodesignArgs) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let mut files = Vec::new();
    for path in &args.paths {
        let macho = codesign::read(path).map_err(|error| {
            let message = format!("cannot read `{}`: {error}", path.display());
            if error.is::<io::Error>() { exit::usage(message) } else { exit::refused(message) }
        })?;
        let answer =
            if args.verify { verify(path, macho, args)? } else { sign(root, path, macho, args)? };
        if let Outcome::Invalid(_) = answer.outcome {
            exit = Exit::Findings;
        }
        if args.json {
            files.push(entry(path, &answer));
        } else {
            print!("{}", lines(path, &answer));
        }
    }
    if args.json {
        println!("{:#}", json!({ "schema": report::audit::SCHEMA, "files": files }));
    }
    Ok(exit)
}

fn verify(path: &Path, macho: MachO, args: &CodesignArgs) -> anyhow::Result<Answer> {
    let expected = args.identifier.as_deref();
    let mut wrong: Vec<_> =
        macho.slices.iter().flat_map(|slice| slice_problems(slice, expected)).collect();
    if let Some(why) = codesign::system_refuses(path)? {
        wrong.push(format!("codesign: {why}"));
    }
    let outcome = if wrong.is_empty() { Outcome::Valid } else { Outcome::Invalid(wrong) };
    Ok(Answer { outcome, macho })
}

fn slice_problems(slice: &Slice, identifier: Option<&str>) -> Vec<String> {
    let arch = &slice.arch;
    let Some(signature) = &slice.signature else { return vec![format!("{arch}: not signed")] };
    let mut problems: Vec<_> =
        signature.flaws.iter().map(|flaw| format!("{arch}: {flaw}")).collect();
    let found = signature.identifier.as_deref();
    if identifier.is_some() && found != identifier {
        let found = found.unwrap_or("nothing");
        problems.push(format!("{arch}: the identifier is `{found}`"));
    }
    problems
}

fn sign(
    root: Option<&Path>,
    path: &Path,
    macho: MachO,
    args: &CodesignArgs,
) -> anyhow::Result<Answer> {
    let identifier = match &args.identifier {
        Some(identifier) => identifier.clone(),
        None => package_of(root, path)?,
    };
    if !args.force && macho.slices.iter().all(is_settled) {
        let is_it = |signature: &Signature| signature.identifier.as_ref() == Some(&identifier);
        let same = macho.slices.iter().filter_map(|slice| slice.signature.as_ref()).all(is_it);
        if !same {
            return Err(exit::refused(format!(
                "`{}` is signed already, with another identifier than `{identifier}`: replace \
                 its signature with --force",
                path.display()
            )));
        }
        return Ok(Answer { outcome: Outcome::AlreadySigned, macho });
    }
    let signer = if args.builtin { Signer::Builtin } else { Signer::of_host() };
    let macho = codesign::sign(path, &identifier, signer).map_err(|error| {
        match error.chain().find_map(|cause| cause.downcast_ref()) {
            Some(SignError::Identifier(_)) => exit::usage(format!("{error:#}")),
            Some(_) => exit::refused(format!("{error:#}")),
            None => error,
        }
    })?;
    Ok(Answer { outcome: Outcome::Signed, macho })
}

/// Whether a slice has a right signature that somebody made on purpose: a linker's is replaced
/// without asking, as `codesign` does.
fn is_settled(slice: &Slice) -> bool {
    slice
        .signature
        .as_ref()
        .is_some_and(|signature| signature.is_valid() && !signature.linker_signed)
}

/// The package whose asset has the file's name.
fn package_of(root: Option<&Path>, path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().unwrap_or_default();
    let plan = Workspace::open(root)?.plan(None)?;
    let asset = plan.assets.iter().find(|asset| name == asset.name.as_str());
    asset.and_then(|asset| asset.package.clone()).ok_or_else(|| {
        exit::usage(format!(
            "`{}` is no asset of the plan: give the identifier with --identifier",
            path.display()
        ))
    })
}

fn lines(path: &Path, answer: &Answer) -> String {
    let mut text = format!("{:<14} {}\n", answer.outcome.name(), path.display());
    for slice in &answer.macho.slices {
        let kind = match &slice.signature {
            None => "not signed".into(),
            Some(signature) => format!(
                "{}, {}",
                signature.identifier.as_deref().unwrap_or("no identifier"),
                kind(signature)
            ),
        };
        text.push_str(&format!("    {}: {kind}\n", slice.arch));
    }
    if let Outcome::Invalid(problems) = &answer.outcome {
        problems.iter().for_each(|problem| text.push_str(&format!("    error {problem}\n")));
    }
    text
}

fn kind(signature: &Signature) -> &'static str {
    match (signature.adhoc, signature.linker_signed) {
        (true, true) => "ad hoc by the linker",
        (true, false) => "ad hoc",
        (false, _) => "by certificate, which is not judged here",
    }
}

fn entry(path: &Path, answer: &Answer) -> Value {
    let problems = match &answer.outcome {
        Outcome::Invalid(problems) => problems.as_slice(),
        _ => &[],
    };
    json!({
        "path": path.to_string_lossy(),
        "outcome": answer.outcome.name(),
        "problems": problems,
        "slices": report::slices(&answer.macho),
    })
}
