//! What a replay must give: what Python gave, or where a rule says so, something else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::{replace, take};

use async_context_manager::Outcome;
use serde::Deserialize;

use crate::env::{Error, NO_STOP, NO_YIELD};
use crate::model::{Callback, Ended, Enter, Exit, Keep, Line, Loop, Manager, Name, Policy, Scenario, Step, With};
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
    lost: Vec<String>,
}

/// What a replay must give, and the codes of the rules by which that differs from Python.
pub(crate) struct Want {
    pub(crate) trace: Vec<String>,
    pub(crate) result: Ended,
    pub(crate) rules: BTreeSet<String>,
    /// The errors and panics that managers made after the cancellation.
    pub(crate) lost: Vec<String>,
    /// What comes after the cancellation of a manager that is being entered: beside all other events, as nobody waits for
    /// it.
    pub(crate) entering: Vec<String>,
    pub(crate) mode: Mode,
}

impl Want {
    /// A trace with the events of a manager that is being entered behind the others.
    pub(crate) fn in_order(&self, trace: &[String]) -> Vec<String> {
        let at = trace.iter().position(|event| event.starts_with("cancel:")).unwrap_or(trace.len());
        let (before, after) = trace.split_at(at);
        let (entering, others): (Vec<_>, Vec<_>) = after.iter().partition(|event| self.entering.contains(event));
        before.iter().chain(others).chain(entering).cloned().collect()
    }

    /// In that mode of cancellation.
    pub(crate) fn new(line: &Line, expected: &Expected, mode: Mode) -> Self {
        assert_eq!(line.scenario.id, expected.id);
        assert_eq!(line.scenario.cancel_at.is_some(), expected.dropped);
        let differing = expected.modes.get(mode.name()).expect("there is such a mode").as_ref();
        let mut want = Self::as_in_python(line, mode);
        if let Some(Differing { trace, result, rules, lost }) = differing {
            want =
                Self { trace: trace.clone(), result: result.clone(), rules: rules.clone(), lost: lost.clone(), ..want };
            // Python has two messages, for one.
            want.lost
                .iter_mut()
                .filter(|label| label.starts_with("RuntimeError"))
                .for_each(|label| NO_STOP.clone_into(label));
        }
        want.with_broken_protocol(&line.scenario).with_shields(&line.scenario)
    }

    /// Of a fresh program, for which there is no file: Python's trace up to a cancellation, and what the rules make of it.
    pub(crate) fn fresh(line: &Line, mode: Mode) -> Self {
        let want = Self::as_in_python(line, mode).with_broken_protocol(&line.scenario);
        let Some(dropped) = line.scenario.cancel_at.and_then(|at| want.dropped_at(&line.scenario, at)) else {
            return want;
        };
        let differs = (&dropped.trace, &dropped.result) != (&line.trace, &line.result);
        Self { rules: differs.then(|| "C".to_owned()).into_iter().collect(), ..dropped }
    }

    fn as_in_python(line: &Line, mode: Mode) -> Self {
        let (trace, result) = (line.trace.clone(), line.result.clone());
        Self { trace, result, rules: BTreeSet::new(), lost: Vec::new(), entering: Vec::new(), mode }
    }

    /// What the files do not know of: one that is shielded is entered to its end (C8), and two stacks are left side by
    /// side (K1). Where it is stacks that are, one that is being left goes on with what is under way (C3); and what is not
    /// left by one is as it is: what `close` leaves (C4), and what is kept (K1).
    fn with_shields(mut self, scenario: &Scenario) -> Self {
        let Some(cancel_at) = scenario.cancel_at.filter(|_| self.mode != Mode::Sync) else { return self };
        let Some(dropped) = self.dropped_at(scenario, cancel_at) else { return self };
        let at = dropped.trace.iter().position(|event| event.starts_with("cancel:")).expect("it is cancelled");
        let (before, after) = dropped.trace.split_at(at);
        if after == &self.trace[at..] {
            assert_eq!((&dropped.result, &dropped.lost), (&self.result, &self.lost), "{}", scenario.id);
            return self;
        }
        let (last, detached) = (before.last().and_then(|event| event.split(':').next()), self.mode == Mode::Detached);
        let rules = [
            ("C8", detached && last == Some("pre")),
            ("C4", !detached && is_closing(before)),
            ("C3", !detached && last == Some("post") && !is_closing(before)),
            ("K1", before.iter().any(|event| event.starts_with("pop_all:"))),
        ];
        let rules: Vec<_> = rules.into_iter().filter(|(_, holds)| *holds).map(|(rule, _)| rule.to_owned()).collect();
        assert!(!rules.is_empty(), "{}: no rule says {after:#?}", scenario.id);
        self.rules.extend(rules);
        Self { rules: self.rules, ..dropped }
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
        let mut open = open(&self.trace).entered;
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
        let (rules, lost) = (BTreeSet::new(), Vec::new());
        let mut want = Self { trace, result: Ended::Cancelled, rules, lost, entering: Vec::new(), mode: self.mode };
        want.drop_all(scenario, suspension);
        Some(want)
    }

