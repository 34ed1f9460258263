//! Makes programs that let what is lent escape, in each way there is, and their twins, which do not.
//!
//! A program is a *form*, the lent type, and a *way of use*, and an *escape*. What is to become of it follows from a rule,
//! `program::expected`, and not from what the compiler has said.

#![forbid(unsafe_code)]

pub mod compiler;
pub mod error;
pub mod escape;
pub mod form;
pub mod program;
pub mod usage;
