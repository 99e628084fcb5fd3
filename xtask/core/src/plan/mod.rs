//! WHAT is released: configuration, facts, plan.

mod invocation;

pub use invocation::{Invocation, quote};
