//! Runs the steps of a program.

use std::pin::Pin;

use async_context_manager::{AsyncContextManager, AsyncExitStack, with};
use tokio::time::sleep;

use super::managers::{
    Class, around, around_plain, catching, composed, composed_on_stack, composed_plain, infallible, plain, racing,
    suppressing,
};
use super::place::{Error, Place, milliseconds};
use super::program::{Manager, Policy, Step};
use super::scopes::scope;
use super::ways::{Form, Style};

/// A future of a part of a program, in which there may be others like it.
pub(super) type Boxed<'e, T> = Pin<Box<dyn Future<Output = T> + Send + 'e>>;

/// What follows a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Return(i64),
    Break,
}

/// How to write a manager.
#[derive(Clone, Copy)]
enum Kind {
    Infallible,
    Plain,
    Catching,
    Suppressing,
    Racing,
    Type,
    ComposedPlain,
    Composed,
    ComposedOnStack,
    Around,
    AroundPlain,
}

fn kind(style: Style, manager: &Manager) -> Kind {
    match style {
        Style::Around if manager.parts.is_empty() => Kind::AroundPlain,
        Style::Around => Kind::Around,
        Style::PartsOnStack if !manager.parts.is_empty() => Kind::ComposedOnStack,
        Style::Function if !manager.parts.is_empty() && !manager.suppresses() => Kind::ComposedPlain,
        _ if !manager.parts.is_empty() => Kind::Composed,
        Style::Function if manager.is_infallible() => Kind::Infallible,
        Style::Function if manager.suppresses() => Kind::Suppressing,
        Style::Function if matches!(manager.on_err, Policy::Raise(_)) => Kind::Catching,
        Style::Function => Kind::Plain,
        Style::Catching | Style::PartsOnStack => Kind::Suppressing,
        Style::Racing => Kind::Racing,
        Style::Type => Kind::Type,
    }
}

/// Does something with the manager of a step.
macro_rules! manager {
    ($place:expr, $spec:expr, $manager:ident => $use:expr) => {
        manager!(($place, $spec) $manager => $use;
            Infallible: infallible($place, $spec),
            Plain: plain($place, $spec),
            Catching: catching($place, $spec),
            Suppressing: suppressing($place, $spec),
            Racing: racing($place, $spec),
            Type: Class::new($place, $spec).into_manager(),
            ComposedPlain: composed_plain($place, $spec),
            Composed: composed($place, $spec),
            ComposedOnStack: composed_on_stack($place, $spec),
            Around: around($place, $spec),
            AroundPlain: around_plain($place, $spec),
        )
    };
    (($place:expr, $spec:expr) $manager:ident => $use:expr; $($kind:ident: $new:expr,)*) => {
        match kind($place.way.style, $spec) {
            $(Kind::$kind => {
                let $manager = $new;
                $use
            })*
        }
    };
}

/// A step that is a `with!`. Its block is a block of the function that this stands in, and left by its jumps.
macro_rules! with_step {
    ($place:expr, $spec:expr, $steps:expr; $($flow:pat => $jump:expr,)*) => {{
        let settled = match $place.way.form {
            Form::With => manager!($place, $spec, manager => {
                with!(manager => {
                    match block($place, $spec, $steps).await? {
                        Flow::Next => {}
                        $($flow => $jump,)*
                    }
                })
                .settled()
            }),
            Form::Stack => with!(AsyncExitStack::suppressing() as stack => {
                manager!($place, $spec, manager => stack.enter(manager).await.entered()?);
                match block($place, $spec, $steps).await? {
                    Flow::Next => {}
                    $($flow => $jump,)*
                }
            }),
        };
        let how = settled?.map_or(":suppressed", |()| "");
        $place.log(format!("after:{}{how}", $spec.id));
    }};
}

pub(super) fn steps<'e>(place: &'e Place, steps: &'e [Step]) -> Boxed<'e, Result<Flow, Error>> {
    Box::pin(async move {
        for step in steps {
            match run(place, step).await? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    })
}

async fn run(place: &Place, step: &Step) -> Result<Flow, Error> {
    match step {
        Step::Sleep { id, d } => {
            place.log(format!("sleep:{id}"));
            sleep(milliseconds(*d)).await;
            place.log(format!("woke:{id}"));
        }
        Step::Log { id } => place.log(format!("log:{id}")),
        Step::Raise { id, err } => {
            place.log(format!("raise:{err}@{id}"));
            return Err(place.fail(err, id));
        }
        Step::Return { value } => {
            place.log(format!("return:{value}"));
            return Ok(Flow::Return(*value));
        }
        Step::Break => {
            place.log("break");
            return Ok(Flow::Break);
        }
        Step::Loop { id, n, steps } => return rounds(place, id, *n, steps).await,
        Step::Try { id, steps: tried } => match steps(place, tried).await {
            Err(error) => place.log(format!("caught:{id}:{}", error.label)),
            flow => return flow,
        },
        Step::Cancel { scope } => cancel(place, scope),
        Step::With { m, steps } => return with(place, m, steps).await,
        Step::Scope { s, steps } => return scope(place, s, steps).await,
    }
    Ok(Flow::Next)
}

/// A loop. The `with!`s that are steps of it are left by `break`.
async fn rounds(place: &Place, id: &str, n: usize, steps: &[Step]) -> Result<Flow, Error> {
    'rounds: for i in 0..n {
        place.log(format!("iter:{id}:{i}"));
        for step in steps {
            let flow = if let Step::With { m, steps } = step {
                with_step!(place, m, steps;
                    Flow::Break => break 'rounds,
                    flow => return Ok(flow),
                );
                Flow::Next
            } else {
                Box::pin(run(place, step)).await?
            };
            match flow {
                Flow::Next => {}
                Flow::Break => break 'rounds,
                Flow::Return(value) => return Ok(Flow::Return(value)),
            }
        }
    }
    place.log(format!("endloop:{id}"));
    Ok(Flow::Next)
}

fn cancel(place: &Place, id: &str) {
    place.log(format!("cancel:{id}"));
    let scope = place.scope.as_ref().and_then(|scope| scope.find(id)).expect("the scope is around the step");
    place.strike(&scope);
    scope.cancel();
}

async fn with(place: &Place, manager: &Manager, steps: &[Step]) -> Result<Flow, Error> {
    with_step!(place, manager, steps; flow => return Ok(flow),);
    Ok(Flow::Next)
}

/// The block of a manager.
async fn block(place: &Place, manager: &Manager, within: &[Step]) -> Result<Flow, Error> {
    place.log(format!("body:{}", manager.id));
    steps(place, within).await
}

/// The value of a `with!`, whatever the manager: nothing if it was suppressed.
trait Settled {
    fn settled(self) -> Result<Option<()>, Error>;
}

impl Settled for () {
    fn settled(self) -> Result<Option<()>, Error> {
        Ok(Some(()))
    }
}

impl Settled for Result<(), Error> {
    fn settled(self) -> Result<Option<()>, Error> {
        self.map(Some)
    }
}

impl Settled for Result<Option<()>, Error> {
    fn settled(self) -> Self {
        self
    }
}

/// What a stack gives that has entered a manager.
trait Entered {
    fn entered(self) -> Result<(), Error>;
}

impl Entered for () {
    fn entered(self) -> Result<(), Error> {
        Ok(())
    }
}

impl Entered for Result<(), Error> {
    fn entered(self) -> Self {
        self
    }
}
