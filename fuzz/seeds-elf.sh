#!/usr/bin/env bash
# Makes the seed corpus of the ELF target: a program and a library with versions for each architecture
# that zig links. Usage: fuzz/seeds-elf.sh
set -euo pipefail
cd "$(dirname "$0")/.."
zig=$(cargo run --quiet --locked --package xtask -- tool ziglang)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'int answer(void); int main(void) { return answer(); }\n' >"$work/use.c"
printf 'int answer(void) { return 42; }\n' >"$work/lib.c"
printf 'GLIBC_2.39 { global: answer; };\n' >"$work/versions"
corpus=fuzz/corpus/elf
mkdir -p $corpus
for target in x86_64-linux-gnu x86-linux-gnu aarch64-linux-gnu powerpc64le-linux-gnu powerpc64-linux-gnu s390x-linux-gnu \
  riscv64-linux-gnu loongarch64-linux-gnu mips-linux-gnueabihf mipsel-linux-gnueabihf mips64el-linux-gnuabi64 sparc64-linux-gnu; do
  arch=${target%%-*}
  flags=(cc -target "$target" -nostdlib -O1 -s)
  "$zig" "${flags[@]}" -shared -fPIC -Wl,-soname,libc.so.6 -Wl,--version-script="$work/versions" "$work/lib.c" -o "$work/libc.so.6"
  cp "$work/libc.so.6" "$corpus/$arch.so"
  "$zig" "${flags[@]}" -fPIE -pie -Wl,-e,main "$work/use.c" "$work/libc.so.6" -o "$corpus/$arch"
done
ls $corpus
