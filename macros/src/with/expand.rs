//! Expands a `with!` whose parts are parsed.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Pat};

use super::Keywords;
use super::header::HeaderEntry;
use super::jumps::{self, Exits, Jump};
use crate::marker::find_point;
use crate::tokens::{self, CratePath};

/// A `with!`: its managers, and the data that they share.
struct With {
    managers: Vec<HeaderManager>,
    /// The path of the module in the runtime crate whose items only generated code uses.
    private: CratePath,
    exits: Exits,
    /// The enclosing yield point, if the block contains the marker of a manager function; otherwise `()`.
    enclosing: TokenStream,
    /// If the block is the body of a function: the span for errors about its return value.
    returns_to: Option<Span>,
    /// The span of the braces of the block.
    braces: Span,
    /// The span of the last token of the block. Errors say that the lent value is dropped there.
    end: Span,
}

/// Input:  `connection(&pool) as conn => { conn.insert(1).await?; }`
///
/// Output:
///
/// ```text
/// match open(IntoManager::into_manager(assert_manager(connection(&pool)))) {
///     (__acm_manager, __acm_opened) => {
///         let __value_of_block = ValueToken::new();
///         let conn = BorrowToken::new();
///         let conn = BorrowToken::inside(&conn);
///         let __acm_frame0 = &__acm_opened.until(&conn, &__value_of_block);
///         if false { return __acm_frame0.returned().value; }
///         match false {
///             true => { __acm_frame0.typed().value }
///             false => ({
///                 let __acm_future = __acm_frame0.future(async {
///                     if false { return __acm_frame0.returned().value; }
///                     let __acm_block = __acm_frame0.block();
///                     let __acm_end = {
///                         let conn = __acm_frame0.value();
///                         __acm_block.end(if true { conn.insert(1).await?; } else { __acm_block.typed().value })
///                     };
///                     let __acm_end = __acm_frame0.end(__acm_end, 0);
///                     match __acm_end.await {}
///                 });
///                 match run(__acm_manager, __acm_frame0, (), __acm_future, 0, || { (__acm_frame0.asks(), ...) }).await {
///                     End::Value(__acm_value) => __acm_value,
///                     End::Return(__acm_value) => return __acm_value,
///                 }
///             },).0,
///         }
///     }
/// }
/// ```
///
/// The methods take their receivers without autoref: by value, or as the reference `__acm_frame0`. So method resolution
/// finds them before those of the user's traits. The names are unlike those of constants, which a pattern would match.
///
/// The future of the block is a separate local, so that the compiler computes its layout before that of the future of
/// `run`, which has it as a field. This saves one query for each level of a nest (`tests/depth.rs`).
///
/// The outer `match` keeps the temporaries of the header alive. `if false` and `match false` pass the expected type of the
/// function and of the `with!` on to the block, so that expressions in it are inferred and coerced as if they were outside.
/// The value that `typed` returns has an uninhabited type, so the borrow checker knows that control never passes the
/// block. The tuple does not pass the expected type on, so `rustc` reports a wrong type only once, at `typed`.
/// The `if true` makes the code after a block that never ends reachable. Each manager after the first is in the block
/// of the previous one.
///
/// `braces` are the tokens of the block as written, if it is a plain block. They are emitted again where possible.
pub(crate) fn with(
    mut entries: Vec<HeaderEntry>,
    mut block: Expr,
    braces: Option<Group>,
    keywords: Keywords,
    krate: &CratePath,
) -> TokenStream {
    let private = krate.private();
    let point = keywords.has_lending.then(|| find_point(block.to_token_stream())).flatten();
    let enclosing = point.map_or_else(
        || quote!(()),
        |point| quote_spanned!(Span::mixed_site()=> #private::YieldPoint::enclosing(&#point)),
    );
    let mut exits = jumps::rewrite(&mut entries, &mut block, keywords.has_jump, &private);
    // The managers after the first are in its block.
    exits.may_return |= entries.len() > 1;
    let span = braces_span(&block);
    let end = last_span(&block.to_token_stream());
    let block = match block {
        Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => match braces {
            Some(braces) if !keywords.has_jump => braces.into_token_stream(),
            _ => block.into_token_stream(),
        },
        other => quote_spanned!(Span::mixed_site()=> { #other }),
    };
    With { braces: span, end, ..With::new(entries, private, exits, enclosing) }.level(0, &block)
}

/// The same for `#[within]`, whose block is the body of a function. The block ends in a `return` of its value. If the
/// managers prevent that, their own result is converted into the return type.
///
/// Input:  `connection(pool) as conn`, and `{ conn.insert(1).await?; Ok(()) }`
///
/// Output: as above, but with this block
///
/// ```text
/// return if true { conn.insert(1).await?; Ok(()) } else { __acm_frame0.returned().value }
/// ```
///
/// and, instead of the outer `if false`,
///
/// ```text
/// match match run(...).await { ... } { __acm_value => __acm_frame0.into_return(__acm_value) }
/// ```
///
/// `braces` is the span of the braces that the user wrote, and `output` that for errors about the return value.
pub(crate) fn body(
    entries: Vec<HeaderEntry>,
    body: &TokenStream,
    krate: &CratePath,
    output: Span,
    braces: Span,
) -> TokenStream {
    let private = krate.private();
    let frame = frame(0, Span::mixed_site());
    let block = quote_spanned! {Span::mixed_site()=> {
        return if true #body else {
            #frame.returned().value
        }
    }};
    let exits = Exits { may_return: true, ..Exits::default() };
    let with = With::new(entries, private, exits, quote!(()));
    With { returns_to: Some(output), braces, end: last_span(body), ..with }.level(0, &block)
}

/// Returns the span of the last braces of a block. Without braces, it is that of the first token: on stable Rust, no span
/// comprises several tokens.
fn braces_span(block: &Expr) -> Span {
    let braces = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.span()),
        _ => None,
    };
    block.to_token_stream().into_iter().filter_map(braces).last().unwrap_or_else(|| block.span())
}

