#!/bin/sh
# debian-arm64.sh PACKAGE[=VERSION] OUT: unpacks an arm64 package of this machine's Debian into OUT.
# Needs: apt, dpkg
set -eu
package=${1%%=*}
version=${1#"$package"}
mkdir -p "$2"
out=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial"
# Package lists of our own: the machine's have its own architecture only.
apt() {
  apt-get -qq -o APT::Architectures=amd64,arm64 -o Dir::State::Lists="$work/lists" -o APT::Sandbox::User=root \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Etc::SourceParts=- \
    -o Dir::Etc::SourceList="$work/sources.list" "$@" >&2
}
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u | grep -m 1 'debian/*$')
for part in "$mirror $suite" "$mirror $suite-updates" "${mirror%/}-security $suite-security"; do
  echo "deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $part main"
done > "$work/sources.list"
apt update
cd "$work"
apt download "$package:arm64$version"
dpkg-deb -x "$package"_*.deb "$out"
