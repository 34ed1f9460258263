//! Pools, transactions and sessions: asyncpg, `SQLAlchemy`, databases.

use async_context_manager::{AsyncContextManager, Outcome, async_context_manager, rescue, with};

use super::trace::{Ended, Error, Trace};

/// A stand-in for a connection.
pub(super) struct Conn(Trace);

impl Conn {
    pub(super) fn new(t: &Trace) -> Self {
        Self(t.clone())
    }

    pub(super) async fn execute(&self, sql: &str) -> Result<(), Error> {
        self.0.op(sql).await;
        Ok(())
    }

    async fn close(self) {
        self.0.op("close").await;
    }
}

/// A stand-in for a pool.
#[derive(Clone)]
struct Pool {
    t: Trace,
    breaks: bool,
}

impl Pool {
    fn new(t: &Trace) -> Self {
        Self { t: t.clone(), breaks: false }
    }

    async fn get(&self) -> Result<Conn, Error> {
        self.t.op("acquire").await;
        Ok(Conn::new(&self.t))
    }

    async fn put(&self, _conn: Conn) -> Result<(), Error> {
        self.t.op("release").await;
        if self.breaks { Err(Error::Lost) } else { Ok(()) }
    }

    fn acquire(&self) -> Acquire<'_> {
        Acquire { pool: self, conn: None }
    }
}

/// asyncpg: `pool.acquire()`.
struct Acquire<'p> {
    pool: &'p Pool,
    conn: Option<Conn>,
}

impl AsyncContextManager for Acquire<'_> {
    type Value<'v>
        = &'v mut Conn
    where
        Self: 'v;
    type Exit = Result<(), Error>;

    async fn enter(&mut self) -> Result<&mut Conn, Error> {
        Ok(self.conn.insert(self.pool.get().await?))
    }

    async fn exit(&mut self, _outcome: Outcome) -> Result<(), Error> {
        match self.conn.take() {
            Some(conn) => self.pool.put(conn).await,
            None => Ok(()),
        }
    }
}

pub(super) async fn c05_asyncpg_pool(t: &Trace) -> Ended {
    let pool = Pool::new(t);
    with!(pool.acquire() as conn => {
        conn.execute("SELECT").await?;
        t.work().await?
    })
}

/// The exit phase fails.
pub(super) async fn c05c_asyncpg_broken_release(t: &Trace) -> Ended {
    let pool = Pool { breaks: true, ..Pool::new(t) };
    with!(pool.acquire() => t.work().await?)
}

/// asyncpg: the release is under `asyncio.shield`. The wait for a connection may be given up.
#[async_context_manager(shielded)]
async fn shielded_connection(pool: Pool) -> Result<&mut Conn, Error> {
    let mut conn = rescue::cancellable(pool.get()).await?;
    r#yield!(&mut conn);
    pool.put(conn).await
}

pub(super) async fn c05s_asyncpg_shielded_release(t: &Trace) -> Ended {
    with!(shielded_connection(Pool::new(t)) as conn => {
        conn.execute("SELECT").await?;
        t.work().await?
    })
}

/// asyncpg: `conn.transaction()`. It lends the connection on.
#[async_context_manager]
async fn transaction(conn: &mut Conn) -> Result<&mut Conn, Error> {
    conn.execute("BEGIN").await?;
    let outcome = r#yield!(&mut *conn);
    conn.execute(if outcome.is_completed() { "COMMIT" } else { "ROLLBACK" }).await
}

pub(super) async fn c06_asyncpg_transaction(t: &Trace) -> Ended {
    let pool = Pool::new(t);
    with!(pool.acquire() as conn, transaction(conn) as conn => {
        conn.execute("UPDATE").await?;
        t.work().await?
    })
}

/// `SQLAlchemy`: the usual scope of a session. A cancellation or a panic only closes it.
#[async_context_manager]
async fn session_scope(pool: &Pool) -> Result<&mut Conn, Error> {
    let mut session = pool.get().await?;
    let ended = match r#yield!(&mut session) {
        Outcome::Completed => session.execute("COMMIT").await,
        Outcome::Failed(()) => session.execute("ROLLBACK").await,
        Outcome::Panicked | Outcome::Cancelled => Ok(()),
    };
    session.close().await;
    ended
}

pub(super) async fn c07_sqlalchemy_session_scope(t: &Trace) -> Ended {
    let pool = Pool::new(t);
    with!(session_scope(&pool) as session => {
        session.execute("INSERT").await?;
        t.work().await?
    })
}

/// `SQLAlchemy`: the class closes under `asyncio.shield`.
struct AsyncSession(Trace);

impl AsyncContextManager for AsyncSession {
    type Value<'v> = &'v mut Self;
    type Exit = ();

    async fn enter(&mut self) -> &mut Self {
        rescue::cancellable(self.0.op("checkout")).await;
        self
    }

    async fn exit(&mut self, _outcome: Outcome) {
        self.0.op("rollback and close").await;
    }
}

pub(super) async fn c07s_sqlalchemy_session(t: &Trace) -> Ended {
    with!(AsyncSession(t.clone()).into_manager().shielded() => t.work().await)
}

/// databases: a transaction in a transaction.
#[async_context_manager]
async fn savepoint(conn: &mut Conn) -> Result<(), Error> {
    conn.execute("SAVEPOINT").await?;
    let outcome = r#yield!();
    conn.execute(if outcome.is_completed() { "RELEASE SAVEPOINT" } else { "ROLLBACK TO" }).await
}

/// An error of the inner block is handled in the outer one.
pub(super) async fn c08_savepoint(t: &Trace) -> Ended {
    let pool = Pool::new(t);
    with!(pool.acquire() as conn, transaction(conn) as conn => {
        match with!(savepoint(conn) => t.work().await)? {
            Err(Error::Bad) => {
                conn.execute("UPDATE failures").await?;
                0
            }
            worked => worked?,
        }
    })
}
