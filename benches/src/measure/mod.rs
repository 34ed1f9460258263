//! Measures instructions, times and the heap. (The size of a future needs no measurement.)

pub(crate) mod heap;
pub(crate) mod instructions;
#[cfg(feature = "full")]
pub(crate) mod times;
