//! `.shielded()` requires a manager that owns its data.

use async_context_manager::{AsyncContextManager, Outcome, async_context_manager, with};

struct Pool;

#[async_context_manager]
async fn connection(pool: &Pool) -> &Pool {
    r#yield!(pool);
}

struct Session;

impl AsyncContextManager for Session {
    type Value<'v> = ();
    type Exit = ();

    async fn enter(&mut self) {}

    async fn exit(&mut self, _outcome: Outcome) {}
}

async fn of_a_function() {
    let pool = Pool;
    with!(connection(&pool).shielded() => {});
}

async fn of_an_argument(pool: &Pool) {
    with!(connection(pool).shielded() => {});
}

async fn of_a_type() {
    let mut session = Session;
    with!((&mut session).into_manager().shielded() => {});
}

async fn without_into_manager() {
    with!(Session.shielded() => {});
}

fn main() {
    drop((of_a_function(), of_an_argument(&Pool), of_a_type()));
}
