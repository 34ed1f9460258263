//! The interpreter: runs the steps of a program, its managers written and entered in one way or another.

use std::pin::Pin;

use async_context_manager::{AsyncContextManager, AsyncExitStack, with};

use crate::env::{Env, Error};
use crate::managers::{
    Class, around_shielded, by_option, catching, composed, composed_plain, idle, idle_fallible, infallible, lawless,
    lending, plain, racing,
};
use crate::scenario::{Enter, Loop, Manager, Step, With};
use crate::stacks::{Stack, with_stack};
use crate::ways::{Form, Shield, Style, Way};

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
    Lending,
    ComposedPlain,
    Composed,
    AroundShielded,
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

/// Does something with the manager of a step, which borrows what it is given.
macro_rules! borrowing {
    ($program:ident, $spec:expr, $manager:ident => $use:expr) => {{
        let (env, spec) = ($program.env, $spec);
        one_of!(($program.kind(spec)) $manager => $use;
            Infallible: infallible(env, spec),
            Plain: plain(env, spec),
            Catching: catching(env, spec),
            Lending: lending(env, spec),
            ComposedPlain: composed_plain(env, spec),
            Composed: composed(env, spec),
            Racing: racing(env, spec),
            Type: Class::new(env, spec).into_manager(),
            Lawless: lawless(env, spec),
        )
    }};
}

/// Does something with the manager of a step, which owns what it is given.
macro_rules! owning {
    ($program:ident, $spec:expr, $manager:ident => $use:expr) => {{
        let (env, spec) = ($program.env.clone(), $spec.clone());
        one_of!(($program.kind(&spec)) $manager => $use;
            Infallible: infallible(env, spec),
            Plain: plain(env, spec),
            Catching: catching(env, spec),
            Lending: lending(env, spec),
            ComposedPlain: composed_plain(env, spec),
            Composed: composed(env, spec),
            Racing: racing(env, spec),
            Type: Class::new(&env, &spec).into_manager(),
            Lawless: lawless(env, spec),
        )
    }};
}

/// The same, and it is shielded.
macro_rules! shielded {
    ($program:ident, $spec:expr, $manager:ident => $use:expr) => {{
        let (env, spec) = ($program.env.clone(), $spec.clone());
        one_of!(($program.kind(&spec)) $manager => $use;
            Infallible: infallible(env, spec).shielded(),
            Plain: plain(env, spec).shielded(),
            Catching: catching(env, spec).shielded(),
            Lending: lending(env, spec).shielded(),
            ComposedPlain: composed_plain(env, spec).shielded(),
            Composed: composed(env, spec).shielded(),
            AroundShielded: around_shielded(env, spec),
            Racing: racing(env, spec).shielded(),
            Type: Class::new(&env, &spec).into_manager().shielded(),
            Lawless: lawless(env, spec).shielded(),
        )
    }};
}

/// The same, by the option.
macro_rules! shielded_by_option {
    ($program:ident, $spec:expr, $manager:ident => $use:expr) => {{
        let (env, spec) = ($program.env.clone(), $spec.clone());
        one_of!(($program.kind(&spec)) $manager => $use;
            Infallible: by_option::infallible(env, spec),
            Plain: by_option::plain(env, spec),
            Catching: by_option::catching(env, spec),
            Lending: by_option::lending(env, spec),
            ComposedPlain: by_option::composed_plain(env, spec),
            Composed: by_option::composed(env, spec),
            Racing: by_option::racing(env, spec),
            Lawless: lawless(env, spec).shielded(),
        )
    }};
}

/// Does something with the manager of that kind.
macro_rules! one_of {
    (($kind:expr) $manager:ident => $use:expr; $($name:ident: $new:expr,)*) => {
        match $kind {
            $(Kind::$name => {
                let $manager = $new;
                $use
            })*
            #[allow(unreachable_patterns)]
            _ => unreachable!("there is no such way"),
        }
    };
}

/// Does something with the manager of a step, in the way of the program.
macro_rules! manager {
    ($program:ident, $spec:expr, $manager:ident => $use:expr) => {
        match $program.way.shield {
            Shield::No => borrowing!($program, $spec, $manager => $use),
            Shield::Method => shielded!($program, $spec, $manager => $use),
            Shield::Option => shielded_by_option!($program, $spec, $manager => $use),
            Shield::Stack | Shield::WithinManager => unreachable!("there is no stack"),
        }
    };
}

