//! Rules for ELF. Those about versions stand in [`super::glibc`].

use alloc::format;
use alloc::string::ToString;

use super::policy::allows;
use super::{Check, Interpreter, Judge, Link, Policy, Reads, Rule};
use crate::formats::elf::{Elf, Libc, Linkage, Relro, node};

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "elf-libc",
        title: "it is made for the target's C library",
        reads: Reads::Headers,
        why: "With `-crt-static` off and a plain `cc` as the linker, Rust makes a glibc binary \
              under the musl triple, without a word. On Alpine it ends in `not found`.",
        incidents: &["PyO3/maturin#642: musl's libc taken for a library that is forbidden"],
        fix: "link with the target's own linker (`musl-gcc`, `zig cc -target …-musl`), and check \
              which one cargo calls",
        check: Check::Elf(libc),
    },
    Rule {
        id: "elf-interpreter",
        title: "it finds its loader: PT_INTERP is the target's, or absent where it must be",
        reads: Reads::Headers,
        why: "The kernel starts the program named in PT_INTERP. When it is not there, the user is \
              told that *the program itself* was not found. Paths of a build system (`/nix/store`, \
              a sysroot) get in by linker wrappers.",
        incidents: &["rexray/rexray#719: a glibc program on Alpine ends in `not found`"],
        fix: "link with the target's own dynamic linker path (`-Wl,--dynamic-linker=…`)",
        check: Check::Elf(interpreter),
    },
    Rule {
        id: "elf-linkage",
        title: "it is linked as the package says: dynamically, or statically",
        reads: Reads::Headers,
        why: "Toolchains change it silently: cargo-zigbuild makes a static-pie of a musl program \
              even with `-crt-static` off, unless `-C link-arg=-dynamic` is given too.",
        incidents: &[
            "rust-cross/cargo-zigbuild#231, #232: what was asked for is not what was linked",
            "Infisical/cli#239: the check meant for it, `ldd | grep \"not found\"`, says nothing of a static program",
        ],
        fix: "set `-C target-feature=±crt-static`, and with zig `-C link-arg=-dynamic`",
        check: Check::Elf(linkage),
    },
    Rule {
        id: "elf-dlopen-static",
        title: "a program that loads libraries is linked to its libc dynamically",
        reads: Reads::Headers,
        why: "In a static musl program `dlopen` is a stub that always fails (\"Dynamic loading not \
              supported\"), and a PIE made by musl-gcc with crt-static has an interpreter but no \
              libc to go with it. `--version` works in both, so only a real load notices.",
        incidents: &[
            "rusqlite#990, winit#1818, libloading#131, backtrace-rs#565: static musl programs that cannot load a library",
        ],
        fix: "build with `-C target-feature=-crt-static` and a linker that then links dynamically",
        check: Check::Elf(dlopen_needs_dynamic_libc),
    },
    Rule {
        id: "elf-needed",
        title: "it needs no library outside the package's allow-list",
        reads: Reads::Headers,
        why: "Each DT_NEEDED entry must be on the user's machine, or the program does not start: \
              `error while loading shared libraries`. A build picks libraries up from its host \
              without a word.",
        incidents: &[
            "Infisical/cli#239: `ldd | grep \"not found\"` on the build machine finds nothing, ever",
            "axodotdev/cargo-dist#757: users ask for the libraries of each asset",
        ],
        fix: "link it statically, drop the dependency, or add it to the package's `needed` list",
        check: Check::Elf(needed),
    },
    Rule {
        id: "elf-musl-glibc-version",
        title: "a musl binary needs no version of glibc",
        reads: Reads::Headers,
        why: "musl's loader ignores version needs and opens simple glibc libraries too, so the \
              mistake may show only at the first symbol that musl has not (`__snprintf_chk`).",
        incidents: &[
            "luben/zstd-jni#157: a library built against glibc loads on some Alpine releases and not on others",
            "rexray/rexray#719: `__strtok_r: symbol not found`",
        ],
        fix: "some object in the link was compiled against glibc's headers or libraries: build \
              all of it for musl",
        check: Check::Elf(musl_needs_no_glibc),
    },
    Rule {
        id: "elf-musl-libgcc",
        title: "a musl binary does not need libgcc_s",
        reads: Reads::Headers,
        why: "Rust's dynamic musl builds link `-lgcc_s`; a bare Alpine has no libgcc_s.so.1, and \
              the program does not start there.",
        incidents: &[
            "bytecodealliance/wasm-tools#2267: the musl release does not start in a bare Alpine",
            "rust-lang/rust#108907",
        ],
        fix: "link the unwinder statically (zig does), or build with `panic = \"abort\"` and \
              without libgcc_s",
        check: Check::Elf(musl_needs_no_libgcc),
    },
    Rule {
        id: "elf-rpath",
        title: "RPATH and RUNPATH hold only `$ORIGIN` and system folders",
        reads: Reads::Headers,
        why: "A search path into a home or build folder is useless to users, and an attack where \
              others may create that folder: whoever owns it owns the program. An empty entry \
              means the current folder. DT_RPATH is ignored where DT_RUNPATH is, but both are \
              judged: either shows where it was built.",
        incidents: &[
            "pulp#395: the runner's home folder",
            "vibe#495: /nix/store",
            "shapely's wheel for manylinux_2_24 carries `/usr/local/lib64`",
        ],
        fix: "drop `-rpath` from the link, use `$ORIGIN/…`, or `patchelf --remove-rpath`",
        check: Check::Elf(search_path),
    },
    Rule {
        id: "elf-exec-stack",
        title: "the stack is not executable",
        reads: Reads::Headers,
        why: "One assembly file without a `.note.GNU-stack` section makes the whole program's \
              stack executable. From glibc 2.41 on such a library is refused by dlopen (\"cannot \
              enable executable stack\"). A file without PT_GNU_STACK gets its architecture's \
              default, which on x86 and 32-bit ARM is executable.",
        incidents: &[
            "libretro/melonDS#217: one assembly file, and no RetroArch on glibc 2.41 loads the library",
            "ValveSoftware/Source-1-Games#6978, HyperInspire/InspireFace#229: libraries that dlopen refuses since glibc 2.41",
        ],
        fix: "add `.section .note.GNU-stack,\"\",%progbits` to the assembly, or link with \
              `-z noexecstack`",
        check: Check::Elf(executable_stack),
    },
    Rule {
        id: "elf-wx",
        title: "no segment is writable and executable",
        reads: Reads::Headers,
        why: "Memory that is both turns a stray write into running code. SELinux and hardened \
              kernels refuse to map it.",
        incidents: &[
            "rue-language/rue#625: a linker that wrote one segment for everything",
            "rosco-m68k/rosco_m68k#350",
        ],
        fix: "drop `-N`/`--omagic` and custom linker scripts; put data and code in sections of \
              their own",
        check: Check::Elf(writable_code),
    },
    Rule {
        id: "elf-textrel",
        title: "there are no relocations in code",
        reads: Reads::Headers,
        why: "The loader must make code writable to apply them: slow, and refused by SELinux, by \
              Android and by musl.",
        incidents: &[
            "sonos/tract#211: armv7 code that Android refuses to load",
            "libjpeg-turbo/libjpeg-turbo#105",
        ],
        fix: "compile everything with `-fPIC`; `-z text` makes the linker say which object is not",
        check: Check::Elf(text_relocations),
    },
    Rule {
        id: "elf-pie",
        title: "a program is position-independent",
        reads: Reads::Headers,
        why: "Without it the program's code stands at a known address and ASLR does nothing for \
              it. Being ET_DYN alone does not make a program of a library.",
        incidents: &[
            "manticore-projects/aurscan#30: released without PIE, and a packer took the rest",
            "Glyndor/podup#1644: nothing in the release asked for it; the arm64 program had shipped without ASLR",
            "checksec#223, #164: tools that take every ET_DYN for a PIE",
        ],
        fix: "build with `-C relocation-model=pie` (Rust's default), or `-fPIE -pie`",
        check: Check::Elf(position_independent),
    },
    Rule {
        id: "elf-relro",
        title: "relocated data is read-only once the program runs",
        reads: Reads::Headers,
        why: "Full RELRO takes both: the PT_GNU_RELRO segment, and binding at start (DT_BIND_NOW, \
              DF_BIND_NOW or DF_1_NOW). Tools that look at one of the two are wrong about the \
              other. A static program has no lazy binding: not applicable.",
        incidents: &[
            "electron/electron#14961, spicelang/spice#1258: releases without it",
            "checksec#161: full RELRO by BIND_NOW alone, without the segment",
        ],
        fix: "link with `-z relro -z now` (`-C relro-level=full`)",
        check: Check::Elf(relro),
    },
];

