#!/usr/bin/env bash
# Verifying a Mach-O signature against hashing the same file: `xtask codesign --verify` and
# `openssl dgst -sha256`, whole processes, warm cache, the shorter of many runs each. Without a FILE
# one of 30 MB is linked by zig and signed. Usage: benches/macho-verify.sh [FILE]
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-debug}
case $profile in
debug) cargo build --quiet --locked --package xtask ;;
*) cargo build --quiet --locked --package xtask --profile "$profile" ;;
esac
xtask=$PWD/target/$profile/xtask
file=${1:-}
if [ -z "$file" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  head -c 30000000 /dev/urandom >"$work/data"
  printf '%s\n' '.section __TEXT,__const' '.globl _data' '_data:' ".incbin \"$work/data\"" >"$work/data.s"
  printf '%s\n' 'extern char data[]; int main(int c, char **v) { return data[c]; }' >"$work/main.c"
  zig=$("$xtask" tool ziglang)
  "$zig" cc -target aarch64-macos.11.0 "$work/main.c" "$work/data.s" -o "$work/program"
  file=$work/program
  "$xtask" codesign --builtin --force --identifier bench "$file" >/dev/null
fi
python3 - "$xtask" "$file" "$profile" <<'PY'
import os, subprocess, sys, time

xtask, file, profile = sys.argv[1:]

def best(command, runs=25):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - start)
    return min(times), sorted(times)[runs // 2]

verify = best([xtask, "codesign", "--verify", file])
digest = best(["openssl", "dgst", "-sha256", file])
size = os.path.getsize(file) / 1e6
for name, (least, median) in [(f"verify ({profile})", verify), ("openssl dgst -sha256", digest)]:
    print(f"{name:<24} {least * 1e3:7.1f} ms  median {median * 1e3:7.1f} ms  {size / least:7.0f} MB/s")
print(f"ratio {verify[0] / digest[0]:.2f} (medians {verify[1] / digest[1]:.2f}), {size:.1f} MB")
PY
