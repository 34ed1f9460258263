//! A lifetime hidden in a path is the lifetime of `self`, in the body, too.

use async_context_manager::{async_context_manager, with};

struct Conn(String);

struct Tx<'c>(&'c mut Conn);

struct Pool;

impl Pool {
    #[async_context_manager]
    async fn transaction(&self) -> Tx {
        let mut conn = Conn(String::from("connection"));
        r#yield!(Tx(&mut conn));
    }
}

async fn escape(pool: &Pool) {
    let tx = with!(pool.transaction() as tx => tx);
    tx.0.0.push_str("used after it was given back");
}

fn main() {}
