#!/bin/sh
# cross-rust.sh TRIPLE OUT: makes OUT/bin with a `rustc` and a `cargo`, Debian's, that also build for
# TRIPLE. For arm64 Linux the standard library is that of Debian's arm64 package, for others it is
# built. Stands in for `rustup target add` where rustup has nothing to download from.
# Needs: rustc-web cargo-web rust-web-src llvm; for Windows binutils-mingw-w64-x86-64
set -eu
triple=$1
out=$(realpath -m "$2")
here=$(dirname "$(realpath "$0")")
mkdir -p "$(dirname "$out")"
exec 9> "$out.lock"
flock 9
# The last thing that is made.
[ -e "$out/bin/rust-objcopy" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out/bin" "$out/sysroot/lib/rustlib"
case $triple in
  aarch64-unknown-linux-gnu)
    version=$(dpkg-query -W -f '${Version}' rustc-web)
    "$here/debian-arm64.sh" "libstd-rust-web-dev=$version" "$work" 9>&-
    cp -r "$work/usr/lib/rustlib/$triple" "$out/sysroot/lib/rustlib/"
    ;;
  *) "$here/std.sh" "$triple" "$out/sysroot" ;;
esac
ln -s /usr/lib/rustlib/x86_64-unknown-linux-gnu "$out/sysroot/lib/rustlib/"
# Debian's rustc asks a linker for Windows for gcc's stack protector, which zig has built in.
mkdir -p "$out/lib"
for name in ssp ssp_nonshared; do ar rc "$out/lib/lib$name.a"; done
cat > "$out/bin/rustc" <<EOF
#!/bin/sh
exec /usr/bin/rustc --sysroot "$out/sysroot" -L "native=$out/lib" "\$@"
EOF
chmod +x "$out/bin/rustc"
ln -s /usr/bin/cargo "$out/bin/cargo"
# What rustc strips programs for macOS with comes with rustup's; it is LLVM's under another name.
ln -s /usr/bin/llvm-objcopy "$out/bin/rust-objcopy"
