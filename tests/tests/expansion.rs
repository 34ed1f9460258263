//! `examples/expanded.rs` is what the macros make of `examples/hello.rs`, but for comments and shorter paths. A `with!` with
//! a comma in place of the `=>` has the same expansion.
//!
//! In an editor, the expansion before the cursor is the same with and without an identifier there.
//!
//! The modules of the macros are compiled into this test, as a crate of macros has no functions to call.

#![forbid(unsafe_code)]
#![allow(dead_code, unexpected_cfgs, unused_imports)]

/// The modules find each other at the root of the crate, as in their own.
use macros::{
    args, boxed, context_managers, doc, editor, errors, expand, fallback, input, instrument, lifetime, marker,
    misplaced, recursion, returns, tokens, validate, with, within, yields,
};

#[path = "../../macros/src"]
mod macros {
    pub(crate) mod args;
    pub(crate) mod boxed;
    pub(crate) mod context_managers;
    pub(crate) mod doc;
    pub(crate) mod editor;
    pub(crate) mod errors;
    pub(crate) mod expand;
    pub(crate) mod fallback;
    pub(crate) mod input;
    pub(crate) mod instrument;
    pub(crate) mod lifetime;
    pub(crate) mod marker;
    pub(crate) mod misplaced;
    pub(crate) mod recursion;
    pub(crate) mod returns;
    pub(crate) mod tokens;
    pub(crate) mod validate;
    pub(crate) mod with;
    pub(crate) mod within;
    pub(crate) mod yields;
}

use std::fs;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Item, ItemFn};

/// The names in front of a path that `expanded.rs` imports.
const PREFIXES: [&str; 5] = ["async_context_manager", "__private", "core", "future", "std"];

/// The functions of an example, in order.
fn functions(example: &str) -> Vec<ItemFn> {
    let path = format!("{}/../examples/{example}.rs", env!("CARGO_MANIFEST_DIR"));
    let file = syn::parse_file(&fs::read_to_string(path).expect("an example")).expect("a file of Rust");
    let functions = file.items.into_iter().filter_map(|item| match item {
        Item::Fn(function) => Some(function),
        _ => None,
    });
    functions.collect()
}

/// A function as the compiler sees it when the macros have been expanded.
fn expanded(mut function: ItemFn) -> TokenStream {
    let attributes = function.attrs.len();
    function.attrs.retain(|attribute| !attribute.path().is_ident("async_context_manager"));
    let is_manager = function.attrs.len() < attributes;
    let tokens = function.into_token_stream();
    if is_manager { expand::manager_fn(&TokenStream::new(), &tokens) } else { expand_with(tokens) }
}

/// Expands each `with!(...)`.
fn expand_with(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut expanded = TokenStream::new();
    let mut rest = &*tokens;
    while let [token, after @ ..] = rest {
        rest = after;
        match (token, after) {
            (TokenTree::Ident(name), [TokenTree::Punct(bang), TokenTree::Group(input), after @ ..])
                if name == "with" && bang.as_char() == '!' =>
            {
                let input = input.stream();
                expanded.extend(without_braces(with::expand(quote!((::async_context_manager) #input))));
                rest = after;
            }
            (TokenTree::Group(group), _) => {
                let inner = expand_with(group.stream());
                expanded.extend([TokenTree::Group(proc_macro2::Group::new(group.delimiter(), inner))]);
            }
            _ => token.to_tokens(&mut expanded),
        }
    }
    expanded
}

/// Removes the braces around an expansion. The end of a function needs none.
fn without_braces(tokens: TokenStream) -> TokenStream {
    match &*tokens.clone().into_iter().collect::<Vec<_>>() {
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::Brace => group.stream(),
        _ => tokens,
    }
}

/// The tokens one by one, without attributes and comments, prefixes of paths and of names, braces of arms, and commas at an
/// end.
fn normalized(tokens: TokenStream) -> Vec<String> {
    let mut words = Vec::new();
    flatten(tokens, &mut words);
    let mut kept: Vec<String> = Vec::new();
    for word in words {
        if matches!(&*word, ")" | "]" | "}" | ">") && kept.last().is_some_and(|last| last == ",") {
            kept.pop();
        }
        kept.push(word);
    }
    kept
}

fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let is = |at: usize, char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == char);
    let is_path = |at| is(at, ':') && is(at + 1, ':');
    let is_prefix = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(name)) => PREFIXES.contains(&&*name.to_string()) && is_path(at + 1),
        _ => false,
    };
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Punct(_) if is(at, '#') => at += 2,
            TokenTree::Punct(_) if is_path(at) && is_prefix(at + 2) => at += 2,
            TokenTree::Ident(_) if is_prefix(at) => at += 3,
            TokenTree::Ident(name) => {
                let name = name.to_string();
                let bare = ["__acm_", "__"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
                words.push(bare.to_owned());
                at += 1;
            }
            // The body of an arm, which `rustfmt` puts in braces as it likes.
            TokenTree::Group(body)
                if body.delimiter() == Delimiter::Brace && at > 1 && is(at - 1, '>') && is(at - 2, '=') =>
            {
                flatten(body.stream(), words);
                words.push(",".to_owned());
                at += 1;
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                words.push(open.to_owned());
                flatten(group.stream(), words);
                words.push(close.to_owned());
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                let word = token.to_string();
                words.push(word.strip_suffix("usize").unwrap_or(&word).to_owned());
                at += 1;
            }
        }
    }
}

