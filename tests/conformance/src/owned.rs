//! The managers of programs that are made here. All of them own what they need, and lend what they have.

use std::future::pending;

use async_context_manager::{AsyncContextManager, Outcome, async_context_manager, with};
use futures::stream::{FuturesUnordered, StreamExt};

use crate::env::{Env, Error, EventKind, Resource, SeenOutcome};
use crate::managers::{after, before, by_option, holding, leave};
use crate::model::{Manager, pause};
use crate::program::Program;
use crate::ways::Way;

/// A type that errors pass by.
pub(crate) struct Type {
    pub(crate) env: Env,
    pub(crate) spec: Manager,
    pub(crate) resource: Option<Resource>,
}

impl AsyncContextManager for Type {
    type Value<'v> = &'v mut Resource;
    type Exit = Result<(), Error>;

    async fn enter(&mut self) -> Result<&mut Resource, Error> {
        Ok(self.resource.insert(before(&self.env, &self.spec).await?))
    }

    async fn exit(&mut self, outcome: Outcome) -> Result<(), Error> {
        let mut resource = self.resource.take().expect("it has been entered");
        after(&self.env, &self.spec.exit, self.env.reveal(outcome), Some(&mut resource)).await.map(drop)
    }
}

/// Gives the block so many polls, and fails if it has not come to its end by then.
#[async_context_manager]
pub(crate) async fn racing(env: Env, spec: Manager, polls: usize) -> Result<&mut Resource, Error> {
    let mut resource = before(&env, &spec).await?;
    let seen = tokio::select! {
        biased;
        outcome = async { r#yield!(&mut resource) } => (&outcome).into(),
        () = env.time(spec.name(), EventKind::TimeIsOver, polls) => SeenOutcome::Raced,
    };
    env.add(spec.name(), EventKind::Sees(seen));
    leave(&env, &spec.exit, Outcome::Cancelled, Some(&mut resource)).await?;
    if seen == SeenOutcome::Raced { Err(env.raced(spec.name())) } else { Ok(()) }
}

#[async_context_manager]
pub(crate) async fn selecting(env: Env, spec: Manager) -> Result<&mut Resource, Error> {
    let mut resource = before(&env, &spec).await?;
    let outcome = tokio::select! {
        outcome = async { r#yield!(&mut resource) } => outcome,
        never = pending() => never,
    };
    after(&env, &spec.exit, env.reveal(outcome), Some(&mut resource)).await.map(drop)
}

/// Has its marker among futures of which those are polled that were woken.
#[async_context_manager]
pub(crate) async fn gathering(env: Env, spec: Manager) -> Result<&mut Resource, Error> {
    let mut resource = before(&env, &spec).await?;
    let mut gathered = FuturesUnordered::new();
    gathered.push(async { r#yield!(&mut resource) });
    let outcome = gathered.next().await.expect("there is one");
    drop(gathered);
    after(&env, &spec.exit, env.reveal(outcome), Some(&mut resource)).await.map(drop)
}

/// Enters another one in each of its phases.
#[async_context_manager]
pub(crate) async fn using(env: Env, spec: Manager, parts: Box<[Manager; 2]>) -> Result<&mut Resource, Error> {
    let [first, last] = parts.map(|part| [part.with([pause()])]);
    let mut resource = before(&env, &spec).await?;
    Program::new(&env, Way::DEFAULT).steps(&first, None).await?;
    let outcome = r#yield!(&mut resource);
    env.add(spec.name(), EventKind::Sees((&outcome).into()));
    Program::new(&env, Way::DEFAULT).steps(&last, None).await?;
    leave(&env, &spec.exit, env.reveal(outcome), Some(&mut resource)).await.map(drop)
}

/// A manager with its marker in the block of another one: lends what that lends, and has a resource besides.
macro_rules! composed {
    ($(#[$doc:meta])* $name:ident($env:ident, $inner:ident $(, $polls:ident)?) => $manager:expr) => {
        $(#[$doc])*
        #[async_context_manager]
        pub(crate) async fn $name($env: Env, spec: Manager, $inner: Manager, awaits: usize $(, $polls: usize)?) -> Result<&mut Resource, Error> {
            let mut own = before(&$env, &spec).await?;
            with!($manager as resource => {
                $env.point(spec.name(), true)?;
                let outcome = r#yield!(resource);
                $env.add(spec.name(), EventKind::Sees((&outcome).into()));
                $env.pauses(spec.name(), "inner", 0, awaits).await?;
            })?;
            leave(&$env, &spec.exit, Outcome::Cancelled, Some(&mut own)).await.map(drop)
        }
    };
}

composed!(composed(env, inner) => holding(env.clone(), inner));
composed!(composed_of_shielded(env, inner) => by_option::holding(env.clone(), inner));
composed!(composed_of_racing(env, inner, polls) => racing(env.clone(), inner, polls));
composed!(composed_of_shielded_racing(env, inner, polls) => racing(env.clone(), inner, polls).shielded());
