//! Names the elided lifetimes of a return type. They mean "while the block runs".

use proc_macro2::Span;
use syn::visit_mut::VisitMut;
use syn::{
    GenericArgument, Lifetime, PathArguments, Type, TypeFnPtr, TypeParamBound, TypeReference, TypeTraitObject,
    parse_quote,
};

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
