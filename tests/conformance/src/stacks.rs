//! Programs of one exit stack, and perhaps a second one that `pop_all` makes of it.

use async_context_manager::{AsyncExitStack, with};

use crate::env::Error;
use crate::managers::{after, carry_out};
use crate::program::{Boxed, Flow, Program};
use crate::scenario::{Callback, Keep, Scenario, Step};
use crate::ways::Form;

type Stack<'e> = AsyncExitStack<'e, Error>;

impl<'e> Program<'e> {
    /// The whole program.
    pub(crate) async fn run_stack(self, scenario: &'e Scenario) -> Result<Option<i64>, Error> {
        let mut keep = None;
        let ended = self.stack_block("s0", Stack::new(), &scenario.steps, scenario.value, &mut keep).await;
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

    async fn close_kept(self, kept: &mut Stack<'e>) -> Result<(), Error> {
        self.env.log("aclose:k");
        kept.close().await?;
        self.env.log("aclosed:k");
        Ok(())
    }

    async fn stack_block(
        self,
        name: &'e str,
        stack: Stack<'e>,
        steps: &'e [Step],
        value: i64,
        keep: &mut Option<Stack<'e>>,
    ) -> Result<Flow, Error> {
        let settled = match self.way.form {
            Form::With | Form::Header => with!(stack as stack => {
                match self.opened(name, steps, stack, keep).await? {
                    Flow::Next => value,
                    flow => return Ok(flow),
                }
            }),
            Form::Scope => {
                let block = async |stack: &mut Stack<'e>| self.opened(name, steps, stack, keep).await;
                match stack.into_manager().scope(block).await?.transpose()? {
                    Some(Flow::Next) => Ok(Some(value)),
                    Some(flow) => return Ok(flow),
                    None => Ok(None),
                }
            }
            // A stack on a stack.
            Form::Stack => with!(Stack::new() as outer => {
                let stack = outer.enter(stack.into_manager()).await?;
                match self.opened(name, steps, stack, keep).await? {
                    Flow::Next => value,
                    flow => return Ok(flow),
                }
            }),
        };
        self.env.after(name, settled?);
        Ok(Flow::Next)
    }

    async fn opened(
        self,
        name: &str,
        steps: &'e [Step],
        stack: &mut Stack<'e>,
        keep: &mut Option<Stack<'e>>,
    ) -> Result<Flow, Error> {
        self.env.log(format!("open:{name}"));
        self.stack_steps(steps, stack, keep).await
    }

    fn stack_steps<'a>(
        self,
        steps: &'e [Step],
        stack: &'a mut Stack<'e>,
        keep: &'a mut Option<Stack<'e>>,
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

    async fn stack_step(
        self,
        step: &'e Step,
        stack: &mut Stack<'e>,
        keep: &mut Option<Stack<'e>>,
    ) -> Result<Flow, Error> {
        let env = self.env;
        match step {
            Step::Enter { m } => {
                let value = self.push(stack, m).await?;
                env.log(format!("entered:{}:{value}", m.exit.id));
            }
            Step::PushExit { e } => {
                stack.push(async move |outcome| after(env, e, outcome).await);
                env.log(format!("pushed:{}", e.id));
            }
            Step::Callback { c } => {
                stack.callback(move || self.called_back(c));
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

    async fn called_back(self, callback: &'e Callback) -> Result<(), Error> {
        let id = &callback.id;
        self.env.log(format!("callback:{id}"));
        for i in 1..=callback.post {
            self.env.suspend(format!("post:{id}:{i}")).await;
        }
        self.env.log(callback.policy.act(id));
        carry_out(self.env, &callback.policy, id, async_context_manager::Outcome::Completed)
    }
}
