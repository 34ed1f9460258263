//! What a replay must give: what Python gave, or where a rule says so, something else.

use std::collections::{BTreeMap, BTreeSet};

use async_context_manager::Outcome;
use serde::Deserialize;

use crate::env::{Error, NO_STOP, NO_YIELD};
use crate::scenario::{Callback, Ended, Enter, Exit, Keep, Line, Loop, Manager, Policy, Scenario, Step, With};
use crate::ways::Mode;

/// A line of the files in `expected`: what dropped futures give, by the mode of cancellation.
#[derive(Deserialize)]
pub(crate) struct Expected {
    id: String,
    dropped: bool,
    /// Nothing where Python's trace and result hold.
    #[serde(flatten)]
    modes: BTreeMap<String, Option<Differing>>,
}

#[derive(Deserialize)]
struct Differing {
    trace: Vec<String>,
    result: Ended,
    rules: BTreeSet<String>,
}

/// What a replay must give, and the codes of the rules by which that differs from Python.
pub(crate) struct Want {
    pub(crate) trace: Vec<String>,
    pub(crate) result: Ended,
    pub(crate) rules: BTreeSet<String>,
    mode: Mode,
}

impl Want {
    /// In that mode of cancellation.
    pub(crate) fn new(line: &Line, expected: &Expected, mode: Mode) -> Self {
        assert_eq!(line.scenario.id, expected.id);
        assert_eq!(line.scenario.cancel_at.is_some(), expected.dropped);
        let differing = expected.modes.get(mode.name()).expect("there is such a mode").as_ref();
        let (trace, result, rules) = match differing {
            Some(Differing { trace, result, rules }) => (trace, result, rules.clone()),
            None => (&line.trace, &line.result, BTreeSet::new()),
        };
        let want = Self { trace: trace.clone(), result: result.clone(), rules, mode };
        want.with_broken_protocol(&line.scenario)
    }

    /// Rules R1 and R2: a manager that breaks the protocol raises a `RuntimeError` in Python, and panics here. The
    /// trace is the same up to there; then each manager that is open sees the panic, which none of them stops.
    ///
    /// In a future that is being dropped, the panic is contained, and what stands in the file holds.
    fn with_broken_protocol(mut self, scenario: &Scenario) -> Self {
        let broken = |event: &String| ["noyield:", "closed:", "cancel:"].iter().any(|kind| event.starts_with(kind));
        let Some(at) = self.trace.iter().position(broken) else { return self };
        let (rule, label) = match self.trace[at].split(':').next() {
            Some("noyield") => ("R1", NO_YIELD),
            Some("closed") => ("R2", NO_STOP),
            _ => return self,
        };
        self.trace.truncate(at + 1);
        self.result = Ended::Panic(label.to_owned());
        self.rules = BTreeSet::from([rule.to_owned()]);
        self.panic(scenario, label);
        self
    }

    /// A panic goes through all that are open.
    fn panic(&mut self, scenario: &Scenario, label: &str) {
        let mut open = open(&self.trace);
        let mut suspensions = self.trace.iter().filter(|event| is_suspension(event)).count();
        while let Some(id) = open.pop() {
            let exit = find(scenario, &id).exit();
            self.trace.push(format!("exit:{id}:panicked({label})"));
            for i in 1..=exit.post {
                self.trace.push(format!("post:{id}:{i}"));
                suspensions += 1;
                if scenario.cancel_at == Some(suspensions) {
                    return self.drop_all(scenario, suspensions);
                }
            }
            self.trace.push(exit.policy(&Outcome::Panicked).act(&id));
        }
    }

    /// What it gives when it is dropped at that suspension; nothing when it has no such suspension.
    pub(crate) fn dropped_at(&self, scenario: &Scenario, suspension: usize) -> Option<Self> {
        let alive = self.trace.iter().take_while(|event| !event.starts_with("cancel:"));
        let mut suspensions = alive.enumerate().filter(|(_, event)| is_suspension(event));
        let length = match suspension.checked_sub(1) {
            Some(before) => suspensions.nth(before)?.0 + 1,
            None => 0,
        };
        let trace = self.trace[..length].to_vec();
        let mut want = Self { trace, result: Ended::Cancelled, rules: BTreeSet::new(), mode: self.mode };
        want.drop_all(scenario, suspension);
        Some(want)
    }

    /// The future is dropped: what is being entered or left stops there, or goes on; and then all that is open is left.
    fn drop_all(&mut self, scenario: &Scenario, suspension: usize) {
        self.result = Ended::Cancelled;
        let mut open = open(&self.trace);
        let under_way = self.trace.last().filter(|_| suspension > 0 && self.mode == Mode::Detached).cloned();
        self.trace.push(format!("cancel:{suspension}"));
        if let Some(event) = under_way {
            self.go_on(scenario, &event);
        }
        while let Some(id) = open.pop() {
            self.cancel(&id, find(scenario, &id));
        }
    }

    /// What comes after the suspension at that event, in the manager that logged it.
    fn go_on(&mut self, scenario: &Scenario, event: &str) {
        let mut words = event.split(':');
        let (kind, id) = (words.next(), words.next().expect("there is a name"));
        let number = words.next().and_then(|number| number.parse().ok()).expect("suspensions have numbers");
        match kind {
            Some("pre") => self.enter(find(scenario, id).manager(), number),
            Some("post") => {
                let exit = format!("exit:{id}:");
                let outcome = self.trace.iter().rev().find_map(|event| event.strip_prefix(&exit)).map(outcome);
                self.leave(id, find(scenario, id), &outcome.unwrap_or(Outcome::Completed), number);
            }
            _ => {}
        }
    }