fn libc(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(expected) = policy.libc else { return };
    // Which libc a static program holds is not visible in its headers; `elf-linkage` judges it.
    if elf.libc != expected && !elf.linkage.is_static() {
        let interpreter = elf.interpreter.as_deref().unwrap_or("none");
        let found = format!(
            "{} (interpreter {interpreter}, needs {})",
            elf.libc.name(),
            or_nothing(&elf.needed.join(", "))
        );
        judge.finding(expected.name(), found);
    }
}

fn interpreter(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    let found = elf.interpreter.as_deref();
    match &policy.interpreter {
        Some(Interpreter::Required(path)) if found != Some(path) => {
            judge.finding(path.as_ref(), found.unwrap_or("none"));
        }
        Some(Interpreter::Absent) if found.is_some() => {
            judge.finding("none", found.unwrap_or_default());
        }
        Some(Interpreter::SelfLaunching) => match found {
            Some(path) => judge.finding("none: the program starts its loader itself", path),
            None if elf.linkage != Linkage::Dynamic || !elf.starts => judge.finding(
                "a dynamic program with an entry point that starts its loader",
                format!("{} without one", elf.linkage.name()),
            ),
            None => {}
        },
        _ => {}
    }
}

fn linkage(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    match policy.link {
        Some(Link::Dynamic) if elf.linkage != Linkage::Dynamic => {
            judge.finding("dynamic", elf.linkage.name());
        }
        Some(Link::Static) if !elf.linkage.is_static() => {
            judge.finding("static or static-pie", elf.linkage.name());
        }
        _ => {}
    }
}

