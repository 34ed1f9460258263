//! The lines of a file: programs with scopes that stop their block, and what is expected of them.

use std::fmt;

use serde::Deserialize;

/// One line. Other keys of it are ignored.
#[derive(Deserialize)]
pub(super) struct Line {
    pub(super) id: String,
    /// What a named case is about.
    #[serde(default)]
    pub(super) text: String,
    pub(super) program: Program,
    pub(super) expected: Run,
}

#[derive(Deserialize)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
}

/// What a program does, and how it ends.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) trace: Vec<Event>,
    pub(super) result: Ended,
}

/// The time, the task, and what happened.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Event(pub(super) u64, pub(super) String, pub(super) String);

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.0, self.1, self.2)
    }
}

/// How a program ends: with the value of a `return`, or with the label of an error.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ended {
    Ok(Option<i64>),
    Err(String),
}

#[derive(Clone, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Step {
    Sleep { id: String, d: u64 },
    Log { id: String },
    Raise { id: String, err: String },
    Return { value: i64 },
    Break,
    Loop { id: String, n: usize, steps: Vec<Step> },
    Try { id: String, steps: Vec<Step> },
    Cancel { scope: String },
    With { m: Box<Manager>, steps: Vec<Step> },
    Scope { s: Scope, steps: Vec<Step> },
}

impl Step {
    /// Returns whether a group is in it.
    pub(super) fn has_group(&self) -> bool {
        match self {
            Self::Scope { s, steps } => matches!(s.kind, Kind::Group { .. }) || steps.iter().any(Self::has_group),
            Self::Loop { steps, .. } | Self::Try { steps, .. } | Self::With { steps, .. } => {
                steps.iter().any(Self::has_group)
            }
            _ => false,
        }
    }
}

/// What a phase of a manager does: it waits so long, or runs a step.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Item {
    Wait(u64),
    Step(Step),
}

#[derive(Clone, Deserialize)]
pub(super) struct Manager {
    pub(super) id: String,
    pub(super) pre: Vec<Item>,
    pub(super) parts: Vec<Manager>,
    pub(super) mid: Vec<Item>,
    pub(super) enter: Enter,
    pub(super) post: Post,
    pub(super) on_ok: Policy,
    pub(super) on_err: Policy,
    pub(super) on_cancel: Policy,
}

/// The exit phase, by the outcome.
#[derive(Clone, Deserialize)]
pub(super) struct Post {
    pub(super) completed: Vec<Item>,
    pub(super) failed: Vec<Item>,
    pub(super) cancelled: Vec<Item>,
}

/// Whether entering fails: before the parts are entered, or after that.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub(super) enum Enter {
    Ok,
    Fail(String),
    FailMid(String),
}

impl From<String> for Enter {
    fn from(text: String) -> Self {
        match text.split_once(':') {
            None if text == "ok" => Self::Ok,
            Some(("fail", code)) => Self::Fail(code.to_owned()),
            Some(("fail_mid", code)) => Self::FailMid(code.to_owned()),
            _ => panic!("no way to enter: {text}"),
        }
    }
}

/// What a manager does with the end of its block.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(from = "String")]
pub(super) enum Policy {
    Pass,
    Suppress,
    /// Only errors with that code.
    SuppressOnly(String),
    Raise(String),
}

impl From<String> for Policy {
    fn from(text: String) -> Self {
        match text.split_once(':') {
            None if text == "pass" => Self::Pass,
            None if text == "suppress" => Self::Suppress,
            Some(("suppress", code)) => Self::SuppressOnly(code.to_owned()),
            Some(("raise", code)) => Self::Raise(code.to_owned()),
            _ => panic!("no policy: {text}"),
        }
    }
}

#[derive(Clone, Deserialize)]
pub(super) struct Scope {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) kind: Kind,
}

#[derive(Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Kind {
    Timeout { d: u64 },
    MoveOn { d: u64 },
    Cancel { at: Option<u64> },
    Group { children: Vec<Child> },
}

#[derive(Clone, Deserialize)]
pub(super) struct Child {
    pub(super) id: String,
    pub(super) steps: Vec<Step>,
}

impl Manager {
    /// Whether neither entering nor leaving fails of itself, and errors pass by.
    pub(super) fn is_infallible(&self) -> bool {
        let waits = |items: &[Item]| items.iter().all(|item| matches!(item, Item::Wait(_)));
        let phases = [&self.pre, &self.mid, &self.post.completed, &self.post.failed, &self.post.cancelled];
        let policies = [&self.on_ok, &self.on_err, &self.on_cancel];
        self.parts.is_empty()
            && matches!(self.enter, Enter::Ok)
            && phases.iter().all(|items| waits(items))
            && !self.suppresses()
            && !policies.iter().any(|policy| matches!(policy, Policy::Raise(_)))
    }

    /// Whether it may end a block that has failed without an error.
    pub(super) fn suppresses(&self) -> bool {
        matches!(self.on_err, Policy::Suppress | Policy::SuppressOnly(_))
    }
}
