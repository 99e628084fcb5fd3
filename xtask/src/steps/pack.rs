//! From a sealed program to the asset that users fetch, and back.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use xtask_core::plan::{Archive, Package, Target};

use super::artifact::Sealed;
use crate::exit::{refused, usage};
use crate::ops::archive::{self, Entry};
use crate::ops::files::{self, TempFolder};

/// How a package's programs are packed.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The folder that holds xtask.toml.
    pub(crate) root: &'a Path,
    pub(crate) package: &'a Package,
    format: Option<Archive>,
    /// The archive's top folder.
    pub(crate) stem: String,
    pub(crate) exe_suffix: &'static str,
    /// The commit's time since 1970: the time of every entry.
    pub(crate) seconds: u64,
}

impl<'a> Request<'a> {
    pub(crate) fn new(
        root: &'a Path,
        package: &'a Package,
        target: &Target,
        version: &str,
        seconds: u64,
    ) -> Self {
        let stem = package.asset_stem(target, version);
        let format = package.archive_for(target);
        Self { root, package, format, stem, exe_suffix: target.triple.exe_suffix(), seconds }
    }

    /// The asset at `path`: the program itself, or an archive with the package's programs.
    pub(crate) fn pack(&self, programs: &[&Sealed], path: &Path) -> anyhow::Result<Sealed> {
        match (self.format, programs) {
            (None, [program]) => files::copy(program.path(), path)?,
            (None, _) => bail!("several programs, and no archive to hold them"),
            (Some(format), _) => {
                let bytes = archive::pack(format, self.entries(programs)?, self.seconds)?;
                files::replace(path, &bytes)?;
            }
        }
        Sealed::at(path)
    }

    fn entries(&self, programs: &[&Sealed]) -> anyhow::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for (path, program) in self.program_paths().into_iter().zip(programs) {
            entries.push(Entry { path, data: files::read(program.path())?, executable: true });
        }
        for name in &self.package.include {
            let path = self.root.join(name);
            let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
                return Err(usage(format!("`include` names `{name}`, which is no file")));
            };
            entries.push(Entry {
                path: format!("{}/{file_name}", self.stem),
                data: files::read(&path).context("packing what `include` lists in xtask.toml")?,
                executable: false,
            });
        }
        Ok(entries)
    }

    /// The programs as an audit of the asset `name` calls them.
    pub(crate) fn paths_in(&self, name: &str) -> Vec<String> {
        match self.format {
            None => vec![name.to_owned()],
            Some(_) => self.program_paths().iter().map(|path| format!("{name}!{path}")).collect(),
        }
    }

    fn program_paths(&self) -> Vec<String> {
        let path = |name| format!("{}/{name}{}", self.stem, self.exe_suffix);
        self.package.binaries().map(path).collect()
    }

    /// The main program's bytes, as a user has them from the asset.
    pub(crate) fn program(&self, asset: &Path) -> anyhow::Result<Vec<u8>> {
        let unpacked = TempFolder::new(&std::env::temp_dir())?;
        let programs = self.unpack(asset, unpacked.path())?;
        files::read(programs.first().map_or(asset, PathBuf::as_path))
    }

    /// The programs, the main one first, as a user has them after fetching the asset into `folder` and
    /// unpacking it there.
    pub(crate) fn unpack(&self, asset: &Path, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let Some(format) = self.format else {
            // What is fetched has lost its mode.
            let path = folder.join(asset.file_name().unwrap_or_default());
            files::copy(asset, &path)?;
            files::make_executable(&path)?;
            return Ok(vec![path]);
        };
        let entries = archive::unpack(format, &files::read(asset)?)
            .map_err(|error| refused(format!("`{}`: {error:#}", asset.display())))?;
        for entry in entries {
            let path = folder.join(&entry.path);
            files::replace(&path, &entry.data)?;
            if entry.executable {
                files::make_executable(&path)?;
            }
        }
        let wanted = self.program_paths();
        if let Some(absent) = wanted.iter().find(|path| !folder.join(path).is_file()) {
            return Err(refused(format!("`{}` holds no `{absent}`", asset.display())));
        }
        Ok(wanted.iter().map(|path| folder.join(path)).collect())
    }
}
