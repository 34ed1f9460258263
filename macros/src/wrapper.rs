//! `context_managers! { ... }`: items in which the marker may be spelled `yield!`.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, ImplItemFn, Item, ItemFn, Macro, Meta, Stmt, Token, TraitItemFn};

use crate::errors::Errors;
use crate::input::Input;
use crate::tokens::Prefix;
use crate::{expand, tokens, yields};

/// Input:  `(path::to::crate) #[async_context_manager] async fn a() { yield!(); }`
///
/// Output: `#[async_context_manager] async fn a() { r#yield!(); }`
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let (krate, items) = split_crate(input);
    let mut errors = Errors::default();
    let mut items = match parse_items.parse2(tokens::spell_raw(items, &mut Vec::new())) {
        Ok(items) => items,
        Err(error) => return error.to_compile_error(),
    };
    let mut outside = Outside { krate: &krate, errors: &mut errors };
    for item in &mut items {
        outside.visit_item_mut(item);
    }
    let items: TokenStream = items.iter().map(ToTokens::to_token_stream).collect();
    items.into_iter().chain(errors.into_tokens()).collect()
}

/// The crate's path, which the declarative macros put in parentheses before the user's tokens; and these.
pub(crate) fn split_crate(input: TokenStream) -> (Prefix, TokenStream) {
    let mut input = input.into_iter();
    let krate: TokenStream = match input.next() {
        Some(TokenTree::Group(path)) => path.stream(),
        other => other.into_iter().collect(),
    };
    (Prefix::new(krate), input.collect())
}

/// The items. A manager function in which someone is typing is expanded here, as `rustc` could not parse it.
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

fn broken_function(input: ParseStream) -> syn::Result<TokenStream> {
    let mut function: Input = input.parse()?;
    let args = function.header.attrs.iter().position(is_manager).map(|index| function.header.attrs.remove(index));
    let args = match args.map(|attr| attr.meta) {
        Some(Meta::List(args)) => args.tokens,
        _ => TokenStream::new(),
    };
    Ok(expand::function(args, function, Errors::default()))
}

/// Finds markers in functions that are no managers.
struct Outside<'a> {
    krate: &'a Prefix,
    errors: &'a mut Errors,
}

impl Outside<'_> {
    fn misplaced(&mut self, mac: &Macro) -> TokenStream {
        misplaced(&mac.path, mac.tokens.clone(), self.krate, self.errors)
    }
}

/// What stands in for a marker outside a manager function; the error goes to `errors`.
pub(crate) fn misplaced(name: impl ToTokens, value: TokenStream, krate: &Prefix, errors: &mut Errors) -> TokenStream {
    errors.on(name, "`yield!` outside a manager function: put `#[async_context_manager]` on the `async fn` that it is to be the yield point of");
    let value = yields::parse_value.parse2(value).unwrap_or_else(|_| syn::parse_quote!(()));
    quote::quote_spanned!(proc_macro2::Span::mixed_site()=> #krate::__private::misplaced(#value))
}

impl VisitMut for Outside<'_> {
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
            Expr::Macro(marker) if yields::is_marker(&marker.mac.path) => {
                *expr = Expr::Verbatim(self.misplaced(&marker.mac));
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        match statement {
            Stmt::Macro(marker) if yields::is_marker(&marker.mac.path) => {
                *statement = Stmt::Expr(Expr::Verbatim(self.misplaced(&marker.mac)), Some(<Token![;]>::default()));
            }
            _ => visit_mut::visit_stmt_mut(self, statement),
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        mac.tokens = replace_misplaced(std::mem::take(&mut mac.tokens), self.krate, self.errors);
    }
}

/// The same for the arguments of a macro.
pub(crate) fn replace_misplaced(stream: TokenStream, krate: &Prefix, errors: &mut Errors) -> TokenStream {
    let mut stream = stream.into_iter().peekable();
    let mut replaced = TokenStream::new();
    while let Some(token) = stream.next() {
        if matches!(&token, TokenTree::Ident(name) if tokens::is_yield(name))
            && stream.peek().is_some_and(tokens::is_bang)
        {
            stream.next();
            let value = stream.next().map_or_else(TokenStream::new, yields::content);
            replaced.extend(misplaced(token, value, krate, errors));
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                let content = replace_misplaced(group.stream(), krate, errors);
                Group::to_tokens(&tokens::regroup(&group, content), &mut replaced);
            }
            other => other.to_tokens(&mut replaced),
        }
    }
    replaced
}

/// Whether an attribute makes a function a manager.
pub(crate) fn is_manager(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|name| name.ident == "async_context_manager")
}
