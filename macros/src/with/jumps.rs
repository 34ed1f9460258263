//! The `break`s and `continue`s that leave the block of a `with!`. They are rewritten to take effect after the exit
//! phase.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprBreak, Item, Label, Lifetime, Macro, Stmt};

use super::header::HeaderEntry;
use crate::tokens::{self, CratePath};

/// The expressions that leave a block before its end.
#[derive(Default)]
pub(crate) struct Exits {
    /// The different jumps.
    pub(crate) jumps: Vec<Jump>,
    /// Whether the block may return: by a `return`, by a `?`, or in a macro that may contain one of them.
    pub(crate) may_return: bool,
}

/// `break`, `continue`, `break 'label`, ...
pub(crate) struct Jump {
    pub(crate) keyword: &'static str,
    pub(crate) label: Option<Lifetime>,
    pub(crate) has_value: bool,
    /// The span of the keyword of the first such jump.
    pub(crate) span: Span,
}

impl Jump {
    fn is_like(&self, other: &Self) -> bool {
        (self.keyword, &self.label, self.has_value) == (other.keyword, &other.label, other.has_value)
    }
}

/// Rewrites the jumps that leave the block, and returns all exits.
///
/// Input:  `{ if done { break 'outer 5; } }`
///
/// Output: `{ if done { break 'with_block ControlFlow::Break(5); } }`, and `[break 'outer value]`
///
/// The values of several jumps are wrapped in nested `Either`s. The managers after the first are rewritten, too,
/// because they are in the block of the first. If `has_jump` is false, there are no jumps.
pub(crate) fn rewrite(entries: &mut [HeaderEntry], block: &mut Expr, has_jump: bool, private: &CratePath) -> Exits {
    let mut parts: Vec<&mut Expr> = entries.iter_mut().skip(1).map(|entry| &mut entry.manager).chain([block]).collect();
    if !has_jump {
        return visit(&mut parts, private, 1);
    }
    let original: Vec<Expr> = parts.iter().map(|part| (**part).clone()).collect();
    let mut exits = visit(&mut parts, private, 1);
    if exits.jumps.len() > 1 {
        for (part, original) in parts.iter_mut().zip(original) {
            **part = original;
        }
        exits = visit(&mut parts, private, exits.jumps.len());
    }
    exits
}

fn visit(parts: &mut [&mut Expr], private: &CratePath, count: usize) -> Exits {
    let mut rewriter = JumpRewriter::new(private, count);
    for part in parts {
        rewriter.visit_expr_mut(part);
    }
    rewriter.exits
}

