//! The scopes of a program: the ready-made managers, and the same written with `until` and `stop_when`.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};

use async_context_manager::{
    async_context_manager, cancel_scope, move_on_after, stop_when, task_group, timeout, until, with,
};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::place::{Error, Place, milliseconds};
use super::program::{Child, Kind, Scope as Spec, Step};
use super::record::{Open, OpenBlock, Scope, ScopeHandle};
use super::steps::{Flow, steps};
use super::ways::Scopes;

/// How a scope ends that does not fail.
enum End {
    /// Its block has ended.
    Block(Flow),
    Stopped,
}

/// A time limit that the user has written.
#[async_context_manager]
async fn limit(place: &Place, scope: &Arc<Scope>, time: u64) -> Result<(), Over> {
    let over = async {
        sleep(milliseconds(time)).await;
        place.strike(scope);
    };
    until(over, async { r#yield!() }).await.map(drop).map_err(|()| Over)
}

/// The time is over.
struct Over;

/// Logs that a scope strikes when the time is over.
async fn strike_after(place: &Place, scope: &Arc<Scope>, time: u64) {
    sleep(milliseconds(time)).await;
    place.strike(scope);
}

/// A block of a scope. It is left by `?`, and by `return` if it leaves what is around it.
macro_rules! block {
    ($block:expr) => {
        match $block.await? {
            Flow::Next => {}
            flow => return Ok(End::Block(flow)),
        }
    };
}

/// A step that is a scope.
pub(super) async fn scope(place: &Place, spec: &Spec, steps: &[Step]) -> Result<Flow, Error> {
    let is_group = matches!(spec.kind, Kind::Group { .. });
    let scope = Scope::new(&spec.id, is_group, place.scope.as_ref());
    let open = Open { scope: Arc::clone(&scope), caller: OnceLock::new() };
    let run = OpenScope { outside: place, inside: place.inside(&scope), open: &open, steps };
    let ended = match &spec.kind {
        Kind::Timeout { d } => run.watched(*d, pin!(run.timeout(*d))).await,
        Kind::MoveOn { d } => run.watched(*d, pin!(run.move_on(*d))).await,
        Kind::Cancel { at } => run.cancel(*at).await,
        Kind::Group { children } => run.group(children).await,
    };
    run.conclude(spec, ended)
}

/// A scope that is being run.
struct OpenScope<'p> {
    outside: &'p Place,
    inside: Place,
    open: &'p Open,
    steps: &'p [Step],
}

impl OpenScope<'_> {
    fn scope(&self) -> &Arc<Scope> {
        &self.open.scope
    }

    fn is_ready_made(&self) -> bool {
        self.outside.way.scopes == Scopes::Ready
    }

    /// The first line of a block: it runs if the scope has been entered.
    fn begin(&self) {
        self.outside.log(format!("scope:{}", self.scope().id));
    }

    async fn block(&self) -> Result<Flow, Error> {
        let ended = OpenBlock(self.scope());
        let flow = steps(&self.inside, self.steps).await;
        drop(ended);
        flow
    }

    /// Tells what a ready-made manager does not: looks at the same clock just before it does.
    async fn watched(
        &self,
        time: u64,
        mut scope: Pin<&mut impl Future<Output = Result<End, Error>>>,
    ) -> Result<End, Error> {
        let mut clock = self.is_ready_made().then(|| Box::pin(strike_after(self.outside, self.scope(), time)));
        poll_fn(|cx| {
            clock.take_if(|clock| clock.as_mut().poll(cx).is_ready());
            scope.as_mut().poll(cx)
        })
        .await
    }

    async fn timeout(&self, time: u64) -> Result<End, Error> {
        let in_time = if self.is_ready_made() {
            with!(timeout(milliseconds(time)) => {
                self.begin();
                block!(self.block());
            })
            .is_ok()
        } else {
            with!(limit(self.outside, self.scope(), time) => {
                self.begin();
                block!(self.block());
            })
            .is_ok()
        };
        Ok(if in_time { End::Block(Flow::Next) } else { End::Stopped })
    }

    async fn move_on(&self, time: u64) -> Result<End, Error> {
        let ended = if self.is_ready_made() {
            with!(move_on_after(milliseconds(time)) => {
                self.begin();
                block!(self.block());
            })
        } else {
            with!(stop_when(strike_after(self.outside, self.scope(), time)) => {
                self.begin();
                block!(self.block());
            })
        };
        Ok(ended.map_or(End::Stopped, |()| End::Block(Flow::Next)))
    }

    /// Another task may cancel the scope and continue in the same poll. Only the ready-made scope knows that at once.
    async fn cancel(&self, at: Option<u64>) -> Result<End, Error> {
        let ended = if self.is_ready_made() || self.steps.iter().any(Step::has_group) {
            with!(cancel_scope() as scope => {
                self.begin();
                self.call(at, ScopeHandle::Ready(scope));
                block!(self.block());
            })
        } else {
            let called = Arc::new(Notify::new());
            with!(stop_when(called.notified()) => {
                self.begin();
                self.call(at, ScopeHandle::Own(Arc::clone(&called)));
                block!(self.block());
            })
        };
        Ok(ended.map_or(End::Stopped, |()| End::Block(Flow::Next)))
    }

    /// Has a task outside call the handle.
    fn call(&self, at: Option<u64>, handle: ScopeHandle) {
        assert!(self.scope().handle.set(handle).is_ok(), "a scope has one handle");
        let Some(at) = at else { return };
        let (place, scope) = (self.outside.clone(), Arc::clone(self.scope()));
        let caller = tokio::spawn(async move {
            strike_after(&place, &scope, at).await;
            scope.cancel();
        });
        self.open.caller.set(caller.abort_handle()).expect("there is one caller");
    }

    async fn group(&self, children: &[Child]) -> Result<End, Error> {
        let ended = with!(task_group() as group => {
            self.begin();
            for child in children {
                self.scope().child_begins();
                group.spawn(run_child(self.inside.in_task(&child.id), Arc::clone(self.scope()), child.clone()));
            }
            block!(self.group_block());
        });
        ended.map_err(|errors| {
            let error: Error = errors.into_first();
            self.outside.passes(&error);
            error
        })?;
        Ok(End::Block(Flow::Next))
    }

    async fn group_block(&self) -> Result<Flow, Error> {
        let ended = self.block().await;
        ended.inspect_err(|_| self.outside.strike(self.scope()))
    }

    fn conclude(&self, spec: &Spec, ended: Result<End, Error>) -> Result<Flow, Error> {
        let (id, place) = (&spec.id, self.outside);
        match ended {
            Ok(End::Block(flow)) => {
                if flow == Flow::Next {
                    place.log(format!("end:{id}:ok"));
                }
                Ok(flow)
            }
            Ok(End::Stopped) => {
                place.log(format!("end:{id}:stopped"));
                if matches!(spec.kind, Kind::Timeout { .. }) { Err(place.fail("T", id)) } else { Ok(Flow::Next) }
            }
            Err(error) => {
                place.log(format!("end:{id}:failed({})", error.label));
                Err(error)
            }
        }
    }
}

/// A child of a group.
async fn run_child(place: Place, group: Arc<Scope>, child: Child) -> Result<(), Error> {
    let id = &child.id;
    place.log(format!("child:{id}:start"));
    let mut running = Running { place: &place, group: &group, id, has_ended: false };
    let ended = steps(&place, &child.steps).await;
    running.has_ended = true;
    drop(running);
    match ended {
        Ok(_flow) => place.log(format!("child:{id}:ok")),
        Err(error) => {
            place.log(format!("child:{id}:failed({})", error.label));
            place.strike(&group);
            return Err(error);
        }
    }
    Ok(())
}

/// Logs that a child is stopped, when it is dropped before it has ended.
struct Running<'c> {
    place: &'c Place,
    group: &'c Scope,
    id: &'c str,
    has_ended: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.group.child_ends();
        if !self.has_ended {
            self.place.log(format!("child:{}:stopped", self.id));
        }
    }
}
