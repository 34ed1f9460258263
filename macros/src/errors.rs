//! Collects the errors of one function, so that all of them are shown at once.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: syn::Error) {
        let error = found_end(error);
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the errors as `compile_error!` items.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map_or_else(TokenStream::new, |errors| errors.to_compile_error())
    }
}

/// Rewords an error of `syn` about tokens that end too early. Its span is what follows them.
fn found_end(error: syn::Error) -> syn::Error {
    let message = error.to_string();
    let Some(expected) = message.strip_prefix("unexpected end of input, ") else { return error };
    // Our own messages say what to write.
    let found = if expected.contains(": ") { "" } else { ", found the end" };
    syn::Error::new(error.span(), format_args!("{expected}{found}"))
}
