//! Expansions for rust-analyzer, which knows only what it reads in an expansion, and reads code that is half typed.
//!
//! It expands a macro twice: as the text is, and with an identifier at the cursor. It completes the token that is at the
//! same offset in both. So these expansions do not depend on whether the user's tokens can be parsed: they copy them.
//! It also shows for a token of the user all generated tokens at the same span, so these have a span of their own.
//!
//! Nothing of this is compiled. `rustc` sees the expansions of the other modules.

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};

use crate::tokens::{self, CratePath, is_bang, is_yield};

/// The tokens of one manager in a header.
#[derive(Default)]
struct Entry {
    manager: Vec<TokenTree>,
    /// The tokens after `as`.
    pattern: Option<Vec<TokenTree>>,
}

/// Returns the code by which an editor knows the names and types of a `with!`. The block stays in the function around it.
///
/// Input:  `connection(&pool) as conn => { conn. }`, and the errors in it
///
/// Output:
///
/// ```text
/// {
///     let __acm_manager0 = &(connection(&pool));
///     let conn = stub_lent(__acm_manager0);
///     if true { stub_with().around(__acm_manager0).value({ conn. }) } else { compile_error!(...); unreachable!() }
/// }
/// ```
pub(crate) fn with(input: TokenStream, errors: &TokenStream, krate: &CratePath) -> TokenStream {
    let (entries, block) = split(input);
    let private = krate.private();
    let managers: Vec<_> =
        (0..entries.len()).map(|index| format_ident!("__acm_manager{index}", span = Span::mixed_site())).collect();
    let mut bindings = TokenStream::new();
    for (Entry { manager, pattern }, name) in entries.into_iter().zip(&managers) {
        let manager = tokens_of(manager);
        let pattern = pattern.filter(|pattern| !pattern.is_empty()).map_or_else(|| quote!(_), tokens_of);
        bindings.extend(quote_spanned! {Span::mixed_site()=>
            let #name = &(#manager);
            let #pattern = #private::stub_lent(#name);
        });
    }
    let around = managers.iter().rev();
    quote_spanned! {Span::mixed_site()=> {
        #bindings
        if true {
            #private::stub_with()#(.around(#around))*.value(#block)
        } else {
            #errors
            ::core::unreachable!()
        }
    }}
}

fn tokens_of(tokens: Vec<TokenTree>) -> TokenStream {
    tokens.into_iter().collect()
}

/// Splits a `with!` into its managers and its block, which may be missing.
fn split(input: TokenStream) -> (Vec<Entry>, Group) {
    let input: Vec<TokenTree> = input.into_iter().collect();
    let (mut entries, mut entry) = (Vec::new(), Entry::default());
    let mut angles = Angles::default();
    let mut rest = &*input;
    while let [token, after @ ..] = rest {
        let is_top = angles.pass(token);
        let is_comma = is_top && is_punct(token, ',');
        if is_arrow(rest) || is_comma && is_braces(after) {
            rest = if is_comma { after } else { &after[1..] };
            break;
        }
        match token {
            _ if is_comma => {
                entries.push(std::mem::take(&mut entry));
                angles = Angles::default();
            }
            TokenTree::Ident(word) if is_top && word == "as" => entry.pattern = Some(Vec::new()),
            other => entry.pattern.as_mut().unwrap_or(&mut entry.manager).push(other.clone()),
        }
        rest = after;
    }
    entries.push(entry);
    (entries, block(rest))
}

fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

/// Counts the `<` and `>` of generic arguments. Other `<` and `>` compare numbers, which managers are not.
#[derive(Default)]
struct Angles {
    depth: usize,
    /// The token before: a punctuation character, or a space for another token. `None` at the beginning.
    before: Option<char>,
}

impl Angles {
    /// Returns whether the token is outside of generic arguments.
    fn pass(&mut self, token: &TokenTree) -> bool {
        let char = match token {
            TokenTree::Punct(punct) => punct.as_char(),
            _ => ' ',
        };
        let before = self.before.replace(char);
        match (before, char) {
            (None | Some(':'), '<') => self.depth += 1,
            (_, '<') if self.depth > 0 => self.depth += 1,
            (Some('-' | '='), '>') => {}
            (_, '>') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }
}

fn is_arrow(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(equals), TokenTree::Punct(greater), ..] => {
            equals.as_char() == '=' && equals.spacing() == Spacing::Joint && greater.as_char() == '>'
        }
        _ => false,
    }
}

/// Whether these are braces, and perhaps a comma after them.
fn is_braces(tokens: &[TokenTree]) -> bool {
    match without_comma(tokens) {
        [TokenTree::Group(group)] => group.delimiter() == Delimiter::Brace,
        _ => false,
    }
}

fn without_comma(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens {
        [before @ .., last] if is_punct(last, ',') => before,
        _ => tokens,
    }
}

/// Returns a block in its own braces, or in new ones.
fn block(tokens: &[TokenTree]) -> Group {
    match without_comma(tokens) {
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::Brace => group.clone(),
        other => Group::new(Delimiter::Brace, other.iter().cloned().collect()),
    }
}

/// Returns the replacement of a marker. Its name leads to the macro `yield!`.
pub(crate) fn marker(name: &Ident, lent: &TokenStream, krate: &CratePath) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> { use #krate::#name as _; #lent })
}

/// Adds a `;` if a body ends in a marker, or in a `with!` whose block does: the outcome of the block is not its value. A
/// marker that is a block without braces gets some.
pub(crate) fn end_in_statement(body: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = body.into_iter().collect();
    let end = without_comma(&tokens).len();
    match &tokens[..end] {
        [.., TokenTree::Ident(name), bang, TokenTree::Group(_)] if is_yield(name) && is_bang(bang) => {
            let arrow = (0..end).rev().find(|at| is_arrow(&tokens[*at..]));
            let after = tokens.split_off(arrow.map_or(0, |arrow| arrow + 2));
            let marker = without_comma(&after).iter().cloned();
            let statement = tokens_of(marker.chain([Punct::new(';', Spacing::Alone).into()]).collect());
            match arrow {
                Some(_) => tokens.push(Group::new(Delimiter::Brace, statement).into()),
                None => tokens.extend(statement),
            }
        }
        [before @ .., TokenTree::Group(group)] if ends_in_block(before, group) => {
            tokens[end - 1] = tokens::regroup(group, end_in_statement(group.stream())).into();
        }
        _ => {}
    }
    tokens_of(tokens)
}

/// Whether a group is a block in braces, or the arguments of a `with!`.
fn ends_in_block(before: &[TokenTree], group: &Group) -> bool {
    match before {
        [.., TokenTree::Ident(name), bang] if is_bang(bang) => name == "with",
        _ => group.delimiter() == Delimiter::Brace,
    }
}
