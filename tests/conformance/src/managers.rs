//! The managers of a program, in all the ways in which they can be written.

use std::borrow::Borrow;
use std::future::poll_fn;
use std::pin::pin;

use async_context_manager::{
    AsyncContextManager, AsyncExitStack, Catch, Outcome, Suppress, async_context_manager, with,
};

use crate::env::{Env, Error, EventKind, NO_STOP, NO_YIELD, Resource};
use crate::model::{Callback, Enter, Exit, Manager, Name, Policy};

/// Manager functions that borrow or own what they are given, and the same ones with the option `shielded`.
macro_rules! managers {
    ($($(#[$doc:meta])* [$($option:ident),*] $name:ident($env:ident, $spec:ident) -> [$($output:tt)*] { $($body:tt)* })*) => {
        $($(#[$doc])*
        #[async_context_manager($($option),*)]
        pub(crate) async fn $name(env: impl Borrow<Env> + Send, spec: impl Borrow<Manager> + Send) -> $($output)* {
            let ($env, $spec): (&Env, &Manager) = (env.borrow(), spec.borrow());
            $($body)*
        })*

        /// Those that are shielded by the option.
        pub(crate) mod by_option {
            use super::*;

            $(#[async_context_manager(shielded $(, $option)*)]
            pub(crate) async fn $name(env: Env, spec: Manager) -> $($output)* {
                let ($env, $spec) = (&env, &spec);
                $($body)*
            })*
        }
    };
}

/// Hides from the attribute that what is in it may be skipped, or run again.
macro_rules! repeat {
    ($condition:expr, $($body:tt)*) => {
        while $condition { $($body)* }
    };
}

managers! {
    /// One that can't fail, and that errors pass by.
    [] infallible(env, spec) -> [i64] {
        let mut resource = before(env, spec).await.expect("it does not fail");
        let outcome = r#yield!(resource.value);
        after(env, &spec.exit, env.reveal(outcome), Some(&mut resource)).await.expect("it does not fail");
    }

    /// One that errors pass by.
    [] plain(env, spec) -> [Result<i64, Error>] {
        let mut resource = before(env, spec).await?;
        let outcome = r#yield!(resource.value);
        after(env, &spec.exit, env.reveal(outcome), Some(&mut resource)).await.map(drop)
    }

    /// The same, and it lends what it has.
    [] holding(env, spec) -> [Result<&mut Resource, Error>] {
        let mut resource = before(env, spec).await?;
        let outcome = r#yield!(&mut resource);
        after(env, &spec.exit, env.reveal(outcome), Some(&mut resource)).await.map(drop)
    }

    /// One that errors go through.
    [catch, suppress] catching(env, spec) -> [Result<i64, Error>] {
        let mut resource = before(env, spec).await?;
        let outcome = r#yield!(resource.value);
        after(env, &spec.exit, outcome, Some(&mut resource)).await?.into_result()
    }

    /// The same, and it lends what it has.
    [catch, suppress] lending(env, spec) -> [Result<&i64, Error>] {
        let mut resource = before(env, spec).await?;
        let outcome = r#yield!(&resource.value);
        after(env, &spec.exit, outcome, Some(&mut resource)).await?.into_result()
    }

    /// One that is made of a manager that errors pass by.
    [] composed_plain(env, spec) -> [Result<i64, Error>] {
        with!(crate::managers::plain(env, spec) as value => { r#yield!(value); })
    }

    /// One that is made of a manager that errors go through.
    [catch, suppress] composed(env, spec) -> [Result<i64, Error>] {
        with!(crate::managers::catching(env, spec) as value => { r#yield!(value).into_result()?; })?;
        Ok(())
    }

    /// One that polls its block itself, as those that race it do.
    [catch, suppress] racing(env, spec) -> [Result<i64, Error>] {
        let mut resource = before(env, spec).await?;
        let outcome = {
            let mut block = pin!(async { r#yield!(resource.value) });
            poll_fn(|cx| block.as_mut().poll(cx)).await
        };
        after(env, &spec.exit, outcome, Some(&mut resource)).await?.into_result()
    }

    /// One that may end before its marker, or reach it again.
    [catch, suppress] lawless(env, spec) -> [Result<i64, Error>] {
        let id = spec.name();
        let mut resource = before(env, spec).await?;
        let mut verdict = Ok(());
        let mut closed = None;
        let mut yields = spec.enter != Enter::NoYield;
        if !yields {
            env.log(format!("noyield:{id}"));
            env.will_panic(NO_YIELD);
        }
        repeat!(yields, {
            let outcome = r#yield!(resource.value);
            yields = *spec.exit.policy(&outcome) == Policy::Again;
            verdict = after(env, &spec.exit, outcome, Some(&mut resource)).await.and_then(Outcome::into_result);
            if yields {
                env.will_panic(NO_STOP);
                closed = Some(Closed { env, id });
            }
        });
        drop(closed);
        verdict
    }
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
    stack: AsyncExitStack<'static, Error, Suppress<Catch<Error>>>,
) -> Result<&mut AsyncExitStack<'static, Error, Suppress<Catch<Error>>>, Error> {
    with!(stack as stack => { r#yield!(stack).into_result()?; })?;
    Ok(())
}

/// What `push` puts on a stack, as a manager.
#[async_context_manager(shielded, catch, suppress)]
pub(crate) async fn pushed(env: Env, exit: Exit) -> Result<(), Error> {
    let outcome = r#yield!();
    after(&env, &exit, outcome, None).await?.into_result()
}

/// What `callback` puts on a stack, as a manager.
#[async_context_manager(shielded)]
pub(crate) async fn called_back(env: Env, callback: Callback) -> Result<(), Error> {
    r#yield!();
    call_back(&env, &callback).await
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

/// Logs that a manager was dropped at its second marker.
struct Closed<'a> {
    env: &'a Env,
    id: Name,
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
    resource: Option<Resource>,
}

impl Class {
    pub(crate) fn new(env: &Env, spec: &Manager) -> Self {
        Self { env: env.clone(), spec: spec.clone(), resource: None }
    }
}

impl AsyncContextManager for Class {
    type Value<'v> = i64;
    type Exit = Suppress<Catch<Error>>;

    async fn enter(&mut self) -> Result<i64, Error> {
        Ok(self.resource.insert(before(&self.env, &self.spec).await?).value)
    }

    async fn exit(&mut self, outcome: Outcome<Error>) -> Result<(), Error> {
        let mut resource = self.resource.take().expect("it has been entered");
        after(&self.env, &self.spec.exit, outcome, Some(&mut resource)).await?.into_result()
    }
}

/// What stands before the marker: what to lend.
pub(crate) async fn before(env: &Env, spec: &Manager) -> Result<Resource, Error> {
    let id = spec.name();
    env.log(format!("enter:{id}"));
    env.add(id, EventKind::Begun);
    env.point(id, true)?;
    env.pauses(id, "pre", 0, spec.pre).await?;
    let resource = Resource::new(env, id, spec.value);
    env.pauses(id, "pre", spec.pre, spec.held).await?;
    match &spec.enter {
        Enter::Ok => env.log(format!("yield:{id}:{}", spec.value)),
        Enter::Fail(code) => {
            env.log(format!("fail:{id}:{code}@{id}"));
            return Err(env.own_failure(code, id));
        }
        Enter::Panic => {
            env.log(format!("fail:{id}:P@{id}"));
            env.own_panic(id);
        }
        Enter::NoYield => {}
    }
    Ok(resource)
}

/// What stands after the marker: what is under way then, if nothing goes wrong in it.
pub(crate) async fn after(
    env: &Env,
    exit: &Exit,
    outcome: Outcome<Error>,
    resource: Option<&mut Resource>,
) -> Result<Outcome<Error>, Error> {
    let id = exit.id;
    env.log(format!("exit:{id}:{}", env.describe(&outcome)));
    env.add(id, EventKind::Sees((&outcome).into()));
    leave(env, exit, outcome, resource).await
}

/// The same, for one that has said already what it sees.
pub(crate) async fn leave(
    env: &Env,
    exit: &Exit,
    outcome: Outcome<Error>,
    resource: Option<&mut Resource>,
) -> Result<Outcome<Error>, Error> {
    let id = exit.id;
    env.point(id, true)?;
    env.pauses(id, "post", 0, exit.post).await?;
    let policy = exit.policy(&outcome);
    // That it wants to suppress or replace a panic is of no effect. It is logged as what comes of it.
    let refused = outcome.is_panicked() && *policy != Policy::Panic;
    env.log(if refused { Policy::Pass.act(id) } else { policy.act(id) });
    let outcome = carry_out(env, policy, id, outcome)?;
    if let Some(resource) = resource {
        resource.release();
    }
    env.pauses(id, "post", exit.post, exit.late).await?;
    env.add(id, EventKind::Left);
    Ok(outcome)
}

/// A callback of a stack.
pub(crate) async fn call_back(env: &Env, callback: &Callback) -> Result<(), Error> {
    let id = callback.id;
    env.log(format!("callback:{id}"));
    env.pauses(id, "post", 0, callback.post).await?;
    env.log(callback.policy.act(id));
    carry_out(env, &callback.policy, id, Outcome::Completed).map(drop)
}

/// What is under way after this was done.
fn carry_out(env: &Env, policy: &Policy, id: Name, outcome: Outcome<Error>) -> Result<Outcome<Error>, Error> {
    match policy {
        Policy::Pass => Ok(outcome),
        Policy::Suppress | Policy::Again => {
            env.add(id, EventKind::Suppresses);
            Ok(Outcome::Completed)
        }
        Policy::Raise(code) => Err(env.own_failure(code, id)),
        Policy::Panic => env.own_panic(id),
        Policy::SuppressOnly(code) => unreachable!("decided by the code {code}"),
    }
}
