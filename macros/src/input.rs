//! The function under an attribute, parsed into nodes of `syn`.

use proc_macro2::{Group, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser};
use syn::token::Brace;
use syn::{AttrStyle, Attribute, Block, Signature, Visibility};

/// A function without its body.
pub(crate) struct FnHeader {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
}

/// A function. Its body may be one that can't be parsed, because someone is typing.
pub(crate) struct FnInput {
    pub(crate) header: FnHeader,
    pub(crate) body: FnBody,
    /// The tokens of the body.
    pub(crate) written: TokenTree,
}

pub(crate) enum FnBody {
    Parsed(Block),
    /// A body that cannot be parsed, and the error.
    Broken(Group, syn::Error),
    /// A `;` instead of a body, in a trait.
    Missing(TokenStream),
}

impl Parse for FnInput {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let mut header = FnHeader { attrs, vis: input.parse()?, sig: input.parse()? };
        let written: TokenTree = input.parse()?;
        let body = match written.clone() {
            TokenTree::Group(group) => FnBody::parse(group, &mut header.attrs),
            other => FnBody::Missing(other.into()),
        };
        Ok(Self { header, body, written })
    }
}

impl FnBody {
    /// Parses a body. Moves its inner attributes to `attrs`, the outer attributes of the function.
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