/// A manager of a header, and the parts that its expansion repeats.
struct HeaderManager {
    entry: HeaderEntry,
    /// The span for errors about the manager.
    site: Span,
    private: CratePath,
    frame: Ident,
    /// An integer literal, whose inferred type distinguishes a `Result` from other types.
    literal: Literal,
    /// Makes the compiler infer the type of a `return`.
    expect_return: Option<TokenStream>,
}

impl HeaderManager {
    fn new(index: usize, entry: HeaderEntry, private: &CratePath, may_return: bool) -> Self {
        let site = Span::mixed_site().located_at(entry.manager_span);
        let frame = frame(index, site);
        let mut literal = Literal::i32_unsuffixed(0);
        literal.set_span(site);
        let expect_return = may_return.then(|| {
            quote_spanned! {site=>
                if false {
                    return #frame.returned().value;
                }
            }
        });
        Self { site, private: private.respan(site), frame, literal, expect_return, entry }
    }
}

impl With {
    fn new(entries: Vec<HeaderEntry>, private: CratePath, exits: Exits, enclosing: TokenStream) -> Self {
        let level = |(index, entry)| HeaderManager::new(index, entry, &private, exits.may_return);
        let managers = entries.into_iter().enumerate().map(level).collect();
        let nowhere = Span::mixed_site();
        Self { managers, private, exits, enclosing, returns_to: None, braces: nowhere, end: nowhere }
    }

