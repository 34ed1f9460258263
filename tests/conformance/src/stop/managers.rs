//! The managers of a program, in all the ways in which they can be written.

use std::convert::Infallible;
use std::future::pending;

use async_context_manager::{
    AsyncContextManager, AsyncExitStack, Catch, Outcome, Suppress, async_context_manager, until, with,
};

use super::place::{Error, Place};
use super::program::{Enter, Manager, Policy};

/// What an exit phase comes to.
enum Verdict {
    Pass(Outcome<Error>),
    Suppress,
    Raise(Error),
}

impl Verdict {
    /// What a manager returns that errors pass by.
    fn passed_by(self) -> Result<(), Error> {
        match self {
            Self::Pass(_) | Self::Suppress => Ok(()),
            Self::Raise(error) => Err(error),
        }
    }

    /// What a manager returns that errors go through.
    fn passed_on(self) -> Result<(), Error> {
        match self {
            Self::Pass(outcome) => outcome.into_result(),
            Self::Suppress => Ok(()),
            Self::Raise(error) => Err(error),
        }
    }
}

/// Logs that an enter phase is abandoned, when it is dropped before it has ended.
struct Entering<'p> {
    place: &'p Place,
    id: &'p str,
    is_under_way: bool,
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        if self.is_under_way {
            self.place.log(format!("abandon:{}", self.id));
        }
    }
}

impl<'p> Entering<'p> {
    fn new(place: &'p Place, manager: &'p Manager) -> Self {
        Self { place, id: &manager.id, is_under_way: true }
    }

    fn end(&mut self) {
        self.is_under_way = false;
    }
}

/// The enter phase up to the parts.
async fn before(place: &Place, manager: &Manager) -> Result<(), Error> {
    let id = &manager.id;
    place.log(format!("enter:{id}"));
    if let Err(error) = place.phase(&manager.pre).await {
        place.log(format!("fail:{id}:{}", error.label));
        return Err(error);
    }
    match &manager.enter {
        Enter::Fail(code) => Err(entering_fails(place, id, code)),
        Enter::Ok | Enter::FailMid(_) => Ok(()),
    }
}

/// The enter phase from the parts on.
async fn middle(place: &Place, manager: &Manager) -> Result<(), Error> {
    place.phase(&manager.mid).await?;
    match &manager.enter {
        Enter::FailMid(code) => Err(entering_fails(place, &manager.id, code)),
        Enter::Ok | Enter::Fail(_) => Ok(()),
    }
}

fn entering_fails(place: &Place, id: &str, code: &str) -> Error {
    let error = place.fail(code, id);
    place.log(format!("fail:{id}:{}", error.label));
    error
}

/// The enter phase of a manager without parts.
async fn enter(place: &Place, manager: &Manager) -> Result<(), Error> {
    let mut entering = Entering::new(place, manager);
    let entered = async {
        before(place, manager).await?;
        middle(place, manager).await
    };
    let entered = entered.await;
    entering.end();
    entered
}

/// What a manager logs at its yield.
fn resume(place: &Place, manager: &Manager, outcome: &Outcome<Error>) {
    let outcome = match outcome {
        Outcome::Completed => "completed".to_owned(),
        Outcome::Failed(error) => format!("failed({})", error.label),
        Outcome::Panicked => "panicked".to_owned(),
        Outcome::Cancelled => "cancelled".to_owned(),
    };
    place.log(format!("exit:{}:{outcome}", manager.id));
}

/// The exit phase when the parts have been left.
async fn after(place: &Place, manager: &Manager, outcome: Outcome<Error>) -> Verdict {
    let (items, policy) = match &outcome {
        Outcome::Completed => (&manager.post.completed, &manager.on_ok),
        Outcome::Failed(_) => (&manager.post.failed, &manager.on_err),
        Outcome::Cancelled | Outcome::Panicked => (&manager.post.cancelled, &manager.on_cancel),
    };
    let verdict = match place.exit_phase(items).await {
        Err(error) => Verdict::Raise(error),
        Ok(()) => decide(place, manager, policy, outcome),
    };
    leave(place, manager, &verdict);
    verdict
}

