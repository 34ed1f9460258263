//! The model: programs of nested managers, as data. Some come from the files of `data`, with what Python did with them;
//! others are made here, and judged by the rules alone.

use std::{fmt, slice};

use async_context_manager::Outcome;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::env::{Error, Fault};

/// A line: a scenario, and what Python did with it.
#[derive(Deserialize)]
pub struct Line {
    pub scenario: Scenario,
    pub trace: Vec<String>,
    pub result: Ended,
}

#[derive(Deserialize)]
pub struct Scenario {
    pub id: String,
    /// At which suspension the future is dropped; 0: before its first poll.
    pub cancel_at: Option<usize>,
    pub steps: Steps,
    /// Of stack scenarios: the value of the block of the stack.
    #[serde(default)]
    pub value: i64,
    /// Of stack scenarios: what becomes of the stack that `pop_all` gave.
    pub keep: Option<Keep>,
}

impl Scenario {
    /// Whether it keeps to the protocol, and has no stack of its own, so that the rules say what it has to do.
    pub(crate) fn is_judged_by_rules(&self) -> bool {
        !self.is_of_stacks() && is_lawful(&self.steps)
    }

    /// Whether it is one of exit stacks.
    pub fn is_of_stacks(&self) -> bool {
        self.id.starts_with("stack-")
    }
}

/// What a program came to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub enum Ended {
    Ok(Option<i64>),
    Err(String),
    Panic(String),
    Cancelled,
}

impl TryFrom<Map<String, Value>> for Ended {
    type Error = String;

    /// The errors that were replaced, `context`, are left out: none are kept in Rust.
    fn try_from(map: Map<String, Value>) -> Result<Self, String> {
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("no text: {value}"));
        if let Some(value) = map.get("ok") {
            Ok(Self::Ok(value.as_i64()))
        } else if let Some(label) = map.get("err") {
            text(label).map(Self::Err)
        } else if let Some(label) = map.get("panic") {
            text(label).map(Self::Panic)
        } else if map.contains_key("cancelled") {
            Ok(Self::Cancelled)
        } else {
            Err(format!("no result: {map:?}"))
        }
    }
}

/// The name of a manager, a stack or a step: a letter, and perhaps a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Name {
    letter: char,
    number: Option<u32>,
    /// Of a loop around it; 0 where there is none.
    round: u32,
}

impl Name {
    pub const fn new(letter: char) -> Self {
        Self { letter, number: None, round: 0 }
    }

    pub(crate) fn in_round(self, round: u32) -> Self {
        Self { round, ..self }
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let no_name = || format!("no name: {text}");
        let letter = text.chars().next().ok_or_else(no_name)?;
        let number = &text[letter.len_utf8()..];
        let number = if number.is_empty() { None } else { Some(number.parse().map_err(|_| no_name())?) };
        Ok(Self { letter, number, round: 0 })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter)?;
        self.number.map_or(Ok(()), |number| write!(f, "{number}"))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        if self.round == 0 { Ok(()) } else { write!(f, " in round {:o}", self.round) }
    }
}

/// The number of a round in which round `i` of an inner loop is: each round has a number of its own.
pub(crate) fn inner_round(round: u32, i: usize) -> u32 {
    assert!(i < 7, "loops are short");
    round * 8 + u32::try_from(i).expect("it is small") + 1
}

/// What a block does, one after the other.
pub type Steps = Vec<Step>;

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Step {
    Await {
        id: Name,
        n: usize,
    },
    Raise {
        id: Name,
        err: String,
    },
    Panic {
        id: Name,
    },
    Return {
        value: i64,
    },
    Loop(Loop),
    Break {
        at: usize,
    },
    Continue {
        at: usize,
    },
    Try {
        id: Name,
        steps: Steps,
    },
    With(With),
    Enter {
        m: Manager,
    },
    PushExit {
        e: Exit,
    },
    Callback {
        c: Callback,
    },
    PopAll,
    Aclose,
    /// Side by side.
    #[serde(skip)]
    Join(Vec<Steps>),
    /// Drops the steps after so many polls, and goes on.
    #[serde(skip)]
    Race {
        polls: usize,
        steps: Steps,
    },
    /// A `with!` of a scope, which is never stopped itself.
    #[serde(skip)]
    Scope(Steps),
    /// A `with!` of an exit stack, which has a name of its own, with these managers on it.
    #[serde(skip)]
    Stack {
        name: Name,
        managers: Vec<Manager>,
        steps: Steps,
    },
}

#[derive(Clone, Debug, Deserialize)]
pub struct Loop {
    pub id: Name,
    pub n: usize,
    pub steps: Steps,
}

#[derive(Clone, Debug, Deserialize)]
pub struct With {
    pub m: Manager,
    pub steps: Steps,
    pub value: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "close", rename_all = "snake_case")]
pub enum Keep {
    With { steps: Steps, value: i64 },
    Aclose,
}

