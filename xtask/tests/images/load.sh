#!/bin/sh
# load.sh ENGINE CACHE NAME...: makes the images and gives them to docker or podman as xtask-test/NAME.
set -eu
engine=$1
cache=$(realpath -m "$2")
here=$(dirname "$(realpath "$0")")
shift 2
mkdir -p "$cache"
exec 8> "$cache/$engine.lock"
flock 8
for name in "$@"; do
  "$here/image.sh" "$name" "$cache" 8>&-
  $engine image inspect "xtask-test/$name" > /dev/null 2>&1 ||
    $engine import "$cache/$name.tar" "xtask-test/$name" > /dev/null 8>&-
done
