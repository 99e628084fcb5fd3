#!/usr/bin/env bash
# What `dist` costs besides the build when nothing has to be rebuilt: the whole command against the very
# cargo-zigbuild command it runs. Needs hyperfine. The difference of the means is the overhead.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --locked --package xtask
xtask=$PWD/target/debug/xtask
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$xtask" dist --out "$out/dist" >/dev/null 2>&1
"$xtask" build --dry-run >"$out/build.sh" 2>/dev/null
hyperfine --warmup 2 --runs 15 --style basic --export-json "$out/result.json" \
  --command-name 'dist' "$xtask dist --out $out/dist" \
  --command-name 'build alone' "sh $out/build.sh"
python3 - "$out/result.json" <<'PY'
import json, sys
dist, build = (result["median"] for result in json.load(open(sys.argv[1]))["results"])
print(f"dist {dist:.3f} s, its build alone {build:.3f} s, own overhead {dist - build:.3f} s (ratio {dist / build:.1f})")
PY
