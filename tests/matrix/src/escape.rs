//! The ways in which a block lets what it was lent escape.

use crate::form::Form;
use crate::usage::{Kind, Usage, borrow};

/// A way to escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As the value of the block.
    Value,
    /// By `return`.
    Return,
    /// By `break` with a value.
    Break,
    /// To a variable outside.
    Assigned,
    /// To a list outside.
    Pushed,
    /// Through a channel.
    Sent,
    /// To a thread.
    Thread,
    /// The other way: the block stores a borrow that is shorter where the body reads it.
    Stored,
}

/// Those that do not differ by the type.
pub const SPREAD: [Escape; 5] = [Escape::Assigned, Escape::Return, Escape::Break, Escape::Sent, Escape::Pushed];

/// What differs between a program and its twin.
pub struct Parts<'p> {
    /// What leaves the block: a part of `v`, or a text that is read from it.
    pub gives: &'p str,
    /// Its type, with `'t`.
    pub ty: &'p str,
    /// The text, read from it as `out`.
    pub shown: &'p str,
    /// A statement that stores something in `v`.
    pub store: &'p str,
}

impl Escape {
    /// Whether there are such programs.
    #[must_use]
    pub fn suits(self, form: &Form, usage: &Usage) -> bool {
        let kind = match usage.kind {
            Kind::With { .. } => true,
            Kind::Within | Kind::Scope => !matches!(self, Self::Break | Self::Pushed),
            Kind::Stack => matches!(self, Self::Value | Self::Assigned | Self::Thread | Self::Stored),
        };
        let form = match self {
            Self::Thread => form.send,
            Self::Stored => form.store.is_some(),
            _ => true,
        };
        kind && form
    }

    /// The function that uses the manager, and one that is within it.
    #[must_use]
    pub fn user(self, form: &Form, usage: &Usage, parts: &Parts<'_>) -> String {
        let argument = usage.argument(form);
        let (item, body) = match usage.kind {
            Kind::With { header, begin } => (String::new(), self.with(form, usage, parts, header, begin)),
            Kind::Within => self.within(form, usage, parts),
            Kind::Scope => (String::new(), self.scope(form, usage, parts)),
            Kind::Stack => (String::new(), self.stack(form, usage, parts)),
        };
        format!("{item}\npub fn run() -> String {{ block_on(async {{ let mut text = {argument}; {body} }}) }}\n")
    }

    fn with(self, form: &Form, usage: &Usage, parts: &Parts<'_>, header: &str, begin: &str) -> String {
        let Parts { gives, shown, store, .. } = parts;
        let fallible = usage.is_fallible(form);
        let error = if fallible { "String" } else { "Infallible" };
        let fill = |code: &str| {
            let unwrap = if fallible { ".unwrap()" } else { "" };
            code.replace('$', usage.call(form)).replace('#', error).replace('!', unwrap)
        };
        let (header, begin) = (fill(header), fill(begin));
        let (ok, unwrap) = match (begin.is_empty() || !header.contains("stack"), fallible) {
            (true, false) => ("$", ""),
            (_, true) => ("Ok::<_, String>($)", ".unwrap()"),
            (false, false) => ("Ok::<_, Infallible>($)", ".unwrap()"),
        };
        let ok = ok.replace('$', gives);
        let with = |block: &str| format!("with!({header} => {{ {begin} {block} }})");
        match self {
            Self::Value => format!("let mut out = {}{unwrap}; {shown}", with(gives)),
            Self::Return => {
                let left = with(&format!("return {ok};"));
                format!("let mut out = async {{ {left} }}.await{unwrap}; {shown}")
            }
            Self::Break => format!("let mut out = loop {{ let _ = {}; }}; {shown}", with(&format!("break {gives};"))),
            Self::Assigned => {
                let left = with(&format!("out = Some({gives});"));
                format!("let mut out = None; {left}{unwrap}; let mut out = out.unwrap(); {shown}")
            }
            Self::Pushed => {
                let left = with(&format!("outs.push({gives});"));
                format!("let mut outs = Vec::new(); {left}{unwrap}; let mut out = outs.pop().unwrap(); {shown}")
            }
            Self::Sent => {
                let left = with(&format!("sender.send({gives}).ok().unwrap();"));
                format!(
                    "let (sender, receiver) = mpsc::channel(); {left}{unwrap}; let mut out = receiver.recv().unwrap(); {shown}"
                )
            }
            Self::Thread => {
                let left = with(&format!("let mut out = {gives}; thread::spawn(move || {shown})"));
                format!("{left}{unwrap}.join().unwrap()")
            }
            Self::Stored => format!("{}{unwrap}; TEXT.to_string()", with(store)),
        }
    }