    /// Expands the manager number `index` and those after it, in braces.
    fn level(&self, index: usize, block: &TokenStream) -> TokenStream {
        let Some(level) = self.managers.get(index) else {
            return block.clone();
        };
        let HeaderManager { entry, site, private, frame, .. } = level;
        let manager = &entry.manager;
        let open = Ident::new(if index + 1 == self.managers.len() { "open" } else { "open_around" }, *site);
        let lent = lent_name(entry);
        let shadows = shadows(*site);
        let body = self.opened(index, &self.run(index, block));
        let body = quote_spanned! {*site=>
            let __value_of_block = #private::ValueToken::new();
            let #lent = #private::BorrowToken::new();
            #shadows
            let #lent = #private::BorrowToken::inside(&#lent);
            let #frame = &__acm_opened.until(&#lent, &__value_of_block);
            #body
        };
        let mut body = Group::new(Delimiter::Brace, body);
        body.set_span(site.located_at(self.end));
        quote_spanned! {*site=> {
            match #private::#open(#private::IntoManager::into_manager(#private::assert_manager(#manager))) {
                (__acm_manager, __acm_opened) => #body
            }
        }}
    }

    /// Uses the frame: `run`, and the code from which the compiler infers its types.
    fn opened(&self, index: usize, run: &TokenStream) -> TokenStream {
        let HeaderManager { site, frame, expect_return, .. } = &self.managers[index];
        if index > 0 {
            let outer = &self.managers[index - 1].frame;
            return quote_spanned!(*site=> #frame.inside(#outer); #run);
        }
        if let Some(output) = self.returns_to {
            let settled = quote_spanned!(site.located_at(output)=> #frame.into_return(__acm_value));
            return quote_spanned!(*site=> #expect_return match { #run } { __acm_value => #settled });
        }
        let (later, types) = if self.is_typed_later(index) {
            let later = quote_spanned!(*site=> let __acm_later = #frame.later(););
            (Some(later), quote_spanned!(*site=> __acm_later))
        } else {
            (None, frame.to_token_stream())
        };
        quote_spanned! {*site=>
            #expect_return
            #later
            match false {
                true => { #types.typed().value }
                false => ({ #run },).0,
            }
        }
    }

    /// Whether the type of the `with!` depends on managers that are not known yet where it is needed.
    fn is_typed_later(&self, index: usize) -> bool {
        index == 0 && self.managers.len() > 1 && self.returns_to.is_none()
    }

    fn run(&self, index: usize, block: &TokenStream) -> TokenStream {
        let enclosing = &self.enclosing;
        let HeaderManager { entry, site, private, frame, literal, expect_return } = &self.managers[index];
        let HeaderEntry { pattern, span, .. } = entry;
        // A value without a pattern lives as long as a bound one.
        let pattern =
            pattern.as_ref().map_or_else(|| quote_spanned!(Span::mixed_site()=> __acm_lent), ToTokens::to_token_stream);
        let shadows = shadows(*site);
        let bind = quote_spanned!(site.located_at(*span)=> #shadows let #pattern = #frame.value(););
        let end = self.end(index, &bind, &self.level(index + 1, block));
        let arms = self.arms(index);
        let shown = self.shown(index);
        let block = tokens::braces(quote_spanned!(*site=> #expect_return #end), self.braces);
        quote_spanned! {*site=>
            let __acm_future = #frame.future(async #block);
            match #private::run(__acm_manager, #frame, #enclosing, __acm_future, #literal, #shown).await { #arms }
        }
    }

    /// From the types of these values, the compiler infers how errors are shown. They are in a closure that is never called, so
    /// that no code is generated for them.
    ///
    /// Output: `|| { (__acm_frame0.lets(__acm_frame1.asks()), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)) }`
    fn shown(&self, index: usize) -> TokenStream {
        let HeaderManager { site, frame, .. } = &self.managers[index];
        let outer = self.managers[..index].iter().rev().map(|outer| &outer.frame);
        let asks =
            outer.fold(quote_spanned!(*site=> #frame.asks()), |asks, frame| quote_spanned!(*site=> #frame.lets(#asks)));
        quote_spanned!(*site=> || { (#asks, (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)) })
    }

    /// The block: binds the lent value, runs, and stores how it ended.
    fn end(&self, index: usize, bind: &TokenStream, block: &TokenStream) -> TokenStream {
        let HeaderManager { site, frame, literal, .. } = &self.managers[index];
        let typed = quote_spanned!(*site=> __acm_block.typed().value);
        let mut end = if self.exits.jumps.is_empty() {
            quote_spanned! {*site=>
                let __acm_block = #frame.block();
                let __acm_end = {
                    #bind
                    __acm_block.end(if true #block else { #typed })
                };
                let __acm_end = #frame.end(__acm_end, #literal);
            }
        } else {
            let label = jumps::block_label();
            quote_spanned! {*site=>
                let __acm_block = #frame.jumping_block();
                let __acm_end = {
                    #bind
                    __acm_block.end(#label: {
                        ::core::ops::ControlFlow::Continue(if true #block else { #typed })
                    })
                };
                let __acm_end = #frame.end_or_jump(__acm_end, #literal);
            }
        };
        end.extend(if self.exits.may_return {
            quote_spanned!(*site=> match __acm_end.await {})
        } else {
            quote_spanned!(*site=> __acm_end.await)
        });
        end
    }

    /// The arms after the exit phase: the value, a `return`, or a jump.
    fn arms(&self, index: usize) -> TokenStream {
        let HeaderManager { site, private, .. } = &self.managers[index];
        let Exits { jumps, may_return } = &self.exits;
        let mut value = quote_spanned!(*site=> __acm_value);
        if self.is_typed_later(index) {
            value = quote_spanned!(*site=> __acm_later.settle(#value));
        }
        let mut arms = quote_spanned!(*site=> #private::End::Value(__acm_value) => #value,);
        if *may_return {
            arms.extend(quote_spanned!(*site=> #private::End::Return(__acm_value) => return __acm_value,));
        }
        if index > 0 && !jumps.is_empty() {
            let label = jumps::block_label();
            arms.extend(
                quote_spanned!(*site=> #private::End::Jump(__acm_jump) => break #label ::core::ops::ControlFlow::Break(__acm_jump),),
            );
            return arms;
        }
        for (index, jump) in jumps.iter().enumerate() {
            arms.extend(self.jump(index, jump));
        }
        arms
    }

    /// The arm that executes a jump outside the block.
    fn jump(&self, index: usize, Jump { keyword, label, has_value, span }: &Jump) -> TokenStream {
        let site = Span::mixed_site().located_at(*span);
        let private = self.private.respan(site);
        let (pattern, value) = match has_value {
            true => (quote_spanned!(site=> __acm_value), Some(quote_spanned!(site=> __acm_value))),
            false => (quote_spanned!(site=> ()), None),
        };
        let pattern = jumps::either(pattern, index, self.exits.jumps.len(), &private);
        let word = Ident::new(keyword, site);
        // The `continue` of the user is needed, even if this one is at the end of a loop.
        let allow = (*keyword == "continue").then(|| quote_spanned!(site=> #[allow(clippy::needless_continue)]));
        quote_spanned!(site=> #allow #private::End::Jump(#pattern) => #word #label #value,)
    }
}

/// Returns the name of the token that the lent value borrows from. Errors about a lent value that escapes show this name,
/// so it is that of the user's pattern, and not hygienic. A name that may be one of a constant can't be bound.
fn lent_name(HeaderEntry { pattern, span, .. }: &HeaderEntry) -> Ident {
    let is_variable = |name: &Ident| name.to_string().starts_with(|first: char| first.is_lowercase());
    match pattern {
        Some(Pat::Ident(pattern)) if is_variable(&pattern.ident) => pattern.ident.clone(),
        _ => Ident::new("__lent_value", Span::mixed_site().located_at(*span)),
    }
}

/// Returns the attribute of a `let` that shadows a token with the name of the lent value.
fn shadows(site: Span) -> TokenStream {
    quote_spanned!(site=> #[allow(clippy::shadow_reuse, clippy::shadow_same, clippy::shadow_unrelated)])
}

/// Returns the span of the last token. For code in braces, it is that of the closing brace: generated code at the whole block
/// would count as code of the block in the coverage.
fn last_span(tokens: &TokenStream) -> Span {
    match tokens.clone().into_iter().last() {
        Some(TokenTree::Group(group)) => group.span_close(),
        Some(last) => last.span(),
        None => Span::mixed_site(),
    }
}

fn frame(index: usize, site: Span) -> Ident {
    format_ident!("__acm_frame{index}", span = site)
}
