//! Puts a manager function together.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Pat, Signature, parse_quote};

use crate::args::Args;
use crate::errors::Errors;
use crate::input::{Body, Header, Input};
use crate::returns::Returns;
use crate::yields::{self, Marker, YIELD_POINT};
use crate::{fallback, tokens, validate};

/// The attribute: errors, if any, and the item in any case.
pub(crate) fn manager_fn(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
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
    let expanded = match syn::parse2(spelled) {
        Ok(input) => function(input, &args, &mut errors),
        Err(error) => {
            errors.push(syn::Error::new(error.span(), "expected an `async fn`"));
            item
        }
    };
    let errors = errors.into_tokens();
    quote!(#expanded #errors)
}

/// The same for a function that has been parsed.
pub(crate) fn function_with(args: TokenStream, input: Input) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let expanded = function(input, &args, &mut errors);
    let errors = errors.into_tokens();
    quote!(#expanded #errors)
}

fn function(input: Input, args: &Args, errors: &mut Errors) -> TokenStream {
    let Input { header, body } = input;
    let krate = &args.krate;
    let private = quote!(#krate::__private);
    validate::signature(&header.sig, errors);
    let returns = Returns::parse(&header.sig.output, &private, errors);
    match body {
        Body::Parsed(mut block) => {
            let markers = yields::replace(&mut block, !returns.broken, &private, errors);
            validate::markers(&header.sig, &markers, errors);
            manager(header, &returns, &markers, &block, krate)
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
    }
}

/// Input:  `async fn connection(pool: &Pool) -> Result<&mut Conn, E> { body }`
///
/// Output: `fn connection(pool: &Pool) -> Manager<impl Future<Output = Result<(), E>>, ...> { Manager::new(...) }`
fn manager(
    mut header: Header,
    returns: &Returns,
    markers: &[Marker],
    block: &syn::Block,
    krate: &TokenStream,
) -> TokenStream {
    let private = quote!(#krate::__private);
    let name = header.sig.ident.to_string();
    let arguments = name_arguments(&mut header.sig);
    let attach = attach(&header.sig.ident, returns, markers, &private);
    let expect = expected_exit(&returns.exit);
    let header = signature(header, returns, krate);
    quote_spanned! {Span::mixed_site()=>
        #header {
            #krate::Manager::new(&#private::About { name: #name }, async move {
                #attach
                #arguments
                #expect
                #block
            })
        }
    }
}

/// Output: `let this_manager = Inline; let manager_yield_point = attach::<...>(&this_manager).await;`
fn attach(name: &Ident, returns: &Returns, markers: &[Marker], private: &TokenStream) -> TokenStream {
    let site = Span::mixed_site().located_at(name.span());
    // An error about something that outlives the body shows it by this name, so it is not a hygienic one.
    let this = Ident::new("this_manager", name.span());
    let yield_point = Ident::new(YIELD_POINT, site);
    let lent = returns.lent(private);
    let in_async = markers.iter().any(|marker| marker.in_async);
    let here = if in_async { quote_spanned!(site=> Home::default()) } else { quote_spanned!(site=> Inline) };
    quote_spanned! {site=>
        let #this = #private::#here;
        let #yield_point = #private::attach::<#lent, _>(&#this).await;
    }
}

/// Tells the compiler what the body ends in before it comes to the first `?` or `return`.
fn expected_exit(exit: &syn::Type) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        if let ::core::option::Option::Some(exit) = ::core::option::Option::None::<#exit> {
            return exit;
        }
    }
}

/// The attributes, the visibility and the signature of the function that gives the manager.
fn signature(header: Header, returns: &Returns, krate: &TokenStream) -> TokenStream {
    let Header { attrs, vis, mut sig } = header;
    let private = quote!(#krate::__private);
    let lent = returns.lent(&private);
    let exit = &returns.exit;
    sig.asyncness = None;
    sig.constness = None;
    sig.variadic = None;
    // `impl` from here captures all lifetimes, in crates of edition 2021 too.
    sig.output = syn::parse2(quote_spanned! {Span::mixed_site()=>
        -> #krate::Manager<impl #private::Future<Output = #exit>, #lent>
    })
    .unwrap_or(syn::ReturnType::Default);
    quote!(#(#attrs)* #vis #sig)
}

/// Makes the body own its arguments, all and whole, as an `async fn` does.
///
/// Input:  `(&self, mut n: u32, (a, b): (A, B))`
///
/// Output: `(&self, mut n: u32, argument2: (A, B))` and `let _ = (&self, &n); let (a, b) = argument2;`
fn name_arguments(sig: &mut Signature) -> TokenStream {
    let mut owned = Vec::new();
    let mut patterns = TokenStream::new();
    for (index, argument) in sig.inputs.iter_mut().enumerate() {
        match argument {
            FnArg::Receiver(receiver) => owned.push(receiver.self_token.to_token_stream()),
            FnArg::Typed(argument) => match &mut *argument.pat {
                Pat::Ident(simple) if simple.by_ref.is_none() && simple.subpat.is_none() => {
                    owned.push(simple.ident.to_token_stream());
                }
                pattern => {
                    let name = format_ident!("argument{index}", span = Span::mixed_site().located_at(pattern.span()));
                    let pattern = std::mem::replace(pattern, parse_quote!(#name));
                    patterns.extend(quote_spanned!(Span::mixed_site()=> let #pattern = #name;));
                }
            },
        }
    }
    let owned = (!owned.is_empty()).then(|| quote_spanned!(Span::mixed_site()=> let _ = (#(&#owned,)*);));
    quote!(#owned #patterns)
}
