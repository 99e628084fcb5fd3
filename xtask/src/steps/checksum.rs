//! `checksum`: write and verify checksum files, in the format of `sha256sum`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use xtask_core::report::checksums;

use crate::exit::{Exit, refused, usage};
use crate::ops::files;

/// Name of the file when `xtask.toml` does not say another.
const NAME: &str = "checksums.txt";

/// Arguments of `checksum`.
#[derive(Debug, Args)]
pub(crate) struct ChecksumArgs {
    /// Verify: a folder with its checksum file, or checksum files themselves
    #[arg(long)]
    check: bool,
    /// Name of the checksum file in a folder
    #[arg(long, value_name = "NAME", default_value = NAME)]
    name: String,
    /// Folders (a checksum file is written into each) or files (their lines are printed)
    #[arg(required = true, value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
}

/// `cargo xtask checksum`.
pub(crate) fn run(args: &ChecksumArgs) -> anyhow::Result<Exit> {
    let mut problems = Vec::new();
    let mut loose = Vec::new();
    for path in &args.paths {
        match (path.is_dir(), args.check) {
            (true, true) => problems.extend(verify(path, &path.join(&args.name), true)?),
            (false, true) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                problems.extend(verify(folder, path, false)?);
            }
            (true, false) => write(path, &args.name)?,
            (false, false) => loose.push(path.clone()),
        }
    }
    let digests = files::parallel(&loose, |path| files::digest(path));
    for (path, digest) in loose.iter().zip(digests) {
        print!("{}", checksums::line(&digest?.sha256, &path.to_string_lossy()));
    }
    if problems.is_empty() {
        return Ok(Exit::Done);
    }
    Err(refused(problems.join("\n")))
}

/// Writes the checksum file of a folder: every file in it but dot files and itself.
pub(crate) fn write(folder: &Path, name: &str) -> anyhow::Result<()> {
    let names = list(folder, name)?;
    if names.is_empty() {
        return Err(usage(format!("`{}` holds no file to hash", folder.display())));
    }
    let digests = files::parallel(&names, |name| files::digest(&folder.join(name)));
    let mut text = String::new();
    for (name, digest) in names.iter().zip(digests) {
        text.push_str(&checksums::line(&digest?.sha256, name));
    }
    files::replace(&folder.join(name), text.as_bytes())
}

fn list(folder: &Path, own: &str) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for path in files::entries(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(usage(format!(
                "`{}` has a name that is not UTF-8: rename it",
                path.display()
            )));
        };
        if name != own && !name.starts_with('.') && path.is_file() {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Everything that differs between a folder and a checksum file. `whole`: a file that is not listed
/// is a problem too.
pub(crate) fn verify(folder: &Path, file: &Path, whole: bool) -> anyhow::Result<Vec<String>> {
    if !file.is_file() {
        return Err(usage(format!(
            "`{}` is no file: write it with `cargo xtask checksum`",
            file.display()
        )));
    }
    let listed = checksums::parse(&files::read_text(file)?).map_err(|error| {
        refused(format!("{}:{}: {}", file.display(), error.line, error.message))
    })?;
    let mut problems = Vec::new();
    let listed: BTreeMap<_, _> =
        listed.into_iter().map(|entry| (entry.name, entry.sha256)).collect();
    let present: Vec<_> = listed.iter().filter(|(name, _)| folder.join(name).is_file()).collect();
    for name in listed.keys().filter(|name| !folder.join(name).is_file()) {
        problems.push(format!("missing: {}", folder.join(name).display()));
    }
    let digests = files::parallel(&present, |(name, _)| files::digest(&folder.join(name)));
    for ((name, wanted), digest) in present.iter().zip(digests) {
        let found = digest?.sha256;
        if found != **wanted {
            let path = folder.join(name);
            problems.push(format!("changed: {}: expected {wanted}, found {found}", path.display()));
        }
    }
    if whole {
        let own = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        for name in list(folder, own)?.into_iter().filter(|name| !listed.contains_key(name)) {
            problems.push(format!("extra: {}: not in {own}", folder.join(name).display()));
        }
    }
    Ok(problems)
}
