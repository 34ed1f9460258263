//! The macros of the crate `async-context-manager`, which is the one to depend on: it re-exports them with their
//! documentation.
//!
//! The stages of the attribute are `args` and `input` (what is written), `yields` (where the marker is), `validate`
//! (what is wrong), and `expand`, or `fallback` for what can't be parsed. `with` has its own: `header`, `jumps`,
//! `expand`; `within` uses these.
#![forbid(unsafe_code)]

mod args;
mod errors;
mod expand;
mod fallback;
mod input;
mod lifetime;
mod returns;
mod tokens;
mod validate;
mod with;
mod within;
mod wrapper;
mod yields;

use proc_macro::TokenStream;

/// Makes an `async fn` with one `yield!` a context manager. Documented in the crate `async-context-manager`.
#[proc_macro_attribute]
pub fn async_context_manager(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::manager_fn(args.into(), &item.into()).into()
}

/// Makes the body of an `async fn` the block of a `with!`. Documented in the crate `async-context-manager`.
#[proc_macro_attribute]
pub fn within(args: TokenStream, item: TokenStream) -> TokenStream {
    within::function(args.into(), &item.into()).into()
}

/// What `with!` calls, with the path of the crate in front.
#[proc_macro]
pub fn with(input: TokenStream) -> TokenStream {
    with::expand(input.into()).into()
}

/// What `context_managers!` calls, with the path of the crate in front.
#[proc_macro]
pub fn context_managers(input: TokenStream) -> TokenStream {
    wrapper::expand(input.into()).into()
}
