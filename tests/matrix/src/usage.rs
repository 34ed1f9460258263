//! The ways to write a manager and to use it.

use crate::form::{Form, Meaning};

/// How a manager is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In a `with!`, of which this is the header, with `$` for the manager, and what the block begins with.
    With {
        /// The header.
        header: &'static str,
        /// The beginning of the block.
        begin: &'static str,
    },
    /// By `#[within]`.
    Within,
    /// By `scope`.
    Scope,
    /// By a stack that is closed.
    Stack,
}

/// How a manager is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A function.
    Function,
    /// A function that returns a `Result`.
    Fallible,
    /// A function whose marker stands in an `async` block.
    Racing,
    /// A function with a plain `yield!`.
    Plain,
    /// A function around another one.
    Composed,
    /// A function that owns its argument, with this option.
    Owned(&'static str),
    /// A method.
    Method,
    /// A method of a trait.
    Trait,
    /// A method that the trait has a body for.
    Default,
}

/// A way of use.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// What it is called in the report.
    pub name: &'static str,
    /// How the manager is written.
    pub style: Style,
    /// How it is entered.
    pub kind: Kind,
    /// The edition of the crate.
    pub edition: &'static str,
}

const WITH: Kind = Kind::With { header: "$ as mut v", begin: "" };
const SEVERAL: Kind = Kind::With { header: "number() as n, $ as mut v, number() as m", begin: "drop((n, m));" };
const STACK: Kind =
    Kind::With { header: "AsyncExitStack::<#>::new() as stack", begin: "let mut v = stack.enter($).await!;" };
const SHIELDED: Kind = Kind::With { header: "$.shielded() as mut v", begin: "" };

/// All of them.
#[must_use]
pub fn all() -> Vec<Usage> {
    let new = |name, style, kind, edition| Usage { name, style, kind, edition };
    vec![
        new("with", Style::Function, WITH, "2024"),
        new("header of several", Style::Function, SEVERAL, "2024"),
        new("fallible", Style::Fallible, WITH, "2024"),
        new("yield in an async block", Style::Racing, WITH, "2024"),
        new("plain yield", Style::Plain, WITH, "2024"),
        new("composed", Style::Composed, WITH, "2024"),
        new("method", Style::Method, WITH, "2024"),
        new("trait method", Style::Trait, WITH, "2024"),
        new("default method of a trait", Style::Default, WITH, "2024"),
        new("within", Style::Function, Kind::Within, "2024"),
        new("scope", Style::Function, Kind::Scope, "2024"),
        new("stack", Style::Function, Kind::Stack, "2024"),
        new("stack in a with", Style::Function, STACK, "2024"),
        new("shielded", Style::Owned("(shielded)"), WITH, "2024"),
        new("made shielded", Style::Owned(""), SHIELDED, "2024"),
        new("edition 2021", Style::Function, WITH, "2021"),
        new("method, edition 2021", Style::Method, WITH, "2021"),
    ]
}

impl Usage {
    /// Whether the compiler is to take a manager of this form at all.
    #[must_use]
    pub fn offers(&self, form: &Form) -> bool {
        let keeps = |lends: bool| form.send && (lends || form.meaning != Meaning::Block);
        match (self.style, self.kind) {
            // It may go on when its caller is gone, and so it owns what it has. The option knows what is covariant.
            (Style::Owned("(shielded)"), _) => keeps(form.covariant) && form.meaning != Meaning::Argument,
            (Style::Owned(_), _) => keeps(form.reference || form.several) && form.meaning != Meaning::Argument,
            // A stack keeps what is `Send`; of what borrows from a manager, references and tuples of them.
            (_, Kind::Stack | STACK) => keeps(form.reference || form.several),
            _ => true,
        }
    }

    /// Whether `with!` is a `Result`.
    #[must_use]
    pub fn is_fallible(&self, form: &Form) -> bool {
        form.result || self.style == Style::Fallible
    }

