//! Expands `#[async_context_manager]`.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::token::Brace;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, FnArg, Lifetime, Pat, PatIdent, Receiver, ReceiverKind, ReturnType, Signature, Stmt, Token, Type,
    parse_quote,
};

use crate::args::Args;
use crate::errors::Errors;
use crate::input::{FnBody, FnHeader, FnInput};
use crate::marker::{self, Marker};
use crate::returns::Returns;
use crate::tokens::{CratePath, Respelled};
use crate::yields;
use crate::{doc, fallback, instrument, lifetime, misplaced, recursion, tokens, validate};

/// Expands the attribute. The output has the errors, if any, and always the item.
pub(crate) fn manager_fn(args: &TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut places = Respelled::default();
    let spelled = tokens::spell_raw(item.clone(), &mut places);
    respelled(places, &mut errors);
    match syn::parse2::<FnInput>(spelled.clone()) {
        Ok(mut input) => {
            let is_instrumented = instrument::remove(&mut input.header.attrs);
            let parsed = Args::parse(args.clone(), &mut errors);
            let krate = parsed.krate.clone();
            let function = function(parsed, input, &mut errors);
            if is_instrumented && errors.is_empty() {
                return instrument::expand_first(spelled, args, &krate);
            }
            with_errors(&function, errors)
        }
        Err(error) => {
            errors.push(syn::Error::new(error.span(), misplaced::message(item, IN_IT)));
            let krate = Args::parse(args.clone(), &mut Errors::default()).krate;
            misplaced::with_errors(spelled, errors, &krate)
        }
    }
}

const IN_IT: &str = "put the attribute on each `async fn` in it that has a `r#yield!`";

/// Reports markers that are spelled in another way.
fn respelled(places: Respelled, errors: &mut Errors) {
    for place in places.keyword {
        errors.at(place, "a manager lends its value with a macro: write `r#yield!(value)`");
    }
    if cfg!(feature = "yield_expr") {
        return;
    }
    for place in places.bare {
        errors.at(
            place,
            "`yield` is a reserved word: write `r#yield!`, or wrap the function in `context_managers! { ... }`",
        );
    }
}

