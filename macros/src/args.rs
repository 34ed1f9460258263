//! The options of the attribute.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, Lit, Path, Token, parse_quote};

use crate::errors::Errors;

pub(crate) struct Args {
    /// Where the runtime crate is.
    pub(crate) krate: TokenStream,
}

/// `name` or `name = path`.
struct Arg {
    name: Ident,
    value: Option<Path>,
}

impl Parse for Arg {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) if input.peek(Lit) => return Err(input.error("expected a path without quotes: `crate = path`")),
            Some(_) => Some(input.call(Path::parse_mod_style)?),
            None => None,
        };
        Ok(Self { name, value })
    }
}

impl Args {
    /// Reads the options; what is wrong with them goes to `errors`, and the default is taken.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut krate = None;
        let args = Punctuated::<Arg, Token![,]>::parse_terminated.parse2(tokens);
        for arg in args.unwrap_or_else(|error| {
            errors.push(error);
            Punctuated::new()
        }) {
            match (arg.name.to_string().as_str(), arg.value) {
                ("crate", Some(_)) if krate.is_some() => errors.on(&arg.name, "`crate` is given twice"),
                ("crate", Some(path)) => krate = Some(path),
                ("crate", None) => errors.on(&arg.name, "where the crate is: write `crate = path`"),
                (name, _) => errors.on(&arg.name, format_args!("unknown option `{name}`; there is `crate = path`")),
            }
        }
        let krate: Path = krate.unwrap_or_else(|| parse_quote!(::async_context_manager));
        Self { krate: quote!(#krate) }
    }
}
