//! Replays random programs with scopes that stop their block, and compares with what trio did with them: see `STOP.md`.

mod managers;
mod place;
mod program;
mod record;
mod replay;
mod scopes;
mod steps;
mod ways;

pub use replay::{Failure, Lines, Sample, Tally};
pub use ways::{Form, Scopes, Style, Way};
