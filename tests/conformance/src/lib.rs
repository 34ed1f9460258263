//! Runs programs of nested managers, which are data, and judges what came of it: by what Python did with them, or by
//! rules that hold for each manager. See the README.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "for the tests of this project alone")]
#![allow(clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::must_use_candidate, reason = "likewise")]

pub mod env;
mod expected;
mod files;
mod managers;
pub mod model;
pub mod named;
mod owned;
mod places;
mod program;
mod replay;
mod rules;
pub mod run;
pub mod runners;
mod stacks;
pub mod stop;
mod ways;

pub use replay::{Replay, silence_lawless};
pub use ways::{Form, Mode, Shield, Style, Way};
