#!/bin/sh
# image.sh NAME CACHE: makes CACHE/NAME.tar, a root filesystem that `docker import` and
# `podman import` take, unless it is there already.
#   builder    Debian 12 with cargo, rustc, gcc, musl-gcc and Rust's standard library for musl
#   musl       musl's loader and nothing else
#   busybox    a static busybox and nothing else
#   bullseye, bookworm, trixie   that Debian's glibc and its dependencies, nothing else
#   bookworm-arm64   the same for arm64: unpacked only, nothing of it is run
# Needs: mmdebstrap; busybox: busybox-static; builder: what musl-sysroot.sh needs
set -eu
name=$1
cache=$(realpath -m "$2")
here=$(dirname "$(realpath "$0")")
mkdir -p "$cache"
exec 9> "$cache/$name.lock"
flock 9
[ -f "$cache/$name.tar" ] && exit 0
echo "making the image $name" >&2
part=$cache/$name.part.tar
work=$(mktemp -d)
trap 'rm -rf "$work" "$part"' EXIT

debian() { # SUITE MMDEBSTRAP-OPTION...
  suite=$1
  shift
  mmdebstrap --quiet --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$@" "$suite" "$part"
}
pack() { tar -C "$work/root" --owner=0 --group=0 --numeric-owner -cf "$part" .; }

case $name in
  builder)
    sysroot=$cache/musl-sysroot
    if [ ! -f "$sysroot/done" ]; then
      rm -rf "$sysroot"
      "$here/musl-sysroot.sh" "$sysroot"
      touch "$sysroot/done"
    fi
    # By a variable, since its path may hold spaces.
    export MUSL_STD="$sysroot/lib/rustlib/x86_64-unknown-linux-musl"
    debian bookworm --variant=minbase --include=rustc-web,cargo-web,gcc,libc6-dev,musl-dev,musl-tools \
      --customize-hook='cp -r "$MUSL_STD" "$1"/usr/lib/rustlib/' \
      --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*'
    ;;
  musl)
    mkdir -p "$work/deb" "$work/root/lib" "$work/root/tmp"
    (cd "$work/deb" && apt-get -q download musl >&2 && dpkg-deb -x musl_*.deb .)
    libc=$(find "$work/deb" -name 'libc.so' -type f)
    cp "$libc" "$work/root/lib/ld-musl-x86_64.so.1"
    ln -s ld-musl-x86_64.so.1 "$work/root/lib/libc.musl-x86_64.so.1"
    pack
    ;;
  busybox)
    mkdir -p "$work/root/bin" "$work/root/tmp"
    cp /bin/busybox "$work/root/bin/"
    for applet in sh ls cat id sleep touch env true false; do ln -s busybox "$work/root/bin/$applet"; done
    pack
    ;;
  bullseye | bookworm | trixie) debian "$name" --variant=extract --include=base-files,libc6 ;;
  bookworm-arm64) debian bookworm --variant=extract --architectures=arm64 --include=base-files,libc6 ;;
  *)
    echo "image.sh: no image named $name" >&2
    exit 2
    ;;
esac
mv "$part" "$cache/$name.tar"
