#!/usr/bin/env python3
"""Time of `audit-glibc`, beside the physical limit and other tools, as ratios from one run.

    benches/audit/speed.py [--rounds N] [FOLDER...]      default: 9 rounds of /usr/lib /usr/bin /usr/sbin /usr/libexec

The limit is limit.c on the list of ELF files: map, touch what an answer needs, one core. Ours is timed on
the same list, and on the folders, where every other file must be opened too to see that it is none. The
idioms start programs for each file and are timed on a sample. The debug build that the alias runs, unless
PROFILE names another. Needs gcc, readelf, objdump, pyelftools (`pip install pyelftools`).
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
SAMPLE = 100

PYELFTOOLS = """
import sys
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
for line in open(sys.argv[1]):
    with open(line[:-1], "rb") as file:
        try:
            section = ELFFile(file).get_section_by_name(".gnu.version_r")
            names = [aux.name for _, auxes in section.iter_versions() for aux in auxes] if section else []
        except Exception:
            pass
"""
READELF = "while read -r f; do readelf -V \"$f\" 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1; done"
OBJDUMP = "while read -r f; do objdump -T \"$f\" 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sort -V | tail -1; done"


def elf_files(folders):
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(parent, name)
                if os.path.islink(path) or not os.path.isfile(path) or path.startswith("/usr/lib/debug/"):
                    continue
                with open(path, "rb") as file:
                    if file.read(4) == b"\x7fELF":
                        yield path


def seconds(command, **options):
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    default = [f for f in ("/usr/lib", "/usr/bin", "/usr/sbin", "/usr/libexec") if os.path.isdir(f)]
    parser.add_argument("folders", nargs="*", default=default)
    options = parser.parse_args()
    profile = os.environ.get("PROFILE", "debug")
    build = ["cargo", "build", "--quiet", "--locked", "-p", "xtask"]
    subprocess.run(build + (["--profile", profile] if profile != "debug" else []), cwd=ROOT, check=True)
    xtask = ROOT / "target" / profile / "xtask"
    with tempfile.TemporaryDirectory() as temporary:
        limit = pathlib.Path(temporary, "limit")
        subprocess.run(["gcc", "-O2", "-o", limit, HERE / "limit.c"], check=True)
        paths = list(elf_files(options.folders))
        listing = pathlib.Path(temporary, "list")
        listing.write_text("".join(path + "\n" for path in paths))
        sample = pathlib.Path(temporary, "sample")
        chosen = paths[:: max(1, len(paths) // SAMPLE)]
        sample.write_text("".join(path + "\n" for path in chosen))
        scale = len(paths) / len(chosen)
        every = sum(len(names) for folder in options.folders for _, _, names in os.walk(folder))
        print(f"{len(paths)} ELF files among {every} files; medians of {options.rounds} interleaved rounds")
        rows = {
            "limit.c, one core": lambda: seconds([limit], stdin=listing.open()),
            "audit-glibc, the ELF files by name": lambda: seconds([xtask, "audit-glibc", *paths]),
            "audit-glibc, the folders": lambda: seconds([xtask, "audit-glibc", *options.folders]),
            "audit-glibc --json, by name": lambda: seconds([xtask, "audit-glibc", "--json", *paths]),
            "audit, by name": lambda: seconds([xtask, "audit", *paths]),
            "pyelftools, one process": lambda: seconds([sys.executable, "-c", PYELFTOOLS, listing]),
        }
        slow = {
            f"objdump -T idiom ({len(chosen)} files, scaled)":
                lambda: scale * seconds(["sh", "-c", OBJDUMP], stdin=sample.open()),
            f"readelf -V idiom ({len(chosen)} files, scaled)":
                lambda: scale * seconds(["sh", "-c", READELF], stdin=sample.open()),
        }
        for run in rows.values():
            run()
        times = {name: [] for name in [*rows, *slow]}
        for _ in range(options.rounds):
            for name, run in rows.items():
                times[name].append(run())
        for _ in range(max(1, options.rounds // 3)):
            for name, run in slow.items():
                times[name].append(run())
        base = statistics.median(times["limit.c, one core"])
        ours = statistics.median(times["audit-glibc, the ELF files by name"])
        print(f"{'':44} {'seconds':>9} {'us/file':>9} {'x limit':>9} {'x ours':>9}")
        for name, values in times.items():
            median = statistics.median(values)
            per_file = 1e6 * median / len(paths)
            print(f"{name:44} {median:9.4f} {per_file:9.1f} {median / base:9.1f} {median / ours:9.1f}")


if __name__ == "__main__":
    main()
