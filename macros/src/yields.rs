//! Finds the markers of a body, records the position of each, and replaces it by a call that lends the value.

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::token::Brace;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, BinOp, Block, Expr, ExprBlock, ExprCall, ExprIf, ExprMatch, Item, Lifetime, Local, Macro, Pat, Stmt,
    Token,
};

use crate::editor;
use crate::errors::Errors;
use crate::marker::{Marker, Problem, content, is_manager, is_marker, parse_value, this_manager};
use crate::tokens::{self, CratePath, is_bang, is_yield};
use crate::with::header;

/// Replaces the markers of `body`, and returns them.
///
/// Input:  `{ let tx = begin().await?; r#yield!(&mut tx); tx.end().await }`
///
/// Output: `{ let tx = begin().await?; lend1(SameContract::point(...), &mut tx).await; tx.end().await }`
///
/// `lends` is the name of the function that lends. It is `None` if the lent type is wrong.
pub(crate) fn replace(
    body: &mut Block,
    function: Span,
    lends: Option<Ident>,
    krate: &CratePath,
    errors: &mut Errors,
) -> Vec<Marker> {
    let mut yields = Yields::new(function, lends, krate, errors);
    end_in_statement(body);
    yields.visit_block_mut(body);
    yields.markers
}

/// The same in an editor, for a body that perhaps cannot be parsed.
pub(crate) fn replace_in_tokens(
    body: TokenStream,
    function: Span,
    lends: Option<Ident>,
    krate: &CratePath,
    errors: &mut Errors,
) -> (TokenStream, Vec<Marker>) {
    let mut yields = Yields::new(function, lends, krate, errors);
    let replaced = yields.tokens(editor::end_in_statement(body));
    (replaced, yields.markers)
}

/// Adds a `;` if the body ends in its marker, or in a `with!` whose block ends in it, because the outcome of the block
/// is not the value of the body.
fn end_in_statement(body: &mut Block) {
    match body.stmts.last_mut() {
        Some(Stmt::Macro(last)) if is_marker(&last.mac.path) => {
            last.semi_token.get_or_insert_with(Default::default);
        }
        Some(Stmt::Macro(last)) if last.semi_token.is_none() => end_block_in_statement(&mut last.mac),
        Some(Stmt::Expr(Expr::Macro(last), semi @ None)) if is_marker(&last.mac.path) => {
            *semi = Some(Token![;](Span::mixed_site()));
        }
        Some(Stmt::Expr(Expr::Macro(last), None)) => end_block_in_statement(&mut last.mac),
        _ => {}
    }
}

/// Does the same in the block of a `with!`.
///
/// Input:  `pool.get() as conn => r#yield!(conn)`, or with braces around the marker
///
/// Output: `pool.get() as conn => { r#yield!(conn); }`
fn end_block_in_statement(with: &mut Macro) {
    if let Some((entries, block)) = header::parse_macro(with) {
        let mut block = match block {
            Expr::Block(ExprBlock { label: None, block, .. }) => block,
            other => Block { brace_token: Brace(Span::mixed_site()), stmts: vec![Stmt::Expr(other, None)] },
        };
        end_in_statement(&mut block);
        with.tokens = quote!(#(#entries),* => #block);
    }
}

const IS_NO_RESULT: &str = "`yield!` returns an `Outcome`, and an error of the block continues by itself: remove the `?`, or write \
                            `r#yield!(...).into_result()?` with the option `catch`";

fn is_with(mac: &Macro) -> bool {
    mac.path.segments.last().is_some_and(|name| name.ident == "with")
}

struct Yields<'a> {
    /// The span of the function name.
    function: Span,
    /// See [`replace`].
    lends: Option<Ident>,
    krate: &'a CratePath,
    errors: &'a mut Errors,
    markers: Vec<Marker>,
    position: Position,
    /// The successful `return`s and the labelled `break`s visited so far, unless they end a nested function.
    skips: Vec<Skip>,
    /// The labels of the blocks around the visited expression.
    labels: Vec<Lifetime>,
}

/// The position of the visited expression.
#[derive(Clone, Copy, Default)]
struct Position {
    in_async: bool,
    problem: Option<Problem>,
}

/// An expression that may skip the marker after it.
struct Skip {
    span: Span,
    /// The label of the block that it leaves, or `None` if it leaves the body.
    label: Option<Lifetime>,
}

