//! Replays random programs of nested managers, and compares with what Python did with them: see the README.

#![forbid(unsafe_code)]

mod env;
mod expected;
mod files;
mod managers;
mod program;
mod replay;
mod rescues;
mod scenario;
mod stacks;
mod ways;

pub use replay::{Replay, silence_lawless};
pub use ways::{Form, Mode, Shield, Style, Way};
