#!/usr/bin/env bash
# Makes the seed corpora: small files of every kind that zig links, for ELF of each architecture with
# versions, for Mach-O signed and not, thin and universal. Usage: fuzz/seeds.sh
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --locked --package xtask
xtask=$PWD/target/debug/xtask
zig=$("$xtask" tool ziglang)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p fuzz/corpus/{elf,macho,pe,sign}
printf 'int main(void) { return 0; }\n' >"$work/main.c"
printf 'int answer = 42;\n' >"$work/lib.c"
printf '__declspec(dllimport) void __stdcall ExitProcess(unsigned);\nvoid start(void) { ExitProcess(0); }\n' >"$work/win.c"

printf 'int answer(void); int main(void) { return answer(); }\n' >"$work/use.c"
printf 'int answer(void) { return 42; }\n' >"$work/answer.c"
printf 'GLIBC_2.39 { global: answer; };\n' >"$work/versions"
for target in {x86_64,x86,aarch64,powerpc64le,powerpc64,s390x,riscv64,loongarch64,sparc64}-linux-gnu \
  {mips,mipsel}-linux-gnueabihf mips64el-linux-gnuabi64; do
  arch=${target%%-*}
  flags=(cc -target "$target" -nostdlib -O1 -s)
  "$zig" "${flags[@]}" -shared -fPIC -Wl,-soname,libc.so.6 -Wl,--version-script="$work/versions" "$work/answer.c" \
    -o "$work/libc.so.6"
  cp "$work/libc.so.6" "fuzz/corpus/elf/$arch.so"
  "$zig" "${flags[@]}" -fPIE -pie -Wl,-e,main "$work/use.c" "$work/libc.so.6" -o "fuzz/corpus/elf/$arch"
done

macho() { # name, arguments of zig cc
  "$zig" cc -O1 "${@:2}" -o "$work/$1"
  cp "$work/$1" fuzz/corpus/macho/
  "$xtask" codesign --builtin --force --identifier seed "$work/$1" >/dev/null
  cp "$work/$1" "fuzz/corpus/macho/$1-signed"
}
for arch in aarch64 x86_64; do
  macho "$arch-program" -target "$arch-macos.11.0" "$work/main.c"
  macho "$arch-library" -target "$arch-macos.11.0" -shared "$work/lib.c" -Wl,-install_name,@rpath/lib.dylib
  macho "$arch-old" -target "$arch-macos.11.0" -Wl,-rpath,@loader_path "$work/main.c"
done
python3 - "$work" fuzz/corpus/macho <<'PY'
import struct, sys
work, corpus = sys.argv[1:]
names = [("x86_64-program", 0x1000007, 3), ("aarch64-program", 0x100000C, 0)]
for wide in (False, True):
    table, body, offset = b"", b"", 0x4000
    for name, cpu, subtype in names:
        data = open(f"{work}/{name}", "rb").read()
        form = ">IIQQII" if wide else ">IIIII"
        table += struct.pack(form, *[cpu, subtype, offset, len(data), 14] + [0] * wide)
        body += data + bytes(-len(data) % 0x4000)
        offset += len(data) + -len(data) % 0x4000
    body = body[: len(body) - (-len(data) % 0x4000)]
    head = struct.pack(">II", 0xCAFEBABF if wide else 0xCAFEBABE, 2) + table
    open(f"{corpus}/universal{64 if wide else 32}", "wb").write(head + bytes(0x4000 - len(head)) + body)
PY
cp fuzz/corpus/macho/* fuzz/corpus/sign/
for arch in x86_64 x86 aarch64; do
  "$zig" cc -target "$arch-windows-gnu" -O1 -nostdlib "$work/win.c" -lkernel32 -Wl,--entry=start \
    -Wl,--subsystem,console -o "$work/$arch.exe"
  cp "$work/$arch.exe" fuzz/corpus/pe/
done
ls fuzz/corpus/*/ | head -50