fn dlopen_needs_dynamic_libc(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    if !policy.dlopens {
        return;
    }
    if elf.linkage.is_static() {
        judge.finding("dynamic", elf.linkage.name());
    } else if !elf.needed.iter().any(|library| is_libc(library)) {
        let found = format!("needs {}", or_nothing(&elf.needed.join(", ")));
        judge.finding("its libc among the libraries it needs", found);
    }
}

/// The sonames of glibc's, musl's, bionic's and FreeBSD's libc.
fn is_libc(library: &str) -> bool {
    library == "libc.so" || library.starts_with("libc.so.") || library.starts_with("libc.musl-")
}

fn needed(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    let Some(allowed) = &policy.needed else { return };
    for library in elf.needed.iter().filter(|library| !allows(allowed, library)) {
        judge.finding(or_nothing(&allowed.join(", ")), library);
    }
}

fn musl_needs_no_glibc(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    if elf.libc != Libc::Musl && policy.libc != Some(Libc::Musl) {
        return;
    }
    if let Some(need) = elf.versions.iter().find(|need| node(&need.name).is_some()) {
        judge.finding("no GLIBC_ version", format!("{} of {}", need.name, need.library));
    }
}

fn musl_needs_no_libgcc(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    let on_list = |library: &str| policy.needed.as_ref().is_some_and(|list| allows(list, library));
    if policy.libc != Some(Libc::Musl) || elf.linkage != Linkage::Dynamic {
        return;
    }
    let mut needed = elf.needed.iter().filter(|library| library.starts_with("libgcc_s."));
    if let Some(library) = needed.find(|library| !on_list(library)) {
        judge.finding("no libgcc_s", library);
    }
}

