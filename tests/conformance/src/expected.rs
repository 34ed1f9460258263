//! What a replay must give: what Python gave, or where a rule says so, something else.

use std::collections::{BTreeMap, BTreeSet};

use async_context_manager::Outcome;
use serde::Deserialize;

use crate::env::{NO_STOP, NO_YIELD};
use crate::scenario::{Ended, Exit, Line, Scenario, Step};

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
        let stop = self
            .trace
            .iter()
            .position(|event| ["noyield:", "closed:", "cancel:"].iter().any(|broken| event.starts_with(broken)));
        let (rule, label) = match stop.map(|at| self.trace[at].split(':').next()) {
            Some(Some("noyield")) => ("R1", NO_YIELD),
            Some(Some("closed")) => ("R2", NO_STOP),
            _ => return self,
        };
        self.trace.truncate(stop.map_or(0, |at| at + 1));
        self.result = Ended::Panic(label.to_owned());
        self.rules = BTreeSet::from([rule.to_owned()]);
        self.unwind(scenario, label);
        self
    }

    /// All that are open leave, as a panic goes through them.
    fn unwind(&mut self, scenario: &Scenario, label: &str) {
        let is_suspension = |event: &&String| ["pre:", "await:", "post:"].iter().any(|kind| event.starts_with(kind));
        let mut suspensions = self.trace.iter().filter(is_suspension).count();
        let mut open = self.open();
        while let Some(id) = open.pop() {
            let exit = find(&scenario.steps, &id).expect("it is in the scenario");
            if self.result == Ended::Cancelled {
                self.trace.push(format!("exit:{id}:cancelled"));
                self.trace.push(match exit.post {
                    0 => exit.policy(&Outcome::Cancelled).act(&id),
                    _ => format!("post:{id}:1"),
                });
                continue;
            }
            self.trace.push(format!("exit:{id}:panicked({label})"));
            for i in 1..=exit.post {
                self.trace.push(format!("post:{id}:{i}"));
                suspensions += 1;
                if scenario.cancel_at == Some(suspensions) {
                    self.trace.push(format!("cancel:{suspensions}"));
                    self.result = Ended::Cancelled;
                    break;
                }
            }
            if self.result != Ended::Cancelled {
                self.trace.push(exit.policy(&Outcome::Panicked).act(&id));
            }
        }
    }

    /// The managers that have been entered and not been left, the oldest first.
    fn open(&self) -> Vec<String> {
        let mut open = Vec::new();
        for event in &self.trace {
            let mut words = event.split(':');
            match (words.next(), words.next()) {
                (Some("yield"), Some(id)) => open.push(id.to_owned()),
                (Some("exit"), Some(id)) => assert_eq!(open.pop().as_deref(), Some(id)),
                _ => {}
            }
        }
        open
    }
}

/// The manager of that name.
fn find<'a>(steps: &'a [Step], id: &str) -> Option<&'a Exit> {
    steps.iter().find_map(|step| match step {
        Step::With(with) if with.m.exit.id == id => Some(&with.m.exit),
        Step::With(with) => find(&with.steps, id),
        Step::Loop(rounds) => find(&rounds.steps, id),
        Step::Try { steps, .. } => find(steps, id),
        _ => None,
    })
}