fn decide(place: &Place, manager: &Manager, policy: &Policy, outcome: Outcome<Error>) -> Verdict {
    match (policy, &outcome) {
        (Policy::Raise(code), _) => Verdict::Raise(place.fail(code, &manager.id)),
        (Policy::Suppress, _) => Verdict::Suppress,
        (Policy::SuppressOnly(code), Outcome::Failed(error)) if error.has_code(code) => Verdict::Suppress,
        (Policy::SuppressOnly(_) | Policy::Pass, _) => Verdict::Pass(outcome),
    }
}

fn leave(place: &Place, manager: &Manager, verdict: &Verdict) {
    let how = match verdict {
        Verdict::Pass(Outcome::Failed(error)) => {
            place.passes(error);
            String::new()
        }
        Verdict::Pass(_) => String::new(),
        Verdict::Suppress => ":suppress".to_owned(),
        Verdict::Raise(error) => {
            place.passes(error);
            format!(":raise({})", error.label)
        }
    };
    place.log(format!("leave:{}{how}", manager.id));
}

/// The whole exit phase of a manager without parts.
async fn exit(place: &Place, manager: &Manager, outcome: Outcome<Error>) -> Verdict {
    resume(place, manager, &outcome);
    after(place, manager, outcome).await
}

/// One that can't fail, and that errors pass by.
#[async_context_manager]
pub(super) async fn infallible(place: &Place, manager: &Manager) {
    enter(place, manager).await.expect("entering does not fail");
    let outcome = r#yield!();
    let verdict = exit(place, manager, place.reveal(outcome)).await;
    verdict.passed_by().expect("leaving does not fail");
}

/// One that errors pass by.
#[async_context_manager]
pub(super) async fn plain(place: &Place, manager: &Manager) -> Result<(), Error> {
    enter(place, manager).await?;
    let outcome = r#yield!();
    exit(place, manager, place.reveal(outcome)).await.passed_by()
}

/// One that errors go through, and that suppresses none.
#[async_context_manager(catch)]
pub(super) async fn catching(place: &Place, manager: &Manager) -> Result<(), Error> {
    enter(place, manager).await?;
    let outcome = r#yield!();
    exit(place, manager, outcome).await.passed_on()
}

/// One that errors go through.
#[async_context_manager(catch, suppress)]
pub(super) async fn suppressing(place: &Place, manager: &Manager) -> Result<(), Error> {
    enter(place, manager).await?;
    let outcome = r#yield!();
    exit(place, manager, outcome).await.passed_on()
}

/// One that polls its block itself, and would stop it when another future ends.
#[async_context_manager(catch, suppress)]
pub(super) async fn racing(place: &Place, manager: &Manager) -> Result<(), Error> {
    enter(place, manager).await?;
    let outcome = match until(pending::<Infallible>(), async { r#yield!() }).await {
        Ok(outcome) => outcome,
        Err(never) => match never {},
    };
    exit(place, manager, outcome).await.passed_on()
}

/// One that is a type. It owns what it has, so that a stack can enter it.
pub(super) struct Class {
    place: Place,
    manager: Manager,
}

impl Class {
    pub(super) fn new(place: &Place, manager: &Manager) -> Self {
        Self { place: place.clone(), manager: manager.clone() }
    }
}

impl AsyncContextManager for Class {
    type Value<'v> = ();
    type Exit = Suppress<Catch<Error>>;

    async fn enter(&mut self) -> Result<(), Error> {
        enter(&self.place, &self.manager).await
    }

    async fn exit(&mut self, outcome: Outcome<Error>) -> Result<(), Error> {
        exit(&self.place, &self.manager, outcome).await.passed_on()
    }
}

/// A manager that is made of others, its parts. Without a manager, it does nothing.
struct Composed<'p> {
    place: &'p Place,
    manager: Option<&'p Manager>,
    entering: Option<Entering<'p>>,
    /// What it saw at its yield, once it has been there.
    outcome: Option<Outcome<Error>>,
}

impl<'p> Composed<'p> {
    async fn begin(place: &'p Place, manager: Option<&'p Manager>) -> Result<Self, Error> {
        let entering = manager.map(|manager| Entering::new(place, manager));
        let mut this = Self { place, manager, entering, outcome: None };
        if let Some(manager) = manager {
            let begun = before(place, manager).await;
            begun.inspect_err(|_| this.entering_ends())?;
        }
        Ok(this)
    }

