//! What stands in for code that can't be parsed, so that an editor still knows the names in it.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Stmt};

/// The statements of a broken block that can be parsed, and of those that can't what they begin with.
///
/// Input:  `let n = conn.len(); conn. ; drop(n)`
///
/// Output: `let n = conn.len(); conn; drop(n)`
pub(crate) fn salvage(block: TokenStream) -> TokenStream {
    let mut saved = TokenStream::new();
    let mut rest = block;
    while !rest.is_empty() {
        let (statement, after) = next_statement(rest);
        saved.extend(statement);
        rest = after;
    }
    saved
}

/// What can be read of the first statement, and what comes after it.
fn next_statement(tokens: TokenStream) -> (TokenStream, TokenStream) {
    let whole = |input: ParseStream| Ok((input.parse::<Stmt>()?, input.parse::<TokenStream>()?));
    match whole.parse2(tokens.clone()) {
        // The value of a block, though more may come.
        Ok((Stmt::Expr(expr, None), rest)) => return (quote!(let _ = &#expr;), rest),
        Ok((statement, rest)) => return (statement.into_token_stream(), rest),
        Err(_) => {}
    }
    let (broken, rest) = split_at_end(tokens);
    (beginning(broken), rest)
}

/// Splits behind the first `;` or block.
fn split_at_end(tokens: TokenStream) -> (TokenStream, TokenStream) {
    let mut tokens = tokens.into_iter();
    let ends = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    let mut ended = false;
    let statement = tokens.by_ref().take_while(|token| !std::mem::replace(&mut ended, ends(token)) || !ended).collect();
    (statement, tokens.collect())
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