#[test]
fn expanded_example_equals_expansion_of_hello() {
    let (hello, by_hand) = (functions("hello"), functions("expanded"));
    assert_eq!(hello.len(), by_hand.len());
    for (function, by_hand) in hello.into_iter().zip(by_hand) {
        let name = function.sig.ident.clone();
        let (expanded, by_hand) = (normalized(expanded(function)), normalized(by_hand.into_token_stream()));
        let same = expanded.iter().zip(&by_hand).take_while(|(one, other)| one == other).count();
        assert!(
            expanded == by_hand,
            "`{name}` differs behind `{}`:\n  the macros write: {}\n  expanded.rs has: {}",
            expanded[same.saturating_sub(15)..same].join(" "),
            expanded[same..].iter().take(40).cloned().collect::<Vec<_>>().join(" "),
            by_hand[same..].iter().take(40).cloned().collect::<Vec<_>>().join(" "),
        );
    }
}

/// What can be in front of a block.
const HEADERS: [&str; 22] = [
    "cm()",
    "cm() as x",
    "cm() as _",
    "cm() as r#type",
    "cm() as mut x",
    "cm() as ref x",
    "cm() as (a, _)",
    "cm() as (mut a, ..)",
    "cm() as [a, .., b]",
    "cm() as Pair { a, b }",
    "cm() as Pair { a, .. }",
    "cm() as Pair(a, b)",
    "cm() as path::Pair(a, b)",
    "cm() as &x",
    "cm() as ()",
    "cm() as x, cm()",
    "cm(), cm() as mut x, cm() as (a, b)",
    "cm() as x, { cm() }",
    "{ cm() } as x, { cm(x) } as y",
    "Lease { pool, conn: None }, Lease { pool, conn: None } as conn",
    "get::<A, { 5 }>() as x, if x { a() } else { b() }, match x { A => cm(), B { .. } => cm() }, |x| { cm() }",
    "#[allow(unused)] make(x as u8).await? as x",
];

/// Blocks in braces.
const BLOCKS: [&str; 13] = [
    "{}",
    "{ x }",
    "{ f(); }",
    "{ f().await?; g() }",
    "{ #![allow(unused)] f(); }",
    "{ { 5 } }",
    "{ if a { return Ok(5); } x }",
    "{ loop { break; } x }",
    "{ if a { break 'outer 5; } else { continue; } }",
    "{ bail!(5); let n = f!(break); }",
    "{ with!(cm() as y, { x + y }) }",
    "{ with!(cm() as y => { break x + y }) }",
    "{ let n = x.; f(n) }",
];

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

#[test]
fn comma_expands_to_the_same_as_the_arrow() {
    let expand = |call: &str| with::expand(tokens(&format!("(::async_context_manager) {call}"))).to_string();
    for header in HEADERS {
        for block in BLOCKS {
            let arrow = expand(&format!("{header} => {block}"));
            assert_eq!(arrow.contains("compile_error"), block.contains("x.;"), "`{header} => {block}`: {arrow}");
            for end in ["", ","] {
                assert_eq!(expand(&format!("{header}, {block}{end}")), arrow, "`{header}, {block}{end}`");
            }
        }
    }
}

