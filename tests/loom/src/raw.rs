//! In place of the module of this name in the crate.

#[path = "../../../runtime/src/raw/stop_scope.rs"]
#[allow(dead_code, unsafe_code, reason = "as in the crate")]
pub(crate) mod stop_scope;
