//! Replays random programs of nested managers, and compares with what Python did with them: see the README.

#![forbid(unsafe_code)]
#![cfg(test)]

mod env;
mod expected;
mod files;
mod managers;
mod program;
mod replay;
mod scenario;
mod stacks;
