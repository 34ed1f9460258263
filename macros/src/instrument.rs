//! `#[tracing::instrument]` on a function that has an attribute of this crate, too: its span covers entering, the block
//! and leaving in either order.
//!
//! It needs an `async fn`, so it is expanded before `#[async_context_manager]`. What it makes of a body is:
//!
//! ```text
//! let __tracing_attr_span = span!(...);
//! let __tracing_instrument_future = async move {
//!     if false {
//!         let __tracing_attr_fake_return: Result<&mut Conn, E> = loop {};
//!         return __tracing_attr_fake_return;
//!     }
//!     { body }
//! };
//! if ... { Instrument::instrument(__tracing_instrument_future, __tracing_attr_span).await } else { ... }
//! ```

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Block, Expr, Local, Pat, Stmt, Type};

use crate::input::FnBody;
use crate::tokens::{self, CratePath};

/// The local that is the span.
const SPAN: &str = "__tracing_attr_span";

/// The local whose type is the return type of the function.
const FAKE_RETURN: &str = "__tracing_attr_fake_return";

/// Whether an attribute is `#[instrument]`, with any path, or may become one.
fn is_instrument(attr: &Attribute) -> bool {
    let path = attr.path();
    path.segments.last().is_some_and(|name| name.ident == "instrument")
        || path.is_ident("cfg_attr")
            && tokens::find_ident(attr.meta.to_token_stream(), &|name| name == "instrument").is_some()
}

/// Removes each `#[instrument]`. Returns whether there is one.
pub(crate) fn remove(attrs: &mut Vec<Attribute>) -> bool {
    let before = attrs.len();
    attrs.retain(|attr| !is_instrument(attr));
    attrs.len() < before
}

/// Puts `#[async_context_manager]` below the other attributes of its function, so that they are expanded first.
///
/// Input:  `#[instrument] async fn connection(...) { ... }`
///
/// Output: `#[instrument] #[async_context_manager] async fn connection(...) { ... }`
pub(crate) fn expand_first(item: TokenStream, args: &TokenStream, krate: &CratePath) -> TokenStream {
    let parse = |input: ParseStream| Ok((input.call(Attribute::parse_outer)?, input.parse::<TokenStream>()?));
    let (attrs, function) = parse.parse2(item.clone()).unwrap_or((Vec::new(), item));
    let manager = quote_spanned!(Span::mixed_site()=> #krate::async_context_manager);
    quote!(#(#attrs)* #[#manager(#args)] #function)
}

/// Sets the type of each fake return, because a body does not return the return type of its function.
///
/// Output: `let __tracing_attr_fake_return: Result<(), E> = loop {};`
pub(crate) fn correct_returns(body: &mut Block, output: &Type) {
    if declares_span(body) {
        FakeReturns { output }.visit_block_mut(body);
    }
}

struct FakeReturns<'a> {
    output: &'a Type,
}

impl VisitMut for FakeReturns<'_> {
    fn visit_local_mut(&mut self, local: &mut Local) {
        visit_mut::visit_local_mut(self, local);
        match &mut local.pat {
            Pat::Type(typed) if is_name(&typed.pat, FAKE_RETURN) => *typed.ty = self.output.clone(),
            _ => {}
        }
    }
}

/// Replaces the body that the user wrote by what `wrap` makes of it. This is all of a body that is not instrumented.
pub(crate) fn wrap_written(body: &mut Block, wrap: impl FnOnce(&Block) -> TokenStream) -> TokenStream {
    let mut written = Written { wrap: Some(wrap) };
    if declares_span(body) {
        written.visit_block_mut(body);
    }
    written.wrap.map_or_else(|| body.to_token_stream(), |wrap| wrap(body))
}

struct Written<F> {
    /// `None` when it has been used, for the innermost body of several `#[instrument]`s.
    wrap: Option<F>,
}

impl<F: FnOnce(&Block) -> TokenStream> VisitMut for Written<F> {
    fn visit_block_mut(&mut self, block: &mut Block) {
        visit_mut::visit_block_mut(self, block);
        let [Stmt::Expr(Expr::If(check), _), Stmt::Expr(written, _)] = &mut *block.stmts else { return };
        let is_fake = |statement: &Stmt| matches!(statement, Stmt::Local(local) if is_fake_return(local));
        let (true, Expr::Block(body)) = (check.then_branch.stmts.iter().any(is_fake), &*written) else { return };
        if let Some(wrap) = self.wrap.take() {
            *written = Expr::Verbatim(wrap(&body.block));
        }
    }
}

fn is_fake_return(local: &Local) -> bool {
    matches!(&local.pat, Pat::Type(typed) if is_name(&typed.pat, FAKE_RETURN))
}

/// Whether a body declares the span of `#[instrument]`.
fn declares_span(body: &Block) -> bool {
    let declares = |statement: &Stmt| matches!(statement, Stmt::Local(local) if is_name(&local.pat, SPAN));
    body.stmts.iter().any(declares)
}

/// Whether `#[instrument]` has been expanded in this body.
pub(crate) fn is_instrumented(body: &FnBody) -> bool {
    matches!(body, FnBody::Parsed(body) if declares_span(body))
}

fn is_name(pattern: &Pat, name: &str) -> bool {
    matches!(pattern, Pat::Ident(pattern) if pattern.ident == name)
}
