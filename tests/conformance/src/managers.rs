//! The managers of a program, in all the ways in which they can be written.

use std::borrow::Borrow;
use std::future::poll_fn;
use std::pin::pin;

use async_context_manager::{
    AsyncContextManager, AsyncExitStack, Catch, Outcome, Suppress, async_context_manager, with,
};

use crate::env::{Env, Error, NO_STOP, NO_YIELD};
use crate::scenario::{Callback, Enter, Exit, Manager, Policy};

/// One that can't fail, and that errors pass by.
#[async_context_manager]
pub(crate) async fn infallible(env: impl Borrow<Env> + Send, spec: impl Borrow<Manager> + Send) -> i64 {
    let (env, spec) = (env.borrow(), spec.borrow());
    let value = before(env, spec).await.expect("it does not fail");
    let outcome = r#yield!(value);
    let _passed = after(env, &spec.exit, env.reveal(outcome)).await;
}

/// One that errors pass by.
#[async_context_manager]
pub(crate) async fn plain(env: impl Borrow<Env> + Send, spec: impl Borrow<Manager> + Send) -> Result<i64, Error> {
    let (env, spec) = (env.borrow(), spec.borrow());
    let value = before(env, spec).await?;
    let outcome = r#yield!(value);
    let _passed = after(env, &spec.exit, env.reveal(outcome)).await;
    Ok(())
}

/// One that errors go through.
#[async_context_manager(catch, suppress)]
pub(crate) async fn catching(env: impl Borrow<Env> + Send, spec: impl Borrow<Manager> + Send) -> Result<i64, Error> {
    let (env, spec) = (env.borrow(), spec.borrow());
    let value = before(env, spec).await?;
    let outcome = r#yield!(value);
    after(env, &spec.exit, outcome).await
}

/// One that lends what it has.
#[async_context_manager(catch, suppress)]
pub(crate) async fn lending(env: impl Borrow<Env> + Send, spec: impl Borrow<Manager> + Send) -> Result<&i64, Error> {
    let (env, spec) = (env.borrow(), spec.borrow());
    let value = before(env, spec).await?;
    let outcome = r#yield!(&value);
    after(env, &spec.exit, outcome).await
}

