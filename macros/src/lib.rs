//! The macros of the crate `async-context-manager`, which is the one to depend on: it re-exports them with their
//! documentation.
//!
//! Each module imports only from the ones before it:
//!
//! | module | job |
//! |---|---|
//! | `tokens`, `errors` | helpers for token streams; a list of errors |
//! | `args`, `input` | parse the arguments and the function of an attribute |
//! | `fallback` | keeps what can be read of code that cannot be parsed |
//! | `marker` | what a `yield!` is, and an error for one in the wrong place |
//! | `with` | `with!`: parses the header, rewrites jumps, expands |
//! | `lifetime`, `returns` | what the return type says about the lent value |
//! | `yields` | finds the markers of a body and replaces them |
//! | `validate` | checks the rules for a manager function |
//! | `expand` | `#[async_context_manager]` |
//! | `within`, `context_managers` | `#[within]` and `context_managers!` |
#![forbid(unsafe_code)]

mod args;
mod context_managers;
mod errors;
mod expand;
mod fallback;
mod input;
mod lifetime;
mod marker;
mod returns;
mod tokens;
mod validate;
mod with;
mod within;
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
    context_managers::expand(input.into()).into()
}
