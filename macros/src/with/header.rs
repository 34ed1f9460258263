//! Parses the header of a `with!`, `manager as pattern, ... =>`, and the block after it. A `,` may replace the `=>`.

use proc_macro2::{Delimiter, Group, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{BinOp, Expr, Ident, Macro, Pat, Token, Type, token};

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
    /// The statements of a block that is missing or cannot be parsed, because someone is typing, and the error.
    Broken(TokenStream, syn::Error),
}

const SHAPE: &str = "write `with!(manager() as value => { ... })`";

/// Parses the managers and the block. An error after the first manager leaves the others that were read; the last one is
/// kept as an expression, because it may be a block without braces.
pub(crate) fn parse(input: ParseStream) -> syn::Result<(Vec<HeaderEntry>, Block)> {
    let mut entries = vec![input.parse()?];
    let block = match managers(input, &mut entries) {
        Ok(()) => block(input)?,
        Err(error) => {
            input.parse::<TokenStream>()?;
            let last = entries.pop().map(|HeaderEntry { manager, .. }| manager);
            Block::Broken(last.into_token_stream(), error)
        }
    };
    Ok((entries, block))
}

/// Returns the managers and the block of a `with!`, or `None` if this is another macro or cannot be parsed.
pub(crate) fn parse_macro(with: &Macro) -> Option<(Vec<HeaderEntry>, Expr)> {
    with.path.segments.last().filter(|name| name.ident == "with")?;
    match parse.parse2(with.tokens.clone()) {
        Ok((entries, Block::Parsed(block, _))) => Some((entries, *block)),
        Ok(_) | Err(_) => None,
    }
}

/// Parses the managers after the first, and the `=>`. A `,` takes its place if a block in braces is all that follows.
fn managers(input: ParseStream, entries: &mut Vec<HeaderEntry>) -> syn::Result<()> {
    loop {
        if input.parse::<Option<Token![=>]>>()?.is_some() {
            return Ok(());
        }
        if input.peek(Token![:]) {
            return Err(input.error(format_args!("expected `=>` before the block, found `:`: {SHAPE}")));
        }
        if !input.is_empty() && !input.peek(Token![,]) {
            return Err(input.error("expected `,` and another manager, or `=>` and the block"));
        }
        input.parse::<Option<Token![,]>>()?;
        if input.parse::<Option<Token![=>]>>()?.is_some() || is_block(&input.fork()) {
            return Ok(());
        }
        if input.is_empty() {
            return Err(no_block(entries));
        }
        if !is_header(&input.fork()) {
            return Err(not_a_block(input));
        }
        entries.push(input.parse()?);
    }
}

/// Skips a group of braces, which may be the `$block:block` of a macro.
fn skip_braces(input: ParseStream) -> syn::Result<()> {
    input.step(|cursor| match cursor.group(Delimiter::Brace) {
        Some((_, _, after)) => Ok(((), after)),
        None => Err(cursor.error("expected a block")),
    })
}

/// Whether one group of braces is all that follows.
fn is_block(ahead: ParseStream) -> bool {
    skip_braces(ahead).and_then(|()| ahead.parse::<Option<Token![,]>>()).is_ok() && ahead.is_empty()
}

/// Whether more of a header follows: an `as`, a `=>`, or a `,` and a block.
fn is_header(ahead: ParseStream) -> bool {
    while !ahead.is_empty() {
        let is_comma = ahead.peek(Token![,]);
        if ahead.peek(Token![as]) || ahead.peek(Token![=>]) || ahead.parse::<TokenTree>().is_err() {
            return true;
        }
        if is_comma && is_block(&ahead.fork()) {
            return true;
        }
    }
    false
}

/// Reports that the input ends before the block, or that it is only a block.
fn no_block(entries: &[HeaderEntry]) -> syn::Error {
    let message = match entries {
        [HeaderEntry { manager: Expr::Block(_), pattern: None, .. }] => "expected a manager before the block",
        _ => "expected a block after this",
    };
    syn::Error::new_spanned(entries.last(), format_args!("{message}: {SHAPE}"))
}

/// Reports what is behind a block in braces, or in its place.
fn not_a_block(input: ParseStream) -> syn::Error {
    let ahead = input.fork();
    if skip_braces(&ahead).and_then(|()| ahead.parse::<Option<Token![,]>>()).is_ok() {
        return ahead.error(ENDS_BEFORE);
    }
    let rest = input.fork().parse::<TokenStream>().unwrap_or_default();
    let message = "expected a block in braces as the last thing, or `=>` before the block: \
                   write `with!(manager() as value, { ... })`";
    syn::Error::new_spanned(rest, message)
}

const ENDS_BEFORE: &str = "the block ends before this: put the whole block in `{ ... }`";

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
        let is_end = input.is_empty() || input.peek(Token![=>]) || input.peek(Token![,]);
        if is_end || input.peek(token::Brace) {
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
    ahead.parse::<Option<Token![,]>>()?;
    if ahead.is_empty() { Err(before_block(&block)) } else { Ok(()) }
}

/// Reports a missing `=>` if a manager without a name and a block is all that was read.
fn no_separator(read: TokenStream) -> Option<syn::Error> {
    let mut read: Vec<TokenTree> = read.into_iter().collect();
    let Some(TokenTree::Group(block)) = read.pop() else { return None };
    syn::parse2::<Expr>(read.into_iter().collect()).ok()?;
    (block.delimiter() == Delimiter::Brace).then(|| before_block(&block))
}

