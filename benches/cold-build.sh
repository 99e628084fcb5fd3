#!/usr/bin/env bash
# Cold debug build of the xtask, sources fetched: total, then seconds per crate, then the count of
# dependencies. Compare runs on one machine only.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
cargo fetch --locked --quiet
start=$(date +%s.%N)
cargo build --quiet --locked --package xtask --timings --target-dir "$target"
python3 - "$start" "$target/cargo-timings/cargo-timing.html" <<'PY'
import json, re, sys, time
total = time.time() - float(sys.argv[1])
html = open(sys.argv[2]).read()
units = json.loads(re.search(r"UNIT_DATA = (\[.*?\]);", html, re.S).group(1))
crates = {}
for unit in units:
    crates[unit["name"]] = crates.get(unit["name"], 0) + unit["duration"]
work = sum(crates.values())
print(f"cold build: {total:.1f} s wall, {work:.1f} s of compilation, {len(crates)} crates")
for name, seconds in sorted(crates.items(), key=lambda item: -item[1]):
    if seconds >= 0.2:
        print(f"{seconds:6.2f} s {100 * seconds / work:5.1f} %  {name}")
PY