fn with_errors(item: &TokenStream, errors: Errors) -> TokenStream {
    let errors = errors.into_tokens();
    quote!(#item #errors)
}

/// The same for a parsed function that has no other attribute to be expanded first.
pub(crate) fn function(mut args: Args, input: FnInput, errors: &mut Errors) -> TokenStream {
    let FnInput { mut header, body, written } = input;
    if validate::boxed(&header.sig, errors) {
        return boxed(header, &body);
    }
    validate::signature(&header.sig, errors);
    validate::shielded(&header.sig, &mut args, errors);
    let returns = Returns::parse(&header.sig, &mut args, errors);
    doc::add_section(&mut header.attrs, &header.sig, &args);
    match (body, written) {
        (body, TokenTree::Group(written)) if tokens::in_editor() && !instrument::is_instrumented(&body) => {
            if let FnBody::Broken(_, error) = body {
                errors.push(error);
            }
            in_editor(header, &returns, &written, &args, errors)
        }
        (body, _) => compiled(header, &returns, body, &args, errors),
    }
}

/// Returns the manager in an editor, with the tokens of the body as they were written.
fn in_editor(header: FnHeader, returns: &Returns, written: &Group, args: &Args, errors: &mut Errors) -> TokenStream {
    let (body, markers) =
        yields::replace_in_tokens(written.stream(), header.sig.ident.span(), returns.lends(), &args.krate, errors);
    validate::markers(&header.sig, &markers, errors);
    let body = tokens::regroup(written, body).into_token_stream();
    manager(header, returns, &markers, &body, written.span(), args)
}

fn compiled(header: FnHeader, returns: &Returns, body: FnBody, args: &Args, errors: &mut Errors) -> TokenStream {
    let krate = &args.krate;
    match body {
        FnBody::Parsed(mut block) => {
            instrument::correct_returns(&mut block, &returns.output);
            recursion::check(&header.sig, &mut block, krate, errors);
            let markers = yields::replace(&mut block, header.sig.ident.span(), returns.lends(), krate, errors);
            validate::markers(&header.sig, &markers, errors);
            if markers.is_empty() {
                return without_marker(header, returns, &block, krate);
            }
            let braces = block.brace_token.span.join();
            manager(header, returns, &markers, &in_own_braces(&block), braces, args)
        }
        FnBody::Broken(block, error) => {
            errors.push(error);
            let saved = fallback::salvage(block.stream());
            let header = signature(header, returns, krate);
            quote!(#header { let _ = async { #saved }; #krate::Manager::stub() })
        }
        FnBody::Missing(semi) => {
            let header = signature(header, returns, krate);
            quote!(#header #semi)
        }
    }
}

/// Returns the stand-in of a function without a marker. Its body may return the lent value, like an `async fn`, or what a
/// body with a marker returns. It is not reachable, so that the borrow checker does not report that value.
fn without_marker(header: FnHeader, returns: &Returns, body: &Block, krate: &CratePath) -> TokenStream {
    let header = signature(header, returns, krate);
    let ends_in_value = match body.stmts.last() {
        Some(Stmt::Expr(_, semi)) => semi.is_none(),
        Some(Stmt::Macro(last)) => last.semi_token.is_none(),
        _ => false,
    };
    let output = if ends_in_value { returns.with_any_value() } else { Some(returns.output.clone()) };
    let expect = output.map(|output| expected_output(&output, &krate.private()));
    let otherwise = (!ends_in_value).then(|| quote!(::core::unreachable!()));
    quote_spanned! {Span::mixed_site()=>
        #[allow(unused)]
        #header {
            let _ = async move {
                ::core::unreachable!();
                #expect
                #body
                #otherwise
            };
            #krate::Manager::stub()
        }
    }
}

/// Returns the stand-in of a function that already returns a boxed future, which its trait demands.
fn boxed(FnHeader { attrs, vis, sig }: FnHeader, body: &FnBody) -> TokenStream {
    let body = match body {
        FnBody::Missing(semi) => semi.clone(),
        FnBody::Parsed(_) | FnBody::Broken(..) => quote!({ ::core::unreachable!() }),
    };
    quote!(#(#attrs)* #[allow(unused_variables)] #vis #sig #body)
}

/// Input:  `async fn connection(pool: &Pool) -> Result<&mut Conn, E> { body }`
///
/// Output:
///
/// ```text
/// fn connection(pool: &Pool) -> Manager<impl Body<Future = impl Future<Output = Result<(), E>>>, ...> {
///     let __return_type = SameContract::new();
///     let __acm_name = || Named::<Result<(), E>>::new("connection").showing((0, 0, 0));
///     Manager::new(__return_type, __acm_name, move |__acm_handle| async move { { ... } })
/// }
/// ```
///
/// With the option `shielded`, the function `shielded` replaces `Manager::new`. Its last argument, `|value, _| value`, compiles
/// only if the lent type is covariant. An error about it points at the lent type. `block` is in braces whose span is `braces`.
fn manager(
    mut header: FnHeader,
    returns: &Returns,
    markers: &[Marker],
    block: &TokenStream,
    braces: Span,
    args: &Args,
) -> TokenStream {
    let krate = &args.krate;
    let private = krate.private();
    let name = header.sig.ident.to_string();
    let arguments = own_arguments(&mut header.sig, block);
    let this = this_manager(&header.sig.ident, markers, &private);
    let output = &returns.output;
    let expect = expected_output(output, &private);
    let body = body(&header.sig.ident, quote!(#arguments #expect #block), markers, &private, braces);
    let body = in_braces(&quote!(#this #body), braces);
    let new = args.shielded.as_ref().map_or_else(
        || quote_spanned!(Span::mixed_site()=> #krate::Manager::new),
        // An error about the lent type points at the option.
        |option| private.item("shielded", option.span()),
    );
    let shorten = args.shielded.as_ref().map(|_| {
        let site = tokens::site(returns.lent_span);
        quote_spanned!(site=> , |__acm_value, _| __acm_value)
    });
    // An error about the lifetimes of the error type points at the return type.
    let named = {
        let site = tokens::site(output.span());
        let private = private.respan(site);
        quote_spanned!(site=> #private::Named::<#output>::new(#name).showing((0, 0, 0)))
    };
    // An error about the future of the body shows the name of the function.
    let future = quote_spanned!(tokens::site(header.sig.ident.span())=> async move);
    let header = signature(header, returns, krate);
    quote_spanned! {Span::mixed_site()=>
        #header {
            let __return_type = #private::SameContract::new();
            let __acm_name = || #named;
            #new(__return_type, __acm_name, move |__acm_handle| #future #body #shorten)
        }
    }
}

/// Returns the block of an `async` block. The inner braces have the edition of this crate: its temporaries are dropped
/// before its locals.
fn in_braces(content: &TokenStream, span: Span) -> Group {
    tokens::braces(quote_spanned!(Span::mixed_site()=> { #content }), span)
}

/// Returns the tokens of the user's block. If it is only one expression, its braces are not the user's, because `rustc`
/// would report that they are unnecessary in the expansion.
fn in_own_braces(block: &Block) -> TokenStream {
    let is_expression = match &*block.stmts {
        [Stmt::Expr(_, None)] => true,
        [Stmt::Macro(only)] => only.semi_token.is_none(),
        _ => false,
    };
    let mut block = block.clone();
    if is_expression {
        block.brace_token = Brace(Span::mixed_site().located_at(block.brace_token.span.join()));
    }
    block.into_token_stream()
}

/// Returns the code of the body. If the marker may be dropped before the body, the managers in the block may have
/// cleanup left, so the body waits for it at its end.
///
/// Output: `let __acm_body = pin!(async move { ... }); finish(__this_manager, __acm_body, __acm_name).await`
fn body(name: &Ident, body: TokenStream, markers: &[Marker], private: &CratePath, braces: Span) -> TokenStream {
    if !markers.iter().any(|marker| marker.in_async) {
        return body;
    }
    let this = marker::this_manager(name.span());
    let body = in_braces(&body, braces);
    quote_spanned! {tokens::site(name.span())=>
        let __acm_body = ::core::pin::pin!(async move #body);
        #private::finish(#this, __acm_body, __acm_name).await
    }
}

/// Declares the local that the markers of a body can't outlive.
///
/// Output: `let __this_manager = BodyToken::new();`, or a reference to a `DetachedGuard` for a marker in an `async` block
fn this_manager(name: &Ident, markers: &[Marker], private: &CratePath) -> TokenStream {
    let site = tokens::site(name.span());
    let this = marker::this_manager(name.span());
    if markers.iter().any(|marker| marker.in_async) {
        quote_spanned!(site=> let #this = #private::DetachedGuard::new(&__acm_handle); let #this = &#this;)
    } else {
        quote_spanned!(site=> let #this = #private::BodyToken::new();)
    }
}

/// Makes the compiler infer the output of the body before the first `?` or `return`.
///
/// Output: `if false { return expected::<Result<(), E>>().value; }`
pub(crate) fn expected_output(output: &syn::Type, private: &CratePath) -> TokenStream {
    // Errors about the value of the body show the return type.
    let site = tokens::site(output.span());
    let private = private.respan(site);
    quote_spanned! {site=>
        if false {
            return #private::expected::<#output>().value;
        }
    }
}

/// Returns the attributes, the visibility and the signature of the function that returns the manager.
fn signature(header: FnHeader, returns: &Returns, krate: &CratePath) -> TokenStream {
    let FnHeader { attrs, vis, mut sig } = header;
    let private = krate.private();
    let Returns { lent, output, .. } = returns;
    sig.asyncness = None;
    sig.constness = None;
    sig.variadic = None;
    let site = Span::mixed_site();
    if !tokens::in_editor() {
        lifetime::name_arguments(&mut sig);
    }
    // The names are not the user's, who may elide the lifetimes of the return type. Old compilers do not know the lint.
    let allow = quote_spanned!(site=> #[allow(unknown_lints, mismatched_lifetime_syntaxes)]);
    let captures = captures(&sig, &private);
    // With this span, `impl` captures all lifetimes, even in crates of edition 2021.
    let manager = quote_spanned! {site=>
        #krate::Manager<impl #private::Body<Future = impl #private::Future<Output = #output> #captures> #captures, #lent>
    };
    sig.output = ReturnType::Type(Token![->](site), Box::new(Type::Verbatim(manager)));
    quote!(#(#attrs)* #allow #vis #sig)
}

/// Names the lifetimes that the manager captures, as far as they can be named. Without it, errors about borrowed arguments
/// suggest to change the `impl` of the expansion. One bound names all of them: in a trait, the compiler could not tell two
/// bounds apart.
///
/// Input:  `fn connection<'a>(&self, pool: &'a Pool)`
///
/// Output: `+ Captures<(&'a (), &'_ ())>`
fn captures(sig: &Signature, private: &CratePath) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let of_self = sig.receiver().and_then(|this| match &this.kind {
        ReceiverKind::Reference(_, lifetime, _) => Some(lifetime.clone().unwrap_or_else(|| Lifetime::new("'_", site))),
        _ => None,
    });
    let names: Vec<_> = sig.generics.lifetimes().map(|lifetime| lifetime.lifetime.clone()).chain(of_self).collect();
    (!names.is_empty()).then(|| quote_spanned!(site=> + #private::Captures<(#(&#names (),)*)>))
}

/// Moves all arguments whole into the body, which drops them in reverse order, like an `async fn`.
///
/// Input:  `(&self, mut n: u32)`
///
/// Output: `let _ = &n; let _ = &self;`, which moves them into the body without storing them twice
fn own_arguments(sig: &mut Signature, body: &TokenStream) -> TokenStream {
    if tokens::in_editor() {
        return TokenStream::new();
    }
    let to_be_bound = |argument: &FnArg| match argument {
        FnArg::Receiver(_) => false,
        FnArg::Typed(argument) => name(&argument.pat).is_none_or(|name| is_unused(name, body)),
    };
    if sig.inputs.iter().any(to_be_bound) {
        return sig.inputs.iter_mut().enumerate().map(|(index, argument)| bind_argument(argument, index)).collect();
    }
    let own = |argument: &FnArg| {
        let attrs = binding_attrs(argument);
        let name = match argument {
            FnArg::Receiver(receiver) => receiver.self_token.to_token_stream(),
            FnArg::Typed(argument) => name(&argument.pat).to_token_stream(),
        };
        quote_spanned!(Span::mixed_site()=> #attrs let _ = &#name;)
    };
    sig.inputs.iter().rev().map(own).collect()
}

/// Returns the name of an argument, or `None` if it is a pattern.
fn name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(simple) if simple.by_ref.is_none() && simple.subpat.is_none() => Some(&simple.ident),
        _ => None,
    }
}

/// Whether the body does not name an argument, so that `rustc` should warn about it.
fn is_unused(name: &Ident, body: &TokenStream) -> bool {
    !name.to_string().starts_with('_') && tokens::find_ident(body.clone(), &|ident| ident == name).is_none()
}

/// Binds an argument in the body. If any argument is a pattern, all are bound in turn, so that the parts of the
/// patterns are dropped in the right order, too.
///
/// Input:  `(a, b): (A, B)`
///
/// Output: `__acm_argument0: (A, B)`, and `let __acm_argument0 = __acm_argument0; let (a, b) = __acm_argument0;`
fn bind_argument(argument: &mut FnArg, index: usize) -> TokenStream {
    let attrs = binding_attrs(argument);
    let site = Span::mixed_site();
    let pattern = match argument {
        FnArg::Receiver(Receiver { self_token, .. }) => return quote_spanned!(site=> #attrs let _ = &#self_token;),
        FnArg::Typed(argument) => &mut *argument.pat,
    };
    if let Some(name) = name(pattern).cloned() {
        let pattern = std::mem::replace(pattern, parse_quote!(#name));
        return quote_spanned!(site=> #attrs let #pattern = #name;);
    }
    let name = format_ident!("__acm_argument{index}", span = tokens::site(pattern.span()));
    let mut borrowed = BorrowedMutably(false);
    borrowed.visit_pat_mut(pattern);
    let mutability = borrowed.0.then(<Token![mut]>::default);
    let pattern = std::mem::replace(pattern, parse_quote!(#name));
    quote_spanned!(site=> #attrs let #mutability #name = #name; #attrs let #pattern = #name;)
}

/// Finds a `ref mut` in a pattern.
struct BorrowedMutably(bool);

impl VisitMut for BorrowedMutably {
    fn visit_pat_ident_mut(&mut self, binding: &mut PatIdent) {
        self.0 |= binding.by_ref.is_some() && binding.mutability.is_some();
        visit_mut::visit_pat_ident_mut(self, binding);
    }
}

/// Returns the attributes of the statement that binds an argument: `cfg` and lint levels of the argument, and an
/// `allow` for a name that begins with `_`.
fn binding_attrs(argument: &FnArg) -> TokenStream {
    let (attrs, name) = match argument {
        FnArg::Receiver(receiver) => (&receiver.attrs, None),
        FnArg::Typed(argument) => (&argument.attrs, name(&argument.pat)),
    };
    let own = attrs.iter().filter(|attr| ["cfg", "allow", "warn"].iter().any(|name| attr.path().is_ident(name)));
    let unused = name.is_some_and(|name| name.to_string().starts_with('_'));
    let allow = unused.then(|| quote!(#[allow(clippy::used_underscore_binding, clippy::no_effect_underscore_binding)]));
    quote!(#(#own)* #allow)
}