/// Does something with the type that is the manager of a step.
macro_rules! type_itself {
    ($program:ident, $spec:expr, $manager:ident => $use:expr) => {{
        let (env, spec) = ($program.env, $spec);
        one_of!(($program.kind(spec)) $manager => $use;
            Type: Class::new(env, spec),
            Lent: &mut Class::new(env, spec),
        )
    }};
}

/// A `with!` of the manager of a step. Its block is a block of the function that this stands in.
macro_rules! enter {
    ($program:ident, $spec:expr, $value:ident => $($block:tt)*) => {
        match ($program.way.form, $program.is_type_itself($spec)) {
            (Form::Header, true) => type_itself!($program, $spec, manager => {
                with!(idle_fallible(), manager as $value, idle() => $($block)*).settled()
            }),
            (Form::Header, false) => manager!($program, $spec, manager => {
                with!(idle(), manager as lent, idle_fallible() => {
                    let $value = lent.number();
                    $($block)*
                }).settled()
            }),
            (_, true) => type_itself!($program, $spec, manager => {
                with!(manager as $value => $($block)*).settled()
            }),
            (_, false) => manager!($program, $spec, manager => {
                with!(manager as lent => {
                    let $value = lent.number();
                    $($block)*
                }).settled()
            }),
        }
    };
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
        let settled = manager!(self, &with.m, manager => {
            manager.scope(async |lent| self.block(with, lent.number(), round).await).await.settled()
        });
        let value = match settled? {
            Some(Flow::Next) => Some(with.value),
            Some(flow) => return Ok(flow),
            None => None,
        };
        self.env.after(&with.m.exit.id, value);
        Ok(Flow::Next)
    }

    async fn stack(self, with: &'e With, round: Round<'e>) -> Result<Flow, Error> {
        let settled = if self.way.shield == Shield::No {
            with!(AsyncExitStack::new() as stack => {
                let value = borrowing!(self, &with.m, manager => stack.enter(manager).await.entered()?);
                match self.block(with, value, round).await? {
                    Flow::Next => with.value,
                    flow => return Ok(flow),
                }
            })
        } else {
            with_stack!(self, Stack::new(), manager => {
                with!(manager as stack => {
                    let value = self.push(stack, &with.m).await?;
                    match self.block(with, value, round).await? {
                        Flow::Next => with.value,
                        flow => return Ok(flow),
                    }
                })
            })
        };
        self.env.after(&with.m.exit.id, settled?);
        Ok(Flow::Next)
    }

    /// Enters a manager by a stack.
    pub(crate) async fn push(self, stack: &Stack, spec: &Manager) -> Result<i64, Error> {
        match self.way.shield {
            Shield::Method => shielded!(self, spec, manager => stack.enter(manager).await.entered()),
            Shield::Option => {
                shielded_by_option!(self, spec, manager => stack.enter(manager).await.entered())
            }
            Shield::No | Shield::Stack | Shield::WithinManager => {
                owning!(self, spec, manager => stack.enter(manager).await.entered())
            }
        }
    }

    /// A type that is no function can be entered by `with!` as it is; to be shielded it is made a manager first.
    fn is_type_itself(self, spec: &Manager) -> bool {
        self.way.shield == Shield::No && matches!(self.kind(spec), Kind::Type | Kind::Lent)
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
            Style::AroundShielded => Kind::AroundShielded,
            Style::Lending => Kind::Lending,
            Style::Racing => Kind::Racing,
            Style::Own if spec.style == "gen" => Kind::Catching,
            Style::Type | Style::Own => Kind::Type,
            Style::Lent => Kind::Lent,
        }
    }
}

/// What a manager lends.
trait Number {
    fn number(self) -> i64;
}

impl Number for i64 {
    fn number(self) -> i64 {
        self
    }
}

impl Number for &i64 {
    fn number(self) -> i64 {
        *self
    }
}

/// What a stack gives that has entered a manager.
trait Entered {
    fn entered(self) -> Result<i64, Error>;
}

impl Entered for i64 {
    fn entered(self) -> Result<i64, Error> {
        Ok(self)
    }
}

impl<N: Number> Entered for Result<N, Error> {
    fn entered(self) -> Result<i64, Error> {
        self.map(Number::number)
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
