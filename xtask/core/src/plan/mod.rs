//! WHAT is released: configuration, facts, plan.
