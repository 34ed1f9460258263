//! The interpreter: runs the steps of a program, its managers written and entered in one way or another.

use std::borrow::Borrow;
use std::pin::Pin;

use async_context_manager::{AsyncContextManager, AsyncExitStack, cancel_scope, with};
use futures::future::join_all;

use crate::env::{Env, Error, EventKind, OUTSIDE, Resource};
use crate::managers::{
    Class, around_shielded, by_option, catching, composed, composed_plain, holding, idle, idle_fallible, infallible,
    lawless, lending, plain, racing,
};
use crate::model::{Enter, Kind, Loop, Manager, Name, Step, Steps, With};
use crate::owned;
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
pub(crate) enum Written {
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
pub(crate) type Round = Option<(Name, usize)>;

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[derive(Clone, Copy)]
pub(crate) struct Program<'e> {
    pub(crate) env: &'e Env,
    pub(crate) way: Way,
    /// In whose block it is.
    pub(crate) who: Name,
}

/// Does something with the manager of a step, which is given these.
macro_rules! made {
    ($program:ident, ($env:expr, $spec:expr) $(.$shielded:ident())? $(in $by_option:ident)?, $manager:ident => $use:expr) => {{
        let (env, spec) = ($env, $spec);
        one_of!(($program.written(spec.borrow())) $manager => $use;
            Infallible: $($by_option::)?infallible(env, spec)$(.$shielded())?,
            Plain: $($by_option::)?plain(env, spec)$(.$shielded())?,
            Catching: $($by_option::)?catching(env, spec)$(.$shielded())?,
            Lending: $($by_option::)?lending(env, spec)$(.$shielded())?,
            ComposedPlain: $($by_option::)?composed_plain(env, spec)$(.$shielded())?,
            Composed: $($by_option::)?composed(env, spec)$(.$shielded())?,
            AroundShielded: around_shielded(Env::clone(env.borrow()), Manager::clone(spec.borrow())),
            Racing: $($by_option::)?racing(env, spec)$(.$shielded())?,
            Type: Class::new(env.borrow(), spec.borrow()).into_manager()$(.$shielded())?,
            Lawless: $($by_option::)?lawless(env, spec)$(.$shielded())?,
        )
    }};
}

/// Does something with the manager of a step, which owns what it is given, and is shielded in one way or another.
macro_rules! owning {
    ($program:ident, $spec:expr, $manager:ident => $use:expr) => {
        match $program.way.shield {
            Shield::Method => {
                made!($program, ($program.env.clone(), $spec.clone()).shielded(), $manager => $use)
            }
            Shield::Option => {
                made!($program, ($program.env.clone(), $spec.clone()) in by_option, $manager => $use)
            }
            _ => made!($program, ($program.env.clone(), $spec.clone()), $manager => $use),
        }
    };
}

