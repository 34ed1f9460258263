//! The options of `#[async_context_manager]`.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, Lit, Path, Token, parse_quote};

use crate::errors::Errors;
use crate::tokens::CratePath;

pub(crate) struct Args {
    /// The path of the runtime crate.
    pub(crate) krate: CratePath,
    /// The option `catch`: the errors of the block are moved into the manager.
    pub(crate) catch: Option<Ident>,
    /// The option `suppress`: the manager may end the block without a value.
    pub(crate) suppress: Option<Ident>,
    /// The option `shielded`: only the block can be cancelled.
    pub(crate) shielded: Option<Ident>,
}

/// `name` or `name = path`.
struct Arg {
    name: Ident,
    value: Option<Path>,
}

impl Parse for Arg {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected an option: `catch`, `suppress`, `shielded` or `crate = path`"));
        }
        let name = input.call(Ident::parse_any)?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) if input.peek(Lit) && name == "crate" => {
                return Err(input.error("expected a path without quotes: `crate = path`"));
            }
            // The other options take no value. The caller reports that.
            Some(_) if input.peek(Lit) => input.parse::<Lit>().map(|_| Some(parse_quote!(value)))?,
            Some(_) => Some(input.call(Path::parse_mod_style)?),
            None => None,
        };
        Ok(Self { name, value })
    }
}

impl Args {
    /// Parses the options. Wrong options are reported in `errors` and replaced by their defaults.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let (mut krate, mut catch, mut suppress, mut shielded) = (None, None, None, None);
        let args = Punctuated::<Arg, Token![,]>::parse_terminated.parse2(tokens);
        for Arg { name, value } in args.unwrap_or_else(|error| {
            errors.push(error);
            Punctuated::new()
        }) {
            match (name.to_string().as_str(), value) {
                ("crate", Some(path)) => once(&mut krate, &name, path, errors),
                ("crate", None) => errors.on(&name, "`crate` needs a path: write `crate = path`"),
                ("catch", None) => once(&mut catch, &name, name.clone(), errors),
                ("suppress", None) => once(&mut suppress, &name, name.clone(), errors),
                ("shielded", None) => once(&mut shielded, &name, name.clone(), errors),
                (option @ ("catch" | "suppress" | "shielded"), Some(_)) => {
                    errors.on(&name, format_args!("`{option}` takes no value: write `{option}`"));
                }
                (option, _) => {
                    errors.on(
                        &name,
                        format_args!(
                            "unknown option `{option}`: expected `catch`, `suppress`, `shielded` or `crate = path`"
                        ),
                    );
                }
            }
        }
        let krate: Path = krate.unwrap_or_else(|| parse_quote!(::async_context_manager));
        Self { krate: CratePath::new(krate), catch, suppress, shielded }
    }
}

/// Sets `option`, or reports a duplicate.
fn once<T>(option: &mut Option<T>, name: &Ident, value: T, errors: &mut Errors) {
    if option.is_some() {
        errors.on(name, format_args!("duplicate option `{name}`: remove it"));
    } else {
        *option = Some(value);
    }
}
