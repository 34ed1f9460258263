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

/// The arguments of one attribute.
struct WithinAttribute {
    entries: Vec<HeaderEntry>,
    /// The path of the runtime crate.
    krate: CratePath,
}

/// Expands the attribute. The output has the errors, if any, and always the function.
///
/// Input:  `connection(pool) as conn`, and `async fn insert(pool: &Pool) -> Result<(), E> { body }`
///
/// Output: `async fn insert(pool: &Pool) -> Result<(), E> { ... }`, with the body from `with/expand.rs`
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
        FnBody::Missing(semi) => {
            errors.on(
                &semi,
                "`#[within(...)]` needs a function body: write one, or move the attribute to the implementation",
            );
            semi
        }
    };
    let FnHeader { attrs, vis, sig } = header;
    let errors = errors.into_tokens();
    quote!(#(#attrs)* #vis #sig #body #errors)
}

/// Parses this attribute and those of the same name below it, whose managers are inside. If these were left to the
/// compiler, it would expand them later, and their managers would be outside.
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
            return Err(syn::Error::new_spanned(manager, "`crate = path` must be written once, before the managers"));
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

/// Checks the function. Removes a `const`, which the compiler would report a second time.
fn signature(FnHeader { attrs, sig, .. }: &mut FnHeader, errors: &mut Errors) {
    if let Some(manager) = attrs.iter().find(|attr| is_manager(attr)) {
        errors.on(manager.path(), IS_MANAGER);
    } else if let Some(manager) = tokens::find_ident(sig.output.to_token_stream(), &|ident| ident == "__private") {
        // An `#[async_context_manager]` above has already expanded to this.
        errors.at(manager.span(), IS_MANAGER);
    } else if let Some(constness) = sig.constness.take() {
        errors.on(constness, "a `const fn` can't await managers: write `async fn`");
    } else if sig.asyncness.is_none() {
        errors.on(
            sig.fn_token,
            "`#[within(...)]` needs an `async fn`: write `async fn`, or move `#[within(...)]` above the attributes \
             that change the function, such as `#[tokio::test]`",
        );
    }
}

const IS_MANAGER: &str =
    "a manager function can't have `#[within(...)]`: write `with!(... => { r#yield!(...); })` in its body";

/// Wraps the body in the managers.
fn within(attributes: Vec<WithinAttribute>, body: &Block, FnHeader { attrs, sig, .. }: &mut FnHeader) -> TokenStream {
    let private = attributes.first().map(|attribute| attribute.krate.private());
    let expected = private.and_then(|private| expected_output(&sig.output, &private));
    if is_never(&sig.output) {
        attrs.push(parse_quote!(#[allow(unreachable_code)]));
    }
    // The span for errors about the return value.
    let output = match &sig.output {
        ReturnType::Default => sig.ident.span(),
        ReturnType::Type(_, output) => output.span(),
    };
    let body = attributes.into_iter().rev().fold(body.to_token_stream(), |body, WithinAttribute { entries, krate }| {
        with::expand::body(entries, &body, &krate, output)
    });
    quote_spanned!(Span::mixed_site()=> { #expected #body })
}

/// Makes the compiler infer the return type before the first `return`, unless the type cannot be written in a body. The
/// expansion of `#[tokio::main]` needs this.
fn expected_output(output: &ReturnType, private: &CratePath) -> Option<TokenStream> {
    let hidden = tokens::find_ident(output.to_token_stream(), &|ident| ident == "impl").is_some();
    match output {
        ReturnType::Default => Some(expand::expected_output(&parse_quote!(()), private)),
        ReturnType::Type(_, written) if !hidden && !is_never(output) => Some(expand::expected_output(written, private)),
        ReturnType::Type(..) => None,
    }
}

/// Whether the return type is `!`.
fn is_never(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, output) if matches!(**output, Type::Never(_)))
}

/// Returns the replacement of the body in code that accompanies an error: it binds the names of the managers before the
/// body. If a name is not known, the body is omitted.
fn stand_in(attributes: &[Option<WithinAttribute>], body: &TokenStream) -> TokenStream {
    let bindings: Option<TokenStream> = attributes
        .iter()
        .map(|attribute| attribute.as_ref().map(|WithinAttribute { entries, krate }| with::bindings(entries, krate)))
        .collect();
    let body = bindings.map_or_else(|| quote!(::core::unreachable!()), |bindings| quote!(#bindings #body));
    quote!({ #body })
}
