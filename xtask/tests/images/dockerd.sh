#!/bin/sh
# dockerd.sh DIR: makes sure that a Docker daemon of our own listens on DIR/socket, and prints
# DOCKER_HOST for it. Its images and state lie in DIR and outlive it. Needs: docker.io, root.
#        dockerd.sh DIR stop: ends it.
set -eu
mkdir -p "$1"
dir=$(realpath "$1")
socket=$dir/socket
pid=$dir/pid
if [ "${2-}" = stop ]; then
  [ -f "$pid" ] && kill "$(cat "$pid")"
  exit 0
fi
exec 9> "$dir/lock"
flock 9
if ! DOCKER_HOST=unix://$socket docker version > /dev/null 2>&1; then
  # Its own session and closed streams: it must outlive the test that needed it first. Nobody can tell
  # which test is the last, so it ends by itself after an hour.
  rm -f "$pid"
  setsid timeout 3600 dockerd --iptables=false --ip6tables=false --bridge=none -H "unix://$socket" --data-root "$dir/data" \
    --exec-root "$dir/exec" --pidfile "$pid" < /dev/null > "$dir/log" 2>&1 9>&- &
  tries=0
  until DOCKER_HOST=unix://$socket docker version > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 150 ]; then
      echo "dockerd does not answer; the end of $dir/log:" >&2
      tail -n 5 "$dir/log" >&2
      exit 1
    fi
    sleep 0.2
  done
fi
echo "unix://$socket"
