//! The marker, a `yield!` in the source, and its replacement outside a manager function.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, Path, Token};

use crate::errors::Errors;
use crate::tokens::{self, CratePath, is_bang, is_yield};

/// Returns the name of a local of the body that its markers can't outlive. Errors about values that outlive the body show
/// this name, so it is not hygienic: `span` is that of the function name, perhaps located elsewhere.
pub(crate) fn this_manager(span: Span) -> Ident {
    Ident::new("__this_manager", if tokens::in_editor() { Span::mixed_site() } else { span })
}

/// A marker in a body, and the problems of its position.
pub(crate) struct Marker {
    /// The identifier `yield`, for errors.
    pub(crate) name: Ident,
    /// Whether its future may be separate from that of the body: in an `async` block, or in the arguments of a macro.
    pub(crate) in_async: bool,
    pub(crate) problem: Option<Problem>,
    /// The expressions before the marker that end the body successfully, or that jump past the marker.
    pub(crate) skips: Vec<Span>,
}

/// Why a marker is not allowed in its position.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    Loop,
    Closure,
    Item,
    /// It is in a task, which may outlive the manager.
    Task,
    /// It is an argument of a call that takes a future: the block would end before the call.
    Argument,
    /// It is written as a call of a function.
    Call,
    /// A path through the body skips it.
    Skippable,
}

/// Whether `path` is the path of the macro `yield!`.
pub(crate) fn is_marker(path: &Path) -> bool {
    path.segments.last().is_some_and(|segment| is_yield(&segment.ident))
}

/// Parses the arguments of a marker: one value, or nothing for `()`.
pub(crate) fn parse_value(input: ParseStream) -> syn::Result<Expr> {
    if input.is_empty() {
        return Ok(syn::parse_quote!(()));
    }
    let value = input.parse()?;
    input.parse::<Option<Token![,]>>()?;
    if input.is_empty() {
        Ok(value)
    } else {
        Err(input.error("`yield!` lends one value: write a tuple for several, `(a, b)`"))
    }
}

/// Returns the tokens in a group, or any other token itself.
pub(crate) fn content(token: TokenTree) -> TokenStream {
    match token {
        TokenTree::Group(group) => group.stream(),
        other => other.into(),
    }
}

/// Returns the replacement of a marker outside a manager function. Reports the error in `errors`.
pub(crate) fn stub_yield(
    name: impl ToTokens,
    value: TokenStream,
    krate: &CratePath,
    errors: &mut Errors,
) -> TokenStream {
    errors.on(name, "`yield!` outside a manager function: put `#[async_context_manager]` on the `async fn` around it");
    let value = parse_value.parse2(value).unwrap_or_else(|_| syn::parse_quote!(()));
    quote_spanned!(Span::mixed_site()=> #krate::__private::stub_yield(#value))
}

/// Returns the yield point in tokens in which the attribute has replaced a marker, or `None` if it has replaced none.
///
/// Input:  `{ log(); async_context_manager::__private::lend1(SameContract::point(...), &mut tx).await; }`
///
/// Output: `SameContract::point(...)`
pub(crate) fn find_point(tokens: TokenStream) -> Option<TokenStream> {
    let mut before = None;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (&token, tokens.peek()) {
            (TokenTree::Ident(name), Some(TokenTree::Group(arguments))) if is_lending(name, before.as_deref()) => {
                let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                return Some(arguments.stream().into_iter().take_while(|token| !is_comma(token)).collect());
            }
            (TokenTree::Group(group), _) => {
                if let Some(found) = find_point(group.stream()) {
                    return Some(found);
                }
            }
            _ => {}
        }
        if !matches!(token, TokenTree::Punct(_)) {
            before = Some(token.to_string());
        }
    }
    None
}

/// Whether `module::name` is one of the functions that lend a value.
fn is_lending(name: &Ident, module: Option<&str>) -> bool {
    module == Some("__private") && ["lend0", "lend1", "lend2"].iter().any(|lends| name == lends)
}

/// Replaces each marker in the arguments of a macro outside a manager function. Those of manager functions in them remain.
pub(crate) fn replace_stray(stream: TokenStream, krate: &CratePath, errors: &mut Errors) -> TokenStream {
    let mut stream = stream.into_iter().peekable();
    let mut replaced = TokenStream::new();
    while let Some(token) = stream.next() {
        if matches!(&token, TokenTree::Ident(name) if is_yield(name)) && stream.peek().is_some_and(is_bang) {
            stream.next();
            let value = stream.next().map_or_else(TokenStream::new, content);
            replaced.extend(stub_yield(token, value, krate, errors));
            continue;
        }
        match token {
            TokenTree::Group(group) if is_manager_attribute(&group) => {
                group.to_tokens(&mut replaced);
                replaced.extend(function_after(&mut stream));
            }
            TokenTree::Group(group) => {
                let content = replace_stray(group.stream(), krate, errors);
                tokens::regroup(&group, content).to_tokens(&mut replaced);
            }
            other => other.to_tokens(&mut replaced),
        }
    }
    replaced
}

/// Whether these are the brackets of `#[async_context_manager]`.
pub(crate) fn is_manager_attribute(group: &Group) -> bool {
    let path = |input: ParseStream| Ok((input.call(Path::parse_mod_style)?, input.parse::<TokenStream>()?));
    group.delimiter() == Delimiter::Bracket
        && path.parse2(group.stream()).is_ok_and(|(path, _)| is_named_manager(&path))
}

/// Returns the tokens up to the end of a function: its body, or a `;`.
pub(crate) fn function_after(stream: &mut impl Iterator<Item = TokenTree>) -> TokenStream {
    let mut function = TokenStream::new();
    for token in stream {
        let is_end = match &token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
        token.to_tokens(&mut function);
        if is_end {
            break;
        }
    }
    function
}

/// Whether an attribute is `#[async_context_manager]`.
pub(crate) fn is_manager(attr: &Attribute) -> bool {
    is_named_manager(attr.path())
}

fn is_named_manager(path: &Path) -> bool {
    path.segments.last().is_some_and(|name| name.ident == "async_context_manager")
}
