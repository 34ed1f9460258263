//! A shielded manager may outlive its caller's data, so it can't borrow its arguments.

use std::fmt::Display;
use std::marker::PhantomData;

use async_context_manager::{async_context_manager, with};

struct Pool;

struct Tx<'c>(PhantomData<&'c ()>);

#[async_context_manager(shielded)]
async fn reference(pool: &Pool) {
    let _ = pool;
    r#yield!();
}

#[async_context_manager(shielded)]
async fn two(pool: &Pool, counter: &mut u32) {
    let _ = (pool, counter);
    r#yield!();
}

#[async_context_manager(shielded)]
async fn named<'p>(pool: &'p Pool) {
    let _ = pool;
    r#yield!();
}

#[async_context_manager(shielded)]
async fn inside(tx: Tx<'_>, pools: Vec<Option<&Pool>>) {
    let _ = (tx, pools);
    r#yield!();
}

#[async_context_manager(shielded)]
async fn in_a_trait<'a>(what: impl Display + 'a, of: Box<dyn Display + '_>) {
    let _ = (what, of);
    r#yield!();
}

impl Pool {
    #[async_context_manager(shielded)]
    async fn method(&self) {
        r#yield!();
    }

    #[async_context_manager(shielded)]
    async fn typed(self: &mut Self) {
        r#yield!();
    }
}

async fn one_error_is_enough(pool: Pool) {
    with!(reference(&pool) => {});
    with!(pool.method() => {});
}

fn main() {}
