//! Loads shared libraries with dlopen and reports, as JSON, which ones load.
fn main() {}