/// A manager.
#[derive(Clone, Debug, Deserialize)]
pub struct Manager {
    /// As Python has it: `gen` or `class`.
    #[serde(default)]
    pub style: String,
    /// How it is written here.
    #[serde(skip)]
    pub kind: Kind,
    /// Whether it is shielded, if it is not the way of the program that says so.
    #[serde(skip)]
    pub shielded: bool,
    /// How many awaits there are before it has acquired its resource.
    pub pre: usize,
    /// How many there are afterwards, before the block.
    #[serde(default)]
    pub held: usize,
    pub enter: Enter,
    #[serde(rename = "yield")]
    pub value: i64,
    #[serde(flatten)]
    pub exit: Exit,
}

/// How a manager is written.
#[derive(Clone, Debug, Default)]
pub enum Kind {
    /// As the way of the program says.
    #[default]
    Any,
    /// A manager function.
    Function,
    /// A type that implements the trait.
    Type,
    /// Gives its block so many polls.
    Racing(usize),
    /// Has its marker in a `select!` with what never ends.
    Selecting,
    /// Has it among futures of which those are polled that were woken.
    Gathering,
    /// Has its marker in a `with!` of another one, a function or one that races, followed by so many awaits.
    Composed(Box<Manager>, usize),
    /// Enters the first one in its enter phase, and the other one in its exit phase, each for a block that waits once.
    Using(Box<[Manager; 2]>),
}

/// A manager function with these awaits in its phases: before and after it acquires its resource, and before and after it
/// releases that.
#[must_use]
pub fn function(name: char, [pre, held]: [usize; 2], [post, late]: [usize; 2]) -> Manager {
    let pass = || Policy::Pass;
    let (on_ok, on_err, on_cancel, on_panic) = (pass(), pass(), pass(), pass());
    let exit = Exit { id: Name::new(name), post, late, on_ok, on_err, on_cancel, on_panic };
    let (style, kind, enter) = (String::new(), Kind::Function, Enter::Ok);
    Manager { style, kind, shielded: false, pre, held, enter, value: 0, exit }
}

/// An await that pends once.
#[must_use]
pub fn pause() -> Step {
    Step::Await { id: Name::new('w'), n: 1 }
}

/// The block ends so.
#[must_use]
pub fn goes_wrong(fault: Fault) -> Step {
    let id = Name::new('r');
    match fault {
        Fault::Fails => Step::Raise { id, err: FAILS.to_owned() },
        Fault::Panics => Step::Panic { id },
    }
}

/// Drops the steps after so many polls, and goes on.
pub fn race(polls: usize, steps: impl Into<Steps>) -> Step {
    Step::Race { polls, steps: steps.into() }
}

/// A `with!` of an exit stack with these managers on it.
pub fn stack(name: char, managers: impl Into<Vec<Manager>>, steps: impl Into<Steps>) -> Step {
    Step::Stack { name: Name::new(name), managers: managers.into(), steps: steps.into() }
}

/// The code of the errors of programs that are made here.
const FAILS: &str = "F";

impl Manager {
    #[must_use]
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    #[must_use]
    pub fn shielded(self) -> Self {
        Self { shielded: true, ..self }
    }

    /// With the marker in a `with!` of `inner`.
    #[must_use]
    pub fn around(self, inner: Self, after: usize) -> Self {
        self.kind(Kind::Composed(Box::new(inner), after))
    }

    /// With a `with!` of `first` in the enter phase, and one of `last` in the exit phase.
    #[must_use]
    pub fn uses(self, first: Self, last: Self) -> Self {
        self.kind(Kind::Using(Box::new([first, last])))
    }

    /// The enter phase ends so, with the resource acquired.
    #[must_use]
    pub fn enters(self, fault: Fault) -> Self {
        let enter = match fault {
            Fault::Fails => Enter::Fail(FAILS.to_owned()),
            Fault::Panics => Enter::Panic,
        };
        Self { enter, ..self }
    }

    /// The exit phase ends so, with the resource not yet released.
    #[must_use]
    pub fn leaves(mut self, fault: Fault) -> Self {
        let policy = match fault {
            Fault::Fails => Policy::Raise(FAILS.to_owned()),
            Fault::Panics => Policy::Panic,
        };
        let Exit { on_ok, on_err, on_cancel, on_panic, .. } = &mut self.exit;
        for on in [on_ok, on_err, on_cancel, on_panic] {
            on.clone_from(&policy);
        }
        self
    }

    #[must_use]
    pub fn with(self, block: impl Into<Steps>) -> Step {
        Step::With(With { m: self, steps: block.into(), value: 0 })
    }

    pub(crate) fn name(&self) -> Name {
        self.exit.id
    }

    /// Whether it may end before its marker, or reach it again.
    pub fn is_lawless(&self) -> bool {
        self.enter == Enter::NoYield || self.exit.policies().contains(&&Policy::Again)
    }

