#!/bin/sh
# musl-sysroot.sh OUT: makes OUT/lib/rustlib/x86_64-unknown-linux-musl, the standard library of
# Debian's rustc for musl, from its sources. Takes one to two minutes.
# Needs: rustc-web cargo-web rust-web-src gcc musl-dev musl-tools
set -eu
triple=x86_64-unknown-linux-musl
musl=/usr/lib/x86_64-linux-musl
out=$(realpath -m "$1")
here=$(dirname "$(realpath "$0")")
lib=$out/lib/rustlib/$triple/lib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$lib/self-contained"
cd "$work"

"$here/std.sh" "$triple" "$out"

# The unwinder: gcc's, which on Debian asks glibc for _dl_find_object. musl has dl_iterate_phdr only,
# so the same answer is made from that. gcc's also refers weakly to threads: a static link would
# leave them null.
cat > unwind.c <<'EOF'
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
__attribute__((used)) static void *const keep[] = {
  (void *)pthread_once, (void *)pthread_key_create, (void *)pthread_getspecific,
  (void *)pthread_setspecific, (void *)pthread_mutex_lock, (void *)pthread_mutex_unlock};
struct found { unsigned long long flags; void *start, *end, *map, *eh_frame; unsigned long long reserved[7]; };
struct query { unsigned long pc; struct found *found; };
static int visit(struct dl_phdr_info *info, size_t size, void *data) {
  struct query *query = data;
  unsigned long low = -1UL, high = 0;
  void *eh_frame = 0;
  int inside = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    unsigned long at = info->dlpi_addr + header->p_vaddr;
    if (header->p_type == PT_LOAD) {
      if (at < low) low = at;
      if (at + header->p_memsz > high) high = at + header->p_memsz;
      if (query->pc >= at && query->pc < at + header->p_memsz) inside = 1;
    } else if (header->p_type == PT_GNU_EH_FRAME) eh_frame = (void *)at;
  }
  if (!inside || !eh_frame) return 0;
  query->found->flags = 0;
  query->found->start = (void *)low;
  query->found->end = (void *)high;
  query->found->map = 0;
  query->found->eh_frame = eh_frame;
  return 1;
}
int _dl_find_object(void *pc, struct found *found) {
  struct query query = {(unsigned long)pc, found};
  return dl_iterate_phdr(visit, &query) ? 0 : -1;
}
EOF
musl-gcc -O2 -fPIC -fvisibility=hidden -c unwind.c
gcc_lib=$(dirname "$(gcc -print-libgcc-file-name)")
cp "$gcc_lib/libgcc_eh.a" "$lib/self-contained/libunwind.a"
ar rs "$lib/self-contained/libunwind.a" unwind.o 2>/dev/null
cp "$lib/self-contained/libunwind.a" "$lib/libunwind.a"
# A real libgcc_s.so with musl, as Alpine has one: a build that is not told otherwise NEEDs it.
musl-gcc -shared -Wl,-soname,libgcc_s.so.1 -Wl,--whole-archive "$lib/libunwind.a" -Wl,--no-whole-archive \
  -nodefaultlibs -lc "$gcc_lib/libgcc.a" -o "$lib/libgcc_s.so"
cp "$musl/rcrt1.o" "$musl/crt1.o" "$musl/Scrt1.o" "$musl/crti.o" "$musl/crtn.o" "$musl/libc.a" \
  "$gcc_lib/crtbegin.o" "$gcc_lib/crtbeginS.o" "$gcc_lib/crtend.o" "$gcc_lib/crtendS.o" "$lib/self-contained/"
