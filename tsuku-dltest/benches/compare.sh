#!/bin/sh
# Compares tsuku-dltest with a loop that loads everything in one process, a bare fork per library (what
# any isolation costs at least), python3's ctypes, ldd and lddtree, on 1, 50 and 400 of the machine's
# own libraries; all in one run, ratios to the loop.
#
#   benches/compare.sh PROGRAM [RUNS]
#
# Needs gcc, python3, hyperfine and lddtree (Debian: hyperfine, pax-utils).
set -eu
program=$(realpath "$1")
runs=${2:-9}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/loop.c" <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **paths) {
    int failed = 0;
    if (count == 2 && !strcmp(paths[1], "--version")) {
        puts("loop v1");
        return 0;
    }
    printf("[");
    for (int i = 1; i < count; i++) {
        dlerror();
        void *handle = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
        if (handle) {
            printf("%s{\"path\":\"%s\",\"ok\":true}", i > 1 ? "," : "", paths[i]);
            dlclose(handle);
        } else {
            failed = 1;
            printf("%s{\"path\":\"%s\",\"ok\":false,\"error\":\"%s\"}", i > 1 ? "," : "", paths[i],
                   dlerror());
        }
    }
    printf("]\n");
    return failed;
}
C
cc -O2 -o "$work/loop" "$work/loop.c" -ldl
cat > "$work/forks.c" <<'C'
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two at a time, without limits, sandbox or answers. */
int main(int count, char **paths) {
    int running = 0;
    for (int i = 1; i < count; i++) {
        if (running == 2 && wait(0) > 0) running--;
        if (fork() == 0) {
            void *handle = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
            if (handle) dlclose(handle);
            _exit(!handle);
        }
        running++;
    }
    while (wait(0) > 0) {}
    return 0;
}
C
cc -O2 -o "$work/forks" "$work/forks.c" -ldl
cat > "$work/with_ctypes.py" <<'P'
import ctypes, sys
for path in sys.argv[1:]:
    try:
        ctypes.CDLL(path)
    except OSError:
        pass
P

# Each file once, in an order that is the same everywhere and not that of names; libasan and its kind end a process that was not started with them; libcapi20 makes a semaphore that stays.
directory=/usr/lib/$(gcc -dumpmachine)
find "$directory" -maxdepth 1 -name '*.so.*' -exec realpath {} + | sort -u |
    grep -v -e /libasan -e /libtsan -e /liblsan -e /libcapi20 |
    awk 'BEGIN { srand(7) } { print rand() "\t" $0 }' | sort -n | cut -f 2 | head -n 400 > "$work/all"

bench() { # NAME COMMAND...: "NAME median-ms peak-MB"
    name=$1
    shift
    hyperfine -N -i --warmup 1 --runs "$runs" --export-json "$work/out.json" "$*" > /dev/null 2>&1
    peak=$(python3 - "$@" <<'P'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
P
    )
    python3 - "$work/out.json" "$work/base" "$name" "$peak" <<'P'
import json, os, sys
result = json.load(open(sys.argv[1]))["results"][0]
wall = result["median"] * 1000
cpu = (result["user"] + result["system"]) * 1000
if not os.path.exists(sys.argv[2]):
    open(sys.argv[2], "w").write(str(wall))
ratio = wall / float(open(sys.argv[2]).read())
print(f"| {sys.argv[3]} | {wall:.1f} | {cpu:.1f} | {ratio:.2f} | {sys.argv[4]} |")
P
}

table() {
    rm -f "$work/base"
    printf '\n| %s | wall ms | cpu ms | to the loop | peak MB |\n|---|---|---|---|---|\n' "$1"
}

echo "$(nproc) processors, kernel $(uname -r), $(ldd --version | head -n 1), $runs runs, medians"
echo "$(stat -c %s "$program") bytes, $(wc -l < "$work/all") libraries"
start_runs=$runs
runs=300
table "start (--version)"
bench "loop in C" "$work/loop" --version
bench tsuku-dltest "$program" --version
runs=$start_runs
for count in 1 50 400; do
    libraries=$(head -n "$count" "$work/all" | tr '\n' ' ')
    table "$count libraries"
    # shellcheck disable=SC2086 # one word per library
    {
        bench "loop in C" "$work/loop" $libraries
        bench "bare forks in C, 2 at a time" "$work/forks" $libraries
        bench "tsuku-dltest" "$program" --deadline 60 $libraries
        bench "tsuku-dltest --jobs 1" "$program" --deadline 60 --jobs 1 $libraries
        bench "tsuku-dltest --sandbox off" "$program" --deadline 60 --sandbox off $libraries
        bench "python3 ctypes" python3 "$work/with_ctypes.py" $libraries
        runs=3
        bench ldd ldd $libraries
        if command -v lddtree > /dev/null; then bench lddtree lddtree $libraries; fi
        runs=$start_runs
    }
done
