//! The interpreter: runs the steps of a program, its managers written and entered in one way or another.

use std::pin::Pin;

use async_context_manager::{AsyncContextManager, AsyncExitStack, with};

use crate::env::{Env, Error};
use crate::managers::{
    Class, catching, composed, composed_plain, idle, idle_fallible, infallible, lawless, plain, racing,
};
use crate::scenario::{Enter, Loop, Manager, Step, With};
use crate::ways::{Form, Style, Way};

/// Where a list of steps goes on.
#[derive(Clone, Copy)]
pub(crate) enum Flow {
    Next,
    Return(i64),
    Break,
    Continue,
}

/// The way in which one manager is written.
pub(crate) enum Kind {
    Infallible,
    Plain,
    Catching,
    ComposedPlain,
    Composed,
    Racing,
    Type,
    Lent,
    Lawless,
}

/// A round of a loop: its name, its number.
pub(crate) type Round<'e> = Option<(&'e str, usize)>;

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

#[derive(Clone, Copy)]
pub(crate) struct Program<'e> {
    pub(crate) env: &'e Env,
    pub(crate) way: Way,
}

/// A `with!` of the manager of a step. Its block is a block of the function that this stands in.
macro_rules! enter {
    ($program:ident, $spec:expr, $value:ident => $($block:tt)*) => {{
        let (env, spec) = ($program.env, $spec);
        match ($program.way.form, $program.kind(spec)) {
            (Form::Header, Kind::Infallible) => {
                with!(idle(), infallible(env, spec) as $value, idle_fallible() => $($block)*).settled()
            }
            (Form::Header, Kind::Plain) => {
                with!(idle_fallible(), plain(env, spec) as $value, idle() => $($block)*).settled()
            }
            (Form::Header, Kind::Catching) => {
                with!(idle(), catching(env, spec) as $value, idle_fallible() => $($block)*).settled()
            }
            (Form::Header, Kind::Type) => {
                with!(idle_fallible(), Class::new(env, spec) as $value, idle() => $($block)*).settled()
            }
            (_, Kind::Infallible) => with!(infallible(env, spec) as $value => $($block)*).settled(),
            (_, Kind::Plain) => with!(plain(env, spec) as $value => $($block)*).settled(),
            (_, Kind::Catching) => with!(catching(env, spec) as $value => $($block)*).settled(),
            (_, Kind::ComposedPlain) => with!(composed_plain(env, spec) as $value => $($block)*).settled(),
            (_, Kind::Composed) => with!(composed(env, spec) as $value => $($block)*).settled(),
            (_, Kind::Racing) => with!(racing(env, spec) as $value => $($block)*).settled(),
            (_, Kind::Type) => with!(Class::new(env, spec) as $value => $($block)*).settled(),
            (_, Kind::Lent) => {
                let mut manager = Class::new(env, spec);
                with!(&mut manager as $value => $($block)*).settled()
            }
            (_, Kind::Lawless) => with!(lawless(env, spec) as $value => $($block)*).settled(),
        }
    }};
}

/// What the `scope` of the manager of a step comes to.
macro_rules! scope {
    ($program:ident, $spec:expr, $block:expr) => {{
        let (env, spec) = ($program.env, $spec);
        match $program.kind(spec) {
            Kind::Infallible => infallible(env, spec).scope($block).await.settled(),
            Kind::Plain => plain(env, spec).scope($block).await.settled(),
            Kind::Catching => catching(env, spec).scope($block).await.settled(),
            Kind::ComposedPlain => composed_plain(env, spec).scope($block).await.settled(),
            Kind::Composed => composed(env, spec).scope($block).await.settled(),
            Kind::Racing => racing(env, spec).scope($block).await.settled(),
            // A type that is lent can't be entered so, as it borrows.
            Kind::Type | Kind::Lent => Class::new(env, spec).scope($block).await.settled(),
            Kind::Lawless => lawless(env, spec).scope($block).await.settled(),
        }
    }};
}