#[test]
fn comma_around_a_marker_expands_to_the_same_as_the_arrow() {
    let expand = |body: &str| {
        let function = format!("async fn manager() -> u8 {{ {body} }}");
        expand::manager_fn(&TokenStream::new(), &tokens(&function)).to_string()
    };
    for block in ["{ r#yield!(x) }", "{ r#yield!(x); }", "{ let outcome = r#yield!(x); f(outcome)?; }"] {
        for header in HEADERS {
            for end in ["", ";", "; Ok(())"] {
                let arrow = expand(&format!("with!({header} => {block}){end}"));
                assert!(!arrow.contains("compile_error"), "`{header} => {block}`: {arrow}");
                assert_eq!(expand(&format!("with!({header}, {block}){end}")), arrow, "`{header}, {block}`");
            }
        }
    }
}

/// The lines that the attribute adds to the documentation of a function.
fn added_to_docs(options: &str, function: &str) -> Option<String> {
    let function = function.parse().expect("tokens");
    let expanded = expand::manager_fn(&options.parse().expect("tokens"), &function);
    let function: ItemFn = syn::parse2(expanded).expect("a function");
    let [_, added, ..] = &*function.attrs else { return None };
    let syn::Meta::NameValue(doc) = &added.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &doc.value else { return None };
    let text = text.value();
    Some(text.strip_prefix("\n# Signature\n\n```text\n")?.strip_suffix("\n```")?.to_owned())
}

#[test]
fn documentation_has_the_signature_as_written() {
    let signatures = [
        "async fn a()",
        "async fn a(&self, pool: &Pool) -> Result<&mut Tx<'_>, DbError>",
        "async fn a<'a, T: ?Sized + 'a>(mut n: &'a T, [x, _]: [u8; 2], self::Id(id): self::Id) -> (&'a T, &mut [u8])",
        "async fn a(f: impl Fn(&str) -> u8, g: &mut dyn for<'b> FnMut(&'b u8), h: fn(u8) -> !)",
        "async fn a(x: <T as ::core::ops::Deref>::Target, y: *const u8, z: Vec<Vec<u8>>) -> Ty![u8]",
        "async fn a<const N: usize>(x: [u8; N]) -> &T\nwhere T: Iterator<Item = u8>, for<'b> &'b T: Send,",
    ];
    for signature in signatures {
        let documented = format!("/// Docs.\n{signature} {{ r#yield!(x); }}");
        let expected = format!("#[async_context_manager]\n{signature}");
        let added = added_to_docs("", &documented).expect("a section");
        let joined = added.replace("(\n    ", "(").replace(",\n    ", ", ").replace(",\n)", ")");
        assert_eq!(joined, expected);
    }
}

#[test]
fn documentation_has_a_line_for_each_argument_of_a_long_signature() {
    let function = "/// Docs.
        async fn transaction(#[allow(unused)] pool: &Pool, isolation: Isolation, limit: Duration) -> Result<&mut Tx<'_>, E> {
            r#yield!(&mut x);
            Ok(())
        }";
    let expected = "#[async_context_manager(catch, suppress)]
async fn transaction(
    pool: &Pool,
    isolation: Isolation,
    limit: Duration,
) -> Result<&mut Tx<'_>, E>";
    assert_eq!(added_to_docs("crate = x, catch, suppress", function).as_deref(), Some(expected));
}

#[test]
fn function_without_documentation_gets_none() {
    assert_eq!(added_to_docs("", "#[inline] async fn a() { r#yield!(); }"), None);
}

/// The environment variable that rust-analyzer sets for the process in which it runs macros.
const EDITOR: &str = "RUST_ANALYZER_INTERNALS_DO_NOT_USE";

/// The identifier that stands for the cursor in a test, and that an editor inserts at the cursor.
const CURSOR: &str = "cursor";

/// What is typed in a block.
const TYPED: [&str; 16] = [
    "conn.cursor",
    "conn.execute_cursor",
    "conn.cursor let after = 1;",
    "conn.execute(sql).await.cursor",
    "conn.execute(sql).await?.cursor",
    "let n = conn.cursor; drop(n);",
    "let kind = Kind::cursor;",
    "match conn.kind() { Kind::One => 1, Kind::cursor }",
    "if conn.cursor {}",
    "for row in conn.cursor {}",
    "return conn.cursor",
    "let f = |n: u64| n.cursor;",
    "let n = local conn.cursor",
    "if a { continue; } if b { break 5; } conn.cursor",
    "async { conn.cursor }",
    "while conn.is_open() { conn.cursor }",
];