fn before_block(block: &Group) -> syn::Error {
    syn::Error::new(block.span_open(), format_args!("expected `=>` before the block: {SHAPE}"))
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
    let mut missing_as = None;
    loop {
        let at_end = input.is_empty() || input.peek(Token![=>]);
        if at_end || input.peek(Token![as]) || input.peek(Token![,]) {
            match syn::parse2(read.clone()) {
                Ok(manager) => return habit(&manager).map_or(Ok(manager), Err),
                Err(error) => {
                    missing_as = missing_as.or_else(|| no_as(&read));
                    if at_end {
                        return Err(missing_as.unwrap_or_else(|| not_a_manager(read, error)));
                    }
                }
            }
        }
        read.extend([input.parse::<TokenTree>()?]);
    }
}

/// Reports an expression in which the name of the lent value comes first, or which is a list of managers.
fn habit(manager: &Expr) -> Option<syn::Error> {
    match manager {
        Expr::Assign(binding) if !is_option(&binding.left) => Some(name_first(&*binding.left)),
        Expr::Let(binding) => Some(name_first(&binding.pat)),
        Expr::Binary(closure) if matches!((&closure.op, &*closure.right), (BinOp::BitOr(_), Expr::Block(_))) => {
            Some(syn::Error::new_spanned(closure.op, format_args!("the block is not a closure: {SHAPE}")))
        }
        Expr::Tuple(list) => {
            Some(syn::Error::new_spanned(list, "expected a manager: remove the parentheses around the managers"))
        }
        Expr::Paren(list) if matches!(&*list.expr, Expr::Cast(cast) if is_variable(&cast.ty)) => {
            Some(syn::Error::new_spanned(list, "expected a manager: remove the parentheses around this"))
        }
        _ => None,
    }
}

/// Whether this is the name of the option `crate = path`.
fn is_option(name: &Expr) -> bool {
    matches!(name, Expr::Path(name) if name.path.is_ident("crate"))
}

/// Whether this is a name like that of a variable, which no type has to which a manager can be cast.
fn is_variable(ty: &Type) -> bool {
    matches!(ty, Type::Path(ty) if ty.path.get_ident().is_some_and(|name| {
        name.to_string().starts_with(|first: char| first.is_lowercase() || first == '_')
    }))
}

fn name_first(name: impl ToTokens) -> syn::Error {
    syn::Error::new_spanned(name, "the name of the value comes after the manager: write `manager() as value`")
}

/// Reports tokens before an `as`, `,` or `=>` that are not an expression.
fn not_a_manager(read: TokenStream, error: syn::Error) -> syn::Error {
    let mut tokens = read.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(word)), Some(_)) if word == "async" || word == "await" => {
            syn::Error::new(word.span(), format_args!("`with!` awaits the manager: remove `{word}`"))
        }
        (Some(TokenTree::Ident(name)), Some(TokenTree::Punct(colon)))
            if colon.as_char() == ':' && colon.spacing() == Spacing::Alone =>
        {
            name_first(name)
        }
        _ => no_separator(read).unwrap_or(error),
    }
}

/// Reports a name after a manager without an `as` between them.
fn no_as(read: &TokenStream) -> Option<syn::Error> {
    let mut read: Vec<TokenTree> = read.clone().into_iter().collect();
    let Some(TokenTree::Ident(name)) = read.pop() else { return None };
    syn::parse2::<Expr>(read.into_iter().collect()).ok()?;
    Some(syn::Error::new(name.span(), "expected `as` before the name of the value: write `manager() as value`"))
}

/// Parses the block: one expression, up to the end of the input.
fn block(input: ParseStream) -> syn::Result<Block> {
    if input.is_empty() {
        return Ok(Block::Broken(TokenStream::new(), input.error("expected a block after `=>`")));
    }
    let braces = braces(&input.fork());
    let ahead = input.fork();
    let parsed = ahead.parse::<Expr>().and_then(|block| {
        ahead.parse::<Option<Token![,]>>()?;
        if ahead.is_empty() { Ok(block) } else { Err(ahead.error(ENDS_BEFORE)) }
    });
    match parsed {
        Ok(block) => {
            input.advance_to(&ahead);
            Ok(Block::Parsed(Box::new(ungroup(block)), braces))
        }
        Err(error) => {
            let rest = input.parse()?;
            Ok(Block::Broken(braces.map_or(rest, |braces| braces.stream()), error))
        }
    }
}

/// Removes what encloses the `$block:block` of a macro. Its braces would be the only ones in those of the expansion, which
/// is reported as unnecessary.
fn ungroup(block: Expr) -> Expr {
    match block {
        Expr::Group(group) if group.attrs.is_empty() => ungroup(*group.expr),
        other => other,
    }
}

/// Returns the rest of the input if it is one group of braces.
fn braces(ahead: ParseStream) -> Option<Group> {
    let group: Group = ahead.parse().ok()?;
    ahead.parse::<Option<Token![,]>>().ok()?;
    (ahead.is_empty() && group.delimiter() == Delimiter::Brace).then_some(group)
}
