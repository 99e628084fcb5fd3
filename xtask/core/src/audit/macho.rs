//! Rules for Mach-O.

use super::Rule;

pub(super) static RULES: &[Rule] = &[];
