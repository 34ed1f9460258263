//! Checks the rules of a manager function. Generates no code.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Lifetime, ParenthesizedGenericArguments, Receiver, ReceiverKind, Signature, TraitBound, TypeFnPtr, TypeReference,
};

use crate::args::Args;
use crate::boxed;
use crate::errors::Errors;
use crate::marker::{Marker, Problem};

/// Checks the signature.
pub(crate) fn signature(sig: &Signature, errors: &mut Errors) {
    if let Some(constness) = &sig.constness {
        errors.on(constness, "a manager function can't be `const`: remove `const`");
    }
    if sig.asyncness.is_none() {
        errors.on(sig.fn_token, "a manager function must be async: write `async fn`");
    }
    if let Some(variadic) = &sig.variadic {
        errors.on(variadic, "a manager function can't be variadic: remove `...`");
    }
}

/// Reports a manager function that is not `async` any more, because `#[async_trait]` has been expanded.
pub(crate) fn boxed(sig: &Signature, errors: &mut Errors) -> bool {
    let is_boxed = sig.asyncness.is_none() && boxed::output(&sig.output).is_some();
    if is_boxed {
        errors.on(
            sig.fn_token,
            "a manager function must be an `async fn`, and can't be under `#[async_trait]`: write `async fn`, or move it to a \
             trait or an `impl` without that attribute",
        );
    }
    is_boxed
}

/// Checks that a shielded manager owns its arguments. If it does not, removes the option, so that no further errors
/// follow from it.
pub(crate) fn shielded(sig: &Signature, args: &mut Args, errors: &mut Errors) {
    if args.shielded.is_none() {
        return;
    }
    let mut borrows = Borrows(Vec::new());
    sig.inputs.clone().iter_mut().for_each(|argument| borrows.visit_fn_arg_mut(argument));
    for borrow in &borrows.0 {
        errors.on(
            borrow,
            "a shielded manager can't borrow its arguments, because it may outlive them: take this by value or in an `Arc`",
        );
        args.shielded = None;
    }
}

/// Collects the borrows in the types of arguments.
struct Borrows(Vec<TokenStream>);

impl Borrows {
    fn add(&mut self, lifetime: Option<&Lifetime>, borrow: impl ToTokens) {
        if lifetime.is_none_or(|lifetime| lifetime.ident != "static") {
            self.0.push(borrow.into_token_stream());
        }
    }
}

impl VisitMut for Borrows {
    fn visit_receiver_mut(&mut self, receiver: &mut Receiver) {
        match &receiver.kind {
            ReceiverKind::Reference(_, lifetime, _) => self.add(lifetime.as_ref(), &*receiver),
            _ => visit_mut::visit_receiver_mut(self, receiver),
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.add(reference.lifetime.as_ref(), &*reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        self.add(Some(lifetime), &*lifetime);
    }

    // A reference with a higher-ranked lifetime is not a borrow: `fn(&T)`, `Fn(&T)`, `for<'a> Trait<&'a T>`.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        if bound.lifetimes.is_none() {
            visit_mut::visit_trait_bound_mut(self, bound);
        }
    }
}

/// Checks that there is one marker, and that its position is allowed.
pub(crate) fn markers(sig: &Signature, markers: &[Marker], errors: &mut Errors) {
    let name = &sig.ident;
    if markers.is_empty() {
        errors
            .on(name, format_args!("`{name}` has no yield point: write `r#yield!(value);` where the block should run"));
    }
    if markers.len() > 1 {
        let all: TokenStream = markers.iter().map(|marker| marker.name.to_token_stream()).collect();
        let in_branches = markers.iter().filter(|marker| marker.problem == Some(Problem::Skippable)).count() > 1;
        let choice = if in_branches {
            "; to choose a manager at run time, write one function for each, and choose between `first().boxed()` and \
             `second().boxed()`, or enter one of them on an `AsyncExitStack`"
        } else {
            ""
        };
        errors.on(
            all,
            format_args!(
                "`{name}` has {} yield points: write one `yield!` that every path reaches{choice}",
                markers.len()
            ),
        );
    }
    for marker in markers {
        if let Some(message) = marker.problem.and_then(|problem| problem_message(problem, markers.len())) {
            errors.on(&marker.name, message);
        } else if let ([_], Some(skip)) = (markers, marker.skips.first()) {
            errors.at(
                *skip,
                format_args!(
                    "this ends `{name}` successfully before its `yield!`: return an `Err`, or continue to the `yield!`"
                ),
            );
        }
    }
}

/// Returns the error message for a problem, or `None` if the error about several markers (`count`) covers it.
fn problem_message(problem: Problem, count: usize) -> Option<&'static str> {
    match problem {
        Problem::Loop => Some("`yield!` in a loop could run the block more than once: move it out of the loop"),
        Problem::Closure => Some(
            "`yield!` in a closure could run the block more than once, or after the manager ended: move it out, or use an `async` block",
        ),
        Problem::Item => Some("`yield!` in a nested item does not belong to this manager: move it out of the item"),
        Problem::Task => Some(
            "`yield!` in a task could run the block after the manager ended: move it out; to race the block with something, \
             write `until(something, async { r#yield!(...) })`",
        ),
        Problem::Argument => Some(
            "the block would run before this call: write `async { r#yield!(...) }`, a future that the call can end",
        ),
        Problem::Call => Some("`yield!` is a macro: write `r#yield!(...)`"),
        Problem::Skippable if count == 1 => Some(
            "this `yield!` can be skipped: reach it on every path, or leave the other paths with an `Err` or a panic",
        ),
        Problem::Skippable => None,
    }
}