    fn within(self, form: &Form, usage: &Usage, parts: &Parts<'_>) -> (String, String) {
        let Parts { gives, ty, shown, store } = parts;
        let argument = format!("text: {}{}", borrow(form).replace("'a ", "").replace('&', "&'t "), form.argument);
        let fallible = usage.is_fallible(form);
        let (ok, unwrap) = if fallible { ("Ok($)", ".unwrap()") } else { ("$", "") };
        let ok = |value: &str| ok.replace('$', value);
        let item = |more: &str, returned: &str, body: &str| {
            let returned = if fallible { format!("Result<{returned}, String>") } else { returned.to_string() };
            let call = usage.call(form);
            format!("#[within({call} as mut v)] async fn user<'t>({argument}{more}) -> {returned} {{ {body} }}\n")
        };
        match self {
            Self::Return => {
                let body = format!("if true {{ return {}; }} unreachable!()", ok(gives));
                (item("", ty, &body), format!("let mut out = user(&mut text).await{unwrap}; {shown}"))
            }
            Self::Assigned => (
                item(&format!(", out: &mut Option<{ty}>"), "()", &format!("*out = Some({gives}); {}", ok("()"))),
                format!(
                    "let mut out = None; user(&mut text, &mut out).await{unwrap}; let mut out = out.unwrap(); {shown}"
                ),
            ),
            Self::Sent => (
                item(
                    &format!(", sender: mpsc::Sender<{ty}>"),
                    "()",
                    &format!("sender.send({gives}).ok().unwrap(); {}", ok("()")),
                ),
                format!(
                    "let (sender, receiver) = mpsc::channel(); user(&mut text, sender).await{unwrap}; \
                     let mut out = receiver.recv().unwrap(); {shown}"
                ),
            ),
            Self::Thread => {
                let spawned = ok(&format!("thread::spawn(move || {shown})"));
                let body = format!("let mut out = {gives}; {spawned}");
                let returned = "thread::JoinHandle<String>";
                (item("", returned, &body), format!("user(&mut text).await{unwrap}.join().unwrap()"))
            }
            Self::Stored => (
                item("", "()", &format!("{store} {}", ok("()"))),
                format!("user(&mut text).await{unwrap}; TEXT.to_string()"),
            ),
            _ => (item("", ty, &ok(gives)), format!("let mut out = user(&mut text).await{unwrap}; {shown}")),
        }
    }

    fn scope(self, form: &Form, usage: &Usage, parts: &Parts<'_>) -> String {
        let Parts { gives, shown, store, .. } = parts;
        let unwrap = if usage.is_fallible(form) { ".unwrap().unwrap()" } else { ".unwrap()" };
        let call = usage.call(form);
        let scope = |block: &str| format!("{call}.scope(async |mut v| {{ {block} }}).await{unwrap}");
        let done = "Ok::<_, ()>(())";
        match self {
            Self::Return => {
                let left = scope(&format!("return Ok::<_, ()>({gives});"));
                format!("let mut out = {left}; {shown}")
            }
            Self::Assigned => {
                let left = scope(&format!("out = Some({gives}); {done}"));
                format!("let mut out = None; {left}; let mut out = out.unwrap(); {shown}")
            }
            Self::Sent => {
                let left = scope(&format!("sender.send({gives}).ok().unwrap(); {done}"));
                format!(
                    "let (sender, receiver) = mpsc::channel(); {left}; let mut out = receiver.recv().unwrap(); {shown}"
                )
            }
            Self::Thread => {
                let left = scope(&format!("let mut out = {gives}; Ok::<_, ()>(thread::spawn(move || {shown}))"));
                format!("{left}.join().unwrap()")
            }
            Self::Stored => format!("{}; TEXT.to_string()", scope(&format!("{store} {done}"))),
            _ => format!("let mut out = {}; {shown}", scope(&format!("Ok::<_, ()>({gives})"))),
        }
    }

    fn stack(self, form: &Form, usage: &Usage, parts: &Parts<'_>) -> String {
        let Parts { gives, shown, store, .. } = parts;
        let (error, unwrap) = if usage.is_fallible(form) { ("String", ".unwrap()") } else { ("Infallible", "") };
        let call = usage.call(form);
        let open =
            format!("let mut stack = AsyncExitStack::<{error}>::new(); let mut v = stack.enter({call}).await{unwrap};");
        let close = "stack.close().await.unwrap();";
        match self {
            Self::Assigned => {
                format!("let mut out = None; {{ {open} out = Some({gives}); }} let mut out = out.unwrap(); {shown}")
            }
            Self::Thread => {
                format!(
                    "{open} let mut out = {gives}; let thread = thread::spawn(move || {shown}); {close} thread.join().unwrap()"
                )
            }
            Self::Stored => format!("{open} {{ {store} }} {close} TEXT.to_string()"),
            _ => format!("{open} let mut out = {gives}; {close} {shown}"),
        }
    }
}
