//! A section for the documentation of a manager function: its signature as it was written. `rustdoc` shows the one that
//! the macro writes.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, FnArg, Meta, Signature, parse_quote};

use crate::args::Args;

/// The longest signature that is written in one line.
const WIDTH: usize = 80;

/// Adds the section, unless the function is not documented: the lint `missing_docs` shall report it.
///
/// Output: ``#[doc = "\n# Signature\n\n```text\n#[async_context_manager]\nasync fn connection(pool: &Pool) -> &mut Conn\n```"]``
pub(crate) fn add_section(attrs: &mut Vec<Attribute>, sig: &Signature, args: &Args) {
    let is_doc = |attr: &Attribute| attr.path().is_ident("doc") && matches!(attr.meta, Meta::NameValue(_));
    if attrs.iter().any(is_doc) {
        let section =
            format!("\n# Signature\n\n```text\n#[async_context_manager{}]\n{}\n```", options(args), signature(sig));
        attrs.push(parse_quote!(#[doc = #section]));
    }
}

/// Output: `(catch, suppress)`, or nothing without options
fn options(Args { catch, suppress, shielded, .. }: &Args) -> String {
    let names: Vec<_> = [catch, suppress, shielded].into_iter().flatten().map(ToString::to_string).collect();
    if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) }
}

/// Output: `async fn connection(pool: &Pool) -> &mut Conn`, with each argument in a line of its own if that is too long
fn signature(sig: &Signature) -> String {
    let generics = &sig.generics;
    let start = format!("async fn {}{}", sig.ident, print(generics));
    let arguments: Vec<_> = sig.inputs.iter().map(argument).collect();
    let output = print(&sig.output);
    let end = if output.is_empty() { output } else { format!(" {output}") };
    let bounds = generics.where_clause.as_ref().map_or_else(String::new, |bounds| format!("\n{}", print(bounds)));
    let line = format!("{start}({}){end}", arguments.join(", "));
    if line.len() <= WIDTH || arguments.is_empty() {
        return line + &bounds;
    }
    format!("{start}(\n    {},\n){end}{bounds}", arguments.join(",\n    "))
}

/// Prints an argument without its attributes.
fn argument(argument: &FnArg) -> String {
    let mut argument = argument.clone();
    match &mut argument {
        FnArg::Receiver(receiver) => receiver.attrs.clear(),
        FnArg::Typed(argument) => argument.attrs.clear(),
    }
    print(&argument)
}

/// Prints tokens with the spaces of `rustfmt`.
fn print(tokens: &impl ToTokens) -> String {
    let mut words = Vec::new();
    split(tokens.to_token_stream(), &mut words);
    let mut text = String::new();
    let mut before = "";
    for word in &words {
        if !before.is_empty() && is_spaced(before, word) {
            text.push(' ');
        }
        text.push_str(word);
        before = word;
    }
    text
}

/// Splits tokens into words: `&`, `mut`, `Vec`, `<`, `'a`, `->`, `(`, ...
fn split(tokens: TokenStream, words: &mut Vec<String>) {
    let mut joined = String::new();
    for token in tokens {
        match token {
            TokenTree::Punct(punct) => {
                joined.push(punct.as_char());
                // `>>` is two ends of generic arguments.
                if punct.spacing() == Spacing::Alone || !matches!(punct.as_char(), '-' | ':' | '=' | '.' | '\'') {
                    words.push(std::mem::take(&mut joined));
                }
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                words.push(open.to_owned());
                split(group.stream(), words);
                words.push(close.to_owned());
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => words.push(std::mem::take(&mut joined) + &token.to_string()),
        }
    }
    words.retain(|word| !word.is_empty());
}

/// Whether there is a space between two words.
fn is_spaced(before: &str, word: &str) -> bool {
    let is_keyword = matches!(before, "mut" | "dyn" | "impl" | "as" | "const" | "in" | "ref" | "where");
    let is_name = before.starts_with(|first: char| first == '_' || first.is_alphanumeric()) && !is_keyword;
    let opens = matches!(before, "(" | "[" | "<" | "&" | "*" | "?" | "!" | "#" | "::" | ".." | ".");
    match word {
        "," | ";" | ":" | ")" | "]" | ">" | ".." | "." => false,
        "<" | "(" | "[" | "!" => !opens && !is_name,
        "::" => !opens && !is_name && before != ">",
        _ => !opens,
    }
}