/// Does something with the manager of that kind.
macro_rules! one_of {
    (($kind:expr) $manager:ident => $use:expr; $($name:ident: $new:expr,)*) => {
        match $kind {
            $(Written::$name => {
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
        if $program.way.shield == Shield::No {
            made!($program, ($program.env, $spec), $manager => $use)
        } else {
            owning!($program, $spec, $manager => $use)
        }
    };
}

/// Does something with the type that is the manager of a step.
macro_rules! type_itself {
    ($program:ident, $spec:expr, $manager:ident => $use:expr) => {{
        let (env, spec) = ($program.env, $spec);
        one_of!(($program.written(spec)) $manager => $use;
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

/// A `with!` of a manager as it is, or shielded.
macro_rules! with_either {
    ($shielded:expr, $manager:expr, $resource:ident => $block:expr) => {{
        let manager = $manager;
        if $shielded { with!(manager.shielded() as $resource => $block) } else { with!(manager as $resource => $block) }
    }};
}

impl<'e> Program<'e> {
    pub(crate) fn new(env: &'e Env, way: Way) -> Self {
        Self { env, way, who: OUTSIDE }
    }

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

    pub(crate) fn steps(self, steps: &'e [Step], round: Round) -> Boxed<'e, Result<Flow, Error>> {
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

    pub(crate) async fn step(self, step: &'e Step, round: Round) -> Result<Flow, Error> {
        match step {
            Step::Await { id, n } => {
                for i in 1..=*n {
                    self.env.pause(self.who, false, &format!("await:{id}:{i}")).await?;
                }
            }
            Step::Raise { id, err } => {
                self.env.log(format!("raise:{err}@{id}"));
                return Err(self.env.fail(err, *id, self.who));
            }
            Step::Panic { id } => {
                self.env.log(format!("panic:P@{id}"));
                self.env.panic(*id, self.who);
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
                let ended: Boxed<'_, _> = match (&with.m.kind, self.way.form) {
                    (Kind::Any, Form::With | Form::Header) => Box::pin(self.with(with, round)),
                    (Kind::Any, Form::Scope) => Box::pin(self.scope(with, round)),
                    (Kind::Any, Form::Stack) => Box::pin(self.stack(with, round)),
                    _ => Box::pin(self.with_written(with, round)),
                };
                return self.env.watch(with.m.name(), None, EventKind::WithEnded, ended).await;
            }
            Step::Join(all) => return Box::pin(self.join(all)).await,
            Step::Scope(steps) => return Box::pin(self.in_scope(steps)).await,
            Step::Race { polls, steps } => return Box::pin(self.race(*polls, steps)).await,
            Step::Stack { name, managers, steps } => {
                let ended: Boxed<'_, _> = Box::pin(self.with_stack(*name, managers, steps));
                return self.env.watch(*name, None, EventKind::WithEnded, ended).await;
            }
            Step::Enter { .. } | Step::PushExit { .. } | Step::Callback { .. } | Step::PopAll | Step::Aclose => {
                unreachable!("there is no stack")
            }
        }
        Ok(Flow::Next)
    }

    async fn join(self, all: &'e [Steps]) -> Result<Flow, Error> {
        let ended = join_all(all.iter().map(|steps| self.steps(steps, None))).await;
        ended.into_iter().try_for_each(|flow| flow.map(drop)).map(|()| Flow::Next)
    }

    async fn race(self, polls: usize, steps: &'e [Step]) -> Result<Flow, Error> {
        tokio::select! {
            biased;
            flow = self.steps(steps, None) => flow,
            () = self.env.time(self.who, EventKind::RaceIsOver, polls) => Ok(Flow::Next),
        }
    }

    async fn in_scope(self, steps: &'e [Step]) -> Result<Flow, Error> {
        let ended = with!(cancel_scope() => self.steps(steps, None).await);
        ended.expect("nobody stops it")
    }

    fn jump(self, word: &str, at: usize, round: Round, flow: Flow) -> Flow {
        let (id, i) = round.expect("it is in a loop");
        if i != at {
            return Flow::Next;
        }
        self.env.log(format!("{word}:{id}:{i}"));
        flow
    }

    /// A loop. The statements that are steps of it are run in place, and so left by `break` and `continue`.
    async fn rounds(self, rounds: &'e Loop) -> Result<Flow, Error> {
        let id = rounds.id;
        'rounds: for i in 0..rounds.n {
            self.env.log(format!("iter:{id}:{i}"));
            let (env, round) = (self.env.in_round(i), Some((id, i)));
            let this = Program { env: &env, ..self };
            for step in &rounds.steps {
                let flow = match step {
                    Step::With(with) if matches!(self.way.form, Form::With | Form::Header) => {
                        let open = env.open(with.m.name());
                        let settled = enter!(this, &with.m, value => {
                            match open.block_ends(this.block(with, value, round).await)? {
                                Flow::Next => with.value,
                                Flow::Return(value) => return Ok(Flow::Return(value)),
                                Flow::Break => break 'rounds,
                                Flow::Continue => continue 'rounds,
                            }
                        });
                        env.after(with.m.name(), open.ends(settled)?);
                        Flow::Next
                    }
                    step => this.step(step, round).await?,
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
    async fn block(self, with: &'e With, value: i64, round: Round) -> Result<Flow, Error> {
        let who = with.m.name();
        self.env.log(format!("body:{who}:{value}"));
        self.steps_of(who, &with.steps, round).await
    }

    /// The same, in the block of `who`, which is followed.
    async fn steps_of(self, who: Name, steps: &'e [Step], round: Round) -> Result<Flow, Error> {
        let steps = Program { who, ..self }.steps(steps, round);
        self.env.watch(who, Some(EventKind::BlockBegun), EventKind::BlockEnded, steps).await
    }

    async fn with(self, with: &'e With, round: Round) -> Result<Flow, Error> {
        let settled = enter!(self, &with.m, value => {
            match self.block(with, value, round).await? {
                Flow::Next => with.value,
                flow => return Ok(flow),
            }
        });
        self.env.after(with.m.name(), settled?);
        Ok(Flow::Next)
    }

    /// A `with!` of a manager that says itself how it is written, whose block has these steps.
    async fn with_written(self, with: &'e With, round: Round) -> Result<Flow, Error> {
        let (env, spec, name, shielded) = (self.env.clone(), with.m.clone(), with.m.name(), with.m.shielded);
        let steps = with.steps.as_slice();
        match &with.m.kind {
            Kind::Function if shielded => {
                with!(by_option::holding(env, spec) as resource => {
                    self.block_with(name, (name, resource), steps, round).await?
                })
            }
            Kind::Any | Kind::Function => with!(holding(env, spec) as resource => {
                self.block_with(name, (name, resource), steps, round).await?
            }),
            Kind::Type => {
                let manager = owned::Type { env, spec, resource: None }.into_manager();
                with_either!(shielded, manager, resource => {
                    self.block_with(name, (name, resource), steps, round).await
                })?
            }
            Kind::Racing(polls) => {
                let manager = owned::racing(env, spec, *polls);
                with_either!(shielded, manager, resource => {
                    return self.block_with(name, (name, resource), steps, round).await
                })
            }
            Kind::Selecting => {
                let manager = owned::selecting(env, spec);
                let run = async |resource: &mut Resource| self.block_with(name, (name, resource), steps, round).await;
                if shielded { manager.shielded().scope(run).await? } else { manager.scope(run).await? }
            }
            Kind::Gathering => {
                let manager = owned::gathering(env, spec);
                with_either!(shielded, manager, resource => {
                    self.block_with(name, (name, resource), steps, round).await?
                })
            }
            Kind::Using(parts) => {
                let manager = owned::using(env, spec, parts.clone());
                with_either!(shielded, manager, resource => {
                    self.block_with(name, (name, resource), steps, round).await?
                })
            }
            Kind::Composed(inner, awaits) => Box::pin(self.with_composed(with, inner, *awaits, round)).await,
        }
    }

    /// The same, of one that has its marker in a `with!` of `inner`.
    async fn with_composed(self, with: &'e With, inner: &Manager, awaits: usize, round: Round) -> Result<Flow, Error> {
        let (env, spec, name, shielded) = (self.env.clone(), with.m.clone(), with.m.name(), with.m.shielded);
        let (inner, lender, steps) = (inner.clone(), inner.name(), with.steps.as_slice());
        macro_rules! with_it {
            ($manager:expr) => {
                with_either!(shielded, $manager, resource => {
                    self.block_with(name, (lender, resource), steps, round).await?
                })
            };
        }
        match (&inner.kind, inner.shielded) {
            (&Kind::Racing(polls), false) => with_it!(owned::composed_of_racing(env, spec, inner, awaits, polls)),
            (&Kind::Racing(polls), true) => {
                with_it!(owned::composed_of_shielded_racing(env, spec, inner, awaits, polls))
            }
            (_, false) => with_it!(owned::composed(env, spec, inner, awaits)),
            (_, true) => with_it!(owned::composed_of_shielded(env, spec, inner, awaits)),
        }
    }

    /// The block of `who`, with what `lent.0` lends.
    async fn block_with(
        self,
        who: Name,
        lent: (Name, &mut Resource),
        steps: &'e [Step],
        round: Round,
    ) -> Result<Flow, Error> {
        let (lender, resource) = lent;
        resource.check(lender);
        let flow = self.steps_of(who, steps, round).await?;
        resource.check(lender);
        Ok(flow)
    }

    /// A `with!` of an exit stack with these managers on it, whose block has these steps.
    async fn with_stack(self, name: Name, managers: &'e [Manager], steps: &'e [Step]) -> Result<Flow, Error> {
        let ended = with!(AsyncExitStack::suppressing() as stack => {
            let steps = async {
                let mut resources = Vec::new();
                for spec in managers {
                    let manager = holding(self.env.clone(), spec.clone());
                    let resource =
                        if spec.shielded { stack.enter(manager.shielded()).await? } else { stack.enter(manager).await? };
                    self.env.add(spec.name(), EventKind::BlockBegun);
                    resources.push((spec.name(), resource));
                }
                let flow = Program { who: name, ..self }.steps(steps, None).await?;
                for (name, resource) in &mut resources {
                    resource.check(*name);
                }
                Ok(flow)
            };
            self.env.watch(name, Some(EventKind::BlockBegun), EventKind::BlockEnded, Box::pin(steps)).await?
        });
        Ok(ended?.unwrap_or(Flow::Next))
    }

    async fn scope(self, with: &'e With, round: Round) -> Result<Flow, Error> {
        let settled = manager!(self, &with.m, manager => {
            manager.scope(async |lent| self.block(with, lent.number(), round).await).await.settled()
        });
        let value = match settled? {
            Some(Flow::Next) => Some(with.value),
            Some(flow) => return Ok(flow),
            None => None,
        };
        self.env.after(with.m.name(), value);
        Ok(Flow::Next)
    }

    async fn stack(self, with: &'e With, round: Round) -> Result<Flow, Error> {
        let settled = if self.way.shield == Shield::No {
            with!(AsyncExitStack::suppressing() as stack => {
                let value = made!(self, (self.env, &with.m), manager => stack.enter(manager).await.entered()?);
                match self.block(with, value, round).await? {
                    Flow::Next => with.value,
                    flow => return Ok(flow),
                }
            })
        } else {
            with_stack!(self, Stack::suppressing(), manager => {
                with!(manager as stack => {
                    let value = self.push(stack, &with.m).await?;
                    match self.block(with, value, round).await? {
                        Flow::Next => with.value,
                        flow => return Ok(flow),
                    }
                })
            })
        };
        self.env.after(with.m.name(), settled?);
        Ok(Flow::Next)
    }

    /// Enters a manager by a stack.
    pub(crate) async fn push(self, stack: &Stack, spec: &Manager) -> Result<i64, Error> {
        owning!(self, spec, manager => stack.enter(manager).await.entered())
    }

    /// A type that is no function can be entered by `with!` as it is; to be shielded it is made a manager first.
    fn is_type_itself(self, spec: &Manager) -> bool {
        self.way.shield == Shield::No && matches!(self.written(spec), Written::Type | Written::Lent)
    }

    /// How to write a manager.
    fn written(self, spec: &Manager) -> Written {
        match self.way.style {
            // In a type, the marker is not the user's.
            _ if spec.is_lawless() => Written::Lawless,
            Style::Function if !spec.passes() => Written::Catching,
            Style::Function if matches!(spec.enter, Enter::Fail(_)) => Written::Plain,
            Style::Function => Written::Infallible,
            Style::Catching => Written::Catching,
            Style::Composed if spec.passes() => Written::ComposedPlain,
            Style::Composed => Written::Composed,
            Style::AroundShielded => Written::AroundShielded,
            Style::Lending => Written::Lending,
            Style::Racing => Written::Racing,
            Style::Own if spec.style == "gen" => Written::Catching,
            Style::Type | Style::Own => Written::Type,
            Style::Lent => Written::Lent,
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
