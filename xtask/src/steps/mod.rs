//! WHEN: each module is one step of the release, read top to bottom.

pub(crate) mod audit;
pub(crate) mod docs;
pub(crate) mod plan;
pub(crate) mod workspace;
