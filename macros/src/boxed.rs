//! A function that `#[async_trait]`, or an attribute like it, has turned into one that returns a boxed future.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Block, Expr, GenericArgument, Local, Pat, Path, PathArguments, PathSegment, ReturnType, Stmt, Token, Type,
    TypeParamBound,
};

use crate::tokens;

/// Returns the output of the boxed future that a function with this return type returns.
///
/// Input:  `-> Pin<Box<dyn Future<Output = u32> + Send>>`
///
/// Output: `-> u32`
pub(crate) fn output(returned: &ReturnType) -> Option<ReturnType> {
    let ReturnType::Type(_, pin) = returned else { return None };
    let boxed = argument(pin, "Pin")?;
    let Type::TraitObject(object) = argument(boxed, "Box")? else { return None };
    object.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => future_output(&bound.path),
        _ => None,
    })
}

/// Returns the first argument of a type, if it has this name.
fn argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(ty) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &last(&ty.path, name)?.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(argument) => Some(argument),
        _ => None,
    })
}

/// Input:  `Future<Output = u32>`
///
/// Output: `-> u32`
fn future_output(path: &Path) -> Option<ReturnType> {
    let PathArguments::AngleBracketed(arguments) = &last(path, "Future")?.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(output) if output.ident == "Output" => {
            Some(ReturnType::Type(<Token![->]>::default(), Box::new(output.ty.clone())))
        }
        _ => None,
    })
}

fn last<'a>(path: &'a Path, name: &str) -> Option<&'a PathSegment> {
    path.segments.last().filter(|last| last.ident == name)
}

/// Whether a body is `Box::pin(async move { ... })`.
pub(crate) fn is_future(body: &Block) -> bool {
    match &*body.stmts {
        [Stmt::Expr(Expr::Call(call), None)] => is_pin(&call.func) && matches!(call.args.first(), Some(Expr::Async(_))),
        _ => false,
    }
}

/// Returns the block of the future in such a body.
pub(crate) fn future(body: &mut Block) -> Option<&mut Block> {
    match &mut *body.stmts {
        [Stmt::Expr(Expr::Call(call), None)] if is_pin(&call.func) => match call.args.first_mut() {
            Some(Expr::Async(future)) => Some(&mut future.block),
            _ => None,
        },
        _ => None,
    }
}

fn is_pin(function: &Expr) -> bool {
    matches!(function, Expr::Path(function) if last(&function.path, "pin").is_some())
}

/// Replaces the body that the user wrote in the block of such a future.
///
/// Input:  `let __self = self; let n = n; let __ret: u32 = { body }; __ret`
///
/// Output: `let __self = self; let n = n; let __ret: u32 = { wrapped }; __ret`
pub(crate) fn wrap_written(future: &mut Block, wrap: impl FnOnce(&mut Block) -> TokenStream) {
    let last = future.stmts.iter_mut().rev().find_map(|statement| match statement {
        Stmt::Local(Local { init: Some(init), .. }) => Some(&mut *init.expr),
        _ => None,
    });
    match last {
        Some(Expr::Block(written)) => {
            let wrapped = Expr::Verbatim(wrap(&mut written.block));
            written.block.stmts = vec![Stmt::Expr(wrapped, None)];
        }
        _ => future.stmts = vec![Stmt::Expr(Expr::Verbatim(wrap(future)), None)],
    }
}

/// Replaces `self` in an expression by the name that it has in the block of such a future.
///
/// Input:  `connection(&self.pool)`
///
/// Output: `connection(&__self.pool)`
pub(crate) fn rename_self(expr: &mut Expr, future: &Block) {
    let this = future.stmts.iter().find_map(|statement| match statement {
        Stmt::Local(Local { pat: Pat::Ident(name), .. }) if name.ident == "__self" => Some(&name.ident),
        _ => None,
    });
    if let Some(this) = this {
        *expr = Expr::Verbatim(renamed(expr.to_token_stream(), this));
    }
}

fn renamed(tokens: TokenStream, this: &Ident) -> TokenStream {
    let rename = |token| match token {
        TokenTree::Ident(name) if name == "self" => {
            Ident::new(&this.to_string(), this.span().located_at(name.span())).into()
        }
        TokenTree::Group(group) => tokens::regroup(&group, renamed(group.stream(), this)).into(),
        other => other,
    };
    tokens.into_iter().map(rename).collect()
}
