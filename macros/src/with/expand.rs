//! Puts a `with!` together.

use proc_macro2::{Group, Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Expr;

use super::Words;
use super::header::Entry;
use super::jumps::{self, Jump, Ways};
use crate::marker::find_point;
use crate::tokens::Prefix;

/// What is the same for all managers of a header.
struct With {
    levels: Vec<Level>,
    /// The path of what the runtime crate has for generated code.
    private: Prefix,
    ways: Ways,
    /// The handle of the manager function in whose marker's way this `with!` stands, or `()`.
    within: TokenStream,
    /// If the block is the body of a function: where an error about what it returns is to be seen.
    settles: Option<Span>,
}

/// Input:  `connection(&pool) as conn => { conn.insert(1).await?; }`
///
/// Output:
///
/// ```text
/// match open(IntoManager::into_manager(it(connection(&pool)))) {
///     (__acm_manager, __acm_opened) => {
///         let __value_of_block = Kept::new();
///         let __lent_value = Loan::new();
///         let __lent_value = Loan::inside(&__lent_value);
///         let __acm_handoff0 = &__acm_opened.until(&__lent_value, &__value_of_block);
///         if false { return __acm_handoff0.returned().value; }
///         if false {
///             __acm_handoff0.typed().value
///         } else {
///             let __acm_future = __acm_handoff0.future(async {
///                 if false { return __acm_handoff0.returned().value; }
///                 let __acm_block = __acm_handoff0.block();
///                 let __acm_end = {
///                     let conn = __acm_handoff0.value();
///                     __acm_block.end(if true { conn.insert(1).await?; } else { __acm_block.typed().value })
///                 };
///                 let __acm_end = __acm_handoff0.end(__acm_end, 0);
///                 match __acm_end.await {}
///             });
///             match run(__acm_manager, __acm_handoff0, (), __acm_future, 0).await {
///                 End::Value(__acm_value) => __acm_value,
///                 End::Return(__acm_value) => return __acm_value,
///             }
///         }
///     }
/// }
/// ```
///
/// The methods take their receivers as they are, by value or as the reference that `__acm_handoff0` is. So they come before
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
    mut entries: Vec<Entry>,
    mut block: Expr,
    braces: Option<Group>,
    words: Words,
    krate: &Prefix,
) -> TokenStream {
    let private = krate.private();
    let point = words.has_lending.then(|| find_point(block.to_token_stream())).flatten();
    let within = point
        .map_or_else(|| quote!(()), |point| quote_spanned!(Span::mixed_site()=> #private::YieldPoint::around(&#point)));
    let mut ways = jumps::carry(&mut entries, &mut block, words.has_jump, &private);
    // The managers after the first are in its block.
    ways.may_return |= entries.len() > 1;
    let block = match block {
        Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => match braces {
            Some(braces) if !words.has_jump => braces.into_token_stream(),
            _ => block.into_token_stream(),
        },
        other => quote_spanned!(Span::mixed_site()=> { #other }),
    };
    With::new(entries, private, ways, within, None).level(0, &block)
}

/// The same for `#[within]`, where the block is the body of a function. It leaves by a `return`, and so it is what the
/// function returns; what the managers end in, when they do not let it, is turned into that.
///
/// Input:  `connection(pool) as conn`, and `{ conn.insert(1).await?; Ok(()) }`
///
/// Output: as above, but the block is
///
/// ```text
/// return if true { conn.insert(1).await?; Ok(()) } else { __acm_handoff0.returned().value }
/// ```
///
/// and in place of the outer `if false`
///
/// ```text
/// match match run(...).await { ... } { __acm_value => __acm_handoff0.settle(__acm_value) }
/// ```
pub(crate) fn body(entries: Vec<Entry>, body: &TokenStream, krate: &Prefix, output: Span) -> TokenStream {
    let private = krate.private();
    let handoff = handoff(0, Span::mixed_site());
    let block = quote_spanned! {Span::mixed_site()=> {
        return if true #body else {
            #handoff.returned().value
        }
    }};
    let ways = Ways { may_return: true, ..Ways::default() };
    With::new(entries, private, ways, quote!(()), Some(output)).level(0, &block)
}

/// A manager of a header, and what its part of the expansion has throughout.
struct Level {
    entry: Entry,
    /// Where errors about the manager are to be seen.
    site: Span,
    private: Prefix,
    handoff: Ident,
    /// A number by which the compiler tells a `Result` from other types.
    literal: Literal,
    /// Tells the compiler what a `return` is to give.
    expect_return: Option<TokenStream>,
}

impl Level {
    fn new(index: usize, entry: Entry, private: &Prefix, may_return: bool) -> Self {
        let site = Span::mixed_site().located_at(entry.manager_span);
        let handoff = handoff(index, site);
        let mut literal = Literal::i32_unsuffixed(0);
        literal.set_span(site);
        let expect_return = may_return.then(|| {
            quote_spanned! {site=>
                if false {
                    return #handoff.returned().value;
                }
            }
        });
        Self { site, private: private.locate(site), handoff, literal, expect_return, entry }
    }
}

impl With {
    fn new(entries: Vec<Entry>, private: Prefix, ways: Ways, within: TokenStream, settles: Option<Span>) -> Self {
        let level = |(index, entry)| Level::new(index, entry, &private, ways.may_return);
        let levels = entries.into_iter().enumerate().map(level).collect();
        Self { levels, private, ways, within, settles }
    }

    /// The manager number `index` and those after it, in braces.
    fn level(&self, index: usize, block: &TokenStream) -> TokenStream {
        let Some(level) = self.levels.get(index) else {
            return block.clone();
        };
        let Level { entry: Entry { manager, span, .. }, site, private, handoff, .. } = level;
        let open = Ident::new(if index + 1 == self.levels.len() { "open" } else { "open_around" }, *site);
        // An error about a value that escapes shows it by this name, so it is not a hygienic one.
        let lent = Ident::new("__lent_value", *span);
        let body = self.opened(index, &self.run(index, block));
        quote_spanned! {*site=> {
            match #private::#open(#private::IntoManager::into_manager(#private::it(#manager))) {
                (__acm_manager, __acm_opened) => {
                    let __value_of_block = #private::Kept::new();
                    let #lent = #private::Loan::new();
                    let #lent = #private::Loan::inside(&#lent);
                    let #handoff = &__acm_opened.until(&#lent, &__value_of_block);
                    #body
                }
            }
        }}
    }

    /// What is done with the handoff: `run`, and what tells the compiler the types of it.
    fn opened(&self, index: usize, run: &TokenStream) -> TokenStream {
        let Level { site, handoff, expect_return, .. } = &self.levels[index];
        if index > 0 {
            let outer = &self.levels[index - 1].handoff;
            return quote_spanned!(*site=> #handoff.inside(#outer); #run);
        }
        if let Some(output) = self.settles {
            let settled = quote_spanned!(site.located_at(output)=> #handoff.settle(__acm_value));
            return quote_spanned!(*site=> #expect_return match { #run } { __acm_value => #settled });
        }
        quote_spanned! {*site=>
            #expect_return
            if false {
                #handoff.typed().value
            } else {
                #run
            }
        }
    }

    fn run(&self, index: usize, block: &TokenStream) -> TokenStream {
        let within = &self.within;
        let Level { entry, site, private, handoff, literal, expect_return } = &self.levels[index];
        let Entry { pattern, span, .. } = entry;
        // What is not bound lives as long as if it were.
        let pattern =
            pattern.as_ref().map_or_else(|| quote_spanned!(Span::mixed_site()=> __acm_lent), ToTokens::to_token_stream);
        let bind = quote_spanned!(site.located_at(*span)=> let #pattern = #handoff.value(););
        let end = self.end(index, &bind, &self.level(index + 1, block));
        let arms = self.arms(index);
        quote_spanned! {*site=>
            let __acm_future = #handoff.future(async { #expect_return #end });
            match #private::run(__acm_manager, #handoff, #within, __acm_future, #literal).await { #arms }
        }
    }

    /// The block: what is bound to what is lent, up to its end.
    fn end(&self, index: usize, bind: &TokenStream, block: &TokenStream) -> TokenStream {
        let Level { site, handoff, literal, .. } = &self.levels[index];
        let typed = quote_spanned!(*site=> __acm_block.typed().value);
        let mut end = if self.ways.jumps.is_empty() {
            quote_spanned! {*site=>
                let __acm_block = #handoff.block();
                let __acm_end = {
                    #bind
                    __acm_block.end(if true #block else { #typed })
                };
                let __acm_end = #handoff.end(__acm_end, #literal);
            }
        } else {
            let label = jumps::block_label();
            quote_spanned! {*site=>
                let __acm_block = #handoff.jumping_block();
                let __acm_end = {
                    #bind
                    __acm_block.end(#label: {
                        ::core::ops::ControlFlow::Continue(if true #block else { #typed })
                    })
                };
                let __acm_end = #handoff.end_or_jump(__acm_end, #literal);
            }
        };
        end.extend(if self.ways.may_return {
            quote_spanned!(*site=> match __acm_end.await {})
        } else {
            quote_spanned!(*site=> __acm_end.await)
        });
        end
    }

    /// What comes after the exit phase.
    fn arms(&self, index: usize) -> TokenStream {
        let Level { site, private, .. } = &self.levels[index];
        let Ways { jumps, may_return } = &self.ways;
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
        let private = self.private.locate(site);
        let (pattern, value) = match has_value {
            true => (quote_spanned!(site=> __acm_value), Some(quote_spanned!(site=> __acm_value))),
            false => (quote_spanned!(site=> ()), None),
        };
        let pattern = jumps::either(pattern, index, self.ways.jumps.len(), &private);
        let word = Ident::new(keyword, site);
        // The user's own is needed, whatever is thought of this one.
        let allow = (*keyword == "continue").then(|| quote_spanned!(site=> #[allow(clippy::needless_continue)]));
        quote_spanned!(site=> #allow #private::End::Jump(#pattern) => #word #label #value,)
    }
}

fn handoff(index: usize, site: Span) -> Ident {
    format_ident!("__acm_handoff{index}", span = site)
}
