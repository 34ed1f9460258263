//! Compiles and runs the code of the guide: each page is the text of a module.

#![allow(clippy::doc_markdown, reason = "it is not written for rustdoc alone")]
#![forbid(unsafe_code)]

#[doc = include_str!("src/introduction.md")]
pub mod introduction {}

#[doc = include_str!("src/cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("src/exit-stacks.md")]
pub mod exit_stacks {}

#[doc = include_str!("src/observability.md")]
pub mod observability {}

#[doc = include_str!("src/how-it-works.md")]
pub mod how_it_works {}

#[doc = include_str!("src/from-python.md")]
pub mod from_python {}

#[doc = include_str!("src/from-trio.md")]
pub mod from_trio {}

#[doc = include_str!("src/from-kotlin.md")]
pub mod from_kotlin {}

#[doc = include_str!("src/comparison.md")]
pub mod comparison {}

#[doc = include_str!("src/faq.md")]
pub mod faq {}

#[doc = include_str!("src/limits.md")]
pub mod limits {}
