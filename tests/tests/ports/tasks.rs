//! Tasks in the background, and the run of a flow: anyio, `asyncio.TaskGroup`, prefect.

use std::time::Duration;

use async_context_manager::{AsyncExitStack, Outcome, async_context_manager, task_group, with};
use tokio::time::sleep;

use super::applications::lifespan;
use super::trace::{Ended, Error, Trace};

async fn beat(t: Trace) -> Result<(), Error> {
    loop {
        sleep(Duration::from_millis(750)).await;
        t.log("beat");
    }
}

/// anyio: a service in the background, which ends with the block.
#[async_context_manager]
async fn heartbeat(t: &Trace) -> Result<(), Error> {
    with!(task_group() as group => {
        group.spawn(beat(t.child("heart")));
        r#yield!();
        group.abort_all();
    })?;
    Ok(())
}

pub(super) async fn c11_background_service(t: &Trace) -> Ended {
    with!(lifespan(t, "service"), heartbeat(t) => t.work().await?)
}

async fn consumer(t: Trace, name: &'static str) -> Result<(), Error> {
    with!(lifespan(&t, name) => loop {
        t.op("message").await;
    })
}

/// Two tasks with resources of their own, which they close when they are stopped.
pub(super) async fn c11c_consumers(t: &Trace) -> Ended {
    let worked = with!(task_group::<Error>() as group => {
        for name in ["orders", "mails"] {
            group.spawn(consumer(t.child(name), name));
        }
        let value = t.work().await?;
        group.abort_all();
        value
    })?;
    Ok(worked)
}

/// prefect: reports how a flow run ended.
#[async_context_manager(catch)]
async fn reported(t: &Trace) -> Result<(), Error> {
    let outcome = r#yield!();
    match &outcome {
        Outcome::Completed => t.op("state: completed").await,
        Outcome::Failed(error) => t.op(format!("state: failed, {error}")).await,
        Outcome::Panicked | Outcome::Cancelled => t.op("state: crashed").await,
    }
    outcome.into_result()
}

/// prefect: slots on a server, given back in one request.
#[async_context_manager]
async fn concurrency(t: &Trace, names: &[&str]) {
    for name in names {
        t.op(format!("acquire {name}")).await;
    }
    r#yield!();
    t.op("release slots").await;
}

pub(super) async fn c31_prefect_flow_run(t: &Trace) -> Ended {
    with!(AsyncExitStack::new() as stack => {
        stack.enter(reported(t)).await?;
        stack.enter(lifespan(t, "runner")).await;
        with!(concurrency(t, &["db", "gpu"]) => t.work().await?)
    })
}
