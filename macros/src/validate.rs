//! What a manager function must keep to. Makes no code.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Signature;

use crate::errors::Errors;
use crate::yields::{Marker, Problem};

/// The rules for the signature.
pub(crate) fn signature(sig: &Signature, errors: &mut Errors) {
    if let Some(constness) = &sig.constness {
        errors.on(constness, "a manager function can't be `const`: remove it");
    }
    if sig.asyncness.is_none() {
        errors.on(sig.fn_token, "a manager function is async: write `async fn`");
    }
    if let Some(variadic) = &sig.variadic {
        errors.on(variadic, "a manager function can't be variadic");
    }
}

/// The rules for the markers.
pub(crate) fn markers(sig: &Signature, markers: &[Marker], errors: &mut Errors) {
    let name = &sig.ident;
    if markers.is_empty() {
        errors
            .on(name, format_args!("`{name}` has no yield point: write `r#yield!(value);` where its block is to run"));
    }
    if markers.len() > 1 {
        let all: TokenStream = markers.iter().map(|marker| marker.name.to_token_stream()).collect();
        errors.on(
            all,
            format_args!("`{name}` has {} yield points: write one `yield!`, on the way that all take", markers.len()),
        );
    }
    for marker in markers {
        if let Some(message) = marker.problem.and_then(|problem| complaint(problem, markers.len())) {
            errors.on(&marker.name, message);
        } else if let ([_], Some(skip)) = (markers, marker.skips.first()) {
            errors.at(*skip, format_args!("this ends `{name}` in success before its `yield!`: return an `Err` to fail the entering, or go on to the `yield!`"));
        }
    }
}

/// What is wrong with a marker's place. Of several, one in each branch, that they are several has been said.
fn complaint(problem: Problem, count: usize) -> Option<&'static str> {
    match problem {
        Problem::Loop => {
            Some("`yield!` in a loop could be reached more than once, and a block runs once: move it out of the loop")
        }
        Problem::Closure => Some(
            "`yield!` in a closure could be reached more than once, or after the manager: move it out, or into an `async` block",
        ),
        Problem::Item => Some("`yield!` in an item of its own is not in the manager: move it out"),
        Problem::Argument => Some(
            "the whole block would run before this call: write `async { r#yield!(...) }` for a future that it can drop",
        ),
        Problem::Skippable if count == 1 => {
            Some("this `yield!` can be skipped: have all ways lead to it, or leave the others with an `Err` or a panic")
        }
        Problem::Skippable => None,
    }
}
