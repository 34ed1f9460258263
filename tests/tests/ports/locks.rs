//! Locks, limiters and leases: redis-py, etcd, filelock.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_context_manager::{AsyncContextManager, Outcome, async_context_manager, task_group, timeout, until, with};
use tokio::time::sleep;

use super::trace::{Ended, Error, SECOND, Trace};

/// redis-py: tries until it has the lock, and releases it by a script.
struct RedisLock<'t> {
    t: &'t Trace,
    tries: u32,
}

impl RedisLock<'_> {
    async fn try_acquire(&mut self) -> bool {
        self.tries += 1;
        self.t.op("SET NX").await;
        self.tries == 2
    }
}

impl AsyncContextManager for RedisLock<'_> {
    type Value<'v>
        = ()
    where
        Self: 'v;
    type Exit = ();

    async fn enter(&mut self) {
        while !self.try_acquire().await {
            sleep(SECOND).await;
        }
    }

    async fn exit(&mut self, _outcome: Outcome) {
        self.t.op("EVAL release").await;
    }
}

pub(super) async fn c03_redis_lock(t: &Trace) -> Ended {
    with!(RedisLock { t, tries: 0 } => t.work().await)
}

/// A stand-in for redis-py's pipeline.
struct Pipeline {
    t: Trace,
    watches: bool,
}

impl Pipeline {
    async fn watch(&mut self, key: &str) {
        self.t.op(format!("WATCH {key}")).await;
        self.watches = true;
    }

    async fn execute(&mut self) {
        self.t.op("MULTI EXEC").await;
        self.watches = false;
    }

    async fn reset(&mut self) {
        if self.watches {
            self.t.op("UNWATCH").await;
        }
        self.t.log("back to the pool");
    }
}

/// redis-py: resets itself.
#[async_context_manager]
async fn pipeline(t: &Trace) -> &mut Pipeline {
    let mut pipe = Pipeline { t: t.clone(), watches: false };
    r#yield!(&mut pipe);
    pipe.reset().await;
}

pub(super) async fn c04_redis_pipeline(t: &Trace) -> Ended {
    with!(pipeline(t) as pipe => {
        pipe.watch("balance").await;
        let value = t.work().await?;
        pipe.execute().await;
        Ok(value)
    })
}

/// A limiter with one slot on a server, for which it asks again and again. Many tasks enter it at a time.
struct Limiter {
    is_free: AtomicBool,
}

impl Limiter {
    async fn try_take(&self, t: &Trace) -> bool {
        let taken = self.is_free.swap(false, Ordering::Relaxed);
        t.op("ZADD").await;
        taken
    }

    #[async_context_manager]
    async fn slot(&self, t: &Trace) {
        while !self.try_take(t).await {
            sleep(SECOND / 2).await;
        }
        r#yield!();
        t.op("ZREM").await;
        self.is_free.store(true, Ordering::Relaxed);
    }
}

/// Two tasks, one slot: one works while the other one waits to enter.
pub(super) async fn c09_limiter(t: &Trace) -> Ended {
    let limiter = Arc::new(Limiter { is_free: AtomicBool::new(true) });
    let first = {
        let (limiter, t) = (Arc::clone(&limiter), t.clone());
        async move { with!(limiter.slot(&t.child("a")) => t.work().await) }
    };
    let second = {
        let t = t.child("b");
        async move {
            with!(limiter.slot(&t) => t.op("work of b").await);
            Ok(())
        }
    };
    let worked = with!(task_group::<Error>() as group => {
        let first = group.spawn(first);
        group.spawn(second);
        first.await
    })?;
    Ok(worked)
}

/// Renews a lease until that fails. It does so only if the block is to fail.
async fn renew(t: Trace) -> Error {
    let mut number = 0;
    loop {
        sleep(Duration::from_millis(750)).await;
        t.log("renew");
        number += 1;
        if t.fails() && number == 2 {
            return Error::Lost;
        }
    }
}

/// etcd: a lease that is renewed while the block runs. If it is lost, the block is stopped.
#[async_context_manager]
async fn lease(t: &Trace) -> Result<(), Error> {
    t.op("grant").await;
    let kept = until(renew(t.child("renewal")), async { r#yield!() }).await;
    t.op("revoke").await;
    kept.map(drop)
}

pub(super) async fn c10_etcd_lease(t: &Trace) -> Ended {
    with!(lease(t) => t.work().await?)
}

async fn try_flock(t: &Trace, tries: &mut Range<u32>) -> bool {
    t.op("flock").await;
    tries.next() == Some(2)
}

/// filelock: polls, with a time limit for entering.
#[async_context_manager]
async fn file_lock(t: &Trace, mut tries: Range<u32>) -> Result<(), Error> {
    with!(timeout(Duration::from_millis(5250)) => {
        while !try_flock(t, &mut tries).await {
            sleep(SECOND).await;
        }
    })?;
    r#yield!();
    t.op("unlock").await;
    Ok(())
}

/// The first lock is acquired, the second one is not in time.
pub(super) async fn c28_file_lock(t: &Trace) -> Ended {
    with!(file_lock(t, 0..9) => {
        let value = t.work().await?;
        match with!(file_lock(t, 9..18) => t.log("not reached")) {
            Err(Error::Timeout) => t.log("no second lock"),
            ended => ended?,
        }
        value
    })
}
