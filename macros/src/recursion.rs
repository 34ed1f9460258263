//! A manager function that enters itself. Its future would contain itself, so `rustc` refuses it with words that do not
//! lead to the cure.

use proc_macro2::Span;
use quote::{quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Ident, Item, Macro, Signature};

use crate::errors::Errors;
use crate::tokens::{self, CratePath};
use crate::with::header;

/// Reports each `with!` in the body of a function that enters the function, and each `name(...).boxed()`. These are changed, so
/// that they cause no more errors.
///
/// An argument with the same name hides the function.
pub(crate) fn check(sig: &Signature, body: &mut Block, krate: &CratePath, errors: &mut Errors) {
    let is_name = |ident: &Ident| *ident == sig.ident;
    let inputs = &sig.inputs;
    if tokens::find_ident(quote!(#body), &is_name).is_some() && tokens::find_ident(quote!(#inputs), &is_name).is_none()
    {
        Recursion { name: &sig.ident, krate, errors }.visit_block_mut(body);
    }
}

struct Recursion<'a> {
    /// The name of the function.
    name: &'a Ident,
    krate: &'a CratePath,
    errors: &'a mut Errors,
}

impl Recursion<'_> {
    /// Whether this calls the function, as far as the tokens show.
    fn is_call(&self, expr: &Expr) -> bool {
        let is_path = |expr: &Expr, names: &[&Ident]| match expr {
            Expr::Path(path) => path.path.segments.iter().map(|segment| &segment.ident).eq(names.iter().copied()),
            _ => false,
        };
        let this = |word| Ident::new(word, self.name.span());
        match expr {
            Expr::Call(call) if is_box(&call.func) => call.args.first().is_some_and(|boxed| self.is_call(boxed)),
            Expr::Call(call) => is_path(&call.func, &[self.name]) || is_path(&call.func, &[&this("Self"), self.name]),
            Expr::MethodCall(call) => call.method == *self.name && is_path(&call.receiver, &[&this("self")]),
            _ => false,
        }
    }

    /// Reports a call, and returns its replacement.
    fn report(&mut self, call: &Expr) -> Expr {
        let Self { name, krate, .. } = *self;
        self.errors.on(
            call,
            format_args!(
                "`{name}` can't enter itself: write a function that returns `{name}(...).boxed()` as a `BoxManager`, and \
                 enter what that returns"
            ),
        );
        let manager = unboxed(call);
        Expr::Verbatim(quote_spanned!(Span::mixed_site()=> #krate::__private::stub_boxed(#manager)))
    }
}

impl VisitMut for Recursion<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::MethodCall(boxed) if boxed.method == "boxed" && self.is_call(&boxed.receiver) => {
                *expr = self.report(&boxed.receiver);
            }
            Expr::MethodCall(stack)
                if stack.method == "enter" && stack.args.len() == 1 && self.is_call(&stack.args[0]) =>
            {
                stack.args[0] = self.report(&stack.args[0]);
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    // A function in the body is another one.
    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        let Some((mut entries, mut block)) = header::parse_macro(mac) else { return };
        for entry in &mut entries {
            if self.is_call(&entry.manager) {
                entry.manager = self.report(&entry.manager);
            } else {
                self.visit_expr_mut(&mut entry.manager);
            }
        }
        self.visit_expr_mut(&mut block);
        mac.tokens = quote!(#(#entries),* => #block);
    }
}

/// Whether this is `Box::new` or `Box::pin`.
fn is_box(function: &Expr) -> bool {
    matches!(function, Expr::Path(path) if path.path.segments.iter().rev().nth(1).is_some_and(|name| name.ident == "Box"))
}

/// Returns the manager in a `Box::new(manager)`, or `manager` itself.
fn unboxed(manager: &Expr) -> &Expr {
    match manager {
        Expr::Call(call) if is_box(&call.func) => call.args.first().map_or(manager, unboxed),
        _ => manager,
    }
}
