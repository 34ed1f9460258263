//! Parses the header of a `with!`, `manager as pattern, ... =>`, and the block behind it.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Expr, Ident, Pat, Token, token};

/// One manager of a header.
pub(crate) struct HeaderEntry {
    pub(crate) manager: Expr,
    /// What its value is bound to.
    pub(crate) pattern: Option<Pat>,
    /// Where the value is bound, or the manager: what an error about the value is to point at.
    pub(crate) span: Span,
    /// Where the manager is.
    pub(crate) manager_span: Span,
}

pub(crate) enum Block {
    /// If it is nothing but braces, these as they are written, too.
    Parsed(Box<Expr>, Option<Group>),
    /// Someone is typing.
    Broken(TokenStream, syn::Error),
}

const SHAPE: &str = "write `with!(manager() as value => { ... })`";

/// The managers, up to and with the `=>`.
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

/// The managers of `#[within(...)]`, which has no block.
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
            return Err(
                input.error(format_args!("the block is the body of the function: leave out the `=>`, {WITHIN}"))
            );
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
            return Err(syn::Error::new(word.span, "expected a name after `as`; without one, leave out the `as`"));
        }
        no_arrow(&input.fork())?;
        let pattern = Pat::parse_single(input)?;
        Ok(Self { manager, span: pattern.span(), pattern: Some(pattern), manager_span })
    }
}

/// `name { ... }` at the very end is no pattern: it lacks the `=>`.
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

/// The expression before `as`, `,` or `=>`. It may have these in it (`<T as Pool>::get::<A, B>()`), so it ends at the
/// first of them that leaves something complete before it.
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

/// The rest: one expression.
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
            Err(ahead.error("the block ends before this: put all of it in `{ ... }`"))
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

/// What is ahead, if it is one group of braces and that is all.
fn braces(ahead: ParseStream) -> Option<Group> {
    let group: Group = ahead.parse().ok()?;
    ahead.parse::<Option<Token![,]>>().ok()?;
    (ahead.is_empty() && group.delimiter() == Delimiter::Brace).then_some(group)
}
