//! What stands in for code that can't be parsed, so that an editor still knows the names in it.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Stmt};

/// The statements of a broken block up to the broken one, and of that what it begins with. What comes after it may use
/// what it would have bound, and is left out.
///
/// Input:  `let n = conn.len(); conn. ; drop(n)`
///
/// Output: `let n = conn.len(); let _ = &conn;`
pub(crate) fn salvage(block: TokenStream) -> TokenStream {
    let mut saved = TokenStream::new();
    let mut rest = block;
    while !rest.is_empty() {
        match first_statement.parse2(rest.clone()) {
            // The value of a block, though more may come.
            Ok((Stmt::Expr(expr, None), after)) => {
                saved.extend(quote!(let _ = &#expr;));
                rest = after;
            }
            Ok((statement, after)) => {
                statement.to_tokens(&mut saved);
                rest = after;
            }
            Err(_) => {
                saved.extend(beginning(rest));
                break;
            }
        }
    }
    saved
}

fn first_statement(input: ParseStream) -> syn::Result<(Stmt, TokenStream)> {
    Ok((input.parse()?, input.parse()?))
}

/// What the longest beginning of a broken statement that is an expression is said of; for `let x = conn.`, of what
/// follows the `=`.
fn beginning(tokens: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
    if let Some(equals) =
        tokens.iter().position(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '='))
    {
        tokens.drain(..=equals);
    }
    while !tokens.is_empty() {
        if let Ok(expr) = syn::parse2::<Expr>(tokens.iter().cloned().collect()) {
            let name = receiver(expr);
            return quote!(let _ = &#name;);
        }
        tokens.pop();
    }
    TokenStream::new()
}

/// What a chain of calls and fields begins with: how it goes on is not to be relied on yet.
fn receiver(expr: Expr) -> Expr {
    match expr {
        Expr::Field(field) => receiver(*field.base),
        Expr::MethodCall(call) => receiver(*call.receiver),
        Expr::Await(awaited) => receiver(*awaited.base),
        Expr::Try(tried) => receiver(*tried.expr),
        Expr::Index(index) => receiver(*index.expr),
        other => other,
    }
}