    /// The future is dropped: what is being entered or left stops there, or goes on; and then all that is open is left.
    fn drop_all(&mut self, scenario: &Scenario, suspension: usize) {
        self.result = Ended::Cancelled;
        let Open { mut kept, mut entered } = open(&self.trace);
        if self.mode == Mode::Detached && self.trace.iter().any(|event| event == "aclose:k") {
            entered = take(&mut kept);
        }
        let before = take(&mut self.trace);
        let entering = self.drop_entered(scenario, &before, &entered);
        let entered = take(&mut self.trace);
        // What is kept is on a stack that nobody has shielded.
        let mode = if self.mode == Mode::DetachedStacks { Mode::Sync } else { self.mode };
        let mode = replace(&mut self.mode, mode);
        self.cancel_all(scenario, &kept);
        self.mode = mode;
        let kept = take(&mut self.trace);
        self.trace = before;
        self.trace.push(format!("cancel:{suspension}"));
        self.trace.extend(match self.mode {
            Mode::Sync => [entered, kept].concat(),
            Mode::Detached => by_turns([entering.clone(), entered, kept]),
            // In place, before anything is rescued.
            Mode::DetachedStacks => [kept, entered].concat(),
        });
        self.entering = entering;
    }

    /// What is left of the managers that have been entered. Returns the events of one that is being entered, for which
    /// none of these waits.
    fn drop_entered(&mut self, scenario: &Scenario, before: &[String], entered: &[String]) -> Vec<String> {
        let event = before.last().map_or("", String::as_str);
        let stack_is_left = event.starts_with("post:") && !is_closing(before);
        let goes_on = match self.mode {
            Mode::Sync => false,
            Mode::Detached => true,
            Mode::DetachedStacks => stack_is_left,
        };
        let outcome = if goes_on { self.go_on(scenario, before, event) } else { Outcome::Cancelled };
        let entering = if event.starts_with("pre:") { take(&mut self.trace) } else { Vec::new() };
        if self.mode == Mode::DetachedStacks && stack_is_left && scenario.is_of_stacks() {
            self.leave_all(scenario, entered, outcome);
        } else {
            self.cancel_all(scenario, entered);
        }
        entering
    }

    /// On one stack, each sees what is under way when its turn comes.
    fn leave_all(&mut self, scenario: &Scenario, ids: &[String], outcome: Outcome<Error>) {
        let leave = |outcome, id: &String| self.see(id, find(scenario, id), outcome);
        ids.iter().rev().fold(outcome, leave);
    }

    fn cancel_all(&mut self, scenario: &Scenario, ids: &[String]) {
        for id in ids.iter().rev() {
            self.see(id, find(scenario, id), Outcome::Cancelled);
        }
    }

    /// What comes after the suspension at that event, in the manager that logged it: what is under way then.
    fn go_on(&mut self, scenario: &Scenario, before: &[String], event: &str) -> Outcome<Error> {
        let words: Vec<_> = event.split(':').collect();
        let [kind @ ("pre" | "post"), id, number] = words[..] else { return Outcome::Cancelled };
        let number = number.parse().expect("suspensions have numbers");
        if kind == "post" {
            return self.leave(id, find(scenario, id), under_way(before), number);
        }
        self.enter(find(scenario, id).manager(), number);
        Outcome::Cancelled
    }

    /// Enters the manager, which has suspended so often already, and leaves it.
    fn enter(&mut self, manager: &Manager, suspended: usize) {
        let id = manager.name();
        self.trace.extend((suspended + 1..=manager.pre).map(|i| format!("pre:{id}:{i}")));
        match &manager.enter {
            Enter::Ok => {
                self.trace.push(format!("yield:{id}:{}", manager.value));
                self.see(&id.to_string(), Leaving::Manager(manager), Outcome::Cancelled);
            }
            Enter::Fail(code) => self.fail(id, &format!("{code}@{id}")),
            Enter::Panic => self.fail(id, &format!("P@{id}")),
            Enter::NoYield => self.trace.push(format!("noyield:{id}")),
        }
    }

    fn fail(&mut self, id: Name, label: &str) {
        self.trace.push(format!("fail:{id}:{label}"));
        self.lost.push(label.to_owned());
    }

    /// Leaves what sees that: what is under way then.
    fn see(&mut self, id: &str, leaving: Leaving<'_>, outcome: Outcome<Error>) -> Outcome<Error> {
        self.trace.push(match (leaving, &outcome) {
            (Leaving::Callback(_), _) => format!("callback:{id}"),
            (_, Outcome::Completed) => format!("exit:{id}:completed"),
            (_, Outcome::Failed(error)) => format!("exit:{id}:failed({})", error.label),
            (_, Outcome::Panicked) => unreachable!("no stack is left so"),
            (_, Outcome::Cancelled) => format!("exit:{id}:cancelled"),
        });
        self.leave(id, leaving, outcome, 0)
    }

