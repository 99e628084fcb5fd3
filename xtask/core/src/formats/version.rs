//! Versions that compare by their numbers: `2.3.4` < `2.9` < `2.10`.

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

/// Most fields a version may have. glibc and libstdc++ use two or three.
const MAX_FIELDS: usize = 4;

/// A dotted version. Missing fields compare as zero; the text keeps the fields it was given.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    fields: [u32; MAX_FIELDS],
    len: u8,
}

impl Version {
    /// `major.minor`.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { fields: [major, minor, 0, 0], len: 2 }
    }

    /// `major.minor.patch`.
    #[must_use]
    pub const fn new3(major: u32, minor: u32, patch: u32) -> Self {
        Self { fields: [major, minor, patch, 0], len: 3 }
    }

    /// The fields, as many as the text had.
    #[must_use]
    pub fn fields(&self) -> &[u32] {
        &self.fields[..usize::from(self.len)]
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.fields.cmp(&other.fields)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, field) in self.fields().iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            write!(f, "{field}")?;
        }
        Ok(())
    }
}

/// The text is not one to four decimal numbers joined by dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAVersion;

impl fmt::Display for NotAVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a version: one to four numbers joined by dots, for example 2.17")
    }
}

impl core::error::Error for NotAVersion {}

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let mut version = Self { fields: [0; MAX_FIELDS], len: 0 };
        for field in text.split('.') {
            if field.is_empty() || !field.bytes().all(|b| b.is_ascii_digit()) {
                return Err(NotAVersion);
            }
            let slot = version.fields.get_mut(usize::from(version.len)).ok_or(NotAVersion)?;
            *slot = field.parse().map_err(|_| NotAVersion)?;
            version.len += 1;
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn order_is_by_number() {
        let sorted = ["2.2.5", "2.3", "2.3.4", "2.9", "2.10", "2.30", "10.0"];
        let versions: Vec<_> = sorted.iter().map(|t| version(t)).collect();
        assert!(versions.is_sorted());
        assert!(versions.windows(2).all(|w| w[0] != w[1]));
        assert_eq!(version("2.17"), version("2.17.0"));
    }

    #[test]
    fn text_is_kept() {
        for text in ["2", "2.17", "2.3.4", "1.2.3.4"] {
            assert_eq!(version(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", ".", "2.", ".2", "2..1", "2.a", "+2.1", "2.1.1.1.1", "2.99999999999"] {
            assert_eq!(text.parse::<Version>(), Err(NotAVersion), "{text}");
        }
    }
}
