//! How long each step of a run takes.

use std::time::{Duration, Instant};

/// Times the steps and shows each as it ends.
#[derive(Debug)]
pub(crate) struct Clock {
    label: String,
    rows: Vec<(&'static str, Duration)>,
}

impl Clock {
    /// `label` stands before every line.
    pub(crate) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), rows: Vec::new() }
    }

    /// Takes over what another measured.
    pub(crate) fn add(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// Times one step.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        let mark = if result.is_ok() { "" } else { " failed" };
        eprintln!("{}  {name:<10}{:>8.2} s{mark}", self.label, took.as_secs_f64());
        self.rows.push((name, took));
        result
    }

    /// Seconds per step, summed over the assets, in the order they came.
    pub(crate) fn rows(&self) -> Vec<(String, f64)> {
        let mut sums: Vec<(String, f64)> = Vec::new();
        for (name, took) in &self.rows {
            match sums.iter_mut().find(|(seen, _)| seen == name) {
                Some((_, sum)) => *sum += took.as_secs_f64(),
                None => sums.push(((*name).to_owned(), took.as_secs_f64())),
            }
        }
        sums
    }
}