/// One that is made of a manager that errors pass by.
#[async_context_manager]
pub(crate) async fn composed_plain(
    env: impl Borrow<Env> + Send,
    spec: impl Borrow<Manager> + Send,
) -> Result<i64, Error> {
    with!(plain(env.borrow(), spec.borrow()) as value => { r#yield!(value); })
}

/// One that is made of a manager that errors go through.
#[async_context_manager(catch, suppress)]
pub(crate) async fn composed(env: impl Borrow<Env> + Send, spec: impl Borrow<Manager> + Send) -> Result<i64, Error> {
    with!(catching(env.borrow(), spec.borrow()) as value => { r#yield!(value).into_result()?; })?;
    Ok(())
}

/// One that polls its block itself, as those that race it do.
#[async_context_manager(catch, suppress)]
pub(crate) async fn racing(env: impl Borrow<Env> + Send, spec: impl Borrow<Manager> + Send) -> Result<i64, Error> {
    let (env, spec) = (env.borrow(), spec.borrow());
    let value = before(env, spec).await?;
    let outcome = {
        let mut block = pin!(async { r#yield!(value) });
        poll_fn(|cx| block.as_mut().poll(cx)).await
    };
    after(env, &spec.exit, outcome).await
}

/// One that is not shielded, and made of one that is.
#[async_context_manager(catch, suppress)]
pub(crate) async fn around_shielded(env: Env, spec: Manager) -> Result<i64, Error> {
    with!(catching(env, spec).shielded() as value => { r#yield!(value).into_result()?; })?;
    Ok(())
}

/// One that lends a stack, as a stack does.
#[async_context_manager(shielded, catch, suppress)]
pub(crate) async fn stacked(
    stack: AsyncExitStack<'static, Error>,
) -> Result<&mut AsyncExitStack<'static, Error>, Error> {
    with!(stack as stack => { r#yield!(stack).into_result()?; })?;
    Ok(())
}

/// What `push` puts on a stack, as a manager.
#[async_context_manager(shielded, catch, suppress)]
pub(crate) async fn pushed(env: Env, exit: Exit) -> Result<(), Error> {
    let outcome = r#yield!();
    after(&env, &exit, outcome).await
}

/// What `callback` puts on a stack, as a manager.
#[async_context_manager(shielded)]
pub(crate) async fn called_back(env: Env, callback: Callback) -> Result<(), Error> {
    r#yield!();
    call_back(&env, &callback).await
}

/// Managers that are shielded by the option.
pub(crate) mod by_option {
    use super::{
        Env, Error, Manager, after, async_context_manager, before, catching as catching_, pin, plain as plain_,
        poll_fn, with,
    };

    #[async_context_manager(shielded)]
    pub(crate) async fn infallible(env: Env, spec: Manager) -> i64 {
        let value = before(&env, &spec).await.expect("it does not fail");
        let outcome = r#yield!(value);
        let _passed = after(&env, &spec.exit, env.reveal(outcome)).await;
    }

    #[async_context_manager(shielded)]
    pub(crate) async fn plain(env: Env, spec: Manager) -> Result<i64, Error> {
        let value = before(&env, &spec).await?;
        let outcome = r#yield!(value);
        let _passed = after(&env, &spec.exit, env.reveal(outcome)).await;
        Ok(())
    }

    #[async_context_manager(shielded, catch, suppress)]
    pub(crate) async fn catching(env: Env, spec: Manager) -> Result<i64, Error> {
        let value = before(&env, &spec).await?;
        let outcome = r#yield!(value);
        after(&env, &spec.exit, outcome).await
    }

    #[async_context_manager(shielded, catch, suppress)]
    pub(crate) async fn lending(env: Env, spec: Manager) -> Result<&i64, Error> {
        let value = before(&env, &spec).await?;
        let outcome = r#yield!(&value);
        after(&env, &spec.exit, outcome).await
    }

    /// Owns what a manager that is not shielded borrows.
    #[async_context_manager(shielded)]
    pub(crate) async fn composed_plain(env: Env, spec: Manager) -> Result<i64, Error> {
        with!(plain_(&env, &spec) as value => { r#yield!(value); })
    }

    /// The same.
    #[async_context_manager(shielded, catch, suppress)]
    pub(crate) async fn composed(env: Env, spec: Manager) -> Result<i64, Error> {
        with!(catching_(&env, &spec) as value => { r#yield!(value).into_result()?; })?;
        Ok(())
    }

    #[async_context_manager(shielded, catch, suppress)]
    pub(crate) async fn racing(env: Env, spec: Manager) -> Result<i64, Error> {
        let value = before(&env, &spec).await?;
        let outcome = {
            let mut block = pin!(async { r#yield!(value) });
            poll_fn(|cx| block.as_mut().poll(cx)).await
        };
        after(&env, &spec.exit, outcome).await
    }
}

/// One that does nothing, for headers of several.
#[async_context_manager]
pub(crate) async fn idle() {
    r#yield!();
}

/// The same, with an error that it does not have.
#[async_context_manager]
pub(crate) async fn idle_fallible() -> Result<(), Error> {
    r#yield!();
    Ok(())
}

/// Hides from the attribute that what is in it may be skipped, or run again.
macro_rules! repeat {
    ($condition:expr, $($body:tt)*) => {
        while $condition { $($body)* }
    };
}

/// One that may end before its marker, or reach it again.
#[async_context_manager(catch, suppress)]
pub(crate) async fn lawless(env: impl Borrow<Env> + Send, spec: impl Borrow<Manager> + Send) -> Result<i64, Error> {
    let (env, spec) = (env.borrow(), spec.borrow());
    let id = &spec.exit.id;
    let value = before(env, spec).await?;
    let mut verdict = Ok(());
    let mut closed = None;
    let mut yields = spec.enter != Enter::NoYield;
    if !yields {
        env.log(format!("noyield:{id}"));
        env.will_panic(NO_YIELD);
    }
    repeat!(yields, {
        let outcome = r#yield!(value);
        yields = *spec.exit.policy(&outcome) == Policy::Again;
        verdict = after(env, &spec.exit, outcome).await;
        if yields {
            env.will_panic(NO_STOP);
            closed = Some(Closed { env, id });
        }
    });
    drop(closed);
    verdict
}

/// Logs that a manager was dropped at its second marker.
struct Closed<'a> {
    env: &'a Env,
    id: &'a str,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.env.log(format!("closed:{}", self.id));
    }
}

/// One that is a type.
pub(crate) struct Class {
    env: Env,
    spec: Manager,
}

impl Class {
    pub(crate) fn new(env: &Env, spec: &Manager) -> Self {
        Self { env: env.clone(), spec: spec.clone() }
    }
}

impl AsyncContextManager for Class {
    type Value<'v> = i64;
    type Exit = Suppress<Catch<Error>>;

    async fn enter(&mut self) -> Result<i64, Error> {
        before(&self.env, &self.spec).await
    }

    async fn exit(&mut self, outcome: Outcome<Error>) -> Result<(), Error> {
        after(&self.env, &self.spec.exit, outcome).await
    }
}

/// What stands before the marker: the value to lend.
async fn before(env: &Env, spec: &Manager) -> Result<i64, Error> {
    let id = &spec.exit.id;
    env.log(format!("enter:{id}"));
    for i in 1..=spec.pre {
        env.suspend(format!("pre:{id}:{i}")).await;
    }
    match &spec.enter {
        Enter::Ok => env.log(format!("yield:{id}:{}", spec.value)),
        Enter::Fail(code) => {
            env.log(format!("fail:{id}:{code}@{id}"));
            return Err(env.fail(code, id));
        }
        Enter::Panic => {
            env.log(format!("fail:{id}:P@{id}"));
            env.panic(id);
        }
        Enter::NoYield => {}
    }
    Ok(spec.value)
}

/// What stands after the marker: what is under way then.
pub(crate) async fn after(env: &Env, exit: &Exit, outcome: Outcome<Error>) -> Result<(), Error> {
    let id = &exit.id;
    env.log(format!("exit:{id}:{}", env.describe(&outcome)));
    for i in 1..=exit.post {
        env.suspend(format!("post:{id}:{i}")).await;
    }
    let policy = exit.policy(&outcome);
    // That it wants to suppress or replace a panic is of no effect. It is logged as what comes of it.
    let refused = outcome.is_panicked() && *policy != Policy::Panic;
    env.log(if refused { Policy::Pass.act(id) } else { policy.act(id) });
    carry_out(env, policy, id, outcome)
}

/// A callback of a stack.
pub(crate) async fn call_back(env: &Env, callback: &Callback) -> Result<(), Error> {
    let id = &callback.id;
    env.log(format!("callback:{id}"));
    for i in 1..=callback.post {
        env.suspend(format!("post:{id}:{i}")).await;
    }
    env.log(callback.policy.act(id));
    carry_out(env, &callback.policy, id, Outcome::Completed)
}

/// What is under way after this was done.
fn carry_out(env: &Env, policy: &Policy, id: &str, outcome: Outcome<Error>) -> Result<(), Error> {
    match policy {
        Policy::Pass => outcome.into_result(),
        Policy::Suppress | Policy::Again => Ok(()),
        Policy::Raise(code) => Err(env.fail(code, id)),
        Policy::Panic => env.panic(id),
        Policy::SuppressOnly(code) => unreachable!("decided by the code {code}"),
    }
}
