//! The expansion of an attribute on something that is not a function: an error, and the rest of it.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{Expr, Item};

use crate::errors::Errors;
use crate::marker::replace_stray;
use crate::tokens::CratePath;

/// Returns the error message. `in_it` says what to write if there are functions in the item.
pub(crate) fn message(item: &TokenStream, in_it: &str) -> String {
    if let Ok(Expr::Closure(_)) = syn::parse2(item.clone()) {
        return "expected an `async fn`, found a closure: write an `async fn`, to which values are passed as arguments"
            .into();
    }
    match syn::parse2(item.clone()) {
        Ok(Item::Impl(_) | Item::Mod(_) | Item::Trait(_)) => format!("expected an `async fn`: {in_it}"),
        _ => "expected an `async fn`".into(),
    }
}

/// Returns the item or the expression together with the errors. Its markers are replaced, so that they cause no more
/// errors.
pub(crate) fn with_errors(item: TokenStream, errors: Errors, krate: &CratePath) -> TokenStream {
    let errors = errors.into_tokens();
    let is_expression = syn::parse2::<Item>(item.clone()).is_err() && syn::parse2::<Expr>(item.clone()).is_ok();
    let item = replace_stray(item, krate, &mut Errors::default());
    if is_expression {
        quote_spanned!(Span::mixed_site()=> { #errors #item })
    } else {
        quote_spanned!(Span::mixed_site()=> #item #errors)
    }
}
