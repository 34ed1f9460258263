//! What the attribute stands on, as parsed; keeps syn's own nodes.

use proc_macro2::{Group, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser};
use syn::token::Brace;
use syn::{AttrStyle, Attribute, Block, Signature, Visibility};

/// A function, up to its body.
pub(crate) struct FnHeader {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
}

/// A function; its body may be one that can't be parsed (yet: someone is typing).
pub(crate) struct FnInput {
    pub(crate) header: FnHeader,
    pub(crate) body: FnBody,
}

pub(crate) enum FnBody {
    Parsed(Block),
    /// With the error that says where.
    Broken(Group, syn::Error),
    /// A `;`: the function of a trait.
    Stub(TokenStream),
}

impl Parse for FnInput {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let mut header = FnHeader { attrs, vis: input.parse()?, sig: input.parse()? };
        let body = match input.parse()? {
            TokenTree::Group(group) => FnBody::parse(group, &mut header.attrs),
            other => FnBody::Stub(other.into()),
        };
        Ok(Self { header, body })
    }
}

impl FnBody {
    /// Attributes that stand in the body go to the others of the function.
    fn parse(group: Group, attrs: &mut Vec<Attribute>) -> Self {
        let parse = |input: ParseStream| Ok((input.call(Attribute::parse_inner)?, input.call(Block::parse_within)?));
        match parse.parse2(group.stream()) {
            Ok((inner, stmts)) => {
                attrs.extend(inner.into_iter().map(|attr| Attribute { style: AttrStyle::Outer, ..attr }));
                Self::Parsed(Block { brace_token: Brace { span: group.delim_span() }, stmts })
            }
            Err(error) => Self::Broken(group, error),
        }
    }
}
