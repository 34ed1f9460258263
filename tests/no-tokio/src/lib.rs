//! A crate that has its own executor, and `tracing`: see its tests.

#![forbid(unsafe_code)]