    /// Enters the manager, which has suspended so often already, and leaves it.
    fn enter(&mut self, manager: &Manager, suspended: usize) {
        let id = &manager.exit.id;
        self.trace.extend((suspended + 1..=manager.pre).map(|i| format!("pre:{id}:{i}")));
        match &manager.enter {
            Enter::Ok => {
                self.trace.push(format!("yield:{id}:{}", manager.value));
                self.cancel(id, Leaving::Manager(manager));
            }
            Enter::Fail(code) => self.trace.push(format!("fail:{id}:{code}@{id}")),
            Enter::Panic => self.trace.push(format!("fail:{id}:P@{id}")),
            Enter::NoYield => self.trace.push(format!("noyield:{id}")),
        }
    }

    /// Leaves what has been cancelled.
    fn cancel(&mut self, id: &str, leaving: Leaving<'_>) {
        self.trace.push(match leaving {
            Leaving::Callback(_) => format!("callback:{id}"),
            _ => format!("exit:{id}:cancelled"),
        });
        self.leave(id, leaving, &Outcome::Cancelled, 0);
    }

    /// Leaves what has suspended so often already: to the end, or to its next suspension.
    fn leave(&mut self, id: &str, leaving: Leaving<'_>, outcome: &Outcome<Error>, suspended: usize) {
        let (post, policy) = match leaving {
            Leaving::Callback(callback) => (callback.post, &callback.policy),
            _ => (leaving.exit().post, leaving.exit().policy(outcome)),
        };
        if self.mode == Mode::Sync && post > suspended {
            return self.trace.push(format!("post:{id}:{}", suspended + 1));
        }
        self.trace.extend((suspended + 1..=post).map(|i| format!("post:{id}:{i}")));
        self.trace.push(policy.act(id));
        if *policy == Policy::Again {
            self.trace.push(format!("closed:{id}"));
        }
    }
}

/// The outcome that stands in an event.
fn outcome(described: &str) -> Outcome<Error> {
    let label = described.split_once('(').map(|(_, label)| label.trim_end_matches(')').to_owned());
    match (described.split('(').next(), label) {
        (Some("completed"), None) => Outcome::Completed,
        (Some("cancelled"), None) => Outcome::Cancelled,
        (Some("panicked"), Some(_)) => Outcome::Panicked,
        (Some("failed"), Some(label)) => {
            let code = label.split('@').next().expect("it has a first part").to_owned();
            Outcome::Failed(Error { code, label })
        }
        _ => panic!("no outcome: {described}"),
    }
}

fn is_suspension(event: &str) -> bool {
    ["pre:", "await:", "post:"].iter().any(|kind| event.starts_with(kind))
}

/// What has been entered and not been left: the last one is left next.
fn open(trace: &[String]) -> Vec<String> {
    let (mut open, mut kept) = (Vec::new(), Vec::new());
    for event in trace {
        let mut words = event.split(':');
        match (words.next(), words.next()) {
            (Some("yield" | "pushed"), Some(id)) => open.push(id.to_owned()),
            (Some("exit" | "callback"), Some(id)) => assert_eq!(open.pop().as_deref(), Some(id)),
            (Some("pop_all"), _) => kept = std::mem::take(&mut open),
            (Some("open" | "aclose"), Some("k")) => open = std::mem::take(&mut kept),
            _ => {}
        }
    }
    // What is kept is a local of the program, and dropped after the stack that it was on.
    kept.append(&mut open);
    kept
}

/// What is left.
#[derive(Clone, Copy)]
enum Leaving<'a> {
    Manager(&'a Manager),
    Exit(&'a Exit),
    Callback(&'a Callback),
}

impl<'a> Leaving<'a> {
    fn manager(self) -> &'a Manager {
        let Self::Manager(manager) = self else { panic!("it is no manager") };
        manager
    }

    fn exit(self) -> &'a Exit {
        match self {
            Self::Manager(manager) => &manager.exit,
            Self::Exit(exit) => exit,
            Self::Callback(_) => panic!("it sees no outcome"),
        }
    }
}

/// What has that name.
fn find<'a>(scenario: &'a Scenario, id: &str) -> Leaving<'a> {
    let kept = match &scenario.keep {
        Some(Keep::With { steps, .. }) => steps.as_slice(),
        _ => &[],
    };
    find_in(&scenario.steps, id).or_else(|| find_in(kept, id)).expect("it is in the scenario")
}

fn find_in<'a>(steps: &'a [Step], id: &str) -> Option<Leaving<'a>> {
    steps.iter().find_map(|step| match step {
        Step::With(With { m, .. }) | Step::Enter { m } if m.exit.id == id => Some(Leaving::Manager(m)),
        Step::PushExit { e } if e.id == id => Some(Leaving::Exit(e)),
        Step::Callback { c } if c.id == id => Some(Leaving::Callback(c)),
        Step::With(With { steps, .. }) | Step::Loop(Loop { steps, .. }) | Step::Try { steps, .. } => find_in(steps, id),
        _ => None,
    })
}