    /// The expression that makes the manager of `text`.
    #[must_use]
    pub fn call(&self, form: &Form) -> &'static str {
        match self.style {
            Style::Method | Style::Trait | Style::Default => "text.cm()",
            Style::Owned(_) if form.meaning != Meaning::Argument => "cm(text.clone())",
            _ if self.kind == Kind::Within => "cm(text)",
            _ => "cm(&mut text)",
        }
    }

    /// The argument, in the function that uses the manager.
    #[must_use]
    pub fn argument(&self, form: &Form) -> String {
        let made = form.made.replace('$', "String::from(TEXT)");
        match self.style {
            Style::Method | Style::Trait | Style::Default => format!("Own({made})"),
            _ => made,
        }
    }

    /// The manager function `cm`, which lends what `lent` makes.
    #[must_use]
    pub fn manager(&self, form: &Form, lent: (&str, &str)) -> String {
        let (ty, own) = (self.returned(form), form.argument);
        let body = self.body(form, lent);
        let function = |attribute: &str, name: &str, argument: &str, body: &str| {
            let generics = if form.ty.contains("'a") { "<'a>" } else { "" };
            format!("#[async_context_manager{attribute}] async fn {name}{generics}({argument}) -> {ty} {body}\n")
        };
        let borrow = borrow(form);
        let argument = format!("text: {borrow}{own}");
        let receiver = format!("{borrow}self");
        let text = format!("let text = {}self.0;", if form.mutable { "&mut " } else { "&" });
        match self.style {
            Style::Function | Style::Fallible | Style::Racing => {
                function("", "cm", &argument, &format!("{{ {body} }}"))
            }
            Style::Plain => {
                format!("context_managers! {{ {} }}", function("", "cm", &argument, &format!("{{ {body} }}")))
            }
            Style::Composed => {
                let inner = function("", "inner", &argument, &format!("{{ {body} }}"));
                let outer = function("", "cm", &argument, "{ with!(inner(text) as mut v => { r#yield!(v); }) }");
                inner + &outer
            }
            Style::Owned(option) if form.meaning == Meaning::Argument => {
                function(option, "cm", &argument, &format!("{{ {body} }}"))
            }
            Style::Owned(option) => {
                function(option, "cm", &format!("text: {own}"), &format!("{{ let text = &text; {body} }}"))
            }
            Style::Method => {
                let method = function("", "cm", &receiver, &format!("{{ {text} {body} }}"));
                format!("struct Own({own});\nimpl Own {{ {method} }}\n")
            }
            Style::Trait => {
                let method = function("", "cm", &receiver, &format!("{{ {text} {body} }}"));
                let declared = function("", "cm", &receiver, ";");
                format!("struct Own({own});\ntrait Source {{ {declared} }}\nimpl Source for Own {{ {method} }}\n")
            }
            Style::Default => {
                let text = format!("let text = self.text{}();", if form.mutable { "_mut" } else { "" });
                let method = function("", "cm", &receiver, &format!("{{ {text} {body} }}"));
                let method = method.replacen(&format!("-> {ty} {{"), &format!("-> {ty} where Self: Sized {{"), 1);
                format!(
                    "struct Own({own});\ntrait Source {{ fn text(&self) -> &{own}; fn text_mut(&mut self) -> &mut {own};\n{method} }}\n\
                     impl Source for Own {{ fn text(&self) -> &{own} {{ &self.0 }} fn text_mut(&mut self) -> &mut {own} {{ &mut self.0 }} }}\n"
                )
            }
        }
    }

    fn returned(&self, form: &Form) -> String {
        if self.style == Style::Fallible { format!("Result<{}, String>", form.ty) } else { form.ty.to_string() }
    }

    fn body(&self, form: &Form, (setup, value): (&str, &str)) -> String {
        let marker = match self.style {
            Style::Racing => format!("async {{ r#yield!({value}) }}.await"),
            Style::Plain => format!("yield!({value})"),
            _ => format!("r#yield!({value})"),
        };
        let end = if self.is_fallible(form) { "Ok(())" } else { "" };
        format!("let mut local = String::from(TEXT); {setup} {marker}; {} {end}", form.after)
    }
}

/// `&` or `&'a mut`, for the argument.
#[must_use]
pub fn borrow(form: &Form) -> String {
    let name = if form.ty.contains("'a") { "'a " } else { "" };
    let mutable = if form.mutable { "mut " } else { "" };
    format!("&{name}{mutable}")
}
