//! Runs a scenario: real `with!`s, real managers.

use std::pin::Pin;
use std::sync::Arc;

use async_context_manager::{AsyncContextManager, AsyncExitStack, with};
use futures::future::join_all;
use tests::yields;

use super::env::{Env, EventKind, Failure, OUTSIDE, Resource};
use super::managers::{
    Type, composed, composed_of_racing, composed_of_shielded, composed_of_shielded_racing, function, gathering, racing,
    selecting, shielded_function,
};
use super::{Kind, Node, Step};

type Running<'s> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 's>>;

/// All of a scenario, for a task of its own.
pub(crate) type Program = Running<'static>;

pub(crate) fn program(env: Env, steps: Arc<[Step]>) -> Program {
    Box::pin(async move { run(&env, OUTSIDE, &steps).await })
}

/// The steps of the block of `who`.
fn run<'s>(env: &'s Env, who: char, steps: &'s [Step]) -> Running<'s> {
    Box::pin(async move {
        for step in steps {
            run_one(env, who, step).await?;
        }
        Ok(())
    })
}

async fn run_one(env: &Env, who: char, step: &Step) -> Result<(), Failure> {
    match step {
        Step::Await => env.pause(who, false).await,
        Step::GoesWrong(fault) => env.go(who, false, *fault),
        Step::With(node, steps) => env.watch(node.name, None, EventKind::WithEnded, within(env, node, steps)).await,
        Step::Join(all) => join_all(all.iter().map(|steps| run(env, who, steps))).await.into_iter().collect(),
        Step::Race(polls, steps) => tokio::select! {
            biased;
            result = run(env, who, steps) => result,
            () = yields(*polls) => Ok(()),
        },
        Step::Stack(name, nodes, steps) => {
            env.watch(*name, None, EventKind::WithEnded, with_stack(env, *name, nodes, steps)).await
        }
    }
}

/// A `with!` of a manager as it is, or shielded.
macro_rules! with_either {
    ($shielded:expr, $manager:expr, $resource:ident => $block:expr) => {{
        let manager = $manager;
        if $shielded { with!(manager.shielded() as $resource => $block) } else { with!(manager as $resource => $block) }
    }};
}

/// A `with!` of this manager, whose block has these steps.
async fn within(env: &Env, node: &Node, steps: &[Step]) -> Result<(), Failure> {
    let (env, own, name, shielded) = (env, node.clone(), node.name, node.shielded);
    match &node.kind {
        Kind::Function if shielded => {
            with!(shielded_function(env.clone(), own) as resource => block(env, name, resource, steps).await?)
        }
        Kind::Function => with!(function(env.clone(), own) as resource => block(env, name, resource, steps).await?),
        Kind::Type => {
            let manager = Type { env: env.clone(), node: own, resource: None }.into_manager();
            with_either!(shielded, manager, resource => block(env, name, resource, steps).await)?
        }
        Kind::Racing(polls) => {
            let manager = racing(env.clone(), own, *polls);
            with_either!(shielded, manager, resource => return block(env, name, resource, steps).await)
        }
        Kind::Selecting => {
            let (manager, run) =
                (selecting(env.clone(), own), async |resource: &mut Resource| block(env, name, resource, steps).await);
            if shielded { manager.shielded().scope(run).await? } else { manager.scope(run).await? }
        }
        Kind::Gathering => {
            let manager = gathering(env.clone(), own);
            with_either!(shielded, manager, resource => block(env, name, resource, steps).await?)
        }
        Kind::Composed(inner, after) => within_composed(env, node, inner, *after, steps).await,
    }
}

/// The same, of one that has its marker in a `with!` of `inner`.
async fn within_composed(env: &Env, node: &Node, inner: &Node, after: usize, steps: &[Step]) -> Result<(), Failure> {
    let (shielded, name, env_of, own) = (node.shielded, node.name, env.clone(), node.clone());
    let (inner, inner_name) = (inner.clone(), inner.name);
    match (&inner.kind, inner.shielded) {
        (&Kind::Racing(polls), false) => {
            let manager = composed_of_racing(env_of, own, inner, after, polls);
            with_either!(shielded, manager, resource => block_with(env, name, (inner_name, resource), steps).await?)
        }
        (&Kind::Racing(polls), true) => {
            let manager = composed_of_shielded_racing(env_of, own, inner, after, polls);
            with_either!(shielded, manager, resource => block_with(env, name, (inner_name, resource), steps).await?)
        }
        (_, false) => {
            let manager = composed(env_of, own, inner, after);
            with_either!(shielded, manager, resource => block_with(env, name, (inner_name, resource), steps).await?)
        }
        (_, true) => {
            let manager = composed_of_shielded(env_of, own, inner, after);
            with_either!(shielded, manager, resource => block_with(env, name, (inner_name, resource), steps).await?)
        }
    }
}

/// The block of `who`, with what it lends.
async fn block(env: &Env, who: char, resource: &mut Resource, steps: &[Step]) -> Result<(), Failure> {
    block_with(env, who, (who, resource), steps).await
}

/// The block of `who`, with what `lent.0` lends.
async fn block_with(env: &Env, who: char, lent: (char, &mut Resource), steps: &[Step]) -> Result<(), Failure> {
    let (owner, resource) = lent;
    let steps = async {
        resource.check(owner);
        run(env, who, steps).await?;
        resource.check(owner);
        Ok(())
    };
    env.watch(who, Some(EventKind::BlockBegun), EventKind::BlockEnded, steps).await
}

/// A `with!` of an exit stack with these managers on it, whose block has these steps.
async fn with_stack(env: &Env, name: char, nodes: &[Node], steps: &[Step]) -> Result<(), Failure> {
    let ended = with!(AsyncExitStack::<Failure>::new() as stack => {
        let steps = async {
            let mut resources = Vec::new();
            for node in nodes {
                let manager = function(env.clone(), node.clone());
                let resource =
                    if node.shielded { stack.enter(manager.shielded()).await? } else { stack.enter(manager).await? };
                env.add(node.name, EventKind::BlockBegun);
                resources.push((node.name, resource));
            }
            run(env, name, steps).await?;
            for (name, resource) in &mut resources {
                resource.check(*name);
            }
            Ok(())
        };
        env.watch(name, Some(EventKind::BlockBegun), EventKind::BlockEnded, steps).await?;
    });
    ended.map(|_completed| ())
}
