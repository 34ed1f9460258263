//! The ways to write managers and to enter them.

use std::fmt;

/// How managers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As functions; with the options `catch` and `suppress` where it matters.
    Function,
    /// As functions, all with both options.
    Catching,
    /// As a type.
    Type,
    /// As a type, which is lent to the statement.
    Lent,
    /// As functions, each made of another manager.
    Composed,
    /// As functions that poll their block themselves.
    Racing,
    /// As in the scenario: some as functions, some as types.
    Own,
}

/// How managers are entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By `with!`.
    With,
    /// By `with!`, between two that do nothing.
    Header,
    /// By `scope`.
    Scope,
    /// By an exit stack, which `with!` enters.
    Stack,
}

/// What becomes of a manager when its future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is polled once: as managers are that are not shielded.
    Sync,
    /// It goes on to its end: as those that are shielded.
    Detached,
}

impl Mode {
    /// Its name in the files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Detached => "detached",
        }
    }
}

/// A way to run a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// How its managers are written.
    pub style: Style,
    /// How they are entered.
    pub form: Form,
}

impl Way {
    /// The mode `sync`. The last three are none for managers that a stack enters.
    pub const SYNC: [Self; 19] = [
        Self::new(Style::Function, Form::With),
        Self::new(Style::Function, Form::Scope),
        Self::new(Style::Function, Form::Stack),
        Self::new(Style::Catching, Form::With),
        Self::new(Style::Catching, Form::Scope),
        Self::new(Style::Catching, Form::Stack),
        Self::new(Style::Composed, Form::With),
        Self::new(Style::Composed, Form::Scope),
        Self::new(Style::Composed, Form::Stack),
        Self::new(Style::Racing, Form::With),
        Self::new(Style::Racing, Form::Scope),
        Self::new(Style::Racing, Form::Stack),
        Self::new(Style::Type, Form::With),
        Self::new(Style::Type, Form::Scope),
        Self::new(Style::Type, Form::Stack),
        Self::new(Style::Own, Form::With),
        // A manager that is lent can't be entered in another way, as it borrows.
        Self::new(Style::Lent, Form::With),
        Self::new(Style::Function, Form::Header),
        Self::new(Style::Type, Form::Header),
    ];
    /// The same, for programs of stacks.
    pub const SYNC_STACKS: &'static [Self] = Self::SYNC.split_at(16).0;

    const fn new(style: Style, form: Form) -> Self {
        Self { style, form }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} by {:?}", self.style, self.form)
    }
}
