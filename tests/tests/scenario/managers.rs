//! The managers of the scenarios. All of them own what they need.

use std::future::pending;

use async_context_manager::{AsyncContextManager, Outcome, async_context_manager, with};
use futures::stream::{FuturesUnordered, StreamExt};
use tests::yields;

use super::Node;
use super::env::{Env, EventKind, Failure, Resource, SeenOutcome};

#[async_context_manager]
pub(crate) async fn function(env: Env, node: Node) -> Result<&mut Resource, Failure> {
    let mut resource = Resource::acquire(&env, &node).await?;
    let outcome = r#yield!(&mut resource);
    env.add(node.name, EventKind::Sees(outcome.into()));
    resource.release(&node).await
}

/// The same, with the option.
#[async_context_manager(shielded)]
pub(crate) async fn shielded_function(env: Env, node: Node) -> Result<&mut Resource, Failure> {
    let mut resource = Resource::acquire(&env, &node).await?;
    let outcome = r#yield!(&mut resource);
    env.add(node.name, EventKind::Sees(outcome.into()));
    resource.release(&node).await
}

pub(crate) struct Type {
    pub(crate) env: Env,
    pub(crate) node: Node,
    pub(crate) resource: Option<Resource>,
}

impl AsyncContextManager for Type {
    type Value<'v> = &'v mut Resource;
    type Exit = Result<(), Failure>;

    async fn enter(&mut self) -> Result<&mut Resource, Failure> {
        Ok(self.resource.insert(Resource::acquire(&self.env, &self.node).await?))
    }

    async fn exit(&mut self, outcome: Outcome) -> Result<(), Failure> {
        self.env.add(self.node.name, EventKind::Sees(outcome.into()));
        let mut resource = self.resource.take().expect("it has been entered");
        resource.release(&self.node).await
    }
}

/// Gives the block so many polls, and fails if it has not come to its end by then.
#[async_context_manager]
pub(crate) async fn racing(env: Env, node: Node, polls: usize) -> Result<&mut Resource, Failure> {
    let mut resource = Resource::acquire(&env, &node).await?;
    let seen = tokio::select! {
        biased;
        outcome = async { r#yield!(&mut resource) } => outcome.into(),
        () = yields(polls) => SeenOutcome::Raced,
    };
    env.add(node.name, EventKind::Sees(seen));
    resource.release(&node).await?;
    if seen == SeenOutcome::Raced { Err(env.raced(node.name)) } else { Ok(()) }
}

#[async_context_manager]
pub(crate) async fn selecting(env: Env, node: Node) -> Result<&mut Resource, Failure> {
    let mut resource = Resource::acquire(&env, &node).await?;
    let outcome = tokio::select! {
        outcome = async { r#yield!(&mut resource) } => outcome,
        never = pending() => never,
    };
    env.add(node.name, EventKind::Sees(outcome.into()));
    resource.release(&node).await
}

/// Has its marker among futures of which those are polled that were woken.
#[async_context_manager]
pub(crate) async fn gathering(env: Env, node: Node) -> Result<&mut Resource, Failure> {
    let mut resource = Resource::acquire(&env, &node).await?;
    let mut gathered = FuturesUnordered::new();
    gathered.push(async { r#yield!(&mut resource) });
    let outcome = gathered.next().await.expect("there is one");
    drop(gathered);
    env.add(node.name, EventKind::Sees(outcome.into()));
    resource.release(&node).await
}

/// A manager with its marker in the block of another one: lends what that lends, and has a resource besides.
macro_rules! composed {
    ($(#[$doc:meta])* $name:ident($env:ident, $inner:ident $(, $polls:ident)?) => $manager:expr) => {
        $(#[$doc])*
        #[async_context_manager]
        pub(crate) async fn $name($env: Env, node: Node, $inner: Node, after: usize $(, $polls: usize)?) -> Result<&mut Resource, Failure> {
            let mut own = Resource::acquire(&$env, &node).await?;
            with!($manager as resource => {
                $env.point(node.name, true)?;
                let outcome = r#yield!(resource);
                $env.add(node.name, EventKind::Sees(outcome.into()));
                $env.pauses(node.name, after).await?;
            })?;
            own.release(&node).await
        }
    };
}

composed!(composed(env, inner) => function(env.clone(), inner));
composed!(composed_of_shielded(env, inner) => shielded_function(env.clone(), inner));
composed!(composed_of_racing(env, inner, polls) => racing(env.clone(), inner, polls));
composed!(composed_of_shielded_racing(env, inner, polls) => racing(env.clone(), inner, polls).shielded());
