//! Reads the return type of a manager function: the type of the lent value, and the output of the body.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    GenericArgument, Lifetime, Path, PathArguments, ReturnType, Signature, Type, TypeImplTrait, parse_quote,
    parse_quote_spanned,
};

use crate::args::Args;
use crate::errors::Errors;
use crate::lifetime;
use crate::tokens::{self, CratePath};

pub(crate) struct Returns {
    /// The contract of the manager: the lent type, and the exit type, which is `output` with the options applied.
    pub(crate) lent: TokenStream,
    /// The place of the lent type.
    pub(crate) lent_span: Span,
    /// The output of the body: `()` or `Result<(), E>`.
    pub(crate) output: Type,
    /// The number of elided lifetimes in the lent type.
    elided: usize,
    /// Whether the lent type is wrong, so that the value of the marker can't be checked against it.
    broken: bool,
}

impl Returns {
    /// Reads the return type. Errors are reported in `errors`, and the lent type is `()` then.
    pub(crate) fn parse(sig: &Signature, args: &mut Args, errors: &mut Errors) -> Self {
        let private = args.krate.private();
        let (mut value, output) = match &sig.output {
            ReturnType::Default => (parse_quote!(()), None),
            ReturnType::Type(_, ty) => split(ty, &private),
        };
        let exit = exit(output.as_ref(), args, errors);
        // Errors about the value of the body show the name of a function that returns no `Result`.
        let output = output.unwrap_or_else(|| parse_quote_spanned!(sig.ident.span()=> ()));
        let mut impls = ImplTraits(Vec::new());
        impls.visit_type_mut(&mut value);
        for found in &impls.0 {
            errors.on(
                found,
                "a manager can't lend an `impl Trait`: name the type, or lend a `Box<dyn Trait>` or a `&mut dyn Trait`",
            );
        }
        let broken = !impls.0.is_empty();
        if broken {
            value = parse_quote!(());
        }
        let lent_span = value.span();
        if args.shielded.is_some() && validate_lent(&value, errors) {
            args.shielded = None;
        }
        let names = lifetime::name_elided(&mut value);
        Self { lent: lent(&value, &names, &exit, &private), lent_span, output, elided: names.len(), broken }
    }

    /// Returns the output with any value in the `Ok`, for a body that may return either. `None` if it is not a `Result`.
    ///
    /// Output: `Result<_, E>`
    pub(crate) fn with_any_value(&self) -> Option<Type> {
        let Type::Path(mut output) = self.output.clone() else { return None };
        *first_type(&mut output.path)? = parse_quote!(_);
        Some(Type::Path(output))
    }

    /// Returns the name of the function that lends, or `None` if the lent type is wrong.
    pub(crate) fn lends(&self) -> Option<Ident> {
        (!self.broken).then(|| format_ident!("lend{}", self.elided, span = Span::mixed_site()))
    }
}

/// Checks that a shielded manager can lend this type, as far as its text says. Returns whether it can't.
fn validate_lent(value: &Type, errors: &mut Errors) -> bool {
    let invariant = lifetime::invariant(value);
    for found in &invariant {
        errors.on(
            found,
            "a shielded manager can't lend a `&mut` of a type that borrows: the block could store its own borrows in it, and \
             the exit phase may outlive them; lend a `&` of it, or a type that owns its data (`dyn Trait + 'static` if it is \
             a trait object)",
        );
    }
    !invariant.is_empty()
}

/// Output: `FnContract<dyn for<#names> LendN<#names, Out = #value>, N, #exit>`, where `N` is the number of `names`
fn lent(value: &Type, names: &[Lifetime], exit: &TokenStream, private: &CratePath) -> TokenStream {
    let count = names.len();
    let lend = format_ident!("Lend{count}", span = Span::mixed_site());
    if names.is_empty() {
        quote!(#private::FnContract<dyn #private::#lend<Out = #value>, #count, #exit>)
    } else {
        quote!(#private::FnContract<dyn for<#(#names),*> #private::#lend<#(#names,)* Out = #value>, #count, #exit>)
    }
}

/// Output: `Result<(), E>`, or `Suppress<Catch<E>>` with the options `catch` and `suppress`
fn exit(output: Option<&Type>, Args { krate, catch, suppress, .. }: &Args, errors: &mut Errors) -> TokenStream {
    let site = Span::mixed_site();
    let mut exit = output.map_or_else(|| quote!(()), ToTokens::to_token_stream);
    match (catch, output) {
        (Some(_), Some(output)) => {
            exit = quote_spanned!(site=> #krate::Catch<<#output as #krate::__private::BodyOutput>::Error>);
        }
        (Some(catch), None) => errors.on(catch, "`catch` needs an error type: return a `Result<V, E>`"),
        (None, _) => {}
    }
    if suppress.is_some() { quote_spanned!(site=> #krate::Suppress<#exit>) } else { exit }
}

/// Input:  `io::Result<V>`
///
/// Output: `V`, and `io::Result<()>`, or `None` if `ty` is not a `Result`
fn split(ty: &Type, private: &CratePath) -> (Type, Option<Type>) {
    let path = match ty {
        Type::Path(ty) if ty.qself.is_none() && is_result(&ty.path) => &ty.path,
        Type::Group(group) => return split(&group.elem, private),
        Type::Paren(paren) => return split(&paren.elem, private),
        _ => return (ty.clone(), None),
    };
    let mut exit = path.clone();
    if let Some(value) = first_type(&mut exit) {
        let value = std::mem::replace(value, parse_quote!(()));
        return (value, Some(Type::Path(syn::TypePath { attrs: Vec::new(), qself: None, path: exit })));
    }
    let mut whole = ty.clone();
    Static.visit_type_mut(&mut whole);
    let span = tokens::site(ty.span());
    let private = private.respan(span);
    // Parsed, because the lifetimes in it are named later.
    let part = |part: TokenStream| syn::parse2(part.clone()).unwrap_or(Type::Verbatim(part));
    let value = quote_spanned!(span=> <#ty as #private::ResultAlias>::Value);
    let exit = quote_spanned!(span=> <#whole as #private::ResultAlias>::Exit);
    (part(value), Some(part(exit)))
}

fn is_result(path: &Path) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident.to_string().ends_with("Result"))
}

/// Returns the first type argument of a path.
fn first_type(path: &mut Path) -> Option<&mut Type> {
    let PathArguments::AngleBracketed(arguments) = &mut path.segments.last_mut()?.arguments else {
        return None;
    };
    arguments.args.iter_mut().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Replaces `'_` in an error type by `'static`, because an error outlives the block.
struct Static;

impl VisitMut for Static {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = parse_quote!('static);
        }
    }
}

/// Collects each `impl Trait` in a type.
struct ImplTraits(Vec<TypeImplTrait>);

impl VisitMut for ImplTraits {
    fn visit_type_impl_trait_mut(&mut self, found: &mut TypeImplTrait) {
        self.0.push(found.clone());
        visit_mut::visit_type_impl_trait_mut(self, found);
    }
}
