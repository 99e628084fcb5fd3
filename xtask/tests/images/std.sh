#!/bin/sh
# std.sh TRIPLE OUT: makes OUT/lib/rustlib/TRIPLE, the standard library of Debian's rustc for another
# target, from its sources. Takes one to two minutes. Needs: rustc-web cargo-web rust-web-src
set -eu
triple=$1
out=$(realpath -m "$2")
lib=$out/lib/rustlib/$triple/lib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src" "$lib"
cd "$work"

# An empty crate, for which cargo builds the standard library.
cat > Cargo.toml <<'EOF'
[package]
name = "sysroot"
version = "0.0.0"
edition = "2021"
[lib]
[profile.release]
codegen-units = 2
EOF
echo '#![no_std]' > src/lib.rs
# panic_abort alone must itself be built to abort; everything else keeps its unwind tables.
cat > wrapper <<'EOF'
#!/bin/sh
case " $* " in *" --crate-name panic_abort "*) exec "$@" -Cpanic=abort ;; esac
exec "$@"
EOF
chmod +x wrapper
RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER=$work/wrapper \
  RUSTFLAGS='-Zforce-unstable-if-unmarked -Cembed-bitcode=yes' \
  /usr/bin/cargo build -q --offline -Z build-std=std,panic_abort,panic_unwind,test,proc_macro \
  --config 'source.crates-io.replace-with="vendored"' \
  --config 'source.vendored.directory="/usr/lib/rustlib/src/rust/library/vendor"' \
  --release --target "$triple"
for rlib in "target/$triple/release/deps/"*.rlib; do
  case $rlib in */libsysroot-*) ;; *) cp "$rlib" "$lib/" ;; esac
done