fn search_path(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    if !policy.origin_paths_only {
        return;
    }
    for (tag, path) in [("RPATH", &elf.rpath), ("RUNPATH", &elf.runpath)] {
        let Some(path) = path.as_deref() else { continue };
        let bad = path.split(':').filter(|folder| !is_portable_folder(folder));
        for folder in bad {
            let found = if folder.is_empty() {
                format!("{tag} `{path}`: an empty entry, the current folder")
            } else {
                format!("{tag} `{path}`: `{folder}`")
            };
            judge.finding("`$ORIGIN/…` or a system folder", found);
        }
    }
}

/// Beside the program, or where a distribution puts libraries.
fn is_portable_folder(folder: &str) -> bool {
    const ORIGIN: [&str; 2] = ["$ORIGIN", "${ORIGIN}"];
    const SYSTEM: [&str; 6] = ["/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64"];
    let under = |root: &str| {
        folder.strip_prefix(root).is_some_and(|tail| tail.is_empty() || tail.starts_with('/'))
    };
    if ORIGIN.iter().any(|root| under(root)) {
        return true;
    }
    // `/usr/lib/../../home/me` is no system folder.
    let climbs = folder.split('/').any(|part| part == "..");
    SYSTEM.iter().any(|root| under(root)) && !climbs
}

fn executable_stack(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.nx && !elf.nx {
        judge.finding(
            "a stack that is not executable",
            if elf.gnu_stack {
                "PT_GNU_STACK with execute permission"
            } else {
                "no PT_GNU_STACK, and this architecture's default is executable"
            },
        );
    }
}

fn writable_code(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.no_wx && elf.wx {
        judge.finding("no such segment", "a PT_LOAD with write and execute permission");
    }
}

fn text_relocations(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.no_textrel && elf.textrel {
        judge.finding("none", "DT_TEXTREL or DF_TEXTREL");
    }
}

fn position_independent(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    if policy.pie && !elf.pie && elf.linkage != Linkage::SharedObject {
        judge.finding("a position-independent program", "a program at a fixed address (ET_EXEC)");
    }
}

fn relro(elf: &Elf, policy: &Policy, judge: &mut Judge<'_>) {
    let enough = match (policy.relro, elf.relro) {
        (None | Some(Relro::None | Relro::NotApplicable), _) => true,
        (_, Relro::Full | Relro::NotApplicable) => true,
        (Some(wanted), found) => wanted == found,
    };
    if !enough {
        let expected = policy.relro.map_or("", Relro::name).to_string();
        let why = match (elf.relro, elf.bind_now) {
            (Relro::None, true) => "none: it binds at start, but has no PT_GNU_RELRO".into(),
            (Relro::Partial, _) => "partial: PT_GNU_RELRO, but symbols are bound lazily".into(),
            (found, _) => found.name().to_string(),
        };
        judge.finding(expected, why);
    }
}

fn or_nothing(list: &str) -> &str {
    if list.is_empty() { "nothing" } else { list }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_travel() {
        for (folder, travels) in [
            ("$ORIGIN", true),
            ("$ORIGIN/../lib", true),
            ("${ORIGIN}/lib", true),
            ("$ORIGINAL/lib", false),
            ("/usr/lib/x86_64-linux-gnu", true),
            ("/lib64", true),
            ("/usr/library", false),
            ("/usr/lib/../../home/me", false),
            ("/home/me/lib", false),
            ("/nix/store/abc-glibc/lib", false),
            ("/usr/local/lib", false),
            ("/opt/x/lib", false),
            ("lib", false),
            ("", false),
        ] {
            assert_eq!(is_portable_folder(folder), travels, "{folder}");
        }
    }
}
