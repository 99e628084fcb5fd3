#!/bin/sh
# wine.sh OUT: makes OUT, a WINEPREFIX in which Rust programs run: wine before 8.13 lacks the library that
# std takes its random numbers from. Needs: wine, binutils-mingw-w64-x86-64
set -eu
out=$(realpath -m "$1")
mkdir -p "$(dirname "$out")"
exec 9> "$out.lock.sh"
flock 9
system=$out/drive_c/windows/system32
[ -f "$system/bcryptprimitives.dll" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export WINEPREFIX="$out" WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= HOME="$work"
# Its server outlives the call and must not hold our lock.
wineboot --init > /dev/null 2>&1 9>&-
wineserver -w 9>&-
[ -f "$system/bcryptprimitives.dll" ] && exit 0
# No code: its one function is another name for one that wine has.
cd "$work"
printf 'LIBRARY bcryptprimitives.dll\nEXPORTS\n  ProcessPrng = advapi32.SystemFunction036\n' > random.def
x86_64-w64-mingw32-as -o empty.o /dev/null
x86_64-w64-mingw32-ld -shared --entry 0 -o bcryptprimitives.dll random.def empty.o
cp bcryptprimitives.dll "$system/"
