#![doc = include_str!("../../../docs/attributes.md")]
#![forbid(unsafe_code)]
