#![doc = include_str!("../docs/stopping.md")]
#![allow(clippy::doc_markdown, reason = "it is not written for rustdoc alone")]
#![forbid(unsafe_code)]
