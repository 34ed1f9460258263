//! `context_managers! { ... }`: items in which the marker can be spelled `yield!`.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ImplItemFn, Item, ItemFn, Macro, Meta, Stmt, Token, TraitItemFn};

use crate::args::Args;
use crate::errors::Errors;
use crate::input::FnInput;
use crate::marker::{function_after, is_manager, is_manager_attribute, is_marker, replace_stray, stub_yield};
use crate::tokens::{CratePath, Respelled, split_crate};
use crate::{expand, instrument, tokens};

/// Input:  `(path::to::crate) #[async_context_manager] async fn a() { yield!(); }`
///
/// Output: `#[async_context_manager] async fn a() { r#yield!(); }`
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let (krate, items) = split_crate(input);
    let mut places = Respelled::default();
    let spelled = tokens::spell_raw(items, &mut places);
    if tokens::in_editor() {
        return expand_functions(spelled);
    }
    let mut errors = Errors::default();
    for place in places.keyword {
        errors.at(place, "a manager lends its value with a macro: write `yield!(value)`");
    }
    let mut items = match parse_items.parse2(spelled) {
        Ok(items) => items,
        Err(error) => return error.to_compile_error(),
    };
    let mut stray = StrayMarkers { krate: &krate, errors: &mut errors };
    for item in &mut items {
        stray.visit_item_mut(item);
    }
    let items: TokenStream = items.iter().map(ToTokens::to_token_stream).collect();
    items.into_iter().chain(errors.into_tokens()).collect()
}

/// Expands each manager function in tokens that need not be items, for an editor. Nothing else is changed.
fn expand_functions(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut expanded = TokenStream::new();
    while let Some(token) = tokens.next() {
        match (token, tokens.peek()) {
            (TokenTree::Punct(hash), Some(TokenTree::Group(attr)))
                if hash.as_char() == '#' && is_manager_attribute(attr) =>
            {
                let args = attr.stream().into_iter().last().map_or_else(TokenStream::new, arguments);
                tokens.next();
                expanded.extend(expand::manager_fn(&args, &function_after(&mut tokens)));
            }
            (TokenTree::Group(group), _) => {
                tokens::regroup(&group, expand_functions(group.stream())).to_tokens(&mut expanded);
            }
            (other, _) => other.to_tokens(&mut expanded),
        }
    }
    expanded
}

/// Returns the tokens in parentheses.
fn arguments(token: TokenTree) -> TokenStream {
    match token {
        TokenTree::Group(group) => group.stream(),
        _ => TokenStream::new(),
    }
}

/// Parses the items. A manager function that cannot be parsed, because someone is typing, is expanded here: `rustc`
/// could not parse it either.
fn parse_items(input: ParseStream) -> syn::Result<Vec<Item>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        let ahead = input.fork();
        if let Ok(item) = ahead.parse() {
            input.advance_to(&ahead);
            items.push(item);
        } else {
            items.push(Item::Verbatim(broken_function(input)?));
        }
    }
    Ok(items)
}

/// Expands a manager function whose body cannot be parsed.
fn broken_function(input: ParseStream) -> syn::Result<TokenStream> {
    let mut function: FnInput = input.parse()?;
    let args = function.header.attrs.iter().position(is_manager).map(|index| function.header.attrs.remove(index));
    let args = match args.map(|attr| attr.meta) {
        Some(Meta::List(args)) => args.tokens,
        _ => TokenStream::new(),
    };
    let mut errors = Errors::default();
    instrument::remove(&mut function.header.attrs);
    let expanded = expand::function(Args::parse(args, &mut errors), function, &mut errors);
    let errors = errors.into_tokens();
    Ok(quote!(#expanded #errors))
}

/// Replaces the markers in functions that are not managers.
struct StrayMarkers<'a> {
    krate: &'a CratePath,
    errors: &'a mut Errors,
}

impl StrayMarkers<'_> {
    fn stub_yield(&mut self, mac: &Macro) -> TokenStream {
        stub_yield(&mac.path, mac.tokens.clone(), self.krate, self.errors)
    }
}

impl VisitMut for StrayMarkers<'_> {
    fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
        if !function.attrs.iter().any(is_manager) {
            visit_mut::visit_item_fn_mut(self, function);
        }
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        if !function.attrs.iter().any(is_manager) {
            visit_mut::visit_impl_item_fn_mut(self, function);
        }
    }

    fn visit_trait_item_fn_mut(&mut self, function: &mut TraitItemFn) {
        if !function.attrs.iter().any(is_manager) {
            visit_mut::visit_trait_item_fn_mut(self, function);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Macro(marker) if is_marker(&marker.mac.path) => {
                *expr = Expr::Verbatim(self.stub_yield(&marker.mac));
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        match statement {
            Stmt::Macro(marker) if is_marker(&marker.mac.path) => {
                *statement = Stmt::Expr(Expr::Verbatim(self.stub_yield(&marker.mac)), Some(<Token![;]>::default()));
            }
            _ => visit_mut::visit_stmt_mut(self, statement),
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        mac.tokens = replace_stray(std::mem::take(&mut mac.tokens), self.krate, self.errors);
    }
}
