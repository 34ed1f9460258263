//! Programs of one exit stack, and perhaps a second one that `pop_all` makes of it.

use async_context_manager::{AsyncExitStack, Catch, Suppress, with};

use crate::env::Error;
use crate::managers::{after, call_back, called_back, pushed};
use crate::model::{Callback, Exit, Keep, Name, Scenario, Step};
use crate::program::{Boxed, Flow, Program};
use crate::ways::{Form, Shield};

/// Shielded or not, it owns what is on it.
pub(crate) type Stack = AsyncExitStack<'static, Error, Suppress<Catch<Error>>>;

/// Does something with a manager that lends the stack.
macro_rules! with_stack {
    ($program:ident, $stack:expr, $manager:ident => $use:expr) => {
        match $program.way.shield {
            Shield::Stack => {
                let $manager = $stack.into_manager().shielded();
                $use
            }
            Shield::WithinManager => {
                let $manager = $crate::managers::stacked($stack);
                $use
            }
            Shield::No | Shield::Method | Shield::Option => {
                let $manager = $stack.into_manager();
                $use
            }
        }
    };
}
pub(crate) use with_stack;

impl<'e> Program<'e> {
    /// The whole program.
    pub(crate) async fn run_stack(self, scenario: &'e Scenario) -> Result<Option<i64>, Error> {
        let mut keep = None;
        let ended = self.stack_block("s0", Stack::suppressing(), &scenario.steps, scenario.value, &mut keep).await;
        let Some(mut kept) = keep else { return ended.map(|flow| self.end(flow)) };
        let flow = match (ended, &scenario.keep) {
            (Err(error), _) => {
                self.close_kept(&mut kept).await?;
                return Err(error);
            }
            (Ok(Flow::Next), Some(Keep::With { steps, value })) => {
                self.stack_block("k", kept, steps, *value, &mut None).await?
            }
            (Ok(Flow::Next), Some(Keep::Aclose)) => {
                self.close_kept(&mut kept).await?;
                Flow::Next
            }
            _ => unreachable!("a `return` never follows a `pop_all`, and that is there with a `keep` only"),
        };
        Ok(self.end(flow))
    }

    async fn close_kept(self, kept: &mut Stack) -> Result<(), Error> {
        self.env.log("aclose:k");
        kept.close().await?;
        self.env.log("aclosed:k");
        Ok(())
    }

    async fn stack_block(
        self,
        name: &'e str,
        stack: Stack,
        steps: &'e [Step],
        value: i64,
        keep: &mut Option<Stack>,
    ) -> Result<Flow, Error> {
        let settled = match self.way.form {
            Form::With | Form::Header => with_stack!(self, stack, manager => {
                with!(manager as stack => {
                    match self.opened(name, steps, stack, keep).await? {
                        Flow::Next => value,
                        flow => return Ok(flow),
                    }
                })
            }),
            Form::Scope => {
                let block = async |stack: &mut Stack| self.opened(name, steps, stack, keep).await;
                let flow = with_stack!(self, stack, manager => manager.scope(block).await);
                match flow?.transpose()? {
                    Some(Flow::Next) => Ok(Some(value)),
                    Some(flow) => return Ok(flow),
                    None => Ok(None),
                }
            }
            // A stack on a stack.
            Form::Stack => with!(Stack::suppressing() as outer => {
                let stack = with_stack!(self, stack, manager => outer.enter(manager).await?);
                match self.opened(name, steps, stack, keep).await? {
                    Flow::Next => value,
                    flow => return Ok(flow),
                }
            }),
        };
        self.env.after(Name::try_from(name.to_owned()).expect("it is a name"), settled?);
        Ok(Flow::Next)
    }

    async fn opened(
        self,
        name: &str,
        steps: &'e [Step],
        stack: &mut Stack,
        keep: &mut Option<Stack>,
    ) -> Result<Flow, Error> {
        self.env.log(format!("open:{name}"));
        self.stack_steps(steps, stack, keep).await
    }

    fn stack_steps<'a>(
        self,
        steps: &'e [Step],
        stack: &'a mut Stack,
        keep: &'a mut Option<Stack>,
    ) -> Boxed<'a, Result<Flow, Error>>
    where
        'e: 'a,
    {
        Box::pin(async move {
            for step in steps {
                match self.stack_step(step, stack, keep).await? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                }
            }
            Ok(Flow::Next)
        })
    }

    async fn stack_step(self, step: &'e Step, stack: &mut Stack, keep: &mut Option<Stack>) -> Result<Flow, Error> {
        let env = self.env;
        match step {
            Step::Enter { m } => {
                let value = self.push(stack, m).await?;
                env.log(format!("entered:{}:{value}", m.exit.id));
            }
            Step::PushExit { e } => {
                self.push_exit(stack, e).await?;
                env.log(format!("pushed:{}", e.id));
            }
            Step::Callback { c } => {
                self.push_callback(stack, c).await?;
                env.log(format!("pushed:{}", c.id));
            }
            Step::PopAll => {
                let popped = stack.pop_all();
                env.log(format!("pop_all:{}", popped.len()));
                *keep = Some(popped);
            }
            Step::Aclose => {
                env.log("aclose:s0");
                stack.close().await?;
                env.log("aclosed:s0");
            }
            Step::Try { id, steps } => match self.stack_steps(steps, stack, keep).await {
                Err(error) => env.log(format!("caught:{id}:{}", error.label)),
                flow => return flow,
            },
            step => return self.step(step, None).await,
        }
        Ok(Flow::Next)
    }

    async fn push_exit(self, stack: &Stack, exit: &Exit) -> Result<(), Error> {
        let (env, exit) = (self.env.clone(), exit.clone());
        if self.way.shield.is_of_managers() {
            return stack.enter(pushed(env, exit)).await;
        }
        stack.push_catch(async move |outcome| after(&env, &exit, outcome, None).await?.into_result());
        Ok(())
    }

    async fn push_callback(self, stack: &Stack, callback: &Callback) -> Result<(), Error> {
        let (env, callback) = (self.env.clone(), callback.clone());
        if self.way.shield.is_of_managers() {
            return stack.enter(called_back(env, callback)).await;
        }
        stack.callback(async move || call_back(&env, &callback).await);
        Ok(())
    }
}
