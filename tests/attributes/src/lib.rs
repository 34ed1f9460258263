#![doc = include_str!("../../../docs/guide/src/attributes.md")]
#![forbid(unsafe_code)]
