//! The macros of the crate `async-context-manager`. Depend on that crate: it re-exports them with their documentation.
//!
//! Each module imports only from those above it in this table:
//!
//! | module | job |
//! |---|---|
//! | `tokens`, `errors` | helpers for token streams; a list of errors |
//! | `editor` | other expansions for rust-analyzer |
//! | `args`, `input` | parse the arguments and the function of an attribute |
//! | `doc` | documents a manager function with its signature as it was written |
//! | `fallback` | keeps the statements of a broken block that can be parsed |
//! | `instrument`, `boxed` | find the user's body in what `#[tracing::instrument]` and `#[async_trait]` make of it |
//! | `marker` | the marker, a `yield!`, and the error for one outside a manager function |
//! | `misplaced` | expands an attribute on something that is not a function |
//! | `with` | `with!`: parses the header, rewrites jumps, expands |
//! | `lifetime`, `returns` | read the return type: the lent type and the exit type |
//! | `yields` | finds and replaces the markers of a body |
//! | `recursion` | reports a manager function that enters itself |
//! | `validate` | checks the rules of a manager function |
//! | `expand` | expands `#[async_context_manager]` |
//! | `within`, `context_managers` | expand `#[within]` and `context_managers!` |
#![forbid(unsafe_code)]

mod args;
mod boxed;
mod context_managers;
mod doc;
mod editor;
mod errors;
mod expand;
mod fallback;
mod input;
mod instrument;
mod lifetime;
mod marker;
mod misplaced;
mod recursion;
mod returns;
mod tokens;
mod validate;
mod with;
mod within;
mod yields;

use proc_macro::TokenStream;

/// Turns an `async fn` with one `yield!` into a context manager. Documented in the crate `async-context-manager`.
#[doc(alias("async drop", "asynccontextmanager", "AsyncDrop", "cleanup", "teardown", "transaction"))]
#[proc_macro_attribute]
pub fn async_context_manager(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::manager_fn(&args.into(), &item.into()).into()
}

/// Turns the body of an `async fn` into the block of a `with!`. Documented in the crate `async-context-manager`.
#[doc(alias("decorator", "fixture"))]
#[proc_macro_attribute]
pub fn within(args: TokenStream, item: TokenStream) -> TokenStream {
    within::function(args.into(), &item.into()).into()
}

/// Called by the declarative macro `with!`, with the path of the crate before the tokens.
#[proc_macro]
pub fn with(input: TokenStream) -> TokenStream {
    with::expand(input.into()).into()
}

/// Called by the declarative macro `context_managers!`, with the path of the crate before the tokens.
#[proc_macro]
pub fn context_managers(input: TokenStream) -> TokenStream {
    context_managers::expand(input.into()).into()
}
