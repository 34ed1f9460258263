//! The ways to run a program: how managers and scopes are written, and how managers are entered.

use std::fmt;

/// How managers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As functions with the options that each needs.
    Function,
    /// As functions that errors go through.
    Catching,
    /// As functions around another manager.
    Around,
    /// As functions that race their block.
    Racing,
    /// As types.
    Type,
    /// As functions with their parts on an exit stack.
    PartsOnStack,
}

/// How managers are entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By `with!`.
    With,
    /// By an exit stack, which `with!` enters.
    Stack,
}

/// How scopes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// As the ready-made managers.
    Ready,
    /// As managers of their own, with `until` and `stop_when`. Groups are ready-made.
    Until,
}

/// A way to run a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// How its managers are written.
    pub style: Style,
    /// How they are entered.
    pub form: Form,
    /// How its scopes are written.
    pub scopes: Scopes,
}

impl Way {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let styles = [Style::Function, Style::Catching, Style::Around, Style::Racing, Style::Type, Style::PartsOnStack];
        let forms = [Form::With, Form::Stack];
        let scopes = [Scopes::Ready, Scopes::Until];
        let all = styles.into_iter().flat_map(|style| forms.map(|form| (style, form)));
        all.flat_map(|(style, form)| scopes.map(|scopes| Self { style, form, scopes })).collect()
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} by {:?}, scopes {:?}", self.style, self.form, self.scopes)
    }
}
