//! Looks into token streams that need not be Rust: the arguments of macros.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::{Block, Stmt};

/// Whether a token is the marker's name, in one of its two spellings.
pub(crate) fn is_yield(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == "r#yield" || ident == "yield")
}

/// Whether an identifier that `found` accepts is in `tokens`, at any depth: the first such.
pub(crate) fn find_ident(tokens: TokenStream, found: &dyn Fn(&Ident) -> bool) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if found(&ident) => Some(ident),
        TokenTree::Group(group) => find_ident(group.stream(), found),
        _ => None,
    })
}

/// Spells each `yield!(...)` as `r#yield!(...)`, which `syn` takes for a macro. Gives the places.
pub(crate) fn spell_raw(tokens: TokenStream, places: &mut Vec<Span>) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut spelled = TokenStream::new();
    while let Some(token) = tokens.next() {
        let token = match token {
            TokenTree::Ident(ident) if ident == "yield" && tokens.peek().is_some_and(is_bang) => {
                places.push(ident.span());
                TokenTree::Ident(Ident::new_raw("yield", ident.span()))
            }
            TokenTree::Group(group) => regroup(&group, spell_raw(group.stream(), places)).into(),
            other => other,
        };
        token.to_tokens(&mut spelled);
    }
    spelled
}

/// The same tokens, to be seen at `span` in errors.
pub(crate) fn locate(tokens: &TokenStream, span: Span) -> TokenStream {
    let locate = |mut token: TokenTree| {
        token.set_span(token.span().located_at(span));
        token
    };
    tokens.clone().into_iter().map(locate).collect()
}

pub(crate) fn is_bang(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == '!')
}

/// The same group with other content.
pub(crate) fn regroup(group: &Group, content: TokenStream) -> Group {
    let mut regrouped = Group::new(group.delimiter(), content);
    regrouped.set_span(group.span());
    regrouped
}

/// The statements in a group of braces, if that is what they are.
pub(crate) fn statements(group: &Group) -> Option<Vec<Stmt>> {
    if group.delimiter() != Delimiter::Brace {
        return None;
    }
    Block::parse_within.parse2(group.stream()).ok()
}

/// The tokens of statements.
pub(crate) fn print(statements: &[Stmt]) -> TokenStream {
    statements.iter().map(ToTokens::to_token_stream).collect()
}
