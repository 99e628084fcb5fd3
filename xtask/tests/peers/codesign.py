"""An independent verifier of ad-hoc Mach-O signatures: prints `arch identifier pages` for each slice,
or fails. Written from cs_blobs.h, for 64-bit little-endian slices with SHA-256."""
import hashlib
import struct
import sys

data = open(sys.argv[1], "rb").read()
if data[:4] == b"\xca\xfe\xba\xbe":
    count = struct.unpack(">I", data[4:8])[0]
    table = [struct.unpack(">5I", data[8 + 20 * i:28 + 20 * i]) for i in range(count)]
    slices = [data[offset:offset + size] for _, _, offset, size, _ in table]
    assert table[-1][2] + table[-1][3] == len(data), "trailing bytes"
else:
    slices = [data]

for image in slices:
    magic, cpu, _, _, ncmds, sizeofcmds, _, _ = struct.unpack("<8I", image[:32])
    assert magic == 0xFEEDFACF
    at, end, signature, linkedit = 32, 32 + sizeofcmds, None, None
    for _ in range(ncmds):
        command, size = struct.unpack("<2I", image[at:at + 8])
        if command == 0x1D:
            assert signature is None
            signature = struct.unpack("<2I", image[at + 8:at + 16])
        if command == 0x19 and image[at + 8:at + 24].rstrip(b"\0") == b"__LINKEDIT":
            linkedit = struct.unpack("<2Q", image[at + 40:at + 56])
        at += size
    assert at == end
    offset, size = signature
    assert sum(linkedit) == offset + size == len(image), "layout"
    blob = image[offset:]
    magic, length, count = struct.unpack(">3I", blob[:12])
    assert magic == 0xFADE0CC0 and length <= size
    index = dict(struct.unpack(">2I", blob[12 + 8 * i:20 + 8 * i]) for i in range(count))
    start = index[0]
    fields = struct.unpack(">9I4BI", blob[start:start + 44])
    magic, length, version, flags, hashes, ident, special, pages, limit = fields[:9]
    hash_size, hash_type, _, shift, _ = fields[9:]
    directory = blob[start:start + length]
    assert magic == 0xFADE0C02 and version >= 0x20001 and flags & 2
    assert (hash_size, hash_type) == (32, 2) and limit == offset
    page = 1 << shift
    assert pages == (limit + page - 1) // page
    for i in range(pages):
        digest = hashlib.sha256(image[i * page:min((i + 1) * page, limit)]).digest()
        assert directory[hashes + 32 * i:hashes + 32 * (i + 1)] == digest, f"page {i}"
    for slot in range(1, special + 1):
        stored = directory[hashes - 32 * slot:hashes - 32 * (slot - 1)]
        at = index.get(slot)
        if at is None:
            assert stored == bytes(32), f"slot {slot}"
        else:
            size = struct.unpack(">I", blob[at + 4:at + 8])[0]
            assert hashlib.sha256(blob[at:at + size]).digest() == stored, f"slot {slot}"
    name = directory[ident:directory.index(b"\0", ident)].decode()
    print({0x100000C: "arm64", 0x1000007: "x86_64"}[cpu], name, pages)
