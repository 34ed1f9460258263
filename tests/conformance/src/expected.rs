//! What a replay must give: what Python gave, or where a rule says so, something else.

use std::collections::{BTreeMap, BTreeSet};

use async_context_manager::Outcome;
use serde::Deserialize;

use crate::env::{NO_STOP, NO_YIELD};
use crate::scenario::{Callback, Ended, Exit, Keep, Line, Loop, Policy, Scenario, Step, With};

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
}

impl Want {
    /// In that mode of cancellation.
    pub(crate) fn new(line: &Line, expected: &Expected, mode: &str) -> Self {
        assert_eq!(line.scenario.id, expected.id);
        assert_eq!(line.scenario.cancel_at.is_some(), expected.dropped);
        let want = match expected.modes.get(mode).expect("there is such a mode") {
            Some(Differing { trace, result, rules }) => {
                Self { trace: trace.clone(), result: result.clone(), rules: rules.clone() }
            }
            None => Self { trace: line.trace.clone(), result: line.result.clone(), rules: BTreeSet::new() },
        };
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
            let Some(Leaving::Manager(exit)) = find(&scenario.steps, &id) else { panic!("no manager is called {id}") };
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
        let mut want = Self { trace: self.trace[..length].to_vec(), result: Ended::Cancelled, rules: BTreeSet::new() };
        want.drop_all(scenario, suspension);
        Some(want)
    }

    /// The future is dropped: what is being left stops there, and then each that is open is polled once.
    fn drop_all(&mut self, scenario: &Scenario, suspension: usize) {
        self.result = Ended::Cancelled;
        let mut open = open(&self.trace);
        self.trace.push(format!("cancel:{suspension}"));
        let kept = match &scenario.keep {
            Some(Keep::With { steps, .. }) => steps.as_slice(),
            _ => &[],
        };
        while let Some(id) = open.pop() {
            let leaving = find(&scenario.steps, &id).or_else(|| find(kept, &id)).expect("it is in the scenario");
            let (post, policy) = match leaving {
                Leaving::Manager(exit) => {
                    self.trace.push(format!("exit:{id}:cancelled"));
                    (exit.post, exit.policy(&Outcome::Cancelled))
                }
                Leaving::Callback(callback) => {
                    self.trace.push(format!("callback:{id}"));
                    (callback.post, &callback.policy)
                }
            };
            self.trace.push(if post == 0 { policy.act(&id) } else { format!("post:{id}:1") });
            if post == 0 && *policy == Policy::Again {
                self.trace.push(format!("closed:{id}"));
            }
        }
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
enum Leaving<'a> {
    Manager(&'a Exit),
    Callback(&'a Callback),
}

/// What has that name.
fn find<'a>(steps: &'a [Step], id: &str) -> Option<Leaving<'a>> {
    steps.iter().find_map(|step| match step {
        Step::With(With { m, .. }) | Step::Enter { m } if m.exit.id == id => Some(Leaving::Manager(&m.exit)),
        Step::PushExit { e } if e.id == id => Some(Leaving::Manager(e)),
        Step::Callback { c } if c.id == id => Some(Leaving::Callback(c)),
        Step::With(With { steps, .. }) | Step::Loop(Loop { steps, .. }) | Step::Try { steps, .. } => find(steps, id),
        _ => None,
    })
}
