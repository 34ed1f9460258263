//! Uses the crate on nightly: `cargo +nightly test -p yield-expr --features nightly`.

#![cfg_attr(feature = "nightly", feature(yield_expr))]
#![forbid(unsafe_code)]

#[cfg(feature = "nightly")]
pub mod plain;
