//! Puts a `with!` together.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;

use super::header::Entry;
use super::jumps::{self, Jump, Ways};
use crate::tokens;
use crate::yields::YIELD_POINT;

/// What is the same for all managers of a header.
struct With {
    entries: Vec<Entry>,
    /// The path of what the runtime crate has for generated code.
    private: TokenStream,
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
///     (manager, opened) => {
///         let __lent_value = Loan::new();
///         let __lent_value = Loan::inside(&__lent_value);
///         let handoff0 = opened.until(&__lent_value);
///         if false { return handoff0.returned(); }
///         if false {
///             handoff0.not_run();
///             let value = handoff0.typed();
///             value
///         } else {
///             match run(manager, &handoff0, async {
///                 if false { return handoff0.returned(); }
///                 let block = handoff0.block();
///                 let end = {
///                     let conn = handoff0.value();
///                     block.end(if true { conn.insert(1).await?; } else { let value = block.typed(); value })
///                 };
///                 let end = handoff0.end(end, 0);
///                 match end.await {}
///             }, (), 0).await {
///                 End::Value(value) => value,
///                 End::Return(value) => return value,
///             }
///         }
///     }
/// }
/// ```
///
/// The outer `match` keeps the temporaries of the header alive. Each `if false` takes a type that is expected of
/// the `with!` or of the function to the block, so that what is in it is inferred and coerced as if it stood outside;
/// the call of `not_run`, which returns `!`, has the borrow checker see that there is no way past the block. The `if
/// true` has the compiler go on behind a block that never ends. Of several managers, each next one stands in the block
/// of the one before.
pub(crate) fn with(mut entries: Vec<Entry>, mut block: Expr, krate: &TokenStream) -> TokenStream {
    let private = quote!(#krate::__private);
    let within = tokens::find_ident(block.to_token_stream(), &|ident| ident == YIELD_POINT);
    let within = within.map_or_else(|| quote!(()), Ident::into_token_stream);
    let mut ways = jumps::carry(&mut entries, &mut block, &private);
    // The managers after the first are in its block.
    ways.may_return |= entries.len() > 1;
    let block = match block {
        Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => block.into_token_stream(),
        other => quote_spanned!(Span::mixed_site()=> { #other }),
    };
    With { entries, private, ways, within, settles: None }.level(0, &block)
}

/// The same for `#[within]`, where the block is the body of a function. It leaves by a `return`, and so it is what the
/// function returns; what the managers end in, when they do not let it, is turned into that.
///
/// Input:  `connection(pool) as conn`, and `{ conn.insert(1).await?; Ok(()) }`
///
/// Output: as above, but the block is
///
/// ```text
/// return if true { conn.insert(1).await?; Ok(()) } else { let value = handoff0.returned(); value }
/// ```
///
/// and in place of the outer `if false`
///
/// ```text
/// match match run(...).await { ... } { value => handoff0.settle(value) }
/// ```
pub(crate) fn body(entries: Vec<Entry>, body: &TokenStream, krate: &TokenStream, output: Span) -> TokenStream {
    let private = quote!(#krate::__private);
    let handoff = handoff(0);
    let block = quote_spanned! {Span::mixed_site()=> {
        return if true #body else {
            #[allow(clippy::diverging_sub_expression)]
            let value = #handoff.returned();
            value
        }
    }};
    let ways = Ways { may_return: true, ..Ways::default() };
    With { entries, private, ways, within: quote!(()), settles: Some(output) }.level(0, &block)
}

impl With {
    /// The manager number `level` and those after it, in braces.
    fn level(&self, level: usize, block: &TokenStream) -> TokenStream {
        let Some(Entry { manager, span, .. }) = self.entries.get(level) else {
            return block.clone();
        };
        let private = self.private(self.site(level));
        let site = self.site(level);
        let handoff = handoff(level);
        let open = Ident::new(if level + 1 == self.entries.len() { "open" } else { "open_around" }, site);
        // An error about a value that escapes shows it by this name, so it is not a hygienic one.
        let lent = Ident::new("__lent_value", *span);
        let run = self.run(level, block);
        let expect_return = self.expect_return(level);
        let body = if level > 0 {
            let outer = self::handoff(level - 1);
            quote_spanned!(site=> let #handoff = #handoff.inside(&#outer); #run)
        } else if let Some(output) = self.settles {
            let settled = quote_spanned!(site.located_at(output)=> #handoff.settle(value));
            quote_spanned!(site=> #expect_return match #run { value => #settled })
        } else {
            quote_spanned! {site=>
                #expect_return
                if false {
                    #handoff.not_run();
                    #[allow(unreachable_code, clippy::diverging_sub_expression)]
                    let value = #handoff.typed();
                    value
                } else {
                    #run
                }
            }
        };
        quote_spanned! {site=> {
            match #private::#open(#private::IntoManager::into_manager(#private::it(#manager))) {
                (manager, opened) => {
                    let #lent = #private::Loan::new();
                    let #lent = #private::Loan::inside(&#lent);
                    let #handoff = opened.until(&#lent);
                    #body
                }
            }
        }}
    }

    /// Where errors about a manager are to be seen.
    fn site(&self, level: usize) -> Span {
        Span::mixed_site().located_at(self.entries[level].manager.span())
    }

    fn private(&self, span: Span) -> TokenStream {
        tokens::locate(&self.private, span)
    }

    fn expect_return(&self, level: usize) -> Option<TokenStream> {
        let handoff = handoff(level);
        let statement = quote_spanned! {self.site(level)=>
            #[allow(clippy::diverging_sub_expression)]
            if false {
                return #handoff.returned();
            }
        };
        self.ways.may_return.then_some(statement)
    }

    fn run(&self, level: usize, block: &TokenStream) -> TokenStream {
        let within = &self.within;
        let Entry { pattern, span, .. } = &self.entries[level];
        // What is not bound lives as long as if it were.
        let pattern =
            pattern.as_ref().map_or_else(|| quote_spanned!(Span::mixed_site()=> _value), ToTokens::to_token_stream);
        let site = self.site(level);
        let private = self.private(site);
        let handoff = handoff(level);
        let expect_return = self.expect_return(level);
        let bind = quote_spanned!(site.located_at(*span)=> let #pattern = #handoff.value(););
        let end = self.end(level, &bind, &self.level(level + 1, block));
        let arms = self.arms(level);
        quote_spanned! {site=>
            match #private::run(manager, &#handoff, async { #expect_return #end }, #within, 0).await { #arms }
        }
    }

    /// The block: what is bound to what is lent, up to its end.
    fn end(&self, level: usize, bind: &TokenStream, block: &TokenStream) -> TokenStream {
        let site = self.site(level);
        let handoff = handoff(level);
        let value = quote_spanned! {site=>
            if true #block else {
                #[allow(clippy::diverging_sub_expression)]
                let value = block.typed();
                value
            }
        };
        let statements = if self.ways.jumps.is_empty() {
            quote_spanned! {site=>
                let block = #handoff.block();
                let end = { #bind block.end(#value) };
                let end = #handoff.end(end, 0);
            }
        } else {
            let label = jumps::block_label();
            quote_spanned! {site=>
                let block = #handoff.jumping_block();
                let end = { #bind block.end(#label: { ::core::ops::ControlFlow::Continue(#value) }) };
                let end = #handoff.end_or_jump(end, 0);
            }
        };
        if self.ways.may_return {
            quote_spanned!(site=> #statements match end.await {})
        } else {
            quote_spanned!(site=> #statements end.await)
        }
    }

    /// What comes after the exit phase.
    fn arms(&self, level: usize) -> TokenStream {
        let Ways { jumps, may_return } = &self.ways;
        let site = self.site(level);
        let private = self.private(site);
        let mut arms = quote_spanned!(site=> #private::End::Value(value) => value,);
        if *may_return {
            arms.extend(quote_spanned!(site=> #private::End::Return(value) => return value,));
        }
        if level > 0 && !jumps.is_empty() {
            let label = jumps::block_label();
            arms.extend(
                quote_spanned!(site=> #private::End::Jump(jump) => break #label ::core::ops::ControlFlow::Break(jump),),
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
        let private = self.private(site);
        let (pattern, value) = match has_value {
            true => (quote_spanned!(site=> value), Some(quote_spanned!(site=> value))),
            false => (quote_spanned!(site=> ()), None),
        };
        let pattern = jumps::either(pattern, index, self.ways.jumps.len(), &private);
        let word = Ident::new(keyword, site);
        // The user's own is needed, whatever is thought of this one.
        let allow = (*keyword == "continue").then(|| quote_spanned!(site=> #[allow(clippy::needless_continue)]));
        quote_spanned!(site=> #allow #private::End::Jump(#pattern) => #word #label #value,)
    }
}

fn handoff(level: usize) -> Ident {
    format_ident!("handoff{level}", span = Span::mixed_site())
}
