//! Puts a manager function together.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, FnArg, Pat, PatIdent, Receiver, ReturnType, Signature, Token, Type, parse_quote};

use crate::args::Args;
use crate::errors::Errors;
use crate::input::{Body, Header, Input};
use crate::returns::Returns;
use crate::tokens::Prefix;
use crate::yields::{self, Marker, YIELD_POINT};
use crate::{fallback, tokens, validate};

/// The attribute: errors, if any, and the item in any case.
pub(crate) fn manager_fn(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut bare = Vec::new();
    let spelled = tokens::spell_raw(item.clone(), &mut bare);
    if !cfg!(feature = "yield_expr") {
        for place in bare {
            errors.at(
                place,
                "`yield` is a reserved word: write `r#yield!`, or wrap the function in `context_managers! { ... }`",
            );
        }
    }
    match syn::parse2(spelled) {
        Ok(input) => function(args, input, errors),
        Err(error) => {
            errors.push(syn::Error::new(error.span(), "expected an `async fn`"));
            let errors = errors.into_tokens();
            quote!(#item #errors)
        }
    }
}

/// The same for a function that has been parsed.
pub(crate) fn function(args: TokenStream, input: Input, mut errors: Errors) -> TokenStream {
    let mut args = Args::parse(args, &mut errors);
    let Input { header, body } = input;
    validate::signature(&header.sig, &mut errors);
    validate::shielded(&header.sig, &mut args, &mut errors);
    let krate = &args.krate;
    let returns = Returns::parse(&header.sig.output, &args, &mut errors);
    let expanded = match body {
        Body::Parsed(mut block) => {
            let markers = yields::replace(&mut block, !returns.broken, krate, &mut errors);
            validate::markers(&header.sig, &markers, &mut errors);
            manager(header, &returns, &markers, &block, &args)
        }
        Body::Broken(block, error) => {
            errors.push(error);
            let saved = fallback::salvage(block.stream());
            let header = signature(header, &returns, krate);
            quote!(#header { let _ = async { #saved }; #krate::Manager::absent() })
        }
        Body::Absent(semi) => {
            let header = signature(header, &returns, krate);
            quote!(#header #semi)
        }
    };
    let errors = errors.into_tokens();
    quote!(#expanded #errors)
}

/// Input:  `async fn connection(pool: &Pool) -> Result<&mut Conn, E> { body }`
///
/// Output: `fn connection(pool: &Pool) -> Manager<impl Future<Output = Result<(), E>>, ...> { Manager::new(...) }`, or
/// `Manager::new(...).shielded()`
fn manager(mut header: Header, returns: &Returns, markers: &[Marker], block: &Block, args: &Args) -> TokenStream {
    let krate = &args.krate;
    let private = krate.private();
    let name = header.sig.ident.to_string();
    let block = block.to_token_stream();
    let arguments = own_arguments(&mut header.sig, &block);
    let attach = attach(&header.sig.ident, returns, markers, &private);
    let expect = expected_output(&returns.output);
    let body = body(&header.sig.ident, quote!(#arguments #expect #block), markers);
    let shielded = args.shielded.iter();
    let header = signature(header, returns, krate);
    quote_spanned! {Span::mixed_site()=>
        #header {
            #krate::Manager::new(&#private::About::Function(#name), async move {
                #attach
                #body
            })
            #(.#shielded())*
        }
    }
}

/// Where the marker may be dropped before the body is, something can be left of the managers in the block, for which the
/// body waits at its end.
///
/// Output: `let body = pin!(async move { ... }); manager_yield_point.end(body).await`
fn body(name: &Ident, body: TokenStream, markers: &[Marker]) -> TokenStream {
    if !markers.iter().any(|marker| marker.in_async) {
        return body;
    }
    let site = Span::mixed_site().located_at(name.span());
    let yield_point = Ident::new(YIELD_POINT, site);
    quote_spanned! {site=>
        let body = ::core::pin::pin!(async move { #body });
        #yield_point.end(body).await
    }
}

/// Output: `let home = Inline; let this_manager = Lifespan; let manager_yield_point = attach::<...>(&this_manager,
/// &home).await;`
fn attach(name: &Ident, returns: &Returns, markers: &[Marker], private: &Prefix) -> TokenStream {
    let site = Span::mixed_site().located_at(name.span());
    let in_async = markers.iter().any(|marker| marker.in_async);
    let home = if in_async { quote_spanned!(site=> Home::default()) } else { quote_spanned!(site=> Inline) };
    // An error about something that outlives the body shows it by this name, so it is not a hygienic one.
    let this = Ident::new("__this_manager", name.span());
    let yield_point = Ident::new(YIELD_POINT, site);
    let lent = &returns.lent;
    quote_spanned! {site=>
        let home = #private::#home;
        let #this = #private::Lifespan;
        let #yield_point = #private::attach::<#lent, _>(&#this, &home).await;
    }
}

/// Tells the compiler what the body ends in before it comes to the first `?` or `return`.
pub(crate) fn expected_output(output: &syn::Type) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        if let ::core::option::Option::Some(output) = ::core::option::Option::None::<#output> {
            return output;
        }
    }
}

/// The attributes, the visibility and the signature of the function that gives the manager.
fn signature(header: Header, returns: &Returns, krate: &Prefix) -> TokenStream {
    let Header { attrs, vis, mut sig } = header;
    let private = krate.private();
    let Returns { lent, output, .. } = returns;
    sig.asyncness = None;
    sig.constness = None;
    sig.variadic = None;
    let site = Span::mixed_site();
    // `impl` from here captures all lifetimes, in crates of edition 2021 too.
    let manager = quote_spanned! {site=>
        #krate::Manager<impl #private::Future<Output = #output>, #lent>
    };
    sig.output = ReturnType::Type(Token![->](site), Box::new(Type::Verbatim(manager)));
    quote!(#(#attrs)* #vis #sig)
}

/// Makes the body own its arguments, all and whole, and drop them as an `async fn` does: the last one first.
///
/// Input:  `(&self, mut n: u32)`
///
/// Output: `let _ = &n; let _ = &self;`, which moves them into the body without taking room twice
fn own_arguments(sig: &mut Signature, body: &TokenStream) -> TokenStream {
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

/// The name that an argument has, if it is not a pattern.
fn name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(simple) if simple.by_ref.is_none() && simple.subpat.is_none() => Some(&simple.ident),
        _ => None,
    }
}

/// Whether the body does not name an argument, so that `rustc` is to have a look at it.
fn is_unused(name: &Ident, body: &TokenStream) -> bool {
    !name.to_string().starts_with('_') && tokens::find_ident(body.clone(), &|ident| ident == name).is_none()
}

/// Where there are patterns, each argument is bound in turn, so that their parts are dropped in order, too.
///
/// Input:  `(a, b): (A, B)`
///
/// Output: `argument0: (A, B)`, and `let argument0 = argument0; let (a, b) = argument0;`
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
    let name = format_ident!("argument{index}", span = site.located_at(pattern.span()));
    let mut borrowed = BorrowedMutably(false);
    borrowed.visit_pat_mut(pattern);
    let mutability = borrowed.0.then(<Token![mut]>::default);
    let pattern = std::mem::replace(pattern, parse_quote!(#name));
    quote_spanned!(site=> #attrs let #mutability #name = #name; #attrs let #pattern = #name;)
}

/// Whether a pattern has a `ref mut`.
struct BorrowedMutably(bool);

impl VisitMut for BorrowedMutably {
    fn visit_pat_ident_mut(&mut self, binding: &mut PatIdent) {
        self.0 |= binding.by_ref.is_some() && binding.mutability.is_some();
        visit_mut::visit_pat_ident_mut(self, binding);
    }
}

/// The attributes of the statement that binds an argument: its own, as far as they matter there, and what lints are
/// not to say of a name that begins with `_`.
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
