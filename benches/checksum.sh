#!/usr/bin/env bash
# `xtask checksum` against `openssl dgst -sha256` and `sha256sum`: one file of 1 GiB, and 2,000 small
# files. Whole processes, warm cache, interleaved rounds. The debug build that the alias runs,
# unless PROFILE names another. Usage: benches/checksum.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-debug}
case $profile in
debug) cargo build --quiet --locked --package xtask ;;
*) cargo build --quiet --locked --package xtask --profile "$profile" ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 - "$PWD/target/$profile/xtask" "$work" "${1:-5}" "$profile" <<'PY'
import os, pathlib, random, statistics, subprocess, sys, time

xtask, work, rounds, profile = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
random.seed(1)
block = random.randbytes(1 << 20)
large = work / "large"
with open(large, "wb") as file:
    for _ in range(1024):
        file.write(block)
folder = work / "small"
folder.mkdir()
small = []
for i in range(2000):
    # Sizes of a real tree: most are a few kilobytes, a few are large.
    size = min(int(random.paretovariate(1.05) * 4096), 1 << 20)
    small.append(folder / f"file-{i:04}")
    small[-1].write_bytes(block[:size])
total = sum(path.stat().st_size for path in small)


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def compare(title, bytes_, commands):
    for command in commands.values():
        seconds(command)
    times = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    ours = next(iter(medians.values()))
    print(f"{title}; medians of {rounds} interleaved rounds")
    for name, median in medians.items():
        print(f"    {name:28} {median:8.3f} s {bytes_ / median / 1e6:8.0f} MB/s   ours is {median / ours:5.2f}x as fast")


# All must say the same before any is timed.
digests = {
    subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()[where]
    for command, where in (([xtask, "checksum", large], 0), (["sha256sum", large], 0),
                           (["openssl", "dgst", "-sha256", large], -1))
}
assert len(digests) == 1, digests
compare("one file of 1 GiB", large.stat().st_size, {
    f"checksum ({profile})": [xtask, "checksum", large],
    "openssl dgst -sha256": ["openssl", "dgst", "-sha256", large],
    "sha256sum": ["sha256sum", large],
})
compare(f"2,000 files, {total / 1e6:.0f} MB", total, {
    f"checksum ({profile})": [xtask, "checksum", *small],
    "openssl dgst -sha256": ["openssl", "dgst", "-sha256", *small],
    "sha256sum": ["sha256sum", *small],
})
PY