/// Wraps a value or a pattern as number `index` of `count` alternatives.
///
/// Output, for 0, 1, 2 of 3: `This(v)`, `Other(This(v))`, `Other(Other(v))`
pub(crate) fn either(value: TokenStream, index: usize, count: usize, private: &CratePath) -> TokenStream {
    let site = Span::mixed_site();
    let innermost = if index + 1 == count { value } else { quote_spanned!(site=> #private::Either::This(#value)) };
    (0..index).fold(innermost, |inner, _| quote_spanned!(site=> #private::Either::Other(#inner)))
}

/// Returns the label of the block of a `with!`.
pub(crate) fn block_label() -> Lifetime {
    Lifetime::new("'with_block", Span::mixed_site())
}

struct JumpRewriter<'a> {
    private: &'a CratePath,
    /// The number of different jumps.
    count: usize,
    exits: Exits,
    in_loop: bool,
    /// The labels in the block around the visited expression.
    labels: Vec<Lifetime>,
}

impl<'a> JumpRewriter<'a> {
    fn new(private: &'a CratePath, count: usize) -> Self {
        Self { private, count, exits: Exits::default(), in_loop: false, labels: Vec::new() }
    }

    /// Returns the replacement of a jump, or `None` if it stays in the block.
    fn jump(
        &mut self,
        (keyword, span): (&'static str, Span),
        label: Option<&Lifetime>,
        value: Option<&Expr>,
    ) -> Option<TokenStream> {
        let stays = label.map_or(self.in_loop, |label| self.labels.contains(label));
        if stays {
            return None;
        }
        let jump = Jump { keyword, label: label.cloned(), has_value: value.is_some(), span };
        let index = self.exits.jumps.iter().position(|known| known.is_like(&jump)).unwrap_or_else(|| {
            self.exits.jumps.push(jump);
            self.exits.jumps.len() - 1
        });
        let site = Span::mixed_site();
        let value = value.map_or_else(|| quote_spanned!(site=> ()), ToTokens::to_token_stream);
        let value = either(value, index, self.count, self.private);
        let block = block_label();
        // The outer tokens of the value have the span of the keyword, so that coverage counts its line.
        let value = quote_spanned!(span=> ::core::ops::ControlFlow::Break(#value));
        Some(quote_spanned!(site=> break #block #value))
    }

    /// Visits a loop or a labelled block.
    fn in_scope(&mut self, label: Option<&Label>, is_loop: bool, visit: impl FnOnce(&mut Self)) {
        let outside = self.in_loop;
        self.in_loop |= is_loop;
        let labels = self.labels.len();
        self.labels.extend(label.map(|label| label.name.clone()));
        visit(self);
        self.labels.truncate(labels);
        self.in_loop = outside;
    }

    /// Rewrites the jumps in the arguments of a macro, where the arguments or the jump itself can be parsed as Rust.
    fn macro_arguments(&mut self, mac: &mut Macro) {
        self.exits.may_return = true;
        let jumps = |ident: &syn::Ident| ident == "break" || ident == "continue";
        if tokens::find_ident(mac.tokens.clone(), &jumps).is_some() {
            mac.tokens = self.tokens(std::mem::take(&mut mac.tokens));
        }
    }

    fn tokens(&mut self, stream: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut rewritten = TokenStream::new();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += match token {
                TokenTree::Ident(word) if word == "break" || word == "continue" => {
                    self.first_jump(&tokens[at..], &mut rewritten)
                }
                TokenTree::Group(group) => {
                    self.group(group).to_tokens(&mut rewritten);
                    1
                }
                other => {
                    other.to_tokens(&mut rewritten);
                    1
                }
            };
        }
        rewritten
    }

    /// Rewrites the jump that `tokens` begin with. Returns the number of its tokens.
    fn first_jump(&mut self, tokens: &[TokenTree], rewritten: &mut TokenStream) -> usize {
        let parse = |input: ParseStream| Ok((input.parse::<Expr>()?, input.parse::<TokenStream>()?));
        let Ok((mut jump, after)) = parse.parse2(tokens.iter().cloned().collect()) else {
            tokens[0].to_tokens(rewritten);
            return 1;
        };
        self.visit_expr_mut(&mut jump);
        jump.to_tokens(rewritten);
        tokens.len() - after.into_iter().count()
    }

    fn group(&mut self, group: &Group) -> Group {
        let content = match tokens::statements(group) {
            Some(mut statements) => {
                for statement in &mut statements {
                    self.visit_stmt_mut(statement);
                }
                tokens::print(&statements)
            }
            None => self.tokens(group.stream()),
        };
        tokens::regroup(group, content)
    }
}

impl VisitMut for JumpRewriter<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Break(ExprBreak { break_token, label, expr: value, .. }) => {
                if let Some(value) = value {
                    self.visit_expr_mut(value);
                }
                if let Some(jump) = self.jump(("break", break_token.span), label.as_ref(), value.as_deref()) {
                    *expr = Expr::Verbatim(jump);
                }
            }
            Expr::Continue(leaving) => {
                if let Some(jump) = self.jump(("continue", leaving.continue_token.span), leaving.label.as_ref(), None) {
                    *expr = Expr::Verbatim(jump);
                }
            }
            Expr::Loop(each) => self.in_scope(each.label.as_ref(), true, |this| this.visit_block_mut(&mut each.body)),
            Expr::While(each) => self.in_scope(each.label.as_ref(), true, |this| {
                this.visit_expr_mut(&mut each.cond);
                this.visit_block_mut(&mut each.body);
            }),
            Expr::ForLoop(each) => {
                self.visit_expr_mut(&mut each.expr);
                self.in_scope(each.label.as_ref(), true, |this| this.visit_block_mut(&mut each.body));
            }
            Expr::Block(block) => {
                self.in_scope(block.label.as_ref(), false, |this| this.visit_block_mut(&mut block.block));
            }
            Expr::Macro(call) => self.macro_arguments(&mut call.mac),
            // A jump in these does not leave the block.
            Expr::Closure(_) | Expr::Async(_) | Expr::Const(_) => {}
            Expr::Return(_) | Expr::Try(_) => {
                self.exits.may_return = true;
                visit_mut::visit_expr_mut(self, expr);
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        match statement {
            Stmt::Macro(call) => self.macro_arguments(&mut call.mac),
            _ => visit_mut::visit_stmt_mut(self, statement),
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}
