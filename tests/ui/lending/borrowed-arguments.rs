//! Managers that are used longer than what they borrow, from several arguments.

use async_context_manager::{async_context_manager, with};

struct Pool;

struct Tx<'p>(&'p Pool);

#[async_context_manager]
async fn copied(from: &Pool, to: &Pool) {
    r#yield!();
    drop((from, to));
}

#[async_context_manager]
async fn pair((first, _): (&Pool, &Pool), _: &Pool) {
    r#yield!();
    let _ = first;
}

#[async_context_manager]
async fn savepoint(tx: &mut Tx<'_>, _name: &str) {
    r#yield!();
    let _ = tx.0;
}

async fn several() {
    let manager;
    let from = Pool;
    {
        let to = Pool;
        manager = copied(&from, &to);
    }
    with!(manager => {});
}

async fn in_a_tuple() {
    let manager;
    {
        let pool = Pool;
        manager = pair((&pool, &Pool), &Pool);
    }
    with!(manager => {});
}

async fn in_a_type() {
    let pool = Pool;
    let mut tx = Tx(&pool);
    let manager = savepoint(&mut tx, "a");
    drop(tx);
    with!(manager => {});
}

fn main() {}
