#!/usr/bin/env python3
"""Our loader floor beside readelf's, llvm-readelf's and auditwheel's, on every ELF file of some folders
and wheels. Each difference is printed with its reason; one without a reason is an error.

    benches/audit/agreement.py [--wheels FOLDER] [FOLDER...]      default: /usr/lib /usr/bin

--wheels: wheels are downloaded there (pip) unless it holds some. Needs readelf, llvm-readelf, and a Python
with auditwheel and pyelftools (`pip install auditwheel pyelftools`).
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

from auditwheel.elfutils import elf_find_versioned_symbols
from elftools.elf.elffile import ELFFile

ROOT = pathlib.Path(__file__).resolve().parents[2]
X86_64 = "manylinux_2_28_x86_64 manylinux2014_x86_64 manylinux_2_17_x86_64"
AARCH64 = "manylinux_2_28_aarch64 manylinux2014_aarch64 manylinux_2_17_aarch64"
MUSL = "musllinux_1_2_x86_64 musllinux_1_1_x86_64"
ARM = "manylinux_2_31_armv7l manylinux_2_17_armv7l manylinux2014_armv7l"
S390X = "manylinux_2_28_s390x manylinux_2_17_s390x manylinux2014_s390x"
PPC64LE = "manylinux_2_28_ppc64le manylinux_2_17_ppc64le manylinux2014_ppc64le"
WHEELS = [
    *[(name, X86_64) for name in "markupsafe pyyaml cffi orjson ujson msgpack simplejson greenlet psutil "
      "rpds-py pydantic-core bcrypt cryptography lz4 xxhash httptools ruff".split()],
    *[(name, AARCH64) for name in "markupsafe cryptography orjson pydantic-core psutil xxhash".split()],
    *[(name, MUSL) for name in "markupsafe orjson pydantic-core".split()],
    *[(name, ARM) for name in "cryptography pydantic-core orjson".split()],
    *[(name, S390X) for name in "markupsafe pydantic-core".split()],
    *[(name, PPC64LE) for name in "markupsafe pydantic-core".split()],
]


def number(version):
    return tuple(int(field) for field in version.split("."))


def highest(names):
    numbers = [name[6:] for name in names if re.fullmatch(r"GLIBC_[0-9]+(\.[0-9]+)*", name)]
    return max(numbers, key=number, default=None)


def readelf(path):
    """The needs section only: the idiom that greps the whole output counts definitions too."""
    text = subprocess.run(["readelf", "-W", "-V", path], capture_output=True, text=True, errors="replace").stdout
    needs = re.search(r"^Version needs section.*?(?=^\S|\Z)", text, re.S | re.M)
    return highest(re.findall(r"Name: (\S+)", needs.group(0)) if needs else [])


def llvm_readelf(path):
    text = subprocess.run(["llvm-readelf", "-V", path], capture_output=True, text=True, errors="replace").stdout
    needs = re.search(r"^Version needs section.*?(?=^\S|\Z)", text, re.S | re.M)
    return highest(re.findall(r"Name: (\S+)", needs.group(0)) if needs else [])


def auditwheel(path):
    try:
        with open(path, "rb") as file:
            return highest(name for _, name in elf_find_versioned_symbols(ELFFile(file)))
    except Exception as error:  # auditwheel's own ways to fail are part of the comparison
        return f"error: {type(error).__name__}"


def sections(path):
    with open(path, "rb") as file:
        try:
            return ELFFile(file).num_sections()
        except Exception:
            return 0


def reason(tool, ours, theirs, path):
    """Why a tool differs, by name; None when nobody knows."""
    if ours["outcome"] == "not_auditable":
        if theirs is None:
            return f"they say nothing is needed; not auditable: {ours['reason'].split(':')[0]}"
        if "debug file" in ours["reason"]:
            return "separate debug file: section headers of tables whose bytes are elsewhere"
        return None
    if isinstance(theirs, str) and theirs.startswith("error"):
        return f"{tool} fails on it ({theirs})"
    if theirs == ours["glibc_max"] and ours["nonnumeric"]:
        return "ABI marker above the highest number: " + ", ".join(ours["nonnumeric"])
    if theirs == ours["glibc_max"]:
        return "highest version flagged weak, without a strong symbol"
    if sections(path) == 0:
        return "no section headers: they read by section headers"
    if tool == "auditwheel":
        others = [v["version"] for v in ours["versions"] if not re.match(r"ld[-0-9.]|ld64", v["library"])]
        if highest(others) == theirs:
            return "the highest version is demanded of the dynamic loader, which auditwheel skips"
    return None


def download(folder):
    for name, platforms in WHEELS:
        arguments = [flag for platform in platforms.split() for flag in ("--platform", platform)]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
             "--python-version", "3.12", *arguments, "--dest", folder, name],
            capture_output=True, text=True)
        if done.returncode:
            print(f"not fetched: {name} for {platforms.split()[0]}: {done.stderr.strip().splitlines()[-1]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wheels", type=pathlib.Path)
    parser.add_argument("folders", nargs="*", default=["/usr/lib", "/usr/bin"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folders = list(options.folders)
        if options.wheels:
            options.wheels.mkdir(parents=True, exist_ok=True)
            if not list(options.wheels.glob("*.whl")):
                download(options.wheels)
            wheels = sorted(options.wheels.glob("*.whl"))
            print(f"{len(wheels)} wheels")
            for wheel in wheels:
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(pathlib.Path(temporary, wheel.stem))
            folders.append(temporary)
        subprocess.run(["cargo", "build", "--quiet", "--locked", "-p", "xtask"], cwd=ROOT, check=True)
        answer = subprocess.run([ROOT / "target/debug/xtask", "audit-glibc", "--json", *folders], capture_output=True)
        files = json.loads(answer.stdout)["files"]
        tools = {"readelf": readelf, "llvm-readelf": llvm_readelf, "auditwheel": auditwheel}
        unexplained = 0
        for name, tool in tools.items():
            with concurrent.futures.ThreadPoolExecutor() as pool:
                answers = list(pool.map(lambda file: tool(file["path"]), files))
            differences = {}
            for file, theirs in zip(files, answers):
                if file["outcome"] != "not_auditable" and theirs == file["glibc_floor"]:
                    continue
                why = reason(name, file, theirs, file["path"])
                if why is None:
                    unexplained += 1
                    why = f"UNEXPLAINED: {file['path']}: ours {file['glibc_floor']}, theirs {theirs}"
                differences.setdefault(why, []).append(file["path"])
            agreed = len(files) - sum(map(len, differences.values()))
            print(f"{name}: {agreed} of {len(files)} files agree")
            for why, paths in sorted(differences.items()):
                print(f"    {len(paths):5} {why}; for example {pathlib.Path(paths[0]).name}")
        sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
