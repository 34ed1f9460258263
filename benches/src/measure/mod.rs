//! What is measured, and how. (The fourth thing, the size of a future, is there for the asking.)

pub(crate) mod heap;
pub(crate) mod instructions;
#[cfg(feature = "full")]
pub(crate) mod times;
