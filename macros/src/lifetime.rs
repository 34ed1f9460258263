//! Names the elided lifetimes of a return type, which mean "while the block runs", and those of arguments.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::visit_mut::{self, VisitMut};
use syn::{
    FnArg, GenericArgument, GenericParam, Lifetime, LifetimeParam, ParenthesizedGenericArguments, Pat, PathArguments,
    Signature, Type, TypeFnPtr, TypeParamBound, TypeReference, TypeTraitObject, parse_quote,
};

use crate::tokens;

/// Names the elided lifetimes in `ty`, and returns the names. Those inside a type that has a lifetime get a second
/// name: see `Lends` in the runtime crate.
///
/// Input:  `&mut Tx<'_>`
///
/// Output: `&'y mut Tx<'z>` and `['y, 'z]`
pub(crate) fn name_elided(ty: &mut Type) -> Vec<Lifetime> {
    let mut elided = Elided { names: Vec::new(), inside: false };
    elided.visit_type_mut(ty);
    elided.names
}

struct Elided {
    /// The names used so far.
    names: Vec<Lifetime>,
    /// Whether the visited type is inside a type that has a lifetime.
    inside: bool,
}

impl Elided {
    fn name(&mut self) -> Lifetime {
        let wanted = if self.inside { 2 } else { 1 };
        for name in ["'y", "'z"].into_iter().take(wanted).skip(self.names.len()) {
            self.names.push(Lifetime::new(name, Span::mixed_site()));
        }
        self.names[wanted - 1].clone()
    }

    fn inside(&mut self, visit: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.inside, true);
        visit(self);
        self.inside = outside;
    }
}

impl VisitMut for Elided {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident == "_") {
            reference.lifetime = Some(self.name());
        }
        self.inside(|this| this.visit_type_mut(&mut reference.elem));
    }

    fn visit_path_arguments_mut(&mut self, arguments: &mut PathArguments) {
        let PathArguments::AngleBracketed(arguments) = arguments else { return };
        let has_lifetime = arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)));
        for argument in &mut arguments.args {
            match argument {
                GenericArgument::Lifetime(lifetime) => self.visit_lifetime_mut(lifetime),
                other if has_lifetime => self.inside(|this| this.visit_generic_argument_mut(other)),
                other => self.visit_generic_argument_mut(other),
            }
        }
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.name();
        }
    }

    // `fn(&T) -> &U` and `Fn(&T) -> &U` have elision rules of their own.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
}

/// Names the elided lifetimes of all arguments but `self` after the arguments, so that the return type can name them.
///
/// Input:  `fn connection(pool: &Pool)`
///
/// Output: `fn connection<'__pool>(pool: &'__pool Pool)`
pub(crate) fn name_arguments(sig: &mut Signature) {
    let mut names = Vec::new();
    for (index, argument) in sig.inputs.iter_mut().enumerate() {
        let FnArg::Typed(argument) = argument else { continue };
        let prefix = match &*argument.pat {
            Pat::Ident(simple) => format!("'__{}", simple.ident.unraw().to_string().trim_start_matches('_')),
            _ => format!("'__argument{index}"),
        };
        let mut elided = ElidedInArgument { prefix, names: Vec::new() };
        elided.visit_type_mut(&mut argument.ty);
        names.append(&mut elided.names);
    }
    for (index, name) in names.into_iter().enumerate() {
        sig.generics.params.insert(index, GenericParam::Lifetime(LifetimeParam::new(name)));
    }
}

struct ElidedInArgument {
    prefix: String,
    names: Vec<Lifetime>,
}

impl ElidedInArgument {
    fn name(&mut self, span: Span) -> Lifetime {
        let number = self.names.len();
        let suffix = if number == 0 { String::new() } else { (number + 1).to_string() };
        let name = Lifetime::new(&format!("{}{suffix}", self.prefix), tokens::site(span));
        self.names.push(name.clone());
        name
    }
}

impl VisitMut for ElidedInArgument {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = Some(self.name(reference.and_token.span));
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.name(lifetime.span());
        }
    }

    // `fn(&T)` and `Fn(&T)` take any lifetime.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
}

/// Returns each `&mut T` in `ty` whose `T` has an elided lifetime: `&mut Tx<'_>`. Such a type is invariant. The exception is
/// `&mut dyn Trait` as the whole type: the elided lifetime of the object can be shortened by a coercion.
pub(crate) fn invariant(ty: &Type) -> Vec<TypeReference> {
    let mut ty = ty.clone();
    if let Some(object) = referenced_object(&mut ty) {
        object.bounds = object.bounds.iter().filter(|bound| !is_lifetime(bound)).cloned().collect();
        object.bounds.push(parse_quote!('static));
    }
    let mut invariant = Invariant(Vec::new());
    invariant.visit_type_mut(&mut ty);
    invariant.0
}

struct Invariant(Vec<TypeReference>);

impl VisitMut for Invariant {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        let original = reference.clone();
        let has_object = object(&mut reference.elem).is_some_and(|object| !object.bounds.iter().any(is_lifetime));
        if reference.mutability.is_some() && (has_object || !name_elided(&mut reference.elem).is_empty()) {
            self.0.push(original);
        } else {
            self.visit_type_mut(&mut reference.elem);
        }
    }
}

fn is_lifetime(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Lifetime(_))
}

fn referenced_object(ty: &mut Type) -> Option<&mut TypeTraitObject> {
    match ty {
        Type::Reference(reference) => object(&mut reference.elem),
        _ => None,
    }
}

fn object(ty: &mut Type) -> Option<&mut TypeTraitObject> {
    match ty {
        Type::TraitObject(object) => Some(object),
        Type::Paren(paren) => object(&mut paren.elem),
        Type::Group(group) => object(&mut group.elem),
        _ => None,
    }
}
