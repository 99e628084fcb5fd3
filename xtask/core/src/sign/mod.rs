//! Ad-hoc Mach-O signatures: bytes in, bytes out.
