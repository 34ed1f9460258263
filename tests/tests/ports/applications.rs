//! Lifespans of applications, and fixtures of tests: `FastAPI`, Starlette, aiohttp, pytest.

use async_context_manager::{AsyncExitStack, async_context_manager, closing, with, within};

use super::trace::{Ended, Error, Trace};

/// `FastAPI`, as its documentation has it: no `try` around the `yield`. Here the code after it runs in any case.
#[async_context_manager]
async fn bare_lifespan(t: &Trace) -> u32 {
    t.op("load model").await;
    r#yield!(5);
    t.op("unload model").await;
}

pub(super) async fn c01_fastapi_lifespan(t: &Trace) -> Ended {
    with!(bare_lifespan(t) as state => Ok(state + t.work().await?))
}

/// Starlette: with `try` and `finally`.
#[async_context_manager]
pub(super) async fn lifespan(t: &Trace, name: &str) -> u32 {
    t.op(format!("start {name}")).await;
    r#yield!(u32::try_from(name.len()).expect("it is small"));
    t.op(format!("stop {name}")).await;
}

pub(super) async fn c01b_starlette_lifespan(t: &Trace) -> Ended {
    with!(lifespan(t, "app") as state => Ok(state + t.work().await?))
}

/// `FastAPI`: the lifespans of an app and of its parts.
#[async_context_manager]
async fn merged(t: &Trace, names: &[&str]) -> Result<u32, Error> {
    let left = with!(AsyncExitStack::new() as stack => {
        let mut states = 0;
        for name in names {
            states += stack.enter(lifespan(t, name)).await;
        }
        r#yield!(states);
    });
    left
}

pub(super) async fn c21_merged_lifespans(t: &Trace) -> Ended {
    with!(merged(t, &["app", "users", "shop"]) as state => state + t.work().await?)
}

/// What an application enters while it serves. In Python, any function that returns a manager.
trait Lifespan {
    #[async_context_manager]
    async fn open(&self, t: &Trace) -> u32;
}

struct Shop;

impl Lifespan for Shop {
    #[async_context_manager]
    async fn open(&self, t: &Trace) -> u32 {
        with!(lifespan(t, "shop") as state => {
            r#yield!(state);
        });
    }
}

/// Starlette: the application is given its lifespan.
struct App<'t, L> {
    t: &'t Trace,
    lifespan: L,
}

impl<L: Lifespan> App<'_, L> {
    async fn serve(&self) -> Ended {
        with!(self.lifespan.open(self.t) as state => Ok(state + self.t.work().await?))
    }
}

pub(super) async fn c22_lifespan_argument(t: &Trace) -> Ended {
    App { t, lifespan: Shop }.serve().await
}

#[async_context_manager]
async fn test_database(t: &Trace) {
    t.op("CREATE DATABASE").await;
    r#yield!();
    t.op("DROP DATABASE").await;
}

#[async_context_manager]
async fn always_rolled_back(t: &Trace) {
    t.op("BEGIN").await;
    r#yield!();
    t.op("ROLLBACK").await;
}

/// pytest: fixtures around a test, as decorators.
#[within(test_database(t))]
#[within(always_rolled_back(t))]
pub(super) async fn c23_pytest_fixtures(t: &Trace) -> Ended {
    t.work().await
}

/// aiohttp: an item of `app.cleanup_ctx`, which does not see how the application ends.
#[async_context_manager]
async fn context(t: Trace, name: &str) {
    t.op(format!("start {name}")).await;
    r#yield!();
    t.op(format!("clean up {name}")).await;
}

/// aiohttp: starts the items in order, and cleans up in the reverse order.
struct Runner {
    t: Trace,
    started: AsyncExitStack<'static, Error>,
}

impl Runner {
    fn new(t: &Trace) -> Self {
        Self { t: t.clone(), started: AsyncExitStack::new() }
    }

    async fn setup(&mut self, names: &[&'static str]) {
        for name in names {
            self.started.enter(context(self.t.clone(), name)).await;
        }
    }

    async fn cleanup(mut self) -> Result<(), Error> {
        self.started.close().await
    }
}

pub(super) async fn c24_aiohttp_cleanup_ctx(t: &Trace) -> Ended {
    with!(closing(Runner::new(t), Runner::cleanup) as runner => {
        runner.setup(&["redis", "db"]).await;
        t.work().await?
    })
}