    fn entering_ends(&mut self) {
        self.entering.iter_mut().for_each(Entering::end);
    }

    fn parts(&self) -> [Option<&'p Manager>; 2] {
        let parts = self.manager.map_or(&[][..], |manager| &manager.parts);
        assert!(parts.len() <= 2, "there are more parts than there is code for");
        [parts.first(), parts.get(1)]
    }

    async fn middle(&mut self) -> Result<(), Error> {
        if let Some(manager) = self.manager {
            let entered = middle(self.place, manager).await;
            self.entering_ends();
            return entered;
        }
        Ok(())
    }

    fn resume(&mut self, outcome: Outcome<Error>) {
        if let Some(manager) = self.manager {
            resume(self.place, manager, &outcome);
        }
        self.outcome = Some(outcome);
    }

    /// When the parts have been left, with that result.
    async fn end(mut self, parts: Result<(), Error>) -> Result<Verdict, Error> {
        let Some(outcome) = self.outcome.take() else {
            self.entering_ends();
            return Err(parts.expect_err("it has not been at its yield"));
        };
        match self.manager {
            Some(manager) => Ok(after(self.place, manager, outcome).await),
            None => Ok(Verdict::Pass(outcome)),
        }
    }
}

/// A part that has no parts.
#[async_context_manager]
async fn leaf(place: &Place, manager: Option<&Manager>) -> Result<(), Error> {
    let mut composed = Composed::begin(place, manager).await?;
    composed.middle().await?;
    let outcome = r#yield!();
    composed.resume(place.reveal(outcome));
    composed.end(Ok(())).await?.passed_by()
}

/// A part that may have parts.
#[async_context_manager]
async fn part(place: &Place, manager: Option<&Manager>) -> Result<(), Error> {
    let mut composed = Composed::begin(place, manager).await?;
    let [first, second] = composed.parts();
    let parts = with!(leaf(place, first), leaf(place, second) => {
        composed.middle().await?;
        let outcome = r#yield!();
        composed.resume(place.reveal(outcome));
    });
    composed.end(parts).await?.passed_by()
}

/// One with parts that errors pass by.
#[async_context_manager]
pub(super) async fn composed_plain(place: &Place, manager: &Manager) -> Result<(), Error> {
    let mut composed = Composed::begin(place, Some(manager)).await?;
    let [first, second] = composed.parts();
    let parts = with!(part(place, first), part(place, second) => {
        composed.middle().await?;
        let outcome = r#yield!();
        composed.resume(place.reveal(outcome));
    });
    composed.end(parts).await?.passed_by()
}

/// One with parts that errors go through.
#[async_context_manager(catch, suppress)]
pub(super) async fn composed(place: &Place, manager: &Manager) -> Result<(), Error> {
    let mut composed = Composed::begin(place, Some(manager)).await?;
    let [first, second] = composed.parts();
    let parts = with!(part(place, first), part(place, second) => {
        composed.middle().await?;
        let outcome = r#yield!();
        composed.resume(outcome.clone());
        outcome.into_result()
    });
    composed.end(parts.map(drop)).await?.passed_on()
}

/// One with parts on an exit stack.
#[async_context_manager(catch, suppress)]
pub(super) async fn composed_on_stack(place: &Place, manager: &Manager) -> Result<(), Error> {
    let mut composed = Composed::begin(place, Some(manager)).await?;
    let parts = with!(AsyncExitStack::suppressing() as stack => {
        for manager in &manager.parts {
            stack.enter(part(place, Some(manager))).await.inspect_err(|_| composed.entering_ends())?;
        }
        composed.middle().await?;
        let outcome = r#yield!();
        composed.resume(outcome.clone());
        outcome.into_result()
    });
    composed.end(parts.map(drop)).await?.passed_on()
}

/// One around another that has no parts.
#[async_context_manager(catch, suppress)]
pub(super) async fn around_plain(place: &Place, manager: &Manager) -> Result<(), Error> {
    with!(suppressing(place, manager) => { r#yield!().into_result()?; })?;
    Ok(())
}

/// One around another.
#[async_context_manager(catch, suppress)]
pub(super) async fn around(place: &Place, manager: &Manager) -> Result<(), Error> {
    with!(composed(place, manager) => { r#yield!().into_result()?; })?;
    Ok(())
}
