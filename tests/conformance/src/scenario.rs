//! What stands in a line of a file: a scenario, and what came of it.

use async_context_manager::Outcome;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::env::Error;

/// A line: a scenario, and what Python did with it.
#[derive(Deserialize)]
pub(crate) struct Line {
    pub(crate) scenario: Scenario,
    pub(crate) trace: Vec<String>,
    pub(crate) result: Ended,
}

#[derive(Deserialize)]
pub(crate) struct Scenario {
    pub(crate) id: String,
    /// At which suspension the future is dropped; 0: before its first poll.
    pub(crate) cancel_at: Option<usize>,
    pub(crate) steps: Vec<Step>,
    /// Of stack scenarios: the value of the block of the stack.
    #[serde(default)]
    pub(crate) value: i64,
    /// Of stack scenarios: what becomes of the stack that `pop_all` gave.
    pub(crate) keep: Option<Keep>,
}

impl Scenario {
    /// Whether it is one of exit stacks.
    pub(crate) fn is_of_stacks(&self) -> bool {
        self.id.starts_with("stack-")
    }
}

/// What a program came to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(crate) enum Ended {
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

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Step {
    Await { id: String, n: usize },
    Raise { id: String, err: String },
    Panic { id: String },
    Return { value: i64 },
    Loop(Loop),
    Break { at: usize },
    Continue { at: usize },
    Try { id: String, steps: Vec<Step> },
    With(With),
    Enter { m: Manager },
    PushExit { e: Exit },
    Callback { c: Callback },
    PopAll,
    Aclose,
}

#[derive(Deserialize)]
pub(crate) struct Loop {
    pub(crate) id: String,
    pub(crate) n: usize,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
pub(crate) struct With {
    pub(crate) m: Manager,
    pub(crate) steps: Vec<Step>,
    pub(crate) value: i64,
}

#[derive(Deserialize)]
#[serde(tag = "close", rename_all = "snake_case")]
pub(crate) enum Keep {
    With { steps: Vec<Step>, value: i64 },
    Aclose,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Manager {
    pub(crate) style: String,
    pub(crate) pre: usize,
    pub(crate) enter: Enter,
    #[serde(rename = "yield")]
    pub(crate) value: i64,
    #[serde(flatten)]
    pub(crate) exit: Exit,
}

impl Manager {
    /// Whether it may end before its marker, or reach it again.
    pub(crate) fn is_lawless(&self) -> bool {
        self.enter == Enter::NoYield || self.exit.policies().contains(&&Policy::Again)
    }

    /// Whether it leaves alone what ended its block, come what may.
    pub(crate) fn passes(&self) -> bool {
        self.exit.policies() == [&Policy::Pass; 4]
    }
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Enter {
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

#[derive(Clone, Deserialize)]
pub(crate) struct Exit {
    pub(crate) id: String,
    pub(crate) post: usize,
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

#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Policy {
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
    pub(crate) fn act(&self, id: &str) -> String {
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

#[derive(Clone, Deserialize)]
pub(crate) struct Callback {
    pub(crate) id: String,
    pub(crate) post: usize,
    #[serde(rename = "do")]
    pub(crate) policy: Policy,
}
