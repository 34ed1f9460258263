//! `#[within(...)]`: the whole body of an `async fn` is the block of a `with!`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Block, Expr, Lit, Meta, Path, ReturnType, Token, Type, parse_quote};

use crate::errors::Errors;
use crate::input::{FnBody, FnHeader, FnInput};
use crate::marker::is_manager;
use crate::tokens::CratePath;
use crate::with::header::{self, HeaderEntry};
use crate::{expand, fallback, tokens, with};

/// What one attribute says.
struct WithinAttribute {
    entries: Vec<HeaderEntry>,
    /// Where the runtime crate is.
    krate: CratePath,
}

/// The attribute: errors, if any, and the function in any case.
///
/// Input:  `connection(pool) as conn`, and `async fn insert(pool: &Pool) -> Result<(), E> { body }`
///
/// Output: `async fn insert(pool: &Pool) -> Result<(), E> { ... }`, for which see `with/expand.rs`
pub(crate) fn function(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let FnInput { mut header, body } = match syn::parse2(item.clone()) {
        Ok(input) => input,
        Err(error) => {
            let error = syn::Error::new(error.span(), "expected an `async fn`").to_compile_error();
            return quote!(#item #error);
        }
    };
    let attributes = attributes(args, &mut header.attrs, &mut errors);
    signature(&mut header, &mut errors);
    let body = match body {
        FnBody::Parsed(body) if errors.is_empty() => {
            within(attributes.into_iter().flatten().collect(), &body, &mut header)
        }
        FnBody::Parsed(body) => stand_in(&attributes, &tokens::print(&body.stmts)),
        FnBody::Broken(body, error) => {
            errors.push(error);
            let saved = fallback::salvage(body.stream());
            stand_in(&attributes, &quote!(#saved ::core::unreachable!()))
        }
        FnBody::Stub(semi) => {
            errors.on(
                &semi,
                "there is no body to be the block: give the function one, or put `#[within(...)]` where it has one",
            );
            semi
        }
    };
    let FnHeader { attrs, vis, sig } = header;
    let errors = errors.into_tokens();
    quote!(#(#attrs)* #vis #sig #body #errors)
}

/// What this attribute says, and what those of the same name below it do, which are inside of it. (Left to the
/// compiler, they would be expanded later, and so come to be outside.)
fn attributes(args: TokenStream, attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Vec<Option<WithinAttribute>> {
    let is_within = |attr: &Attribute| attr.path().segments.last().is_some_and(|name| name.ident == "within");
    let (inside, others): (Vec<_>, Vec<_>) = std::mem::take(attrs).into_iter().partition(is_within);
    *attrs = others;
    let inside = inside.into_iter().map(|attr| match attr.meta {
        Meta::List(args) => args.tokens,
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    });
    let parsed = [args].into_iter().chain(inside).map(|args| attribute.parse2(args));
    parsed.map(|attribute| attribute.map_err(|error| errors.push(error)).ok()).collect()
}

/// Input:  `crate = path::to::it, connection(pool) as conn`
fn attribute(input: ParseStream) -> syn::Result<WithinAttribute> {
    let krate = krate(input)?;
    let entries = header::parse_all(input)?;
    for HeaderEntry { manager, .. } in &entries {
        if matches!(manager, Expr::Assign(option) if matches!(&*option.left, Expr::Path(name) if name.path.is_ident("crate")))
        {
            return Err(syn::Error::new_spanned(manager, "`crate = path` stands once, before the managers"));
        }
    }
    Ok(WithinAttribute { entries, krate: CratePath::new(krate) })
}

fn krate(input: ParseStream) -> syn::Result<Path> {
    if !(input.peek(Token![crate]) && input.peek2(Token![=])) {
        return Ok(parse_quote!(::async_context_manager));
    }
    input.parse::<Token![crate]>()?;
    input.parse::<Token![=]>()?;
    if input.peek(Lit) {
        return Err(input.error("expected a path without quotes: `crate = path`"));
    }
    let path = input.call(Path::parse_mod_style)?;
    input.parse::<Option<Token![,]>>()?;
    Ok(path)
}

/// The rules for the function. What the compiler would complain of, besides, is taken off.
fn signature(FnHeader { attrs, sig, .. }: &mut FnHeader, errors: &mut Errors) {
    if let Some(manager) = attrs.iter().find(|attr| is_manager(attr)) {
        errors.on(manager.path(), IS_MANAGER);
    } else if let Some(manager) = tokens::find_ident(sig.output.to_token_stream(), &|ident| ident == "__private") {
        // Such an attribute stood above, and this is what it has made.
        errors.at(manager.span(), IS_MANAGER);
    } else if let Some(constness) = sig.constness.take() {
        errors.on(constness, "a function can't be `const` and wait for managers: write `async fn`");
    } else if sig.asyncness.is_none() {
        errors.on(
            sig.fn_token,
            "`#[within(...)]` stands on an `async fn`; if this is one, then move `#[within(...)]` up, above the \
             attributes that make another function of it (`#[tokio::test]`, say)",
        );
    }
}

const IS_MANAGER: &str =
    "a manager function can't be `#[within(...)]` others: write `with!(... => { r#yield!(...); })` in it";

/// The body, in the managers.
fn within(attributes: Vec<WithinAttribute>, body: &Block, FnHeader { attrs, sig, .. }: &mut FnHeader) -> TokenStream {
    let private = attributes.first().map(|attribute| attribute.krate.private());
    let expected = private.and_then(|private| expected_output(&sig.output, &private));
    if is_never(&sig.output) {
        attrs.push(parse_quote!(#[allow(unreachable_code)]));
    }
    // Where an error about what the function returns is to be seen.
    let output = match &sig.output {
        ReturnType::Default => sig.ident.span(),
        ReturnType::Type(_, output) => output.span(),
    };
    let body = attributes.into_iter().rev().fold(body.to_token_stream(), |body, WithinAttribute { entries, krate }| {
        with::expand::body(entries, &body, &krate, output)
    });
    quote_spanned!(Span::mixed_site()=> { #expected #body })
}

/// Tells the compiler the type before it comes to the first `return`, where it can be written in a body: what
/// `#[tokio::main]` makes of the function does not tell it.
fn expected_output(output: &ReturnType, private: &CratePath) -> Option<TokenStream> {
    let hidden = tokens::find_ident(output.to_token_stream(), &|ident| ident == "impl").is_some();
    match output {
        ReturnType::Default => Some(expand::expected_output(&parse_quote!(()), private)),
        ReturnType::Type(_, written) if !hidden && !is_never(output) => Some(expand::expected_output(written, private)),
        ReturnType::Type(..) => None,
    }
}

/// Whether this is `-> !`.
fn is_never(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, output) if matches!(**output, Type::Never(_)))
}

/// What stands in for the body next to an error: the names that the managers are bound to, and the body. Where these
/// names are not known, nothing does.
fn stand_in(attributes: &[Option<WithinAttribute>], body: &TokenStream) -> TokenStream {
    let bindings: Option<TokenStream> = attributes
        .iter()
        .map(|attribute| attribute.as_ref().map(|WithinAttribute { entries, krate }| with::bindings(entries, krate)))
        .collect();
    let body = bindings.map_or_else(|| quote!(::core::unreachable!()), |bindings| quote!(#bindings #body));
    quote!({ #body })
}