    /// Whether it leaves alone what ended its block, come what may.
    pub fn passes(&self) -> bool {
        self.exit.policies() == [&Policy::Pass; 4]
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Enter {
    Ok,
    Fail(String),
    Panic,
    NoYield,
}

impl TryFrom<String> for Enter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':').unwrap_or((&text, "")) {
            ("ok", "") => Ok(Self::Ok),
            ("fail", code) => Ok(Self::Fail(code.to_owned())),
            ("panic", "") => Ok(Self::Panic),
            ("noyield", "") => Ok(Self::NoYield),
            _ => Err(format!("no way to enter: {text}")),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Exit {
    pub id: Name,
    /// How many awaits there are before it does what it does.
    pub post: usize,
    /// How many there are afterwards, if it has released its resource.
    #[serde(default)]
    pub late: usize,
    on_ok: Policy,
    on_err: Policy,
    on_cancel: Policy,
    on_panic: Policy,
}

impl Exit {
    fn policies(&self) -> [&Policy; 4] {
        [&self.on_ok, &self.on_err, &self.on_cancel, &self.on_panic]
    }

    /// What it does when its block has ended so.
    pub(crate) fn policy(&self, outcome: &Outcome<Error>) -> &Policy {
        match outcome {
            Outcome::Completed => &self.on_ok,
            Outcome::Failed(error) => match &self.on_err {
                Policy::SuppressOnly(code) if *code == error.code => &Policy::Suppress,
                Policy::SuppressOnly(_) => &Policy::Pass,
                policy => policy,
            },
            Outcome::Panicked => &self.on_panic,
            Outcome::Cancelled => &self.on_cancel,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Policy {
    Pass,
    Suppress,
    /// Errors with this code.
    SuppressOnly(String),
    Raise(String),
    Panic,
    /// Goes to its marker a second time.
    Again,
}

impl Policy {
    /// The event.
    pub fn act(&self, id: impl fmt::Display) -> String {
        match self {
            Self::Pass => format!("act:{id}:pass"),
            Self::Suppress => format!("act:{id}:suppress"),
            Self::SuppressOnly(code) => unreachable!("decided by the code {code}"),
            Self::Raise(code) => format!("act:{id}:raise({code}@{id})"),
            Self::Panic => format!("act:{id}:panic(P@{id})"),
            Self::Again => format!("act:{id}:again"),
        }
    }
}

impl TryFrom<String> for Policy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':').unwrap_or((&text, "")) {
            ("pass", "") => Ok(Self::Pass),
            ("suppress", "") => Ok(Self::Suppress),
            ("suppress", code) => Ok(Self::SuppressOnly(code.to_owned())),
            ("raise", code) => Ok(Self::Raise(code.to_owned())),
            ("panic", "") => Ok(Self::Panic),
            ("again", "") => Ok(Self::Again),
            _ => Err(format!("no policy: {text}")),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Callback {
    pub id: Name,
    pub post: usize,
    #[serde(rename = "do")]
    pub policy: Policy,
}

/// Calls `change` with the name of each manager and each stack of these steps, and with whether the manager is shielded.
pub fn each(steps: &mut [Step], change: &mut impl FnMut(&mut Name, Option<&mut bool>)) {
    for step in steps {
        match step {
            Step::With(With { m, steps, .. }) => {
                change(&mut m.exit.id, Some(&mut m.shielded));
                let parts = match &mut m.kind {
                    Kind::Composed(inner, _) => slice::from_mut(&mut **inner),
                    Kind::Using(parts) => &mut parts[..],
                    _ => &mut [],
                };
                for part in parts {
                    change(&mut part.exit.id, Some(&mut part.shielded));
                }
                each(steps, change);
            }
            Step::Join(all) => all.iter_mut().for_each(|steps| each(steps, change)),
            Step::Race { steps, .. }
            | Step::Scope(steps)
            | Step::Try { steps, .. }
            | Step::Loop(Loop { steps, .. }) => {
                each(steps, change);
            }
            Step::Stack { name, managers, steps } => {
                change(name, None);
                for manager in managers {
                    change(&mut manager.exit.id, Some(&mut manager.shielded));
                }
                each(steps, change);
            }
            _ => {}
        }
    }
}

/// Gives each manager and each stack of these steps a name of its own.
pub fn name_all(steps: &mut [Step]) {
    let mut names = 'a'..='\u{ffff}';
    each(steps, &mut |name, _| *name = Name::new(names.next().expect("there are many")));
}

/// The same steps with all choices of managers that are shielded.
pub(crate) fn shielded_or_not(steps: &Steps) -> impl ExactSizeIterator<Item = Steps> {
    let mut count = 0;
    each(&mut steps.clone(), &mut |_, shielded| count += u32::from(shielded.is_some()));
    (0..1_u32 << count).map(|choice| {
        let (mut steps, mut choice) = (steps.clone(), choice);
        each(&mut steps, &mut |_, shielded| {
            if let Some(shielded) = shielded {
                *shielded = choice & 1 == 1;
                choice >>= 1;
            }
        });
        steps
    })
}

fn is_lawful(steps: &[Step]) -> bool {
    steps.iter().all(|step| match step {
        Step::With(With { m, steps, .. }) => !m.is_lawless() && is_lawful(steps),
        Step::Try { steps, .. } | Step::Loop(Loop { steps, .. }) => is_lawful(steps),
        _ => true,
    })
}
