//! `with!`: enters managers, runs a block, and leaves the managers however the block ends.

pub(crate) mod expand;
pub(crate) mod header;
mod jumps;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::Parser;

use crate::errors::Errors;
use crate::marker::replace_stray;
use crate::tokens::{CratePath, in_editor, split_crate};
use crate::{editor, fallback};
use header::{Block, HeaderEntry};

/// Input:  `(path::to::crate) connection(&pool) as conn => { conn.insert(1).await?; }`
///
/// Output: see `with/expand.rs`
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let (krate, tokens) = split_crate(input);
    let mut errors = Errors::default();
    let keywords = Keywords::of(tokens.clone());
    let tokens = if keywords.has_marker { replace_stray(tokens, &krate, &mut errors) } else { tokens };
    if in_editor() {
        match header::parse.parse2(tokens.clone()) {
            Ok((_, Block::Broken(_, error))) | Err(error) => errors.push(error),
            Ok((_, Block::Parsed(..))) => {}
        }
        return editor::with(tokens, &errors.into_tokens(), &krate);
    }
    let expanded = match header::parse.parse2(tokens) {
        Ok((entries, Block::Parsed(block, braces))) => expand::with(entries, *block, braces, keywords, &krate),
        Ok((entries, Block::Broken(tokens, error))) => {
            errors.push(error);
            broken(&entries, tokens, &krate)
        }
        Err(error) => {
            errors.push(error);
            quote!(::core::unreachable!())
        }
    };
    if errors.is_empty() {
        return expanded;
    }
    let errors = errors.into_tokens();
    quote!({ #errors #expanded })
}

/// Which keywords occur in the tokens of a `with!`. Most have none of them, and the steps for these are skipped.
#[derive(Clone, Copy, Default)]
pub(crate) struct Keywords {
    /// `yield`, of a marker.
    has_marker: bool,
    /// `__private`, of the replacement of a marker.
    has_lending: bool,
    /// `break` or `continue`.
    has_jump: bool,
}

impl Keywords {
    fn of(tokens: TokenStream) -> Self {
        let mut keywords = Self::default();
        keywords.scan(tokens);
        keywords
    }

    fn scan(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(word) => match &*word.to_string() {
                    "yield" | "r#yield" => self.has_marker = true,
                    "__private" => self.has_lending = true,
                    "break" | "continue" => self.has_jump = true,
                    _ => {}
                },
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

/// Returns the replacement of a `with!` whose block can't be parsed: the managers, the names that the header binds, and
/// the statements of the block that can be parsed.
fn broken(entries: &[HeaderEntry], block: TokenStream, krate: &CratePath) -> TokenStream {
    let bindings = bindings(entries, krate);
    let saved = fallback::salvage(block);
    quote_spanned!(Span::mixed_site()=> #bindings #saved ::core::unreachable!())
}

/// Binds the names of a header, in code that accompanies an error.
pub(crate) fn bindings(entries: &[HeaderEntry], krate: &CratePath) -> TokenStream {
    let bindings = entries.iter().map(|HeaderEntry { manager, pattern, .. }| {
        let pattern = pattern.as_ref().map_or_else(|| quote!(_), ToTokens::to_token_stream);
        quote_spanned!(Span::mixed_site()=> let #pattern = #krate::__private::stub_value(#manager);)
    });
    bindings.collect()
}
