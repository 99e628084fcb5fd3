//! Edits of 64-bit little-endian Mach-O files: load commands and signatures found by their numbers.

pub(crate) const LC_CODE_SIGNATURE: u32 = 0x1d;
pub(crate) const LC_BUILD_VERSION: u32 = 0x32;
pub(crate) const LC_UUID: u32 = 0x1b;
pub(crate) const LC_ENCRYPTION_INFO_64: u32 = 0x2c;

pub(crate) fn le(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(crate) fn be(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Changes the bytes at an offset.
pub(crate) fn patch(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

pub(crate) fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    patch(bytes, at, &[!bytes[at]])
}

/// Where the load commands start, and their numbers.
fn commands(bytes: &[u8]) -> Vec<(usize, u32)> {
    let mut at = 32;
    let mut list = Vec::new();
    for _ in 0..le(bytes, 16) {
        list.push((at, le(bytes, at)));
        at += le(bytes, at + 4) as usize;
    }
    list
}

/// Where a load command stands.
pub(crate) fn command(bytes: &[u8], number: u32) -> usize {
    commands(bytes).into_iter().find(|(_, found)| *found == number).expect("the load command").0
}

/// First byte after the load commands.
pub(crate) fn commands_end(bytes: &[u8]) -> usize {
    32 + le(bytes, 20) as usize
}

/// Where the command of a segment stands.
pub(crate) fn segment(bytes: &[u8], name: &str) -> usize {
    let named = |at: usize| bytes[at + 8..at + 24].starts_with(name.as_bytes());
    commands(bytes).into_iter().find(|(at, number)| *number == 0x19 && named(*at)).unwrap().0
}

/// Where the signature starts.
pub(crate) fn signature(bytes: &[u8]) -> usize {
    le(bytes, command(bytes, LC_CODE_SIGNATURE) + 8) as usize
}

/// Where the code directory starts: the first blob.
pub(crate) fn directory(bytes: &[u8]) -> usize {
    signature(bytes) + be(bytes, signature(bytes) + 16)
}

/// Where the digest of a page stands; special slots have negative numbers.
pub(crate) fn digest(bytes: &[u8], slot: isize) -> usize {
    let directory = directory(bytes);
    (directory + be(bytes, directory + 16)).wrapping_add_signed(slot * 32)
}

/// Takes a signature away, as a `strip` that knows nothing of it does. It is the last thing in
/// the file, and its load command the last one.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let (start, at) = (signature(bytes), command(bytes, LC_CODE_SIGNATURE));
    assert_eq!(at + 16, commands_end(bytes));
    let linkedit = segment(bytes, "__LINKEDIT");
    let mut bytes = bytes[..start].to_vec();
    let count = le(&bytes, 16) - 1;
    let size = le(&bytes, 20) - 16;
    let filesize = start as u64 - u64::from(le(&bytes, linkedit + 40));
    bytes[16..20].copy_from_slice(&count.to_le_bytes());
    bytes[20..24].copy_from_slice(&size.to_le_bytes());
    bytes[at..at + 16].fill(0);
    bytes[linkedit + 48..linkedit + 56].copy_from_slice(&filesize.to_le_bytes());
    bytes
}

pub(crate) const ARM64: [u32; 2] = [0x0100_000c, 0];
pub(crate) const X86_64: [u32; 2] = [0x0100_0007, 3];

/// A universal file, as `lipo -create` makes it.
pub(crate) fn universal(slices: &[([u32; 2], &[u8])]) -> Vec<u8> {
    const ALIGN: u32 = 14;
    let mut offset = 8 + 20 * slices.len();
    let mut table = vec![0xcafe_babe, slices.len() as u32];
    let mut places = Vec::new();
    for ([cpu, subtype], slice) in slices {
        offset = offset.next_multiple_of(1 << ALIGN);
        table.extend([*cpu, *subtype, offset as u32, slice.len() as u32, ALIGN]);
        places.push(offset);
        offset += slice.len();
    }
    let mut file: Vec<u8> = table.iter().flat_map(|word| word.to_be_bytes()).collect();
    for (place, (_, slice)) in places.into_iter().zip(slices) {
        file.resize(place, 0);
        file.extend_from_slice(slice);
    }
    file
}
