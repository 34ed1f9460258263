//! `#[within(...)]`: the whole body of an `async fn` is the block of a `with!`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Block, Expr, Item, Lit, Meta, Path, ReturnType, Signature, Stmt, Token, Type, parse_quote};

use crate::errors::Errors;
use crate::input::{FnBody, FnHeader, FnInput};
use crate::marker::is_manager;
use crate::tokens::CratePath;
use crate::with::header::{self, HeaderEntry};
use crate::{boxed, expand, fallback, instrument, misplaced, tokens, with};

/// The arguments of one attribute.
struct WithinAttribute {
    entries: Vec<HeaderEntry>,
    /// The path of the runtime crate.
    krate: CratePath,
}

/// The attributes of one function. Those that cannot be parsed are `None`.
type Attributes = Vec<Option<WithinAttribute>>;

const IN_IT: &str = "put the attribute on each function in it";

/// Expands the attribute. The output has the errors, if any, and always the function.
///
/// Input:  `connection(pool) as conn`, and `async fn insert(pool: &Pool) -> Result<(), E> { body }`
///
/// Output: `async fn insert(pool: &Pool) -> Result<(), E> { ... }`, with the body from `with/expand.rs`
pub(crate) fn function(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let FnInput { mut header, body, .. } = match syn::parse2(item.clone()) {
        Ok(input) => input,
        Err(error) => {
            errors.push(syn::Error::new(error.span(), misplaced::message(item, IN_IT)));
            return misplaced::with_errors(item.clone(), errors, &CratePath::new(quote!(::async_context_manager)));
        }
    };
    let attributes = attributes(args, &mut header.attrs, &mut errors);
    let returned = returned(&header.sig, &body);
    signature(&mut header, returned.is_some(), &body, &mut errors);
    let body = match body {
        FnBody::Parsed(body) => {
            // An editor needs no more than what accompanies an error.
            parsed(&mut header, body, attributes, returned.filter(|_| errors.is_empty() && !tokens::in_editor()))
        }
        FnBody::Broken(body, error) => {
            errors.push(error);
            stand_in(&attributes, &broken(body.stream()))
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

/// Returns the new body. `returned` is the return type of the `async fn`, or `None` if there are errors.
fn parsed(header: &mut FnHeader, body: Block, attributes: Attributes, returned: Option<ReturnType>) -> TokenStream {
    let is_function = |statement: &Stmt| matches!(statement, Stmt::Item(Item::Fn(_)));
    let Some(returned) = returned else {
        // Another attribute may have moved the function into this one, where it cannot use the names of the managers.
        if header.sig.asyncness.is_none() && body.stmts.iter().any(is_function) {
            return quote!({ ::core::unreachable!() });
        }
        return in_future(&header.sig, body, attributes, |attributes, body| {
            stand_in(&attributes, &tokens::print(&body.stmts))
        });
    };
    if is_never(&returned) {
        header.attrs.push(parse_quote!(#[allow(unreachable_code)]));
    }
    let name = header.sig.ident.span();
    in_future(&header.sig, body, attributes, |attributes, body| {
        within(attributes.into_iter().flatten().collect(), body, &returned, name)
    })
}

/// Returns the replacement of a body that can't be parsed. An editor sees it as it was written.
fn broken(body: TokenStream) -> TokenStream {
    if tokens::in_editor() {
        return body;
    }
    let saved = fallback::salvage(body);
    quote!(#saved ::core::unreachable!())
}

/// Returns the return type of an `async fn`, also of one that `#[async_trait]` has changed.
fn returned(sig: &Signature, body: &FnBody) -> Option<ReturnType> {
    match body {
        _ if sig.asyncness.is_some() => Some(sig.output.clone()),
        FnBody::Missing(_) => boxed::output(&sig.output),
        FnBody::Parsed(body) => boxed::output(&sig.output).filter(|_| boxed::is_future(body)),
        FnBody::Broken(..) => None,
    }
}

/// Replaces the body, also one that `#[async_trait]` has put into a boxed future.
fn in_future(
    sig: &Signature,
    mut body: Block,
    mut attributes: Attributes,
    wrap: impl FnOnce(Attributes, &mut Block) -> TokenStream,
) -> TokenStream {
    let future = if sig.asyncness.is_none() { boxed::future(&mut body) } else { None };
    let Some(future) = future else { return wrap(attributes, &mut body) };
    for entry in attributes.iter_mut().flatten().flat_map(|attribute| &mut attribute.entries) {
        boxed::rename_self(&mut entry.manager, future);
    }
    boxed::wrap_written(future, |written| wrap(attributes, written));
    body.into_token_stream()
}

/// Parses this attribute and those of the same name below it, whose managers are inside. If these were left to the
/// compiler, it would expand them later, and their managers would be outside.
fn attributes(args: TokenStream, attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Attributes {
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
fn signature(FnHeader { attrs, sig, .. }: &mut FnHeader, is_async: bool, body: &FnBody, errors: &mut Errors) {
    if let Some(manager) = attrs.iter().find(|attr| is_manager(attr)) {
        errors.on(manager.path(), IS_MANAGER);
    } else if let Some(manager) = tokens::find_ident(sig.output.to_token_stream(), &|ident| ident == "__private") {
        // An `#[async_context_manager]` above has already expanded to this.
        errors.at(manager.span(), IS_MANAGER);
    } else if let Some(constness) = sig.constness.take() {
        errors.on(constness, "a `const fn` can't await managers: write `async fn`");
    } else if !is_async && was_async(body) {
        errors.at(
            Span::call_site(),
            "`#[within(...)]` needs an `async fn`: write `async fn`, or, if an attribute above it, such as `#[tokio::test]`, has \
             changed the function, move `#[within(...)]` above that attribute",
        );
    } else if !is_async {
        errors.on(sig.fn_token, "`#[within(...)]` needs an `async fn`: write `async fn`");
    }
}

/// Whether another attribute has moved an `async fn` or its body into this body.
fn was_async(body: &FnBody) -> bool {
    match body {
        FnBody::Parsed(body) => tokens::find_ident(body.to_token_stream(), &|word| word == "async").is_some(),
        FnBody::Broken(..) | FnBody::Missing(_) => false,
    }
}

const IS_MANAGER: &str =
    "a manager function can't have `#[within(...)]`: write `with!(... => { r#yield!(...); })` in its body";

/// Wraps the body that the user wrote in the managers. `name` is the span of the function's name.
fn within(attributes: Vec<WithinAttribute>, body: &mut Block, returned: &ReturnType, name: Span) -> TokenStream {
    let private = attributes.first().map(|attribute| attribute.krate.private());
    let expected = private.and_then(|private| expected_output(returned, &private));
    // The span for errors about the return value.
    let output = match returned {
        ReturnType::Default => name,
        ReturnType::Type(_, output) => output.span(),
    };
    let attributes = attributes.into_iter().rev();
    instrument::wrap_written(body, |body| {
        let braces = body.brace_token.span.join();
        let body = attributes.fold(body.to_token_stream(), |body, WithinAttribute { entries, krate }| {
            with::expand::body(entries, &body, &krate, output, braces)
        });
        quote_spanned!(Span::mixed_site()=> { #expected #body })
    })
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