impl<'e> Program<'e> {
    /// The whole program.
    pub(crate) async fn run(self, steps: &'e [Step]) -> Result<Option<i64>, Error> {
        let flow = self.steps(steps, None).await?;
        Ok(self.end(flow))
    }

    pub(crate) fn end(self, flow: Flow) -> Option<i64> {
        if let Flow::Return(value) = flow {
            return Some(value);
        }
        self.env.log("end");
        self.env.last()
    }

    fn steps(self, steps: &'e [Step], round: Round<'e>) -> Boxed<'e, Result<Flow, Error>> {
        Box::pin(async move {
            for step in steps {
                match self.step(step, round).await? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                }
            }
            Ok(Flow::Next)
        })
    }

    pub(crate) async fn step(self, step: &'e Step, round: Round<'e>) -> Result<Flow, Error> {
        match step {
            Step::Await { id, n } => {
                for i in 1..=*n {
                    self.env.suspend(format!("await:{id}:{i}")).await;
                }
            }
            Step::Raise { id, err } => {
                self.env.log(format!("raise:{err}@{id}"));
                return Err(self.env.fail(err, id));
            }
            Step::Panic { id } => {
                self.env.log(format!("panic:P@{id}"));
                self.env.panic(id);
            }
            Step::Return { value } => {
                self.env.log(format!("return:{value}"));
                return Ok(Flow::Return(*value));
            }
            Step::Break { at } => return Ok(self.jump("break", *at, round, Flow::Break)),
            Step::Continue { at } => return Ok(self.jump("continue", *at, round, Flow::Continue)),
            Step::Loop(rounds) => return Box::pin(self.rounds(rounds)).await,
            Step::Try { id, steps } => match self.steps(steps, round).await {
                Err(error) => self.env.log(format!("caught:{id}:{}", error.label)),
                flow => return flow,
            },
            Step::With(with) => {
                return match self.way.form {
                    Form::With | Form::Header => self.with(with, round).await,
                    Form::Scope => self.scope(with, round).await,
                    Form::Stack => self.stack(with, round).await,
                };
            }
            Step::Enter { .. } | Step::PushExit { .. } | Step::Callback { .. } | Step::PopAll | Step::Aclose => {
                unreachable!("there is no stack")
            }
        }
        Ok(Flow::Next)
    }

    fn jump(self, word: &str, at: usize, round: Round<'e>, flow: Flow) -> Flow {
        let (id, i) = round.expect("it is in a loop");
        if i != at {
            return Flow::Next;
        }
        self.env.log(format!("{word}:{id}:{i}"));
        flow
    }

    /// A loop. The statements that are steps of it are run in place, and so left by `break` and `continue`.
    async fn rounds(self, rounds: &'e Loop) -> Result<Flow, Error> {
        let id = &rounds.id;
        'rounds: for i in 0..rounds.n {
            self.env.log(format!("iter:{id}:{i}"));
            let round = Some((id.as_str(), i));
            for step in &rounds.steps {
                let flow = match step {
                    Step::With(with) if matches!(self.way.form, Form::With | Form::Header) => {
                        let settled = enter!(self, &with.m, value => {
                            match self.block(with, value, round).await? {
                                Flow::Next => with.value,
                                Flow::Return(value) => return Ok(Flow::Return(value)),
                                Flow::Break => break 'rounds,
                                Flow::Continue => continue 'rounds,
                            }
                        });
                        self.env.after(&with.m.exit.id, settled?);
                        Flow::Next
                    }
                    step => self.step(step, round).await?,
                };
                match flow {
                    Flow::Next => {}
                    Flow::Return(value) => return Ok(Flow::Return(value)),
                    Flow::Break => break 'rounds,
                    Flow::Continue => continue 'rounds,
                }
            }
        }
        self.env.log(format!("endloop:{id}"));
        Ok(Flow::Next)
    }

    /// The steps of a block.
    async fn block(self, with: &'e With, value: i64, round: Round<'e>) -> Result<Flow, Error> {
        self.env.log(format!("body:{}:{value}", with.m.exit.id));
        self.steps(&with.steps, round).await
    }

    async fn with(self, with: &'e With, round: Round<'e>) -> Result<Flow, Error> {
        let settled = enter!(self, &with.m, value => {
            match self.block(with, value, round).await? {
                Flow::Next => with.value,
                flow => return Ok(flow),
            }
        });
        self.env.after(&with.m.exit.id, settled?);
        Ok(Flow::Next)
    }

    async fn scope(self, with: &'e With, round: Round<'e>) -> Result<Flow, Error> {
        let settled = scope!(self, &with.m, async |value| self.block(with, value, round).await);
        let value = match settled? {
            Some(Flow::Next) => Some(with.value),
            Some(flow) => return Ok(flow),
            None => None,
        };
        self.env.after(&with.m.exit.id, value);
        Ok(Flow::Next)
    }

    async fn stack(self, with: &'e With, round: Round<'e>) -> Result<Flow, Error> {
        let settled = with!(AsyncExitStack::new() as stack => {
            let value = self.push(stack, &with.m).await?;
            match self.block(with, value, round).await? {
                Flow::Next => with.value,
                flow => return Ok(flow),
            }
        });
        self.env.after(&with.m.exit.id, settled?);
        Ok(Flow::Next)
    }

    /// Enters a manager by a stack.
    pub(crate) async fn push(self, stack: &AsyncExitStack<'e, Error>, spec: &'e Manager) -> Result<i64, Error> {
        let env = self.env;
        match self.kind(spec) {
            Kind::Infallible => Ok(stack.enter(infallible(env, spec)).await),
            Kind::Plain => stack.enter(plain(env, spec)).await,
            Kind::Catching => stack.enter(catching(env, spec)).await,
            Kind::ComposedPlain => stack.enter(composed_plain(env, spec)).await,
            Kind::Composed => stack.enter(composed(env, spec)).await,
            Kind::Racing => stack.enter(racing(env, spec)).await,
            Kind::Type | Kind::Lent => stack.enter(Class::new(env, spec).into_manager()).await,
            Kind::Lawless => stack.enter(lawless(env, spec)).await,
        }
    }

    /// How to write a manager.
    fn kind(self, spec: &Manager) -> Kind {
        match self.way.style {
            // In a type, the marker is not the user's.
            _ if spec.is_lawless() => Kind::Lawless,
            Style::Function if !spec.passes() => Kind::Catching,
            Style::Function if matches!(spec.enter, Enter::Fail(_)) => Kind::Plain,
            Style::Function => Kind::Infallible,
            Style::Catching => Kind::Catching,
            Style::Composed if spec.passes() => Kind::ComposedPlain,
            Style::Composed => Kind::Composed,
            Style::Racing => Kind::Racing,
            Style::Own if spec.style == "gen" => Kind::Catching,
            Style::Type | Style::Own => Kind::Type,
            Style::Lent => Kind::Lent,
        }
    }
}

/// The value of a `with!` or `scope`, whatever the manager: nothing if it was suppressed.
pub(crate) trait Settled<T> {
    fn settled(self) -> Result<Option<T>, Error>;
}

impl Settled<i64> for i64 {
    fn settled(self) -> Result<Option<i64>, Error> {
        Ok(Some(self))
    }
}

impl Settled<i64> for Result<i64, Error> {
    fn settled(self) -> Result<Option<i64>, Error> {
        self.map(Some)
    }
}

impl Settled<i64> for Result<Option<i64>, Error> {
    fn settled(self) -> Self {
        self
    }
}

impl Settled<Flow> for Result<Flow, Error> {
    fn settled(self) -> Result<Option<Flow>, Error> {
        self.map(Some)
    }
}

impl Settled<Flow> for Result<Result<Flow, Error>, Error> {
    fn settled(self) -> Result<Option<Flow>, Error> {
        self?.map(Some)
    }
}

impl Settled<Flow> for Result<Option<Result<Flow, Error>>, Error> {
    fn settled(self) -> Result<Option<Flow>, Error> {
        self?.transpose()
    }
}
