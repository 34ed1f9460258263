//! Puts a `with!` together.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;
use syn::token::Brace;

use super::header::Entry;
use super::jumps::{self, Jump, Ways};
use crate::tokens;
use crate::yields::YIELD_POINT;

/// What is the same for all managers of a header.
struct With<'a> {
    entries: &'a [Entry],
    private: TokenStream,
    ways: Ways,
    /// The handle of the manager function in whose marker's way this `with!` stands, or `()`.
    within: TokenStream,
}

/// Input:  `connection(&pool) as conn => { conn.insert(1).await?; }`
///
/// Output:
///
/// ```ignore
/// {
///     let lent = Lifespan;
///     match open(connection(&pool), &lent) {
///         (manager, handoff0) => if false { handoff0.typed() } else {
///             match run(manager, &handoff0, async {
///                 let conn = handoff0.value();
///                 let value = { conn.insert(1).await?; };
///                 let end = handoff0.end(value, 0);
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
/// The `match` on `open` keeps the temporaries of the header alive. The `if false` takes the type that is expected of the `with!` to the
/// block. Of several managers, each next one stands in the block of the one before.
pub(crate) fn with(entries: &[Entry], mut block: Expr, krate: &TokenStream) -> TokenStream {
    let private = quote!(#krate::__private);
    let within = tokens::find_ident(block.to_token_stream(), &|ident| ident == YIELD_POINT);
    let within = within.map_or_else(|| quote!(()), Ident::into_token_stream);
    let mut ways = jumps::carry(&mut block, &private);
    // The managers after the first are in its block.
    ways.may_return |= entries.len() > 1;
    if let Expr::Block(block) = &mut block {
        // Braces from here, so that no lint takes them for superfluous ones of the user's.
        block.block.brace_token = Brace(Span::mixed_site().located_at(block.block.brace_token.span.join()));
    }
    With { entries, private, ways, within }.level(0, &block.into_token_stream())
}

impl With<'_> {
    /// The manager number `level` and those after it.
    fn level(&self, level: usize, block: &TokenStream) -> TokenStream {
        let Some(Entry { manager, span, .. }) = self.entries.get(level) else {
            return block.clone();
        };
        let private = &self.private;
        let site = Span::mixed_site();
        let handoff = handoff(level);
        let open = if level + 1 == self.entries.len() { "open" } else { "open_around" };
        let open = Ident::new(open, site.located_at(manager.span()));
        let lent = Ident::new("lent", site.located_at(*span));
        let run = self.run(level, block);
        let body = if level == 0 {
            quote_spanned!(site=> if false { #handoff.typed() } else { #run })
        } else {
            let outer = self::handoff(level - 1);
            quote_spanned!(site=> { let #handoff = #handoff.inside(&#outer); #run })
        };
        quote_spanned! {site=> {
            let #lent = #private::Lifespan;
            match #private::#open(#manager, &#lent) { (manager, #handoff) => #body }
        }}
    }

    fn run(&self, level: usize, block: &TokenStream) -> TokenStream {
        let Self { entries, private, within, .. } = self;
        let site = Span::mixed_site();
        let handoff = handoff(level);
        let pattern = &entries[level].pattern;
        let value = self.level(level + 1, block);
        let end = self.end(&handoff, &value);
        let arms = self.arms(level);
        // Outside async code, the error about this is to be seen at the manager.
        let span = site.located_at(entries[level].manager.span());
        let awaiting = quote_spanned!(span=> .await);
        quote_spanned! {site=>
            match #private::run(manager, &#handoff, async { let #pattern = #handoff.value(); #end }, #within, 0) #awaiting { #arms }
        }
    }

    /// The block from when it has what is lent. If it never comes to its end, that is not to be warned of.
    fn end(&self, handoff: &Ident, value: &TokenStream) -> TokenStream {
        let site = Span::mixed_site();
        let (value, end) = if self.ways.jumps.is_empty() {
            (quote_spanned!(site=> let value = #value;), quote_spanned!(site=> end))
        } else {
            let block = jumps::block_label();
            let value = quote_spanned! {site=>
                let value = #block: {
                    let value = #value;
                    #[allow(unreachable_code)]
                    let value = ::core::ops::ControlFlow::Continue(value);
                    value
                };
            };
            (value, quote_spanned!(site=> end_or_jump))
        };
        let wait = if self.ways.may_return {
            quote_spanned!(site=> match end.await {})
        } else {
            quote_spanned!(site=> end.await)
        };
        quote_spanned!(site=> #value #[allow(unreachable_code)] let end = #handoff.#end(value, 0); #wait)
    }

    /// What comes after the exit phase.
    fn arms(&self, level: usize) -> TokenStream {
        let Self { private, ways: Ways { jumps, may_return }, .. } = self;
        let site = Span::mixed_site();
        let mut arms = quote_spanned!(site=> #private::End::Value(value) => value,);
        if *may_return {
            arms.extend(quote_spanned!(site=> #private::End::Return(value) => return value,));
        }
        if level > 0 && !jumps.is_empty() {
            let block = jumps::block_label();
            arms.extend(
                quote_spanned!(site=> #private::End::Jump(jump) => break #block ::core::ops::ControlFlow::Break(jump),),
            );
            return arms;
        }
        for (index, Jump { keyword, label, has_value, span }) in jumps.iter().enumerate() {
            let value = if *has_value { quote_spanned!(site=> value) } else { quote_spanned!(site=> ()) };
            let jump = jumps::either(value, index, jumps.len(), private);
            let keyword = Ident::new(keyword, site.located_at(*span));
            let value = has_value.then(|| quote_spanned!(site=> value));
            arms.extend(quote_spanned!(site=> #private::End::Jump(#jump) => #keyword #label #value,));
        }
        arms
    }
}

fn handoff(level: usize) -> Ident {
    format_ident!("handoff{level}", span = Span::mixed_site())
}
