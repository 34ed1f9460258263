//! Keeps the part of a broken block that can be parsed, so that an editor still knows the names in it.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Stmt};

/// Returns the statements of a broken block before the broken one, and a use of the expression that the broken one
/// begins with. The statements after it are omitted, because they may use names that it would have bound.
///
/// Input:  `let n = conn.len(); conn. ; drop(n)`
///
/// Output: `let n = conn.len(); let _ = &conn;`
pub(crate) fn salvage(block: TokenStream) -> TokenStream {
    let mut saved = TokenStream::new();
    let mut rest = block;
    while !rest.is_empty() {
        match first_statement.parse2(rest.clone()) {
            // The value of the block, although more tokens may follow.
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

/// Finds the longest prefix of a broken statement that parses as an expression, and returns a use of its receiver. In
/// `let x = conn.`, the prefix begins after the `=`.
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

/// Returns the expression that a chain of calls and fields begins with. The rest of the chain may be incomplete.
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
