//! Bad ELF files. Sources are a line of C; libraries are stubs with the soname and the versions a
//! recipe wants, so that no libc is compiled. Everything is x86_64.

use xtask_core::audit::{Forbidden, Interpreter, Link, Policy, policies};
use xtask_core::formats::elf::{Libc, Relro};
use xtask_core::formats::{Format, Version};

use super::common::fixtures::zig_cc;
use super::elf_file::*;
use super::{Caught, Recipe};

const GLIBC: &str = "x86_64-linux-gnu.2.17";
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL_LOADER: &str = "/lib/ld-musl-x86_64.so.1";

/// A shared library: its soname, and its versions with a function each.
type Stub = (&'static str, &'static [(&'static str, &'static str)]);

const LIBC: Stub = ("libc.so.6", &[("GLIBC_2.17", "old")]);
const NEW_LIBC: Stub = ("libc.so.6", &[("GLIBC_2.17", "old"), ("GLIBC_2.39", "fresh")]);

fn stub((soname, versions): Stub) -> Vec<u8> {
    let mut source = String::new();
    let mut script = String::new();
    for (version, symbol) in versions {
        source += &format!("int {symbol} = 1;\n");
        if !version.is_empty() {
            script += &format!("{version} {{ global: {symbol}; }};\n");
        }
    }
    source += "int unversioned = 1;\n";
    let soname = format!("-Wl,-soname,{soname}");
    let mut args = vec!["-target", GLIBC, "-nostdlib", "-shared", "-fPIC", "{in}/stub.c", &soname];
    if !script.is_empty() {
        args.push("-Wl,--version-script={in}/versions");
    }
    zig_cc(&[("stub.c", source.as_bytes()), ("versions", script.as_bytes())], &args)
}