/// What is typed in a header.
const TYPED_HEADERS: [&str; 9] = [
    "pool.cursor",
    "pool.cursor => {}",
    "pool.cursor as conn => { conn.len() }",
    "pool.cursor as conn, { conn.len() }",
    "connection(pool) as conn, pool.cursor",
    "connection(pool) as conn, pool.cursor as other => {}",
    "<P as Pool>::get::<A, B>() as conn => conn.cursor",
    "pool.get::<A, Vec<B>>(pool.cursor) as (a, b), other() as c => {}",
    "connection(pool) as conn => conn.cursor",
];

/// The text with the identifier at the cursor, and without.
fn with_and_without(text: &str) -> [TokenStream; 2] {
    [text.to_owned(), text.replace(CURSOR, "")].map(|text| text.parse().expect("tokens"))
}

/// Whether both expansions are the same before the identifier.
fn assert_same_before_cursor(text: &str, expand: impl Fn(&TokenStream) -> TokenStream) {
    let [with, without] = with_and_without(text).map(|input| {
        let mut words = Vec::new();
        flatten(expand(&input), &mut words);
        words
    });
    let cursor = with.iter().position(|word| word.ends_with(CURSOR)).expect("the cursor is in the expansion");
    let same = with.iter().zip(&without).take_while(|(one, other)| one == other).count();
    assert!(same >= cursor, "`{text}` differs at `{}` and `{}`", with[same..].join(" "), without[same..].join(" "));
}

/// Runs this test again, as an editor runs the macros.
fn in_editor(test: &str, run: impl FnOnce()) {
    if std::env::var_os(EDITOR).is_some() {
        return run();
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("a test is a program"));
    let output = child.args(["--exact", test]).env(EDITOR, "1").output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn expand_in_crate(input: &TokenStream) -> TokenStream {
    with::expand(quote!((::async_context_manager) #input))
}

#[test]
fn half_typed_with_is_expanded_like_a_whole_one() {
    in_editor("half_typed_with_is_expanded_like_a_whole_one", || {
        for typed in TYPED {
            assert_same_before_cursor(&format!("a() as conn => {{ {typed} }}"), expand_in_crate);
            assert_same_before_cursor(&format!("a() as _, b() as conn, {{ {typed} }}"), expand_in_crate);
        }
        for typed in TYPED_HEADERS {
            assert_same_before_cursor(typed, expand_in_crate);
        }
    });
}

#[test]
fn half_typed_function_is_expanded_like_a_whole_one() {
    in_editor("half_typed_function_is_expanded_like_a_whole_one", || {
        let manager = |item: &TokenStream| expand::manager_fn(&TokenStream::new(), item);
        let managers = |items: &TokenStream| context_managers::expand(quote!((::async_context_manager) #items));
        let within = |item: &TokenStream| within::function(quote!(connection() as conn), item);
        for typed in TYPED {
            for body in [
                format!("r#yield!(1); {typed}"),
                format!("{typed} r#yield!(1);"),
                format!("with!(a() as conn => {{ r#yield!(1); {typed} }})"),
                format!("with!(a() as conn, {{ {typed} r#yield!(1); }})"),
                format!("let lend = async {{ r#yield!(1); {typed} }}; lend.await"),
            ] {
                let function = format!("async fn f(pool: &Pool) -> &u8 {{ {body} }}");
                assert_same_before_cursor(&function, manager);
                assert_same_before_cursor(&format!("struct A; #[async_context_manager] {function}"), managers);
            }
            assert_same_before_cursor(&format!("async fn f() -> u8 {{ {typed} }}"), within);
        }
    });
}

#[test]
fn editor_sees_the_block_as_it_was_written() {
    in_editor("editor_sees_the_block_as_it_was_written", || {
        let expanded =
            expand_in_crate(&quote!(a(x) as mut conn, b() => { if conn.x { break 'outer 5; } conn.execute()?; }));
        let expected = "{
            let __acm_manager0 = &(a(x));
            let mut conn = ::async_context_manager::__private::stub_lent(__acm_manager0);
            let __acm_manager1 = &(b());
            let _ = ::async_context_manager::__private::stub_lent(__acm_manager1);
            if true {
                ::async_context_manager::__private::stub_with().around(__acm_manager1).around(__acm_manager0).value({
                    if conn.x { break 'outer 5; } conn.execute()?;
                })
            } else {
                ::core::unreachable!()
            }
        }";
        let expected: TokenStream = expected.parse().expect("tokens");
        assert_eq!(normalized(expanded), normalized(expected));
    });
}
