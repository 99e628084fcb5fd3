#!/bin/sh
# cross-rust.sh TRIPLE OUT: makes OUT/bin with a `rustc` and a `cargo`, Debian's, that also build for
# TRIPLE. For arm64 Linux the standard library is that of Debian's arm64 package, for others it is
# built. Stands in for `rustup target add` where rustup has nothing to download from.
# Needs: rustc-web cargo-web rust-web-src
set -eu
triple=$1
out=$(realpath -m "$2")
here=$(dirname "$(realpath "$0")")
mkdir -p "$(dirname "$out")"
exec 9> "$out.lock"
flock 9
[ -f "$out/done" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out/bin" "$out/sysroot/lib/rustlib"
debian_arm64() {
  mkdir -p "$work/lists/partial"
  # Package lists of our own: the machine's have its own architecture only.
  apt() {
    apt-get -qq -o APT::Architectures=amd64,arm64 -o Dir::State::Lists="$work/lists" -o APT::Sandbox::User=root \
      -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Etc::SourceParts=- \
      -o Dir::Etc::SourceList="$work/sources.list" "$@" >&2
  }
  sed -n 's/^VERSION_CODENAME=//p' /etc/os-release > "$work/suite"
  suite=$(cat "$work/suite")
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u | grep -m 1 'debian/*$')
  for part in "$mirror $suite" "$mirror $suite-updates" "${mirror%/}-security $suite-security"; do
    echo "deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $part main"
  done > "$work/sources.list"
  apt update
  version=$(dpkg-query -W -f '${Version}' rustc-web)
  cd "$work"
  apt download "libstd-rust-web-dev:arm64=$version"
  mkdir deb
  dpkg-deb -x libstd-rust-web-dev_*.deb deb
  cp -r deb/usr/lib/rustlib/aarch64-unknown-linux-gnu "$out/sysroot/lib/rustlib/"
}

case $triple in
  aarch64-unknown-linux-gnu) (debian_arm64) ;;
  *) "$here/std.sh" "$triple" "$out/sysroot" ;;
esac
ln -s /usr/lib/rustlib/x86_64-unknown-linux-gnu "$out/sysroot/lib/rustlib/"
cat > "$out/bin/rustc" <<EOF
#!/bin/sh
exec /usr/bin/rustc --sysroot "$out/sysroot" "\$@"
EOF
chmod +x "$out/bin/rustc"
ln -s /usr/bin/cargo "$out/bin/cargo"
touch "$out/done"
