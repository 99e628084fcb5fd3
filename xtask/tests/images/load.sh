#!/bin/sh
# load.sh ENGINE CACHE NAME...: makes the images and gives them to docker or podman as xtask-test/NAME.
# Where Debian's rustc is not to be had, the builder is the plan's own image.
set -eu
engine=$1
cache=$(realpath -m "$2")
here=$(dirname "$(realpath "$0")")
shift 2
mkdir -p "$cache"
exec 8> "$cache/$engine.lock"
flock 8
for name in "$@"; do
  $engine image inspect "xtask-test/$name" > /dev/null 2>&1 && continue
  if [ "$name" = builder ] && ! dpkg-query -W rust-web-src > /dev/null 2>&1; then
    image=$(sed -n 's/^image = "\(.*\)"$/\1/p' "$here/../../../xtask.toml" | head -n 1)
    $engine pull --quiet "$image" > /dev/null
    $engine tag "$image" xtask-test/builder
    continue
  fi
  "$here/image.sh" "$name" "$cache" 8>&-
  $engine import "$cache/$name.tar" "xtask-test/$name" > /dev/null 8>&-
done
