//! Helpers for token streams that need not be Rust, such as the arguments of macros.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::Parser;
use syn::{Block, Stmt};

/// Whether the macro is expanded by rust-analyzer. It sets this variable for the process that runs the macros. If it no
/// longer does, an editor only knows less of the code.
pub(crate) fn in_editor() -> bool {
    std::env::var_os("RUST_ANALYZER_INTERNALS_DO_NOT_USE").is_some()
}

/// Returns a span for generated code, at which errors of `rustc` point at `place`. An editor would show this code, too, when
/// the user asks for what is at `place`, so it has another span there.
pub(crate) fn site(place: Span) -> Span {
    if in_editor() { Span::mixed_site() } else { Span::mixed_site().located_at(place) }
}

/// Whether this is the name of the marker, in one of its two spellings.
pub(crate) fn is_yield(ident: &Ident) -> bool {
    matches!(&*ident.to_string(), "r#yield" | "yield")
}

/// Returns the first identifier in `tokens`, at any depth, that `found` accepts.
pub(crate) fn find_ident(tokens: TokenStream, found: &dyn Fn(&Ident) -> bool) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if found(&ident) => Some(ident),
        TokenTree::Group(group) => find_ident(group.stream(), found),
        _ => None,
    })
}

/// The places in which a marker is spelled in another way.
#[derive(Default)]
pub(crate) struct Respelled {
    /// Of each `yield!(value)`.
    pub(crate) bare: Vec<Span>,
    /// Of each `yield value`, as in Python.
    pub(crate) keyword: Vec<Span>,
}

/// Spells each `yield!(value)` and each `yield value` as `r#yield!(value)`, which `syn` parses as a macro. The keyword has
/// its own meaning in the arguments of other macros than `with!`.
pub(crate) fn spell_raw(tokens: TokenStream, places: &mut Respelled) -> TokenStream {
    match find_ident(tokens.clone(), &|ident| ident == "yield") {
        Some(_) => spell_each_raw(tokens, true, places),
        None => tokens,
    }
}

/// `keywords` says whether the keyword is meant as a marker.
fn spell_each_raw(tokens: TokenStream, keywords: bool, places: &mut Respelled) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut spelled = TokenStream::new();
    // The name of the macro whose arguments follow.
    let mut called: Option<Ident> = None;
    while let Some(token) = tokens.next() {
        let name = called.take();
        let token = match token {
            TokenTree::Ident(ident) if ident == "yield" && tokens.peek().is_some_and(is_bang) => {
                places.bare.push(ident.span());
                TokenTree::Ident(Ident::new_raw("yield", ident.span()))
            }
            TokenTree::Ident(ident) if ident == "yield" && keywords => {
                places.keyword.push(ident.span());
                let value = std::iter::from_fn(|| tokens.next_if(|token| !is_end(token))).collect();
                spelled.extend(marker(&ident, spell_each_raw(value, keywords, places)));
                continue;
            }
            TokenTree::Ident(ident) => {
                called = tokens.peek().is_some_and(is_bang).then(|| ident.clone());
                TokenTree::Ident(ident)
            }
            TokenTree::Punct(bang) if bang.as_char() == '!' => {
                called = name;
                TokenTree::Punct(bang)
            }
            TokenTree::Group(group) => {
                let keywords = keywords && name.is_none_or(|name| name == "with");
                regroup(&group, spell_each_raw(group.stream(), keywords, places)).into()
            }
            other => other,
        };
        token.to_tokens(&mut spelled);
    }
    spelled
}

/// Output: `r#yield!(value)`
fn marker(keyword: &Ident, value: TokenStream) -> TokenStream {
    let name = Ident::new_raw("yield", keyword.span());
    let value = Group::new(Delimiter::Parenthesis, value);
    quote_spanned!(keyword.span()=> #name! #value)
}

/// Whether an expression ends before this token.
fn is_end(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ','))
}

/// The path of the runtime crate. It is a list of tokens, because inserting a `TokenStream` into another one calls the
/// compiler each time.
#[derive(Clone)]
pub(crate) struct CratePath(Vec<TokenTree>);

impl CratePath {
    pub(crate) fn new(path: impl ToTokens) -> Self {
        Self(path.into_token_stream().into_iter().collect())
    }

    /// Returns the path of the module whose items only generated code uses.
    pub(crate) fn private(&self) -> Self {
        Self::new(quote!(#self::__private))
    }

    /// Returns the path of `name` in this module. Errors show it as one span, at `span`.
    pub(crate) fn item(&self, name: &str, span: Span) -> TokenStream {
        let span = self.0.first().map_or(span, |first| first.span().located_at(span));
        let name = Ident::new(name, span);
        let path = quote!(#self::#name).into_iter().map(|mut token| {
            token.set_span(span);
            token
        });
        path.collect()
    }

    /// Returns the same path. Errors show it at `span`.
    pub(crate) fn respan(&self, span: Span) -> Self {
        let respan = |token: &TokenTree| {
            let mut token = token.clone();
            token.set_span(token.span().located_at(span));
            token
        };
        Self(self.0.iter().map(respan).collect())
    }

    /// Returns the same path, as if the user had written it at `span`. A `$crate` keeps its span, which is its meaning.
    pub(crate) fn written_at(&self, span: Span) -> Self {
        let respan = |token: &TokenTree| {
            let mut token = token.clone();
            if token.to_string() != "$crate" {
                token.set_span(span);
            }
            token
        };
        Self(self.0.iter().map(respan).collect())
    }
}

impl ToTokens for CratePath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.0.iter().cloned());
    }
}

pub(crate) fn is_bang(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == '!')
}

/// Returns the same group with other content.
pub(crate) fn regroup(group: &Group, content: TokenStream) -> Group {
    let mut regrouped = Group::new(group.delimiter(), content);
    regrouped.set_span(group.span());
    regrouped
}

/// Returns the braces of a generated `async` block. At the span of the user's braces, so that coverage counts the lines in
/// them: `rustc` counts the code of an `async` block only within its braces.
pub(crate) fn braces(content: TokenStream, span: Span) -> Group {
    let mut braces = Group::new(Delimiter::Brace, content);
    braces.set_span(span);
    braces
}

/// Returns the statements in a group of braces, or `None` if the content is anything else.
pub(crate) fn statements(group: &Group) -> Option<Vec<Stmt>> {
    if group.delimiter() != Delimiter::Brace {
        return None;
    }
    Block::parse_within.parse2(group.stream()).ok()
}

/// Returns the tokens of statements.
pub(crate) fn print(statements: &[Stmt]) -> TokenStream {
    statements.iter().map(ToTokens::to_token_stream).collect()
}

/// Splits the input of a declarative macro: the path of the crate in parentheses, and the user's tokens.
pub(crate) fn split_crate(input: TokenStream) -> (CratePath, TokenStream) {
    let mut input = input.into_iter();
    let krate: TokenStream = match input.next() {
        Some(TokenTree::Group(path)) => path.stream(),
        other => other.into_iter().collect(),
    };
    (CratePath::new(krate), input.collect())
}
