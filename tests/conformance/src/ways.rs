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
    /// As functions that are not shielded, each made of one that is.
    AroundShielded,
    /// As functions that lend a reference.
    Lending,
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

/// What is shielded, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shield {
    /// Nothing.
    No,
    /// Managers, by their method `shielded`.
    Method,
    /// Managers, by the option `shielded`.
    Option,
    /// The stacks that they are on, by their method `shielded`.
    Stack,
    /// The managers that these stacks are entered in.
    WithinManager,
}

impl Shield {
    pub(crate) fn is_of_managers(self) -> bool {
        matches!(self, Self::Method | Self::Option)
    }
}

/// What becomes of a manager when its future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is polled once: nothing is shielded.
    Sync,
    /// It goes on to its end: managers are shielded.
    Detached,
    /// It goes on to its end when it is on a stack that is: stacks are shielded.
    DetachedStacks,
}

impl Mode {
    /// Its name in the files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Detached | Self::DetachedStacks => "detached",
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
    /// How they are shielded.
    pub shield: Shield,
}

impl Way {
    /// Of programs whose managers say themselves how they are written.
    pub(crate) const DEFAULT: Self = Self::plain(Style::Function, Form::With);
    /// The mode `sync`. The last three are none for managers that a stack enters.
    pub const SYNC: [Self; 19] = [
        Self::plain(Style::Function, Form::With),
        Self::plain(Style::Function, Form::Scope),
        Self::plain(Style::Function, Form::Stack),
        Self::plain(Style::Catching, Form::With),
        Self::plain(Style::Catching, Form::Scope),
        Self::plain(Style::Catching, Form::Stack),
        Self::plain(Style::Composed, Form::With),
        Self::plain(Style::Composed, Form::Scope),
        Self::plain(Style::Composed, Form::Stack),
        Self::plain(Style::Racing, Form::With),
        Self::plain(Style::Racing, Form::Scope),
        Self::plain(Style::Racing, Form::Stack),
        Self::plain(Style::Type, Form::With),
        Self::plain(Style::Type, Form::Scope),
        Self::plain(Style::Type, Form::Stack),
        Self::plain(Style::Own, Form::With),
        // A manager that is lent can't be entered in another way, as it borrows.
        Self::plain(Style::Lent, Form::With),
        Self::plain(Style::Function, Form::Header),
        Self::plain(Style::Type, Form::Header),
    ];
    /// The same, for programs of stacks.
    pub const SYNC_STACKS: &'static [Self] = Self::SYNC.split_at(16).0;

    const fn plain(style: Style, form: Form) -> Self {
        Self { style, form, shield: Shield::No }
    }

    /// The mode `detached`: all styles in all forms, but for what borrows.
    #[must_use]
    pub fn detached() -> Vec<Self> {
        let by_option = [Style::Function, Style::Catching, Style::Composed, Style::Lending, Style::Racing];
        let by_method = [Style::Type, Style::Own, Style::AroundShielded].into_iter().chain(by_option);
        let all = by_method.map(|style| (style, Shield::Method));
        let all = all.chain(by_option.map(|style| (style, Shield::Option)));
        let forms = [Form::With, Form::Scope, Form::Stack, Form::Header];
        let all = all.flat_map(|(style, shield)| forms.map(|form| Self { style, form, shield }));
        // What is not shielded itself does not wait for the next on a stack.
        all.filter(|way| (way.style, way.form) != (Style::AroundShielded, Form::Stack)).collect()
    }

    /// The same, for programs of stacks.
    #[must_use]
    pub fn detached_on_stacks() -> Vec<Self> {
        let all = Self::detached().into_iter();
        all.filter(|way| way.style != Style::AroundShielded && way.form != Form::Header).collect()
    }

    /// The mode `detached` for managers that are not shielded themselves, but the stacks that they are on.
    #[must_use]
    pub fn detached_stacks() -> Vec<Self> {
        let styles = [Style::Function, Style::Composed, Style::Lending, Style::Racing, Style::Own];
        let shields = [Shield::Stack, Shield::WithinManager];
        let forms = [Form::With, Form::Scope, Form::Stack];
        let all = styles.into_iter().flat_map(|style| shields.map(|shield| (style, shield)));
        all.flat_map(|(style, shield)| forms.map(|form| Self { style, form, shield })).collect()
    }

    /// The same, for programs of statements: each manager is on a stack of its own.
    #[must_use]
    pub fn statements_on_detached_stacks() -> Vec<Self> {
        Self::detached_stacks().into_iter().filter(|way| way.form == Form::Stack).collect()
    }

    /// Whether each manager is one, and is shielded itself, so that the rules say what it has to do.
    pub(crate) fn is_judged_by_rules(self) -> bool {
        self.style != Style::AroundShielded && !matches!(self.shield, Shield::Stack | Shield::WithinManager)
    }

    /// The mode of cancellation of such a program.
    pub(crate) fn mode(self) -> Mode {
        match self.shield {
            Shield::No => Mode::Sync,
            Shield::Method | Shield::Option => Mode::Detached,
            Shield::Stack | Shield::WithinManager => Mode::DetachedStacks,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} by {:?}", self.style, self.form)?;
        if self.shield == Shield::No { Ok(()) } else { write!(f, ", shielded by {:?}", self.shield) }
    }
}
