//! Parses the header of a `with!`, `manager as pattern, ... =>`, and the block after it.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Expr, Ident, Pat, Token, token};

/// One manager of a header.
pub(crate) struct HeaderEntry {
    pub(crate) manager: Expr,
    /// The pattern that the lent value is bound to.
    pub(crate) pattern: Option<Pat>,
    /// The span of the pattern, or of the manager without one. Errors about the value point at it.
    pub(crate) span: Span,
    /// The span of the manager.
    pub(crate) manager_span: Span,
}

pub(crate) enum Block {
    /// The expression and, if it is a plain block in braces, its tokens as written.
    Parsed(Box<Expr>, Option<Group>),
    /// A block that cannot be parsed, because someone is typing, and the error.
    Broken(TokenStream, syn::Error),
}

const SHAPE: &str = "write `with!(manager() as value => { ... })`";

/// Parses the managers and the `=>`.
pub(crate) fn parse(input: ParseStream) -> syn::Result<Vec<HeaderEntry>> {
    let mut entries = Vec::new();
    loop {
        entries.push(input.parse()?);
        if input.parse::<Option<Token![=>]>>()?.is_some() {
            return Ok(entries);
        }
        if input.is_empty() {
            return Err(input.error(format_args!("expected `=>` and a block: {SHAPE}")));
        }
        if !input.peek(Token![,]) {
            return Err(input.error("expected `,` and another manager, or `=>` and the block"));
        }
        input.parse::<Token![,]>()?;
        if input.parse::<Option<Token![=>]>>()?.is_some() {
            return Ok(entries);
        }
    }
}

const WITHIN: &str = "write `#[within(manager() as value)]`";

/// Parses the managers of `#[within(...)]`, which has no block.
pub(crate) fn parse_all(input: ParseStream) -> syn::Result<Vec<HeaderEntry>> {
    let mut entries = Vec::new();
    while !input.is_empty() {
        if input.peek(Token![,]) {
            return Err(input.error(format_args!("expected a manager before this: {WITHIN}")));
        }
        if !input.peek(Token![=>]) {
            entries.push(input.parse()?);
        }
        if input.peek(Token![=>]) {
            return Err(input.error(format_args!("the function body is the block: remove the `=>` and {WITHIN}")));
        }
        if !input.is_empty() && input.parse::<Option<Token![,]>>()?.is_none() {
            return Err(input.error("expected `,` and another manager"));
        }
    }
    if entries.is_empty() {
        return Err(input.error(format_args!("expected a manager: {WITHIN}")));
    }
    Ok(entries)
}

impl Parse for HeaderEntry {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let manager = manager(input)?;
        let manager_span = manager.span();
        let Some(word) = input.parse::<Option<Token![as]>>()? else {
            return Ok(Self { manager, pattern: None, span: manager_span, manager_span });
        };
        if input.is_empty() || input.peek(Token![=>]) || input.peek(Token![,]) {
            return Err(syn::Error::new(word.span, "expected a name after `as`: write one, or remove the `as`"));
        }
        no_arrow(&input.fork())?;
        let pattern = Pat::parse_single(input)?;
        Ok(Self { manager, span: pattern.span(), pattern: Some(pattern), manager_span })
    }
}

/// Reports a missing `=>` if `name { ... }` is all that follows: that is a name and a block, not a pattern.
fn no_arrow(ahead: ParseStream) -> syn::Result<()> {
    ahead.parse::<Option<Token![mut]>>()?;
    if !(ahead.peek(Ident) && ahead.peek2(token::Brace)) {
        return Ok(());
    }
    ahead.parse::<Ident>()?;
    let block: Group = ahead.parse()?;
    if ahead.is_empty() {
        return Err(syn::Error::new(block.span_open(), format_args!("expected `=>` before the block: {SHAPE}")));
    }
    Ok(())
}

impl ToTokens for HeaderEntry {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { manager, pattern, .. } = self;
        let binding = pattern.as_ref().map(|pattern| quote!(as #pattern));
        tokens.extend(quote!(#manager #binding));
    }
}

/// Parses the expression before `as`, `,` or `=>`. The expression may contain these (`<T as Pool>::get::<A, B>()`), so
/// it ends at the first of them before which it is complete.
fn manager(input: ParseStream) -> syn::Result<Expr> {
    if input.is_empty() || input.peek(Token![=>]) || input.peek(Token![,]) {
        return Err(input.error(format_args!("expected a manager: {SHAPE}")));
    }
    let mut read = TokenStream::new();
    loop {
        let at_end = input.is_empty() || input.peek(Token![=>]);
        if at_end || input.peek(Token![as]) || input.peek(Token![,]) {
            match syn::parse2(read.clone()) {
                Ok(manager) => return Ok(manager),
                Err(error) if at_end => return Err(error),
                Err(_) => {}
            }
        }
        read.extend([input.parse::<TokenTree>()?]);
    }
}

/// Parses the block: one expression, up to the end of the input.
pub(crate) fn block(input: ParseStream) -> syn::Result<Block> {
    if input.is_empty() {
        return Err(input.error("expected a block after `=>`"));
    }
    let braces = braces(&input.fork());
    let ahead = input.fork();
    let parsed = ahead.parse::<Expr>().and_then(|block| {
        ahead.parse::<Option<Token![,]>>()?;
        if ahead.is_empty() {
            Ok(block)
        } else {
            Err(ahead.error("the block ends before this: put the whole block in `{ ... }`"))
        }
    });
    match parsed {
        Ok(block) => {
            input.advance_to(&ahead);
            Ok(Block::Parsed(Box::new(block), braces))
        }
        Err(error) => Ok(Block::Broken(input.parse()?, error)),
    }
}

/// Returns the rest of the input if it is one group of braces.
fn braces(ahead: ParseStream) -> Option<Group> {
    let group: Group = ahead.parse().ok()?;
    ahead.parse::<Option<Token![,]>>().ok()?;
    (ahead.is_empty() && group.delimiter() == Delimiter::Brace).then_some(group)
}
