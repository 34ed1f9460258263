//! Runs a scenario: real `with!`s, real managers.

use std::pin::Pin;
use std::sync::Arc;

use async_context_manager::{AsyncExitStack, with};
use futures::future::join_all;
use tests::yields;

use super::env::{Env, Failure, Resource, What};
use super::managers::{Type, composed, function, racing, selecting};
use super::{Kind, Node, Step};

type Running<'s> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 's>>;

/// What is outside of all managers.
const OUTSIDE: char = '-';

/// All of a scenario, as a task of its own could run it.
pub(crate) fn program(env: Env, steps: Arc<[Step]>) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
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
        Step::Goes(ill) => Err(ill.happen()),
        Step::With(node, steps) => env.watch(node.name, None, What::WithEnded, within(env, node, steps)).await,
        Step::Join(all) => join_all(all.iter().map(|steps| run(env, who, steps))).await.into_iter().collect(),
        Step::Race(polls, steps) => tokio::select! {
            biased;
            result = run(env, who, steps) => result,
            () = yields(*polls) => Ok(()),
        },
        Step::Stack(name, nodes, steps) => {
            env.watch(*name, None, What::WithEnded, with_stack(env, *name, nodes, steps)).await
        }
    }
}

/// A `with!` of this manager, whose block has these steps.
async fn within(env: &Env, node: &Node, steps: &[Step]) -> Result<(), Failure> {
    let (own, name) = ((env.clone(), node.clone()), node.name);
    match &node.kind {
        Kind::Function => with!(function(own.0, own.1) as resource => block(env, name, resource, steps).await?),
        Kind::Type => {
            let manager = Type { env: own.0, node: own.1, resource: None };
            with!(manager as resource => block(env, name, resource, steps).await)?
        }
        Kind::Racing(polls) => {
            let manager = racing(own.0, own.1, *polls);
            with!(manager as resource => { return block(env, name, resource, steps).await })
        }
        Kind::Selecting => {
            selecting(own.0, own.1).scope(async |resource| block(env, name, resource, steps).await).await?
        }
        Kind::Composed(inner, after) => {
            let manager = composed(own.0, own.1, (**inner).clone(), *after);
            with!(manager as resource => block_with(env, name, (inner.name, resource), steps).await?)
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
    env.watch(who, Some(What::BlockBegun), What::BlockEnded, steps).await
}

/// A `with!` of an exit stack with these managers on it, whose block has these steps.
async fn with_stack(env: &Env, name: char, nodes: &[Node], steps: &[Step]) -> Result<(), Failure> {
    let ended = with!(AsyncExitStack::<Failure>::new() as stack => {
        let steps = async {
            let mut resources = Vec::new();
            for node in nodes {
                let resource = stack.enter(function(env.clone(), node.clone())).await?;
                env.add(node.name, What::BlockBegun);
                resources.push((node.name, resource));
            }
            run(env, name, steps).await?;
            for (name, resource) in &mut resources {
                resource.check(*name);
            }
            Ok(())
        };
        env.watch(name, Some(What::BlockBegun), What::BlockEnded, steps).await?;
    });
    ended.map(|_completed| ())
}
