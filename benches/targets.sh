#!/bin/sh
# targets.sh: what `dist` adds to the builds it runs, and two targets at once against one after the other.
# Needs the tests' images (docs/containers.md) and DOCKER_HOST; run it from the repository's root.
set -eu
xtask=${XTASK:-target/debug/xtask}
image=xtask-test/builder
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
seconds() { # COMMAND...: its wall time
  start=$(date +%s.%N)
  "$@" > /dev/null 2>&1
  end=$(date +%s.%N)
  echo "$end - $start" | bc
}
cold() { for platform in "$@"; do rm -rf "target/xtask/$platform"; done; }
one() { "$xtask" dist --target "$1" --image $image --userland linux-amd64-musl=xtask-test/musl --out "$out/$1"; }
both() {
  "$xtask" dist --target linux-amd64 --target linux-amd64-musl --image $image \
    --userland linux-amd64-musl=xtask-test/musl --out "$out/both"
}
plain_container() { # what `build --dry-run` prints, and nothing else
  sh -c "$("$xtask" build --target linux-amd64-musl --image $image --dry-run)" < /dev/zero
}
plain_zig() { sh -c "$("$xtask" build --target linux-amd64 --dry-run)"; }
one linux-amd64 > /dev/null 2>&1
for state in cold warm; do
  [ $state = cold ] && cold linux-amd64
  echo "linux-amd64, $state: plain $(seconds plain_zig) s"
  [ $state = cold ] && cold linux-amd64
  echo "linux-amd64, $state: dist $(seconds one linux-amd64) s"
  [ $state = cold ] && cold linux-amd64-musl
  "$xtask" build --target linux-amd64-musl --image $image --dry-run > /dev/null 2>&1
  echo "linux-amd64-musl, $state: docker run $(seconds plain_container) s"
  [ $state = cold ] && cold linux-amd64-musl
  echo "linux-amd64-musl, $state: dist $(seconds one linux-amd64-musl) s"
done
cold linux-amd64 linux-amd64-musl
echo "both at once, cold: $(seconds both) s"
cold linux-amd64 linux-amd64-musl
echo "one after the other, cold: $(seconds one linux-amd64) + $(seconds one linux-amd64-musl) s"
