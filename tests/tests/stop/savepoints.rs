//! A savepoint in a scope that stops it is rolled back before its transaction goes on.

use async_context_manager::{TaskGroupError, async_context_manager, move_on_after, task_group, with};

use super::*;

/// A database: its rows, and how many there were at each savepoint that is open.
#[derive(Default)]
struct Session {
    rows: Vec<u32>,
    savepoints: Vec<usize>,
}

impl Session {
    async fn insert(&mut self, row: u32) {
        sleep(MS).await;
        self.rows.push(row);
    }

    async fn begin(&mut self) {
        sleep(MS).await;
        self.savepoints.push(self.rows.len());
    }

    async fn end(&mut self, is_kept: bool) {
        sleep(MS).await;
        let rows = self.savepoints.pop().expect("a savepoint");
        if !is_kept {
            self.rows.truncate(rows);
        }
    }
}

#[async_context_manager]
async fn atomic(session: &mut Session) -> &mut Session {
    session.begin().await;
    let outcome = r#yield!(&mut *session);
    session.end(outcome.is_completed()).await;
}

/// Inserts 2 in a savepoint, and waits for something that does not come.
async fn insert_and_wait(session: &mut Session) {
    with!(atomic(session) as inner, {
        inner.insert(2).await;
        pending::<()>().await;
    });
}

#[tokio::test(start_paused = true)]
async fn is_rolled_back_at_a_time_limit() {
    let mut session = Session::default();
    with!(atomic(&mut session) as tx, {
        tx.insert(1).await;
        let inserted = with!(move_on_after(10 * MS), { insert_and_wait(tx).await });
        assert_eq!(inserted, None);
        tx.insert(3).await;
    });
    assert_eq!((session.rows, session.savepoints), (vec![1, 3], vec![]));
}

#[tokio::test(start_paused = true)]
async fn is_rolled_back_when_a_task_fails() {
    let mut session = Session::default();
    with!(atomic(&mut session) as tx, {
        tx.insert(1).await;
        let inserted: Result<(), TaskGroupError<&str>> = with!(task_group() as group, {
            group.spawn(async {
                sleep(10 * MS).await;
                Err::<(), _>("failed")
            });
            insert_and_wait(tx).await;
        });
        assert!(inserted.is_err());
        tx.insert(3).await;
    });
    assert_eq!((session.rows, session.savepoints), (vec![1, 3], vec![]));
}
