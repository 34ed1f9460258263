//! Names the lifetimes that a return type leaves out: they mean "while the block runs".

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, ParenthesizedGenericArguments, Type, TypeFnPtr, TypeReference};

/// Input:  `&mut Tx<'_>`
///
/// Output: `&'y mut Tx<'z>` and `['y, 'z]`
pub(crate) fn name_left_out(ty: &mut Type) -> Vec<Lifetime> {
    let mut left_out = LeftOut { names: Vec::new() };
    left_out.visit_type_mut(ty);
    left_out.names
}

struct LeftOut {
    names: Vec<Lifetime>,
}

impl LeftOut {
    fn next(&mut self) -> Lifetime {
        let name = match ["'y", "'z", "'x", "'w"].get(self.names.len()) {
            Some(name) => Lifetime::new(name, Span::mixed_site()),
            None => Lifetime::new(&format!("'y{}", self.names.len()), Span::mixed_site()),
        };
        self.names.push(name.clone());
        name
    }
}

impl VisitMut for LeftOut {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = Some(self.next());
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.next();
        }
    }

    // `fn(&T) -> &U` and `Fn(&T) -> &U` have their own rules.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
}
