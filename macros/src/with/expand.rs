//! Puts a `with!` together.

use proc_macro2::{Group, Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Expr;

use super::Keywords;
use super::header::HeaderEntry;
use super::jumps::{self, Exits, Jump};
use crate::marker::find_point;
use crate::tokens::CratePath;

/// What is the same for all managers of a header.
struct With {
    managers: Vec<HeaderManager>,
    /// The path of what the runtime crate has for generated code.
    private: CratePath,
    exits: Exits,
    /// The handle of the manager function in whose marker's way this `with!` stands, or `()`.
    within: TokenStream,
    /// If the block is the body of a function: where an error about what it returns is to be seen.
    returns_to: Option<Span>,
}

/// Input:  `connection(&pool) as conn => { conn.insert(1).await?; }`
///
/// Output:
///
/// ```text
/// match open(IntoManager::into_manager(assert_manager(connection(&pool)))) {
///     (__acm_manager, __acm_opened) => {
///         let __value_of_block = ValueToken::new();
///         let __lent_value = BorrowToken::new();
///         let __lent_value = BorrowToken::inside(&__lent_value);
///         let __acm_frame0 = &__acm_opened.until(&__lent_value, &__value_of_block);
///         if false { return __acm_frame0.returned().value; }
///         if false {
///             __acm_frame0.typed().value
///         } else {
///             let __acm_future = __acm_frame0.future(async {
///                 if false { return __acm_frame0.returned().value; }
///                 let __acm_block = __acm_frame0.block();
///                 let __acm_end = {
///                     let conn = __acm_frame0.value();
///                     __acm_block.end(if true { conn.insert(1).await?; } else { __acm_block.typed().value })
///                 };
///                 let __acm_end = __acm_frame0.end(__acm_end, 0);
///                 match __acm_end.await {}
///             });
///             match run(__acm_manager, __acm_frame0, (), __acm_future, 0).await {
///                 End::Value(__acm_value) => __acm_value,
///                 End::Return(__acm_value) => return __acm_value,
///             }
///         }
///     }
/// }
/// ```
///
/// The methods take their receivers as they are, by value or as the reference that `__acm_frame0` is. So they come before
/// those of any trait of the user's. The names are not ones that the user has for a constant.
///
/// The future of the block is a local of its own, so that the compiler computes its layout before that of the future of
/// `run`, which has it as a field: that is one query less for each level of a nest (`tests/depth.rs`).
///
/// The outer `match` keeps the temporaries of the header alive. Each `if false` takes a type that is expected of
/// the `with!` or of the function to the block, so that what is in it is inferred and coerced as if it stood outside;
/// there are no values of what `typed` returns, so the borrow checker sees that there is no way past the block. The `if
/// true` has the compiler go on behind a block that never ends. Of several managers, each next one stands in the block
/// of the one before.
///
/// The block is the same as the `braces`, if there are any; these need not be written anew.
pub(crate) fn with(
    mut entries: Vec<HeaderEntry>,
    mut block: Expr,
    braces: Option<Group>,
    keywords: Keywords,
    krate: &CratePath,
) -> TokenStream {
    let private = krate.private();
    let point = keywords.has_lending.then(|| find_point(block.to_token_stream())).flatten();
    let within = point.map_or_else(
        || quote!(()),
        |point| quote_spanned!(Span::mixed_site()=> #private::YieldPoint::enclosing(&#point)),
    );
    let mut exits = jumps::rewrite(&mut entries, &mut block, keywords.has_jump, &private);
    // The managers after the first are in its block.
    exits.may_return |= entries.len() > 1;
    let block = match block {
        Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => match braces {
            Some(braces) if !keywords.has_jump => braces.into_token_stream(),
            _ => block.into_token_stream(),
        },
        other => quote_spanned!(Span::mixed_site()=> { #other }),
    };
    With::new(entries, private, exits, within, None).level(0, &block)
}

/// The same for `#[within]`, where the block is the body of a function. It leaves by a `return`, and so it is what the
/// function returns; what the managers end in, when they do not let it, is turned into that.
///
/// Input:  `connection(pool) as conn`, and `{ conn.insert(1).await?; Ok(()) }`
///
/// Output: as above, but the block is
///
/// ```text
/// return if true { conn.insert(1).await?; Ok(()) } else { __acm_frame0.returned().value }
/// ```
///
/// and in place of the outer `if false`
///
/// ```text
/// match match run(...).await { ... } { __acm_value => __acm_frame0.into_return(__acm_value) }
/// ```
pub(crate) fn body(entries: Vec<HeaderEntry>, body: &TokenStream, krate: &CratePath, output: Span) -> TokenStream {
    let private = krate.private();
    let frame = frame(0, Span::mixed_site());
    let block = quote_spanned! {Span::mixed_site()=> {
        return if true #body else {
            #frame.returned().value
        }
    }};
    let exits = Exits { may_return: true, ..Exits::default() };
    With::new(entries, private, exits, quote!(()), Some(output)).level(0, &block)
}

/// A manager of a header, and what its part of the expansion has throughout.
struct HeaderManager {
    entry: HeaderEntry,
    /// Where errors about the manager are to be seen.
    site: Span,
    private: CratePath,
    frame: Ident,
    /// A number by which the compiler tells a `Result` from other types.
    literal: Literal,
    /// Tells the compiler what a `return` is to give.
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
    fn new(
        entries: Vec<HeaderEntry>,
        private: CratePath,
        exits: Exits,
        within: TokenStream,
        returns_to: Option<Span>,
    ) -> Self {
        let level = |(index, entry)| HeaderManager::new(index, entry, &private, exits.may_return);
        let managers = entries.into_iter().enumerate().map(level).collect();
        Self { managers, private, exits, within, returns_to }
    }

    /// The manager number `index` and those after it, in braces.
    fn level(&self, index: usize, block: &TokenStream) -> TokenStream {
        let Some(level) = self.managers.get(index) else {
            return block.clone();
        };
        let HeaderManager { entry: HeaderEntry { manager, span, .. }, site, private, frame, .. } = level;
        let open = Ident::new(if index + 1 == self.managers.len() { "open" } else { "open_around" }, *site);
        // An error about a value that escapes shows it by this name, so it is not a hygienic one.
        let lent = Ident::new("__lent_value", *span);
        let body = self.opened(index, &self.run(index, block));
        quote_spanned! {*site=> {
            match #private::#open(#private::IntoManager::into_manager(#private::assert_manager(#manager))) {
                (__acm_manager, __acm_opened) => {
                    let __value_of_block = #private::ValueToken::new();
                    let #lent = #private::BorrowToken::new();
                    let #lent = #private::BorrowToken::inside(&#lent);
                    let #frame = &__acm_opened.until(&#lent, &__value_of_block);
                    #body
                }
            }
        }}
    }

    /// What is done with the frame: `run`, and what tells the compiler the types of it.
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
        quote_spanned! {*site=>
            #expect_return
            if false {
                #frame.typed().value
            } else {
                #run
            }
        }
    }

    fn run(&self, index: usize, block: &TokenStream) -> TokenStream {
        let within = &self.within;
        let HeaderManager { entry, site, private, frame, literal, expect_return } = &self.managers[index];
        let HeaderEntry { pattern, span, .. } = entry;
        // What is not bound lives as long as if it were.
        let pattern =
            pattern.as_ref().map_or_else(|| quote_spanned!(Span::mixed_site()=> __acm_lent), ToTokens::to_token_stream);
        let bind = quote_spanned!(site.located_at(*span)=> let #pattern = #frame.value(););
        let end = self.end(index, &bind, &self.level(index + 1, block));
        let arms = self.arms(index);
        quote_spanned! {*site=>
            let __acm_future = #frame.future(async { #expect_return #end });
            match #private::run(__acm_manager, #frame, #within, __acm_future, #literal).await { #arms }
        }
    }

    /// The block: what is bound to what is lent, up to its end.
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

    /// What comes after the exit phase.
    fn arms(&self, index: usize) -> TokenStream {
        let HeaderManager { site, private, .. } = &self.managers[index];
        let Exits { jumps, may_return } = &self.exits;
        let mut arms = if *may_return {
            quote_spanned!(*site=> #private::End::Value(__acm_value) => __acm_value, #private::End::Return(__acm_value) => return __acm_value,)
        } else {
            quote_spanned!(*site=> #private::End::Value(__acm_value) => __acm_value,)
        };
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

    /// The jump itself, where it is not in the block any more.
    fn jump(&self, index: usize, Jump { keyword, label, has_value, span }: &Jump) -> TokenStream {
        let site = Span::mixed_site().located_at(*span);
        let private = self.private.respan(site);
        let (pattern, value) = match has_value {
            true => (quote_spanned!(site=> __acm_value), Some(quote_spanned!(site=> __acm_value))),
            false => (quote_spanned!(site=> ()), None),
        };
        let pattern = jumps::either(pattern, index, self.exits.jumps.len(), &private);
        let word = Ident::new(keyword, site);
        // The user's own is needed, whatever is thought of this one.
        let allow = (*keyword == "continue").then(|| quote_spanned!(site=> #[allow(clippy::needless_continue)]));
        quote_spanned!(site=> #allow #private::End::Jump(#pattern) => #word #label #value,)
    }
}

fn frame(index: usize, site: Span) -> Ident {
    format_ident!("__acm_frame{index}", span = site)
}