    /// Leaves what has suspended so often already, to the end or to its next suspension: what is under way then.
    fn leave(&mut self, id: &str, leaving: Leaving<'_>, outcome: Outcome<Error>, suspended: usize) -> Outcome<Error> {
        let (post, policy) = match leaving {
            Leaving::Callback(callback) => (callback.post, &callback.policy),
            _ => (leaving.exit().post, leaving.exit().policy(&outcome)),
        };
        if self.mode == Mode::Sync && post > suspended {
            self.trace.push(format!("post:{id}:{}", suspended + 1));
            return Outcome::Cancelled;
        }
        self.trace.extend((suspended + 1..=post).map(|i| format!("post:{id}:{i}")));
        self.trace.push(policy.act(id));
        match policy {
            Policy::Raise(code) => self.lost.push(format!("{code}@{id}")),
            Policy::Panic => self.lost.push(format!("P@{id}")),
            Policy::Again => {
                self.trace.push(format!("closed:{id}"));
                self.lost.push(NO_STOP.to_owned());
            }
            _ => {}
        }
        match policy {
            Policy::Raise(code) => Outcome::Failed(Error::labelled(&format!("{code}@{id}"))),
            Policy::Suppress => Outcome::Completed,
            _ => outcome,
        }
    }
}

/// The events of those that are rescued side by side, and polled by turns.
fn by_turns(rescues: [Vec<String>; 3]) -> Vec<String> {
    let mut events = Vec::new();
    let mut queue: VecDeque<_> = rescues.into_iter().map(VecDeque::from).collect();
    while let Some(mut rescue) = queue.pop_front() {
        while let Some(event) = rescue.pop_front() {
            let suspended = is_suspension(&event);
            events.push(event);
            if suspended {
                queue.push_back(rescue);
                break;
            }
        }
    }
    events
}

/// What is under way where managers are being left.
fn under_way(trace: &[String]) -> Outcome<Error> {
    let mut outcome = Outcome::Completed;
    for event in trace {
        let words: Vec<_> = event.splitn(3, ':').collect();
        match words[..] {
            ["raise", label] | ["fail", _, label] => outcome = failed(label),
            ["exit", _, described] => outcome = seen(described),
            ["act", _, act] if act.starts_with("raise") => outcome = seen(act),
            ["act", _, "suppress"] | ["caught", ..] => outcome = Outcome::Completed,
            _ => {}
        }
    }
    outcome
}

fn failed(label: &str) -> Outcome<Error> {
    Outcome::Failed(Error::labelled(label))
}

/// The outcome that stands in an event.
fn seen(described: &str) -> Outcome<Error> {
    match described.split_once('(') {
        None if described == "completed" => Outcome::Completed,
        None if described == "cancelled" => Outcome::Cancelled,
        Some(("panicked", _)) => Outcome::Panicked,
        Some(("failed" | "raise", label)) => failed(label.trim_end_matches(')')),
        _ => panic!("no outcome: {described}"),
    }
}

fn is_suspension(event: &str) -> bool {
    ["pre:", "await:", "post:"].iter().any(|kind| event.starts_with(kind))
}

/// What has been entered and not been left: the last one is left next.
struct Open {
    /// By the stack that `pop_all` gave: a local of the program, which is dropped last.
    kept: Vec<String>,
    entered: Vec<String>,
}

fn open(trace: &[String]) -> Open {
    let (mut kept, mut entered) = (Vec::new(), Vec::new());
    for event in trace {
        let mut words = event.split(':');
        match (words.next(), words.next()) {
            (Some("yield" | "pushed"), Some(id)) => entered.push(id.to_owned()),
            (Some("exit" | "callback"), Some(id)) => {
                assert_eq!(entered.pop().or_else(|| kept.pop()).as_deref(), Some(id));
            }
            (Some("pop_all"), _) => kept = take(&mut entered),
            (Some("open"), Some("k")) => entered = take(&mut kept),
            _ => {}
        }
    }
    Open { kept, entered }
}

/// What is being left is so by the closing of its stack.
fn is_closing(trace: &[String]) -> bool {
    let mut kinds = trace.iter().rev().map(|event| event.split(':').next());
    kinds.find(|kind| !matches!(kind, Some("exit" | "post" | "act" | "callback"))) == Some(Some("aclose"))
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
    let id = Name::try_from(id.to_owned()).expect("it is a name");
    find_in(&scenario.steps, id).or_else(|| find_in(kept, id)).expect("it is in the scenario")
}

fn find_in(steps: &[Step], id: Name) -> Option<Leaving<'_>> {
    steps.iter().find_map(|step| match step {
        Step::With(With { m, .. }) | Step::Enter { m } if m.exit.id == id => Some(Leaving::Manager(m)),
        Step::PushExit { e } if e.id == id => Some(Leaving::Exit(e)),
        Step::Callback { c } if c.id == id => Some(Leaving::Callback(c)),
        Step::With(With { steps, .. }) | Step::Loop(Loop { steps, .. }) | Step::Try { steps, .. } => find_in(steps, id),
        _ => None,
    })
}