impl<'a> Yields<'a> {
    fn new(function: Span, lends: Option<Ident>, krate: &'a CratePath, errors: &'a mut Errors) -> Self {
        Self {
            function,
            lends,
            krate,
            errors,
            markers: Vec::new(),
            position: Position::default(),
            skips: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Visits code in which a marker has `problem`.
    fn with_problem(&mut self, problem: Option<Problem>, visit: impl FnOnce(&mut Self)) {
        let outside = self.position;
        self.position.problem = outside.problem.or(problem);
        visit(self);
        self.position = outside;
    }

    /// Visits a nested function, closure or `async` block: a `return` in it does not leave the body.
    fn in_function(&mut self, problem: Option<Problem>, visit: impl FnOnce(&mut Self)) {
        let skips = self.skips.len();
        self.with_problem(problem, visit);
        self.skips.truncate(skips);
    }

    /// Records a marker, and returns its replacement.
    fn marker(&mut self, name: &Ident, value: TokenStream) -> TokenStream {
        let labels = &self.labels;
        let around = |skip: &&Skip| skip.label.as_ref().is_none_or(|label| labels.contains(label));
        let skips = self.skips.iter().filter(around).map(|skip| skip.span).collect();
        let Position { in_async, problem } = self.position;
        // In an editor, the expansion does not depend on whether the `async` block can be parsed.
        let in_async = in_async && !tokens::in_editor();
        self.markers.push(Marker { name: name.clone(), in_async, problem, skips });
        let site = tokens::site(name.span());
        // An error about the missing value points at the marker.
        let value = if value.is_empty() { quote_spanned!(site=> ()) } else { value };
        let value = match parse_value.parse2(value) {
            Ok(value) => value,
            Err(error) => {
                self.errors.push(error);
                return quote!(::core::unreachable!());
            }
        };
        let private = self.krate.private().respan(site);
        let lends =
            self.lends.as_ref().filter(|_| !matches!(problem, Some(Problem::Closure | Problem::Item | Problem::Task)));
        let Some(lends) = lends else {
            return quote_spanned!(site=> #private::stub_yield(#value));
        };
        let lends = Ident::new(&lends.to_string(), site);
        let this = this_manager(self.function.located_at(name.span()));
        let point = if in_async {
            quote_spanned!(site=> #private::SameContract::detached_point(__return_type, #this))
        } else {
            quote_spanned!(site=> #private::SameContract::point(__return_type, &__acm_handle, &#this))
        };
        if problem == Some(Problem::Argument) {
            return quote_spanned!(site=> async { #private::#lends(#point, #value).await });
        }
        let lent = quote_spanned!(site=> #private::#lends(#point, #value).await);
        if tokens::in_editor() { editor::marker(name, &lent, self.krate) } else { lent }
    }

    /// Replaces the invocation of a marker together with its attributes.
    fn marker_macro(&mut self, attrs: &[Attribute], mac: &Macro) -> TokenStream {
        if let Some(condition) = attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
            self.errors.on(condition, "`#[cfg]` is not allowed on a `yield!`: make the lent value conditional");
        }
        let Some(name) = mac.path.segments.last() else { return TokenStream::new() };
        let lending = self.marker(&name.ident, mac.tokens.clone());
        let attrs = attrs.iter().filter(|attr| !attr.path().is_ident("cfg"));
        quote!(#(#attrs)* #lending)
    }

    /// Visits the arguments of another macro. Returns its replacement if it is a `with!`.
    ///
    /// A macro may do anything with its arguments, even move the future of a marker to another thread. Only `with!` is
    /// known to run its block in place. Its expansion names the macro of this crate by its full path, so that no other
    /// macro named `with` is used.
    fn any_macro(&mut self, mac: &mut Macro) -> Option<TokenStream> {
        tokens::find_ident(mac.tokens.clone(), &is_yield)?;
        if tokens::in_editor() && is_with(mac) {
            mac.tokens = self.tokens(std::mem::take(&mut mac.tokens));
            return None;
        }
        if let Some((mut entries, mut block)) = header::parse_macro(mac) {
            for entry in &mut entries {
                self.visit_expr_mut(&mut entry.manager);
            }
            self.visit_expr_mut(&mut block);
            let (path, krate) = (&mac.path, self.krate);
            // All of it has the spans of the user's `with!`, which suggestions of `rustc` change.
            let site = path.span();
            let here = krate.written_at(site);
            let mut input = Group::new(Delimiter::Brace, quote!((#krate) #(#entries),* => #block));
            input.set_span(mac.delimiter.span().join());
            let with = quote_spanned!(site=> #here::__private::with! #input);
            return Some(quote_spanned!(Span::mixed_site().located_at(site)=> { #path!(@imported); #with }));
        }
        let outside = self.position;
        self.position.in_async = true;
        mac.tokens = self.tokens(std::mem::take(&mut mac.tokens));
        self.position = outside;
        None
    }

    /// Replaces the markers in arguments that need not be Rust.
    fn tokens(&mut self, stream: TokenStream) -> TokenStream {
        let mut stream = stream.into_iter().peekable();
        let mut replaced: Vec<TokenTree> = Vec::new();
        let mut in_loop = None;
        while let Some(token) = stream.next() {
            match token {
                TokenTree::Ident(name) if is_yield(&name) && stream.peek().is_some_and(is_bang) => {
                    stream.next();
                    let arguments = stream.next();
                    let is_statement = tokens::in_editor()
                        && arguments.as_ref().is_some_and(is_braces)
                        && begins_statement(stream.peek());
                    replaced.truncate(without_path(&replaced).len());
                    replaced.extend(self.marker(&name, arguments.map_or_else(TokenStream::new, content)));
                    if is_statement {
                        // rust-analyzer adds one before the expansion, and removes it after that.
                        stream.next_if(is_semicolon);
                        replaced.push(Punct::new(';', Spacing::Alone).into());
                    }
                }
                TokenTree::Ident(name) if ["loop", "while", "for"].iter().any(|word| name == word) => {
                    in_loop = Some(Problem::Loop);
                    replaced.push(name.into());
                }
                TokenTree::Group(group) => {
                    self.with_problem(in_loop, |this| replaced.push(this.group(&group).into()));
                    if tokens::statements(&group).is_some() {
                        in_loop = None;
                    }
                }
                other => replaced.push(other),
            }
        }
        replaced.into_iter().collect()
    }

    fn statements(&mut self, statements: &mut [Stmt]) {
        let count = statements.len();
        for (index, statement) in statements.iter_mut().enumerate() {
            match statement {
                // Braces may come without the `;` that the replacement needs.
                Stmt::Macro(marker) if index + 1 < count && is_marker(&marker.mac.path) => {
                    marker.semi_token.get_or_insert_with(Default::default);
                }
                _ => {}
            }
            self.visit_stmt_mut(statement);
        }
    }

    fn group(&mut self, group: &Group) -> Group {
        let content = match tokens::statements(group) {
            Some(mut statements) if !tokens::in_editor() => {
                self.statements(&mut statements);
                tokens::print(&statements)
            }
            _ => self.tokens(group.stream()),
        };
        tokens::regroup(group, content)
    }

    /// Visits a call. Returns its replacement if it is a marker without the `!`.
    fn expr_call(&mut self, call: &mut ExprCall) -> Option<TokenStream> {
        if let Some(name) = function_name(&call.func).filter(|name| is_yield(name)) {
            let (name, value) = (name.clone(), call.args.to_token_stream());
            let mut replaced = TokenStream::new();
            self.with_problem(Some(Problem::Call), |this| replaced = this.marker(&name, value));
            return Some(replaced);
        }
        let is_spawn = calls(&call.func, &["spawn", "spawn_local"]);
        let takes_future = calls(&call.func, &["timeout", "timeout_at", "until"]);
        self.visit_expr_mut(&mut call.func);
        for argument in &mut call.args {
            let problem = if is_spawn && matches!(argument, Expr::Async(_)) {
                Some(Problem::Task)
            } else {
                (takes_future && is_marker_expr(argument)).then_some(Problem::Argument)
            };
            self.with_problem(problem, |this| this.visit_expr_mut(argument));
        }
        None
    }

    /// A marker in one branch is skippable, unless the other branch leaves the body.
    fn expr_if(&mut self, expr: &mut ExprIf) {
        let then_leaves = expr.then_branch.stmts.iter().any(statement_leaves);
        let else_leaves = expr.else_branch.as_ref().is_some_and(|(_, branch)| leaves(branch));
        self.visit_expr_mut(&mut expr.cond);
        self.with_problem((!else_leaves).then_some(Problem::Skippable), |this| {
            this.visit_block_mut(&mut expr.then_branch);
        });
        if let Some((_, branch)) = &mut expr.else_branch {
            self.with_problem((!then_leaves).then_some(Problem::Skippable), |this| this.visit_expr_mut(branch));
        }
    }

    /// A marker in one arm is skippable, unless all other arms leave the body.
    fn expr_match(&mut self, expr: &mut ExprMatch) {
        self.visit_expr_mut(&mut expr.expr);
        let left: Vec<bool> = expr.arms.iter().map(|arm| leaves(&arm.body)).collect();
        for (this_arm, arm) in expr.arms.iter_mut().enumerate() {
            let others_leave = left.iter().enumerate().all(|(arm, leaves)| arm == this_arm || *leaves);
            self.with_problem(Some(Problem::Skippable), |this| this.visit_pat_mut(&mut arm.pat));
            self.with_problem((!others_leave).then_some(Problem::Skippable), |this| this.visit_expr_mut(&mut arm.body));
        }
    }
}

impl VisitMut for Yields<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Macro(marker) if is_marker(&marker.mac.path) => {
                *expr = Expr::Verbatim(self.marker_macro(&marker.attrs, &marker.mac));
            }
            Expr::Macro(other) => {
                if let Some(replaced) = self.any_macro(&mut other.mac) {
                    *expr = Expr::Verbatim(replaced);
                }
            }
            Expr::Call(call) => {
                if let Some(replaced) = self.expr_call(call) {
                    *expr = Expr::Verbatim(replaced);
                }
            }
            Expr::If(conditional) => self.expr_if(conditional),
            Expr::Match(conditional) => self.expr_match(conditional),
            Expr::Binary(binary) if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) => {
                self.visit_expr_mut(&mut binary.left);
                self.with_problem(Some(Problem::Skippable), |this| this.visit_expr_mut(&mut binary.right));
            }
            Expr::Loop(_) | Expr::While(_) => {
                self.with_problem(Some(Problem::Loop), |this| visit_mut::visit_expr_mut(this, expr));
            }
            Expr::ForLoop(each) => {
                self.visit_expr_mut(&mut each.expr);
                self.with_problem(Some(Problem::Loop), |this| this.visit_block_mut(&mut each.body));
            }
            Expr::Try(tried) if is_marker_expr(&tried.expr) => {
                self.errors.on(tried.question_token, IS_NO_RESULT);
                *expr = (*tried.expr).clone();
                self.visit_expr_mut(expr);
            }
            Expr::Await(awaited) if is_marker_expr(&awaited.base) => {
                self.errors.on(awaited.await_token, "`yield!` awaits the block: remove the `.await`");
                *expr = (*awaited.base).clone();
                self.visit_expr_mut(expr);
            }
            Expr::Closure(_) => self.in_function(Some(Problem::Closure), |this| visit_mut::visit_expr_mut(this, expr)),
            Expr::Const(_) => self.in_function(Some(Problem::Item), |this| visit_mut::visit_expr_mut(this, expr)),
            Expr::Async(_) => self.in_function(None, |this| {
                this.position.in_async = true;
                visit_mut::visit_expr_mut(this, expr);
            }),
            Expr::Block(block) if block.label.is_some() => {
                self.labels.extend(block.label.as_ref().map(|label| label.name.clone()));
                visit_mut::visit_expr_block_mut(self, block);
                self.labels.pop();
            }
            Expr::Return(leaving) => {
                visit_mut::visit_expr_return_mut(self, leaving);
                if is_success(leaving.expr.as_deref()) {
                    self.skips.push(Skip { span: leaving.return_token.span, label: None });
                }
            }
            Expr::Break(leaving) => {
                visit_mut::visit_expr_break_mut(self, leaving);
                if let Some(label) = &leaving.label {
                    self.skips.push(Skip { span: leaving.break_token.span, label: Some(label.clone()) });
                }
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        match statement {
            Stmt::Macro(marker) if is_marker(&marker.mac.path) => {
                let lending = Expr::Verbatim(self.marker_macro(&marker.attrs, &marker.mac));
                *statement = Stmt::Expr(lending, marker.semi_token);
            }
            Stmt::Macro(other) => {
                if let Some(replaced) = self.any_macro(&mut other.mac) {
                    *statement = Stmt::Expr(Expr::Verbatim(replaced), other.semi_token);
                }
            }
            _ => visit_mut::visit_stmt_mut(self, statement),
        }
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        let Some(init) = &mut local.init else { return };
        self.visit_expr_mut(&mut init.expr);
        if let Some((_, otherwise)) = &mut init.diverge {
            self.with_problem(Some(Problem::Skippable), |this| this.visit_expr_mut(otherwise));
        }
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.statements(&mut block.stmts);
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        if matches!(item, Item::Fn(function) if function.attrs.iter().any(is_manager)) {
            return;
        }
        self.in_function(Some(Problem::Item), |this| visit_mut::visit_item_mut(this, item));
    }

    fn visit_pat_mut(&mut self, pattern: &mut Pat) {
        // Only a guard contains an expression that runs.
        if let Pat::Guard(guard) = pattern {
            self.visit_expr_mut(&mut guard.guard);
        }
    }
}

/// Returns the tokens without the path that they end in, `path::to::` or `::`.
fn without_path(tokens: &[TokenTree]) -> &[TokenTree] {
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    match tokens {
        [before @ .., first, second] if is_colon(first) && is_colon(second) => match before {
            [before @ .., TokenTree::Ident(_)] => without_path(before),
            _ => before,
        },
        _ => tokens,
    }
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn is_semicolon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';')
}

/// Whether another statement begins with a token after a marker in braces, or after that token.
fn begins_statement(token: Option<&TokenTree>) -> bool {
    token.is_some_and(|token| is_semicolon(token) || !matches!(token, TokenTree::Punct(_)))
}

/// Whether a `return` of `value` ends the body successfully, as far as the tokens show.
fn is_success(value: Option<&Expr>) -> bool {
    match value {
        None => true,
        Some(Expr::Call(call)) => calls(&call.func, &["Ok"]),
        Some(_) => false,
    }
}

/// Whether the tokens show that control never passes this expression, and that it does not end the body successfully.
fn leaves(expr: &Expr) -> bool {
    match expr {
        Expr::Return(leaving) => !is_success(leaving.expr.as_deref()),
        Expr::Break(_) | Expr::Continue(_) | Expr::Loop(_) => true,
        Expr::Macro(call) => is_panic(&call.mac),
        Expr::Call(call) => calls(&call.func, &["exit", "abort"]),
        Expr::Try(tried) => matches!(&*tried.expr, Expr::Call(call) if calls(&call.func, &["Err"])),
        Expr::Block(block) => block.block.stmts.iter().any(statement_leaves),
        Expr::Unsafe(block) => block.block.stmts.iter().any(statement_leaves),
        Expr::Paren(paren) => leaves(&paren.expr),
        Expr::If(ExprIf { then_branch, else_branch: Some((_, otherwise)), .. }) => {
            then_branch.stmts.iter().any(statement_leaves) && leaves(otherwise)
        }
        Expr::Match(choice) => !choice.arms.is_empty() && choice.arms.iter().all(|arm| leaves(&arm.body)),
        _ => false,
    }
}

/// The same for a statement.
fn statement_leaves(statement: &Stmt) -> bool {
    match statement {
        Stmt::Expr(expr, _) => leaves(expr),
        Stmt::Macro(call) => is_panic(&call.mac),
        Stmt::Local(_) | Stmt::Item(_) => false,
    }
}

/// Whether a macro panics or returns an error, by its name.
fn is_panic(mac: &Macro) -> bool {
    const NAMES: [&str; 5] = ["panic", "unreachable", "todo", "unimplemented", "bail"];
    mac.path.segments.last().is_some_and(|name| NAMES.iter().any(|panic| name.ident == panic))
}

/// Whether `function` is a path that ends in one of `names`.
fn calls(function: &Expr, names: &[&str]) -> bool {
    function_name(function).is_some_and(|function| names.iter().any(|name| function == name))
}

/// Returns the last name of a path.
fn function_name(function: &Expr) -> Option<&Ident> {
    let Expr::Path(function) = function else { return None };
    function.path.segments.last().map(|last| &last.ident)
}

/// Whether this is a `yield!`.
fn is_marker_expr(expr: &Expr) -> bool {
    matches!(expr, Expr::Macro(marker) if is_marker(&marker.mac.path))
}
