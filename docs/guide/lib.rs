//! Compiles and runs the code of the guide: each page with code is the text of a module.

#![allow(clippy::doc_markdown, reason = "it is not written for rustdoc alone")]
#![forbid(unsafe_code)]

#[doc = include_str!("src/comparison.md")]
pub mod comparison {}

#[doc = include_str!("src/cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("src/errors.md")]
pub mod errors {}

#[doc = include_str!("src/exit-stacks.md")]
pub mod exit_stacks {}

#[doc = include_str!("src/faq.md")]
pub mod faq {}

#[doc = include_str!("src/first-manager.md")]
pub mod first_manager {}

#[doc = include_str!("src/fixtures.md")]
pub mod fixtures {}

#[doc = include_str!("src/forms.md")]
pub mod forms {}

#[doc = include_str!("src/from-kotlin.md")]
pub mod from_kotlin {}

#[doc = include_str!("src/from-python.md")]
pub mod from_python {}

#[doc = include_str!("src/from-trio.md")]
pub mod from_trio {}

#[doc = include_str!("src/graceful-and-shielded.md")]
pub mod graceful_and_shielded {}

#[doc = include_str!("src/guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("src/how-it-works.md")]
pub mod how_it_works {}

#[doc = include_str!("src/introduction.md")]
pub mod introduction {}

#[doc = include_str!("src/lending.md")]
pub mod lending {}

#[doc = include_str!("src/limits.md")]
pub mod limits {}

#[doc = include_str!("src/observability.md")]
pub mod observability {}

#[doc = include_str!("src/racing.md")]
pub mod racing {}

#[doc = include_str!("src/servers.md")]
pub mod servers {}

#[doc = include_str!("src/stopping.md")]
pub mod stopping {}

#[doc = include_str!("src/transactions.md")]
pub mod transactions {}

#[doc = include_str!("src/why.md")]
pub mod why {}
