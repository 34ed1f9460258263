#![doc = include_str!("../../../docs/guide/src/attributes.md")]
#![allow(clippy::doc_markdown, reason = "it is not written for rustdoc alone")]
#![forbid(unsafe_code)]