/// A program that refers to the data of some stubs, linked with more arguments. A `?` before a
/// symbol makes it weak.
fn program(stubs: &[Stub], symbols: &[&str], more: &[&str]) -> Vec<u8> {
    let mut source = String::new();
    let mut uses = String::new();
    for symbol in symbols {
        let (symbol, weak) = match symbol.strip_prefix('?') {
            Some(symbol) => (symbol, "__attribute__((weak))"),
            None => (*symbol, ""),
        };
        source += &format!("extern int {symbol} {weak};\n");
        uses += &format!("if (&{symbol}) n += {symbol};");
    }
    source += &format!("volatile int n; void _start(void) {{ {uses} for (;;); }}\n");
    let libraries: Vec<_> = stubs.iter().map(|stub| (stub.0, self::stub(*stub))).collect();
    let mut sources = vec![("main.c", source.as_bytes())];
    sources.extend(libraries.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
    let paths: Vec<_> = stubs.iter().map(|stub| format!("{{in}}/{}", stub.0)).collect();
    let mut args = vec!["-target", GLIBC, "-nostdlib", "-O1", "-s", "{in}/main.c"];
    args.extend(paths.iter().map(String::as_str));
    args.extend(more);
    zig_cc(&sources, &args)
}

const PIE: &[&str] = &["-fPIE", "-pie"];

/// A hardened program for glibc 2.17.
fn good() -> Vec<u8> {
    program(&[LIBC], &["old"], PIE)
}

/// The same for musl.
fn good_musl() -> Vec<u8> {
    program(&[MUSL_LIBC], &["unversioned"], &[PIE, &[MUSL_LINKER]].concat())
}

const MUSL_LIBC: Stub = ("libc.so", &[]);
const MUSL_LINKER: &str = "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1";

/// Everything that can be asked of a glibc program.
fn strict() -> Policy {
    Policy {
        format: Some(Format::Elf),
        archs: vec!["x86_64".into()].into(),
        forbidden: vec![Forbidden { bytes: b"/home/".as_slice().into(), what: "a home".into() }]
            .into(),
        libc: Some(Libc::Glibc),
        glibc_max: Some(Version::new(2, 17)),
        glibcxx_max: Some(Version::new3(3, 4, 19)),
        cxxabi_max: Some(Version::new3(1, 3, 7)),
        gcc_max: Some(Version::new3(4, 8, 0)),
        interpreter: Some(Interpreter::Required(LOADER.into())),
        link: Some(Link::Dynamic),
        dlopens: true,
        needed: Some(
            ["libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux*"]
                .map(Into::into)
                .to_vec()
                .into(),
        ),
        pie: true,
        relro: Some(Relro::Full),
        ..policies::DEFAULT.clone()
    }
}

fn strict_musl() -> Policy {
    Policy {
        libc: Some(Libc::Musl),
        interpreter: Some(Interpreter::Required(MUSL_LOADER.into())),
        needed: Some(vec!["libc.so".into(), "libc.musl-*".into()].into()),
        ..strict()
    }
}

fn default() -> Policy {
    policies::named("default").unwrap().clone()
}

pub(super) fn recipes() -> Vec<Recipe> {
    let mut recipes = versions();
    recipes.extend(kinds());
    recipes.extend(hardening());
    recipes.extend(damage());
    recipes.extend(comparisons());
    recipes
}

fn recipe(name: &'static str, bad: Vec<u8>, rules: &'static [&'static str]) -> Recipe {
    Recipe { name, policy: strict(), good: good(), bad, caught: Caught::By(rules) }
}

/// A small edit of a file.
fn edited(bytes: Vec<u8>, edit: impl FnOnce(&mut File)) -> Vec<u8> {
    let mut file = File(bytes);
    edit(&mut file);
    file.0
}

/// Which glibc, libstdc++ and libgcc it needs.
fn versions() -> Vec<Recipe> {
    const FLOOR: &[&str] = &["elf-glibc-floor"];
    let fresh = || program(&[NEW_LIBC], &["old", "fresh"], PIE);
    let node = |name, symbol| -> Vec<u8> {
        let stub: &'static [_] = Box::leak(Box::new([("GLIBC_2.17", "old"), (name, symbol)]));
        program(&[("libc.so.6", stub)], &["old", symbol], PIE)
    };
    let other = |library, name| -> Vec<u8> {
        let stub: &'static [_] = Box::leak(Box::new([(name, "thing")]));
        program(&[LIBC, (library, stub)], &["old", "thing"], PIE)
    };
    vec![
        recipe("floor-strong", fresh(), FLOOR),
        recipe("floor-weak-only", program(&[NEW_LIBC], &["old", "?fresh"], PIE), FLOOR),
        recipe("floor-ld-linux-only", other("ld-linux-x86-64.so.2", "GLIBC_2.35"), FLOOR),
        recipe("floor-copied-data", copied_data(fresh()), FLOOR),
        recipe("floor-no-section-headers", File(fresh()).without_sections().0, FLOOR),
        recipe(
            "floor-without-symbols",
            // Every symbol becomes unversioned (VER_NDX_GLOBAL); the version need stays.
            edited(fresh(), |file| {
                let at = file.table(DT_VERSYM);
                for i in 1..3 {
                    file.set(at + i * 2, &[1, 0]);
                }
            }),
            FLOOR,
        ),
        recipe("floor-relr-marker", node("GLIBC_ABI_DT_RELR", "relr"), FLOOR),
        recipe("floor-tls-marker", node("GLIBC_ABI_GNU2_TLS", "tls"), FLOOR),
        recipe(
            "floor-flagged-weak-with-strong-symbol",
            edited(fresh(), |file| {
                let at = file.version("GLIBC_2.39");
                file.set(at + 4, &[2, 0]);
            }),
            FLOOR,
        ),
        recipe("floor-2.100-is-above-2.17", node("GLIBC_2.100", "hundred"), FLOOR),
        recipe("private", node("GLIBC_PRIVATE", "secret"), &["elf-glibc-private"]),
        recipe("unknown-node", node("GLIBC_ABI_TOMORROW", "later"), &["elf-glibc-unknown-version"]),
        recipe("number-and-more", node("GLIBC_2.17_X", "later"), &["elf-glibc-unknown-version"]),
        recipe(
            "version-name-edited-in-place",
            // The name is older now, the hash is still that of GLIBC_2.39.
            edited(fresh(), |file| {
                let name = file.u32(file.version("GLIBC_2.39") + 8) as usize;
                let at = file.table(DT_STRTAB) + name;
                file.set(at, b"GLIBC_2.09");
            }),
            &["elf-version-hash"],
        ),
        recipe(
            "relr-without-marker",
            edited(good(), |file| {
                let at = file.tag(DT_DEBUG);
                file.set(at, &DT_RELR.to_le_bytes());
            }),
            &["elf-relr-marker"],
        ),
        recipe("glibcxx", other("libstdc++.so.6", "GLIBCXX_3.4.29"), &["elf-glibcxx-floor"]),
        recipe("cxxabi", other("libstdc++.so.6", "CXXABI_1.3.15"), &["elf-cxxabi-floor"]),
        recipe("gcc", other("libgcc_s.so.1", "GCC_12.0.0"), &["elf-gcc-floor"]),
    ]
}

/// The symbols are defined in the program itself, as after a copy relocation (`__rseq_offset`).
fn copied_data(bytes: Vec<u8>) -> Vec<u8> {
    edited(bytes, |file| {
        let at = file.table(DT_SYMTAB);
        for i in 1..3 {
            file.set(at + i * 24 + 6, &[5, 0]);
        }
    })
}

/// What it is made for, and how it is linked.
fn kinds() -> Vec<Recipe> {
    let musl = |name, bad, rules| Recipe {
        name,
        policy: strict_musl(),
        good: good_musl(),
        bad,
        caught: Caught::By(rules),
    };
    let self_launching =
        || program(&[LIBC], &["old"], &[PIE, &["-Wl,--no-dynamic-linker"]].concat());
    let static_pie = || program(&[], &[], &["-fPIE", "-static-pie"]);
    let launches = |name, bad, rules| Recipe {
        policy: Policy { interpreter: Some(Interpreter::SelfLaunching), ..strict() },
        good: self_launching(),
        ..recipe(name, bad, rules)
    };
    let whole = |name, bad, rules| Recipe {
        policy: Policy {
            interpreter: Some(Interpreter::Absent),
            link: Some(Link::Static),
            libc: None,
            dlopens: false,
            ..strict()
        },
        good: static_pie(),
        ..recipe(name, bad, rules)
    };
    let with_loader = |path: &str| {
        let flag = format!("-Wl,--dynamic-linker={path}");
        program(&[LIBC], &["old"], &[PIE, &[flag.as_str()]].concat())
    };
    vec![
        Recipe {
            policy: Policy { format: Some(Format::Elf), ..Policy::NONE },
            ..recipe("windows-program", windows(), &["format"])
        },
        recipe("wrong-machine", edited(good(), |file| file.set(18, &[183, 0])), &["arch"]),
        recipe(
            "nix-interpreter",
            with_loader("/nix/store/x-glibc/lib/ld-linux-x86-64.so.2"),
            &["elf-interpreter"],
        ),
        recipe("no-interpreter", self_launching(), &["elf-interpreter"]),
        launches("interpreter-where-none-may-be", good(), &["elf-interpreter"]),
        launches(
            "self-launching-without-entry",
            edited(self_launching(), |file| file.set(24, &[0; 8])),
            &["elf-interpreter"],
        ),
        recipe("static", static_pie(), &["elf-interpreter", "elf-linkage", "elf-dlopen-static"]),
        Recipe {
            policy: Policy { link: None, interpreter: None, ..strict() },
            ..recipe("static-helper-cannot-dlopen", static_pie(), &["elf-dlopen-static"])
        },
        whole("dynamic-where-static-is-promised", self_launching(), &["elf-linkage"]),
        musl(
            "musl-pie-without-libc",
            edited(good_musl(), |file| {
                let at = file.tag(DT_NEEDED);
                file.set(at, &DT_DEBUG.to_le_bytes());
            }),
            &["elf-dlopen-static"],
        ),
        musl(
            "glibc-under-a-musl-name",
            good(),
            &["elf-libc", "elf-interpreter", "elf-musl-glibc-version", "elf-needed"],
        ),
        Recipe {
            policy: Policy { interpreter: None, needed: None, ..strict() },
            ..recipe("musl-under-a-glibc-name", good_musl(), &["elf-libc"])
        },
        musl(
            "musl-with-glibc-object",
            program(
                &[("libc.so", &[("GLIBC_2.17", "old")])],
                &["old"],
                &[PIE, &[MUSL_LINKER]].concat(),
            ),
            &["elf-musl-glibc-version"],
        ),
        Recipe {
            policy: Policy { needed: None, ..strict_musl() },
            ..musl("musl-with-libgcc", with_libgcc(), &["elf-musl-libgcc"])
        },
        recipe(
            "extra-library",
            program(&[LIBC, ("libz.so.1", &[("", "zip")])], &["old", "zip"], PIE),
            &["elf-needed"],
        ),
        recipe("home-path", with_data("/home/me/project/src/main.c"), &["embedded-path"]),
    ]
}

fn windows() -> Vec<u8> {
    let args = ["-target", "x86_64-windows-gnu", "-nostdlib", "-s", "-Wl,--entry,_start"];
    let source = b"void _start(void) { for (;;); }\n";
    zig_cc(&[("main.c", source)], &[&args[..], &["{in}/main.c"]].concat())
}

fn with_libgcc() -> Vec<u8> {
    program(
        &[MUSL_LIBC, ("libgcc_s.so.1", &[("", "unwind")])],
        &["unversioned", "unwind"],
        &[PIE, &[MUSL_LINKER]].concat(),
    )
}

/// The good program with a text in its data.
fn with_data(text: &str) -> Vec<u8> {
    let define = format!("-Wl,-rpath,$ORIGIN/../lib:{text}");
    edited(program(&[LIBC], &["old"], &[PIE, &[define.as_str()]].concat()), |file| {
        // Only the text stays: the tag that used it becomes one that says nothing.
        for tag in [15u64, 29] {
            let start = file.u64(file.header(PT_DYNAMIC) + 8) as usize;
            let entry = (0..).map(|i| start + i * 16).take_while(|at| file.u64(*at) != DT_NULL);
            if let Some(at) = entry.into_iter().find(|at| file.u64(*at) == tag) {
                file.set(at, &DT_DEBUG.to_le_bytes());
            }
        }
    })
}

/// Protections that are gone.
fn hardening() -> Vec<Recipe> {
    let plain = |name, bad, rules| Recipe { policy: default(), ..recipe(name, bad, rules) };
    let flags = |kind: u32, value: u32| {
        edited(good(), |file| {
            let at = file.header(kind) + 4;
            file.set(at, &value.to_le_bytes());
        })
    };
    let without = |kind: u32| {
        edited(good(), |file| {
            let at = file.header(kind);
            file.set(at, &PT_NULL.to_le_bytes());
        })
    };
    let linked = |more: &[&str]| program(&[LIBC], &["old"], &[PIE, more].concat());
    let rpath = |path: &str| linked(&[&format!("-Wl,-rpath,{path}")]);
    vec![
        plain("rpath-build-folder", rpath("/build/deps/lib"), &["elf-rpath"]),
        plain(
            "rpath-old-tag",
            linked(&["-Wl,-rpath,/build/deps/lib", "-Wl,--disable-new-dtags"]),
            &["elf-rpath"],
        ),
        plain("runpath-nix", rpath("/nix/store/x-zlib/lib"), &["elf-rpath"]),
        plain("runpath-empty-entry", rpath("$ORIGIN::/usr/lib"), &["elf-rpath"]),
        plain("runpath-climbs", rpath("/usr/lib/../../home/me"), &["elf-rpath"]),
        plain("exec-stack", flags(PT_GNU_STACK, 7), &["elf-exec-stack"]),
        plain("no-gnu-stack", without(PT_GNU_STACK), &["elf-exec-stack"]),
        plain(
            "writable-code",
            edited(good(), |file| {
                let at = file.load(2) + 4;
                file.set(at, &7u32.to_le_bytes());
            }),
            &["elf-wx"],
        ),
        plain(
            "textrel-tag",
            edited(good(), |file| {
                let at = file.tag(DT_DEBUG);
                file.set(at, &DT_TEXTREL.to_le_bytes());
            }),
            &["elf-textrel"],
        ),
        plain(
            "textrel-flag",
            edited(good(), |file| {
                let at = file.tag(DT_FLAGS) + 8;
                let value = file.u64(at) | 4;
                file.set(at, &value.to_le_bytes());
            }),
            &["elf-textrel"],
        ),
        recipe("fixed-address", program(&[LIBC], &["old"], &["-fno-pie", "-no-pie"]), &["elf-pie"]),
        recipe("no-relro-segment-but-bind-now", without(PT_GNU_RELRO), &["elf-relro"]),
        recipe("lazy-binding", linked(&["-Wl,-z,lazy"]), &["elf-relro"]),
        recipe("norelro", linked(&["-Wl,-z,norelro"]), &["elf-relro"]),
    ]
}

/// Files that cannot be judged. Never "needs nothing".
fn damage() -> Vec<Recipe> {
    let damaged = |name, reason, edit: &dyn Fn(&mut File)| Recipe {
        policy: default(),
        bad: edited(program(&[NEW_LIBC], &["old", "fresh"], PIE), edit),
        caught: Caught::NotAuditable(reason),
        ..recipe(name, Vec::new(), &[])
    };
    let cut = |name, reason, end: &dyn Fn(&File) -> usize| {
        damaged(name, reason, &|file| {
            let end = end(file);
            file.0.truncate(end);
        })
    };
    let tag = |tag: u64, value: u64| {
        move |file: &mut File| {
            let at = file.tag(tag) + 8;
            file.set(at, &value.to_le_bytes());
        }
    };
    let verneed = |field: usize, bytes: &'static [u8]| {
        move |file: &mut File| {
            let at = file.table(DT_VERNEED) + field;
            file.set(at, bytes);
        }
    };
    let vernaux = |field: usize, bytes: &'static [u8]| {
        move |file: &mut File| {
            let record = file.table(DT_VERNEED);
            let at = record + file.u32(record + 8) as usize + field;
            file.set(at, bytes);
        }
    };
    vec![
        cut("cut-in-the-header", "the file ends", &|_| 40),
        cut("cut-in-the-program-headers", "the program headers", &|_| 64 + 100),
        cut("cut-in-the-versions", "the file ends inside a segment", &|file| {
            file.table(DT_VERNEED) + 8
        }),
        cut("cut-in-the-strings", "the file ends inside a segment", &|file| {
            file.table(DT_STRTAB) + 4
        }),
        cut("cut-in-the-symbols", "the file ends inside a segment", &|file| {
            file.table(DT_SYMTAB) + 30
        }),
        cut("cut-in-the-dynamic-segment", "the file ends inside a segment", &|file| {
            file.tag(DT_STRTAB) + 4
        }),
        damaged("class-lie", "", &|file| file.set(4, &[1])),
        damaged("byte-order-lie", "", &|file| file.set(5, &[2])),
        damaged("no-such-class", "EI_CLASS", &|file| file.set(4, &[9])),
        damaged("no-program-headers", "no program headers", &|file| file.set(56, &[0, 0])),
        damaged("relocatable-object", "ET_REL", &|file| file.set(16, &[1, 0])),
        damaged("core-dump", "ET_CORE", &|file| file.set(16, &[4, 0])),
        damaged("interpreter-without-end", "does not end with NUL", &|file| {
            let header = file.header(PT_INTERP);
            let (at, len) = (file.u64(header + 8) as usize, file.u64(header + 32) as usize);
            file.set(at, &vec![b'/'; len]);
        }),
        damaged("no-dynamic-segment", "no dynamic segment", &|file| {
            let at = file.header(PT_DYNAMIC);
            file.set(at, &PT_NULL.to_le_bytes());
        }),
        damaged("dynamic-segment-nowhere", "no segment has bytes", &|file| {
            let at = file.header(PT_DYNAMIC) + 16;
            file.set(at, &0x7fff_0000u64.to_le_bytes());
        }),
        damaged("dynamic-segment-without-end", "no DT_NULL", &|file| {
            let at = file.header(PT_DYNAMIC) + 32;
            file.set(at, &64u64.to_le_bytes());
        }),
        damaged("dynamic-segment-of-zeros", "no string table", &|file| {
            let at = file.u64(file.header(PT_DYNAMIC) + 8) as usize;
            file.set(at, &[0; 16]);
        }),
        damaged("strings-too-short", "string table", &tag(DT_STRSZ, 4)),
        damaged("strings-too-long", "DT_STRSZ", &tag(DT_STRSZ, 1 << 40)),
        damaged("strings-nowhere", "DT_STRTAB", &tag(DT_STRTAB, 1 << 50)),
        damaged("versions-nowhere", "DT_VERNEED", &tag(DT_VERNEED, 1 << 50)),
        damaged("no-libraries-counted", "DT_VERNEEDNUM = 0", &tag(DT_VERNEEDNUM, 0)),
        damaged("version-table-of-the-future", "vn_version", &verneed(0, &[2, 0])),
        damaged("versions-not-counted", "vn_cnt", &verneed(2, &[1, 0])),
        damaged("library-name-out-of-table", "vn_file", &verneed(4, &[0xff; 4])),
        damaged("versions-out-of-segment", "out of its segment", &verneed(8, &[0, 0, 0, 9])),
        damaged("next-library-inside-this-one", "vn_next", &verneed(12, &[1, 0, 0, 0])),
        damaged("version-name-out-of-table", "vna_name", &vernaux(8, &[0xff; 4])),
        damaged("next-version-inside-this-one", "vna_next", &vernaux(12, &[8, 0, 0, 0])),
        damaged("symbol-entry-size", "DT_SYMENT", &tag(11, 16)),
        damaged("versym-nowhere", "DT_VERSYM", &tag(DT_VERSYM, 1 << 50)),
    ]
}

/// Worse than the release before.
fn comparisons() -> Vec<Recipe> {
    let against = |name, bad, rules| Recipe {
        policy: default(),
        caught: Caught::Against(rules),
        ..recipe(name, bad, &[])
    };
    vec![
        against("higher-floor", program(&[NEW_LIBC], &["old", "fresh"], PIE), &["worse-floor"]),
        against(
            "one-more-library",
            program(&[LIBC, ("libz.so.1", &[("", "zip")])], &["old", "zip"], PIE),
            &["worse-needed"],
        ),
        against(
            "lazy-now",
            program(&[LIBC], &["old"], &[PIE, &["-Wl,-z,lazy"]].concat()),
            &["worse-hardening"],
        ),
        against("much-larger", edited(good(), |file| file.0.extend([0; 100_000])), &["worse-size"]),
    ]
}
