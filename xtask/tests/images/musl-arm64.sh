#!/bin/sh
# musl-arm64.sh OUT: makes OUT, a folder with the loader of musl for arm64 and nothing else: what
# QEMU_LD_PREFIX names for qemu-aarch64.
set -eu
out=$(realpath -m "$1")
here=$(dirname "$(realpath "$0")")
mkdir -p "$(dirname "$out")"
exec 9> "$out.lock"
flock 9
[ -f "$out/lib/ld-musl-aarch64.so.1" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/debian-arm64.sh" musl "$work"
mkdir -p "$out/lib"
cp "$(find "$work" -name libc.so -type f)" "$out/lib/ld-musl-aarch64.so.1"
